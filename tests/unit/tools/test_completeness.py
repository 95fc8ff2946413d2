"""Every built-in tool has the words that it needs without a language model."""

import pytest

from npc_brain.decision.outcome_lines import DEFAULT_LINES
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import ToolKind
from npc_brain.understanding.examples import TOOL_EXAMPLES

SPOKEN = "say"
"""How a model speaks; nobody asks for it and it has no outcome."""


@pytest.mark.parametrize("tool", sorted(BUILT_INS.keys() - {SPOKEN}))
def test_a_tool_can_be_chosen_and_spoken_of(tool: str) -> None:
    assert TOOL_EXAMPLES.get(tool), f"the encoder never chooses {tool}: it has no examples"
    assert tool in DEFAULT_LINES, f"{tool} has no default line for its success"


@pytest.mark.parametrize(
    "tool", sorted(name for name, tool in BUILT_INS.items() if tool.kind is ToolKind.ACTION)
)
def test_an_action_has_a_line_for_its_failure(tool: str) -> None:
    assert f"{tool}_failed" in DEFAULT_LINES
