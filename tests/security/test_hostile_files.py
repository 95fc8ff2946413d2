"""Hostile files, each read as a user would: refused by name, in time, within memory.

The corpus is in `hostile_texts`, `hostile_models` and `hostile_media`; processes of their own read
it (`read_hostile`). A file that cannot be read must be refused in the project's own words, naming
it; what can be read after all only has to be cheap.
"""

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from tests.counts import count
from tests.security.hostile_models import OUTSIDE
from tests.security.read_hostile import ways

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="measures by way of /proc"),
    pytest.mark.timeout(1800),  # the first test waits for the whole corpus
]

MAX_CPU_S = 15.0
"""Each takes a fraction of a second; the bound is for slow machines."""
MAX_PEAK_MB = 300

HARMLESS = {
    "validate/directive", "spawn/directive", "validate/path as id", "spawn/path as id",
    "generate --tokens/list", "import gguf/end token of 2^31", "import checkpoint/eyes of nonsense",
    "generate/unknown format", "verify/unknown format", "see/pixel bomb",
}  # fmt: skip
"""What may be read after all, apart from `see largest`."""

NAMELESS = ("see", "hear", "npc.load")
"""Ways that are given bytes, not files."""


def cases() -> list[str]:
    """All, or in CI every fourth."""
    names = [f"{way}/{case}" for way, each in ways().items() for case in each.cases]
    return names[:: count(1, 4)]


@lru_cache(1)
def corpus() -> tuple[str, ...]:
    return tuple(cases())


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What reading came to, by case; a process that ends early is followed by another."""
    found: dict[str, dict[str, object]] = {}
    left = list(corpus())
    while left:
        work = tmp_path_factory.mktemp("hostile")
        done = subprocess.run(
            [sys.executable, "-m", "tests.security.read_hostile", str(work)],
            input=json.dumps(left), capture_output=True, text=True, timeout=1500,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found |= {line["case"]: line for line in lines}
        left = left[len(lines) :]
        if left:
            found[left[0]] = {"fault": f"the process ended: {done.returncode} {done.stderr[-800:]}"}
            left = left[1:]
    return found


def test_the_corpus_is_large() -> None:
    assert len(corpus()) >= 60


@pytest.mark.parametrize("case", corpus())
def test_a_hostile_file_does_no_harm(outcomes: dict[str, dict[str, object]], case: str) -> None:
    outcome = outcomes[case]
    assert not outcome["fault"], outcome["fault"]
    told = str(outcome["told"])
    assert "Traceback" not in told
    assert float(str(outcome["cpu_s"])) < MAX_CPU_S, outcome
    assert float(str(outcome["peak_mb"])) < MAX_PEAK_MB, outcome
    assert len(told) < 20_000
    way = case.split("/", 1)[0]
    if way == "see largest" or case in HARMLESS:
        return
    assert outcome["refused"], outcome
    assert not outcome["strays"], outcome
    who, _, what = case.split("/", 1)[1].partition(" ")
    if (
        who in ("embedding", "published", "weights") and what in OUTSIDE
    ):  # before anything there was opened
        assert "got the path" in told or "not Unicode" in told
    assert way in NAMELESS or ways()[way].name.split(".")[0] in told or "DIR" in told, told


def test_nothing_was_run(outcomes: dict[str, dict[str, object]]) -> None:
    assert outcomes
    assert not Path("owned").exists()
