import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.errors import NpcBrainError
from npc_brain.memory.transcript import SpokenTurn, Transcript
from npc_brain.plain_text import plain_text


def test_the_oldest_turns_go_by_halves() -> None:
    transcript = Transcript(max_turns=6)
    lengths = []
    for number in range(14):
        transcript.add("player", f"line {number}")
        lengths.append(len(transcript))
    assert lengths == [1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 3, 4, 5, 6]
    assert transcript.turns[-1] == SpokenTurn("player", "line 13")


@given(st.lists(st.tuples(st.text(max_size=30), st.lists(st.text(max_size=9), max_size=2))))
def test_it_never_grows_past_its_limits_nor_loses_the_last_turn(
    turns: list[tuple[str, list[str]]],
) -> None:
    transcript = Transcript(max_turns=5, max_chars=40)
    for text, outcomes in turns:
        transcript.add("a", text, outcomes)
        kept = transcript.turns
        assert kept[-1] == SpokenTurn("a", plain_text(text), tuple(map(plain_text, outcomes)))
        assert len(kept) <= 5
        assert len(kept) == 1 or sum(turn.num_chars for turn in kept) <= 40


def test_a_save_gives_the_same_turns() -> None:
    transcript = Transcript()
    transcript.add("player", "hi")
    transcript.add("mira", "hello", ["Mira went to the cellar."])
    other = Transcript()
    other.restore(json.loads(json.dumps(transcript.to_json())))
    assert other.turns == transcript.turns


@pytest.mark.parametrize("saved", [3, [3], [{}], [{"speaker_id": "a", "text": 3}], [None]])
def test_a_damaged_save_is_an_error(saved: object) -> None:
    transcript = Transcript()
    transcript.add("a", "b")
    with pytest.raises(NpcBrainError, match="damaged"):
        transcript.restore(saved)  # type: ignore[arg-type]
    assert len(transcript) == 1


def test_clear_forgets() -> None:
    transcript = Transcript(max_turns=2, max_chars=10)
    transcript.add("a", "12345")
    transcript.clear()
    transcript.add("a", "123456")
    assert len(transcript) == 1
