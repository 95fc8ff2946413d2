"""Links between pages lead somewhere, and the tests that pages name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for folder in ("", "docs", "schemas", "engine_bridges/**", "sample_game/**", "tests/**")
    for page in sorted(ROOT.glob(f"{folder}/*.md" if folder else "*.md"))
]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), target


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "CONTRIBUTING.md"],  # whose recipes make new ones
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_tests_that_are_named_exist(page: Path) -> None:
    for path in re.findall(r"`(tests/[\w/.*-]+)", page.read_text(encoding="utf-8")):
        assert any(ROOT.glob(path.rstrip("/."))), path
    for name in re.findall(r"`(test_\w+\.py)`", page.read_text(encoding="utf-8")):
        assert any((ROOT / "tests").rglob(name)), name
