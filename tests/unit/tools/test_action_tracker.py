import json
from typing import Any, get_args

import pytest

from npc_brain.clock import FakeClock
from npc_brain.errors import ErrorCode, SessionError
from npc_brain.tools.actions import CANCEL_TIMEOUT_S, Action, ActionTracker, outcome_text
from npc_brain.tools.custom import custom_tool
from npc_brain.tools.registry import BUILT_INS
from npc_brain.vocabulary import END_STATUSES, ActionStatus
from tests.unit.tools.village import context

STATUSES = get_args(ActionStatus)
STEPS = ("accepted", "started", "progress")


def request(tracker: ActionTracker, npc: str = "mira", **reserves: int) -> Action:
    return tracker.request(npc, "inventory_give", {"item": "bread"}, reserves, 10_000)


def refused(call: Any, *args: Any) -> ErrorCode:
    with pytest.raises(SessionError) as caught:
        call(*args)
    return caught.value.code


def load(tracker: ActionTracker, saved: Any) -> list[Action]:
    actions = {"mira": tracker.loaded("mira", saved)}
    tracker.check(actions)
    tracker.replace(actions)
    return actions["mira"]


def test_a_life() -> None:
    tracker = ActionTracker(FakeClock())
    action = request(tracker, bread=2)
    assert (action.action_id, action.status, action.is_ended) == (1, "requested", False)
    for status in ("accepted", "started", "progress", "progress"):
        assert tracker.update(1, status).status == status
        assert tracker.reserved("mira") == {"bread": 2}
    done = tracker.update(1, "done", result={"left": 3})
    assert (done.is_ended, done.result, tracker.reserved("mira")) == (True, {"left": 3}, {})
    assert request(tracker).action_id == 2


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_transitions(before: ActionStatus, after: ActionStatus) -> None:
    """Forward and standing still are legal, back is not, an end is final."""
    tracker = ActionTracker(FakeClock())
    request(tracker, bread=1)
    if before != "requested":
        tracker.update(1, before)
    if before in END_STATUSES:
        assert refused(tracker.update, 1, after) == ErrorCode.ACTION_ENDED
        assert refused(tracker.cancel, 1) == ErrorCode.ACTION_ENDED
        assert tracker.reserved("mira") == {}
    elif after == "requested" or (
        after in STEPS and STATUSES.index(after) < STATUSES.index(before)
    ):
        assert refused(tracker.update, 1, after) == ErrorCode.BAD_BODY
        assert tracker.get(1).status == before
    else:
        assert tracker.update(1, after).is_ended == (after in END_STATUSES)


def test_nonsense() -> None:
    tracker = ActionTracker(FakeClock())
    request(tracker)
    assert refused(tracker.update, 1, "dancing") == ErrorCode.BAD_BODY
    for action_id in (0, -1, 2, 10**12):
        assert refused(tracker.update, action_id, "done") == ErrorCode.UNKNOWN_ACTION
        assert refused(tracker.cancel, action_id) == ErrorCode.UNKNOWN_ACTION


def test_reservations_add_up_per_npc() -> None:
    tracker = ActionTracker(FakeClock())
    request(tracker, bread=2)
    request(tracker, bread=1, key=1)
    request(tracker, npc="bo", bread=4)
    assert tracker.reserved("mira") == {"bread": 3, "key": 1}
    tracker.update(1, "refused")
    assert tracker.reserved("mira") == {"bread": 1, "key": 1}
    assert [action.reason for action in tracker.drop("mira")] == ["despawned"]
    assert tracker.reserved("mira") == {}
    assert tracker.reserved("bo") == {"bread": 4}


def test_silence_times_out_and_news_puts_it_off() -> None:
    clock = FakeClock()
    tracker = ActionTracker(clock)
    assert tracker.next_deadline_s() is None
    request(tracker, bread=1)
    request(tracker)
    clock.advance(9)
    tracker.update(1, "progress")
    clock.advance(2)
    assert [(late.action_id, late.status) for late in tracker.expire()] == [(2, "timed_out")]
    assert tracker.expire() == []
    assert tracker.next_deadline_s() == 19
    clock.advance(8)
    assert [late.action_id for late in tracker.expire()] == [1]
    assert tracker.reserved("mira") == {}
    assert refused(tracker.update, 1, "done") == ErrorCode.ACTION_ENDED


def test_a_cancelled_action_stays_open_until_the_engine_says_how_it_ended() -> None:
    clock = FakeClock()
    tracker = ActionTracker(clock)
    request(tracker, bread=1)
    assert tracker.cancel(1).is_cancelling
    assert tracker.cancel(1) == tracker.get(1)
    assert tracker.reserved("mira") == {"bread": 1}
    assert tracker.update(1, "done").status == "done"

    request(tracker, bread=1)
    tracker.cancel(2)
    clock.advance(CANCEL_TIMEOUT_S / 2)
    tracker.update(2, "progress")
    clock.advance(CANCEL_TIMEOUT_S / 2)
    assert [late.status for late in tracker.expire()] == ["timed_out"]


def test_saving_and_loading() -> None:
    clock = FakeClock(100)
    tracker = ActionTracker(clock)
    request(tracker, bread=2)
    request(tracker, npc="bo")
    request(tracker)
    tracker.update(1, "started", result={"near": True})
    tracker.cancel(3)
    clock.advance(1.5)
    saved = json.loads(json.dumps(tracker.save("mira")))
    assert [row["left_ms"] for row in saved] == [8500, 3500]

    later = FakeClock(5)
    other = ActionTracker(later)
    loaded = load(other, saved)
    assert other.open_of("mira") == loaded
    assert [action.status for action in loaded] == ["started", "requested"]
    assert other.reserved("mira") == {"bread": 2}
    assert other.save("mira") == saved
    assert request(other, npc="bo").action_id == 4
    assert refused(other.update, 2, "done") == ErrorCode.ACTION_ENDED
    later.advance(3.5)
    assert [late.action_id for late in other.expire()] == [3]
    assert load(other, []) == other.open_of("mira") == []


def test_damaged_saves_change_nothing() -> None:
    tracker = ActionTracker(FakeClock())
    request(tracker, bread=1)
    request(tracker, npc="bo")
    row = tracker.save("mira")[0]
    before = tracker.open_of("mira")
    damaged: list[Any] = [
        [{}], [3], [{**row, "status": "done"}], [{**row, "status": "x"}], [{**row, "left_ms": -1}],
        [{**row, "reserves": {"bread": "2"}}], [{**row, "action_id": 0}], [row, row],
        [{**row, "action_id": 2}], [{**row, "args": 3}],
    ]  # fmt: skip
    for saved in damaged:
        assert refused(load, tracker, saved) == ErrorCode.BAD_BLOB
        assert tracker.open_of("mira") == before


@pytest.mark.parametrize(
    ("name", "args", "status", "reason", "text"),
    [
        ("inventory_give", {"item": "bread", "count": 2, "to": "bo"}, "done", "",
         "Mira gave Bo 2 loaves of bread."),
        ("inventory_give", {"item": "sword", "to": "bo"}, "refused", "hands_full",
         "Mira could not give Bo a sword: hands full."),
        ("inventory_take", {"item": "coin", "source": "bo"}, "done", "",
         "Mira took a gold coin from Bo."),
        ("inventory_trade", {"give_item": "bread", "take_item": "coin", "take_count": 2,
         "partner": "bo"}, "refused", "",
         "Mira could not trade a loaf of bread to Bo for 2 gold coins."),
        ("inventory_trade", {"give_item": "bread", "take_item": "coin", "take_count": 2,
         "partner": "bo"}, "done", "", "Mira traded a loaf of bread to Bo for 2 gold coins."),
        ("inventory_use", {"item": "key", "target": "chest"}, "failed", "rusty",
         "Mira could not use the cellar key on the chest: rusty."),
        ("inventory_equip", {"item": "sword"}, "timed_out", "timeout",
         "Mira tried to equip the sword, but nothing came of it."),
        ("go_to", {"target": "smithy"}, "progress", "", "Mira is on the way to the smithy."),
        ("go_to", {"target": "smithy"}, "done", "", "Mira arrived at the smithy."),
        ("go_to", {"target": "smithy"}, "refused", "blocked",
         "Mira could not go to the smithy: blocked."),
        ("go_to", {"target": "smithy"}, "cancelled", "",
         "Mira did not go to the smithy after all."),
        ("follow", {"person": "bo"}, "started", "", "Mira is following Bo."),
        ("stop", {}, "done", "", "Mira stopped."),
    ],
)  # fmt: skip
def test_outcomes_in_words(
    name: str, args: dict[str, Any], status: ActionStatus, reason: str, text: str
) -> None:
    assert outcome_text(BUILT_INS[name], "mira", args, context().world, status, reason) == text


def test_the_outcome_of_a_tool_of_the_game() -> None:
    bell = custom_tool("ring_bell", "Ring the bell.", {}, "action", 1)
    world = context().world
    assert outcome_text(bell, "mira", {}, world, "done", "") == "Mira did ring bell."
    assert outcome_text(bell, "mira", {}, world, "failed", "") == "Mira could not ring bell."
