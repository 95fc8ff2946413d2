"""NPC files for tests: the least that makes a machine, and the sample file."""

import textwrap
from pathlib import Path

from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.loader import parse_definition
from npc_brain.npc.machine import Machine, compile_machine
from npc_brain.tools.registry import BUILT_INS

MIRA = Path(__file__).parent / "fixtures" / "npcs" / "mira.yaml"

HEAD = """\
id: ned
persona: {name: Ned, role: villager}
lines: {fallback: {default: Hm.}}
"""


def ned(text: str) -> NpcDefinition:
    """A definition with `text` (from `initial:` on, or `blackboard:`) after a plain head."""
    return parse_definition(HEAD + textwrap.dedent(text), "ned.yaml", BUILT_INS)


def machine(text: str) -> Machine:
    """The machine of `ned(text)`."""
    return compile_machine(ned(text), BUILT_INS)
