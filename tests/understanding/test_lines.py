"""How well tools are chosen and arguments filled, on player lines kept apart from the examples."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.sentence_encoder import SentenceEncoder
from npc_brain.language.en.words import split_words
from npc_brain.language.language import JUST_TALK, language
from npc_brain.tools.registry import STAND_INS
from npc_brain.understanding.arguments import Missing, fill
from npc_brain.understanding.choosing import ToolChooser
from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.understanding.linking import EntityLinker
from npc_brain.understanding.matching import Encoder, Match
from npc_brain.understanding.trading import Money
from tests.understanding.village import ITEMS, NAMED, ROLES, schemas

Line = dict[str, Any]
LINES: dict[str, list[Line]] = yaml.safe_load(
    (Path(__file__).parent / "lines.yaml").read_text("utf-8")
)
PARTS = ["dev", "test", "blind", "fresh", "final"]
EXAMPLES = language().examples
LINKER = EntityLinker(NAMED)


@pytest.fixture(scope="module")
def chooser() -> ToolChooser:
    return _chooser(SentenceEncoder(resolve_model("minilm-l6")))


def _chooser(encoder: Encoder) -> ToolChooser:
    return ToolChooser(encoder, EXAMPLES, linker=LINKER, stand_ins=STAND_INS)


def _choose(chooser: ToolChooser, line: Line) -> Match:
    return chooser.choose(line["text"], LINKER.find(line["text"]), ROLES[line["role"]])


def _wanted_tools(line: Line) -> list[str]:
    tools = line["tool"] if isinstance(line["tool"], list) else [line["tool"]]
    return [JUST_TALK if tool == "none" else tool for tool in tools]


def _share_right(chooser: ToolChooser, part: str) -> float:
    wrong = []
    for line in LINES[part]:
        label = _choose(chooser, line).label
        if label not in _wanted_tools(line):
            wrong.append(f"{line['role']}: {line['text']!r}: {label}, not {line['tool']}")
    share = 1 - len(wrong) / len(LINES[part])
    print(f"{part}: {share:.1%} of {len(LINES[part])} right", *wrong, sep="\n  ")
    return share


@pytest.mark.model
@pytest.mark.parametrize("part", PARTS)
def test_the_right_tool_is_chosen(chooser: ToolChooser, part: str) -> None:
    assert _share_right(chooser, part) >= 0.85


@pytest.mark.model
@pytest.mark.parametrize("part", PARTS)
def test_arguments_are_found(chooser: ToolChooser, part: str) -> None:
    """Of lines that fix arguments, for a right tool (the first one where another was chosen)."""
    lines = [line for line in LINES[part] if "args" in line]
    wrong = [line["text"] for line in lines if not _has_arguments(chooser, line)]
    print(
        f"{part}: arguments of {len(lines) - len(wrong)} of {len(lines)} right", *wrong, sep="\n  "
    )
    assert len(wrong) <= 0.1 * len(lines)


def _has_arguments(chooser: ToolChooser, line: Line) -> bool:
    text, mentions, match = line["text"], LINKER.find(line["text"]), _choose(chooser, line)
    is_right = match.label in _wanted_tools(line)
    tool = match.label if is_right else _wanted_tools(line)[0]
    focus = (match.start, match.end) if is_right else None
    money = Money("coin", dict.fromkeys(ITEMS, 5))
    found = fill(*schemas(tool, line["role"]), text, mentions, focus=focus, money=money)
    if isinstance(found, Missing):
        return False
    if tool == "inventory_find":
        found["item"] = next((m.id for m in LINKER.find(found["name"])), None)
    prefix = "give_" if tool == "inventory_trade" else ""
    for name, wanted in line["args"].items():
        got = found.get(prefix + name if name in ("item", "count") else name)
        if name.endswith("count") and tool not in ("inventory_find", "inventory_count"):
            got = 1 if got is None else got
        if got != wanted and not (isinstance(wanted, list) and got in wanted):
            return False
    return True


def test_spelling_alone_still_helps() -> None:
    """Without the encoder's weights: less, but far better than no understanding."""
    assert _share_right(_chooser(LexicalEncoder()), "test") >= 0.75


def test_lines_are_kept_apart_from_the_examples() -> None:
    """No held-out line of more than three words is an example, names and punctuation aside."""
    examples = {_bare(sentence) for group in EXAMPLES.values() for sentence in group}
    for part in PARTS[1:]:
        shared = [line["text"] for line in LINES[part] if _bare(line["text"]) in examples]
        assert [text for text in shared if len(text.split()) > 3] == []


def _bare(text: str) -> str:
    for kind in ("item", "place", "person"):
        text = text.replace(f"{{{kind}}}", "_name_")
    for mention in reversed(LINKER.find(text)):
        text = f"{text[: mention.start]} name {text[mention.end :]}"
    return " ".join(word.lower for word in split_words(text))


def test_there_are_enough_lines_of_every_kind() -> None:
    assert len(LINES["test"]) >= 100
    kinds = {tool for line in LINES["test"] for tool in _wanted_tools(line)}
    assert kinds >= set(EXAMPLES) - {"offer_choices"}
