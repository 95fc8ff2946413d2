import math

import pytest

from npc_brain.memory.blackboard import MAX_NUMBER, Blackboard, BlackboardError


def board() -> Blackboard:
    return Blackboard({"trust": 0, "hp": 1.5, "met": False, "mood": "calm"})


def test_values_and_types() -> None:
    facts = board()
    assert dict(facts) == {"trust": 0, "hp": 1.5, "met": False, "mood": "calm"}
    assert facts.kinds == {"trust": "int", "hp": "float", "met": "bool", "mood": "str"}


def test_the_revision_rises_with_changes_only() -> None:
    facts = board()
    assert facts.set("trust", 1)
    assert not facts.set("trust", 1)
    assert facts.revision == 1


def test_a_whole_number_becomes_a_float_where_one_is_kept() -> None:
    facts = board()
    facts.set("hp", 2)
    assert isinstance(facts["hp"], float)


@pytest.mark.parametrize(
    ("key", "value"),
    [("trust", 1.0), ("trust", True), ("trust", "1"), ("met", 1), ("met", "true"), ("mood", 3),
     ("hp", math.nan), ("hp", -math.inf), ("trust", MAX_NUMBER + 1), ("mood", "x" * 401),
     ("trust", None), ("trust", [1]), ("unknown", 1)],
)  # fmt: skip
def test_what_does_not_fit_is_refused(key: str, value: object) -> None:
    facts = board()
    with pytest.raises(BlackboardError, match=key):
        facts.set(key, value)  # type: ignore[arg-type]
    assert (dict(facts), facts.revision) == (dict(board()), 0)


def test_an_update_is_all_or_nothing() -> None:
    facts = board()
    with pytest.raises(BlackboardError):
        facts.update({"trust": 5, "mood": 5})
    assert (facts["trust"], facts.revision) == (0, 0)
    facts.update({"trust": 5, "mood": "angry"})
    assert (facts["trust"], facts["mood"]) == (5, "angry")


def test_a_save_of_another_version_of_the_file_loads() -> None:
    facts = board()
    facts.update({"trust": 4, "met": True})
    newer = Blackboard({"trust": 0, "met": "no", "extra": 1})
    newer.restore(facts.to_json())
    assert dict(newer) == {"trust": 4, "met": "no", "extra": 1}
