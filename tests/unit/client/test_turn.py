"""A turn as the game sees it: pieces add up, and it ends exactly once."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_brain.client.socket import connection_lost
from npc_brain.client.turn import Turn, ended_by_client
from npc_brain.errors import NpcBrainError
from npc_brain.protocol.messages import TurnLine

SAID = ended_by_client("said", "")
STEPS = st.lists(st.sampled_from(["token", "line", "end", "fail", "cancel"]), max_size=12)


def line(text: str) -> TurnLine:
    return TurnLine(turn_id=1, text=text, source="model")


async def test_a_line_without_tokens_is_a_piece() -> None:
    turn = Turn("mira", lambda _: None)
    turn.add_token("one ")
    turn.add_token("two")
    turn.add_line(line("one two"))
    turn.add_line(line("three"))
    turn.end(SAID)
    assert [text async for text in turn] == ["one ", "two", "three"]
    assert [said.text for said in turn.lines] == ["one two", "three"]


async def test_a_failed_turn_raises_wherever_it_is_awaited() -> None:
    turn = Turn("mira", lambda _: None)
    turn.add_token("one ")
    turn.fail(connection_lost("gone"))
    pieces = aiter(turn)
    assert await anext(pieces) == "one "
    with pytest.raises(NpcBrainError, match="gone"):
        await anext(pieces)
    with pytest.raises(NpcBrainError, match="gone"):
        await turn.line()
    with pytest.raises(NpcBrainError, match="gone"):
        await turn.ended()


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_it_ends_once_and_nothing_follows(steps: list[str]) -> None:
    asyncio.run(play(steps))


async def play(steps: list[str]) -> None:
    cancelled: list[Turn] = []
    turn = Turn("mira", cancelled.append)
    ends = [step for step in steps if step in ("end", "fail", "cancel")]
    for step in steps:
        match step:
            case "token":
                turn.add_token("x")
            case "line":
                turn.add_line(line("x"))
            case "end":
                turn.end(SAID)
            case "fail":
                turn.fail(connection_lost("gone"))
            case "cancel":
                turn.cancel()
    turn.end(SAID)
    first_end = (ends or ["end"])[0]
    before = steps[: steps.index(first_end)] if first_end in steps else steps
    assert len(turn.lines) == before.count("line")
    assert len(cancelled) == (first_end == "cancel")
    if first_end == "fail":
        with pytest.raises(NpcBrainError):
            await turn.ended()
    else:
        assert (await turn.ended()).outcome == ("cancelled" if first_end == "cancel" else "said")
        assert len([text async for text in turn]) >= before.count("token")
