"""How much an NPC file may hold: whatever costs time or memory for each NPC is counted here.

An inline definition comes with a message, so its size is bounded by the message's alone: thousands
of sentences to encode, or of secrets to look for in each line, would be paid for by other NPCs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from npc_brain.npc.compile import walk_states
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.source import DocPath, Problem, Source

MAX_VALUES = 5_000
"""Values of all kinds together: pydantic looks at them in one go, which stops every thread."""
MAX_STATES = 500
MAX_SECRETS = 50
MAX_SENTENCES = 2_000
"""`like` sentences and `examples` together: encoding one takes about a millisecond."""


def num_values(value: Any) -> int:
    """The values in a document, itself included."""
    if isinstance(value, Mapping):
        return 1 + sum(map(num_values, value.values()))
    return 1 + sum(map(num_values, value)) if isinstance(value, list | tuple) else 1


def check_sizes(definition: NpcDefinition, source: Source) -> list[Problem]:
    """What there is too much of; then nothing else of the file should be looked at."""
    return [
        source.problem(at, f"has {number} {what}, at most {most} are allowed", "too_many")
        for at, what, number, most in _counts(definition)
        if number > most
    ]


def _counts(definition: NpcDefinition) -> Iterator[tuple[DocPath, str, int, int]]:
    states = [state for _, state in walk_states(definition.states)]
    yield ("states",), "states", len(states), MAX_STATES
    secrets = definition.persona.secrets
    yield ("persona", "secrets"), "secrets", len(secrets), MAX_SECRETS
    num_heard = sum(len(heard.like) for state in states for heard in state.heard)
    num_examples = sum(map(len, definition.examples.values()))
    sentences = "sentences in `like` and `examples`"
    yield (), sentences, num_heard + num_examples, MAX_SENTENCES
