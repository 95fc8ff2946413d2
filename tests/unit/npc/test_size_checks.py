"""An NPC file can hold much, but not so much that other NPCs pay for it."""

from typing import Any

import pytest

from npc_brain.errors import DefinitionError
from npc_brain.npc.loader import parse_definition
from npc_brain.npc.size_checks import MAX_SECRETS, MAX_SENTENCES, MAX_STATES, MAX_VALUES
from npc_brain.tools.registry import BUILT_INS


def ned(**parts: Any) -> dict[str, Any]:
    return {
        "id": "ned",
        "persona": {"name": "Ned", "role": "guard", **parts.pop("persona", {})},
        "lines": {"fallback": {"default": ["Hm."]}},
        "initial": "s0",
        "states": {"s0": {}},
        **parts,
    }


def states(number: int) -> dict[str, Any]:
    return {f"s{n}": {"on": {"go": f"s{(n + 1) % number}"}} for n in range(number)}


FILES = {
    "states": (lambda n: ned(states=states(n)), MAX_STATES),
    "secrets": (
        lambda n: ned(persona={"secrets": [f"the word is w{k}x" for k in range(n)]}),
        MAX_SECRETS,
    ),
    "like": (
        lambda n: ned(
            states={"s0": {"heard": [{"like": [f"Is it {k}?" for k in range(n)], "say": "No."}]}}
        ),
        MAX_SENTENCES,
    ),
    "examples": (
        lambda n: ned(examples={"go_to": [f"Go to {k}." for k in range(n)]}),
        MAX_SENTENCES,
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_limit_fits_and_one_more_is_refused(kind: str) -> None:
    make, most = FILES[kind]
    parse_definition(make(most), "ned.yaml", BUILT_INS)
    with pytest.raises(DefinitionError, match=f"has {most + 1} .*at most {most} are allowed"):
        parse_definition(make(most + 1), "ned.yaml", BUILT_INS)


def test_sentences_are_counted_together() -> None:
    file = FILES["like"][0](MAX_SENTENCES)
    file["examples"] = {"go_to": ["Go."]}
    with pytest.raises(DefinitionError, match=f"has {MAX_SENTENCES + 1} sentences"):
        parse_definition(file, "ned.yaml", BUILT_INS)


def test_mistakes_of_a_file_that_is_too_large_are_not_looked_for() -> None:
    """Each of 40,000 unknown targets was compared with each of 2,000 states."""
    many = {f"s{n}": {"on": {f"e{k}": f"nowhere{k}" for k in range(20)}} for n in range(2_000)}
    with pytest.raises(DefinitionError) as caught:
        parse_definition(ned(states=many), "ned.yaml", BUILT_INS)
    assert "nowhere" not in caught.value.message


def test_a_file_has_a_bounded_number_of_values() -> None:
    """Pydantic held the interpreter for 0.1 s while it looked at 44,000 transitions."""
    moves = {f"e{n}": "s0" for n in range(MAX_VALUES)}
    with pytest.raises(DefinitionError, match=rf"values, at most {MAX_VALUES} are allowed"):
        parse_definition(ned(states={"s0": {"on": moves}}), "ned", BUILT_INS)
