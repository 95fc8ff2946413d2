"""Every built-in tool has the words that it needs without a language model."""

import pytest

from npc_brain.language.language import language
from npc_brain.tools.registry import BUILT_INS, STAND_INS
from npc_brain.tools.spec import ToolKind

CHOSEN = sorted(name for name, tool in BUILT_INS.items() if tool.can_be_chosen)
ACTIONS = sorted(name for name, tool in BUILT_INS.items() if tool.kind is ToolKind.ACTION)


@pytest.mark.parametrize("tool", CHOSEN)
def test_a_tool_can_be_chosen_and_spoken_of(tool: str) -> None:
    assert tool in language().examples, f"the encoder never chooses {tool}: it has no examples"
    assert language().lines(tool).get("done"), f"{tool} has no default line for its success"


@pytest.mark.parametrize("tool", ACTIONS)
def test_an_action_has_a_line_for_its_failure(tool: str) -> None:
    assert language().lines(tool).get("failed")


def test_there_are_no_words_for_what_is_no_tool() -> None:
    assert sorted(language().tools) == CHOSEN


def test_what_stands_in_is_a_tool() -> None:
    assert {name for names in STAND_INS.values() for name in names} <= {*CHOSEN}
