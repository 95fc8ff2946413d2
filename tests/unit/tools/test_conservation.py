"""Nothing comes from nothing, each action ends once, and promises are kept to what is held."""

import random
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.counts import count
from tests.unit.tools.reference_game import ITEMS, NPCS, OWNERS, TOOLS, VERDICTS, Play

NUM_OPERATIONS = count(full=1_000_000, ci=20_000)
OPERATIONS_A_GAME = 2_000


def arguments(rng: random.Random, tool: str) -> dict[str, object]:
    """Arguments of a call, mostly sensible."""
    item, other_item = rng.choice(ITEMS), rng.choice((*ITEMS, "nothing"))
    amount, other = rng.choice((1, 1, 2, 3, 9)), rng.choice(OWNERS)
    match tool:
        case "inventory_give":
            return {"item": item, "count": amount, "to": other}
        case "inventory_take":
            return {"item": item, "count": amount, "source": other}
        case "inventory_trade":
            return {
                "give_item": item,
                "give_count": amount,
                "take_item": other_item,
                "take_count": rng.choice((1, 2, 5)),
                "partner": other,
            }
    return {"item": item}


def operate(play: Play, rng: random.Random) -> None:
    """One random operation."""
    chance = rng.random()
    if chance < 0.3:
        tool = rng.choice(TOOLS)
        play.ask(rng.choice(NPCS), "player", tool, arguments(rng, tool))
    elif chance < 0.35:
        play.repeat_request()
    elif chance < 0.6:
        play.judge(rng.choice(VERDICTS))
    elif chance < 0.62 and play.game.walking:
        play.game.end_slow()
    elif chance < 0.9:
        play.deliver(rng.choice((0, 0, 0, rng.randrange(9))), again=rng.random() < 0.15)
    elif chance < 0.94:
        play.cancel(rng.randint(0, play.num_requested + 1))
    elif chance < 0.97:
        play.wait(rng.choice((0.1, 1.0, 6.0)))
    else:
        thief, victim = rng.sample(OWNERS, 2)
        play.game.move(victim, _one(rng.choice(ITEMS)), thief, _one(None))


def _one(item: str | None) -> Counter[str]:
    return Counter({item: 1} if item else {})


def test_a_long_play_conserves_every_item() -> None:
    refusals: Counter[str] = Counter()
    num_requested = num_cancelling = 0
    for game in range(NUM_OPERATIONS // OPERATIONS_A_GAME):
        rng = random.Random(game)
        play = Play()
        for _ in range(OPERATIONS_A_GAME):
            operate(play, rng)
            play.check()
        num_cancelling += sum(action.is_cancelling for action in play.tracker.open_of("mira"))
        play.drain()
        play.check_end()
        refusals += play.refusals
        num_requested += play.num_requested
    assert num_requested > NUM_OPERATIONS // 50
    assert num_cancelling
    assert {"not_held", "too_few", "speaker_lacks", "bad_deal", "unknown_item"} <= set(refusals)


class PlayMachine(RuleBasedStateMachine):
    """The same operations, chosen and shrunk by hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Play()

    @rule(npc=st.sampled_from(NPCS), tool=st.sampled_from(TOOLS), rng=st.randoms())
    def ask(self, npc: str, tool: str, rng: random.Random) -> None:
        self.play.ask(npc, "player", tool, arguments(rng, tool))

    @rule()
    def repeat_request(self) -> None:
        self.play.repeat_request()

    @rule(verdict=st.sampled_from(VERDICTS))
    def judge(self, verdict: str) -> None:
        self.play.judge(verdict)

    @rule(index=st.integers(0, 8), again=st.booleans())
    def deliver(self, index: int, again: bool) -> None:
        self.play.deliver(index, again)

    @rule(action_id=st.integers(0, 10))
    def cancel(self, action_id: int) -> None:
        self.play.cancel(action_id)

    @rule(seconds=st.sampled_from((0.5, 6.0, 11.0)))
    def wait(self, seconds: float) -> None:
        self.play.wait(seconds)

    @rule(
        victim=st.sampled_from(OWNERS), thief=st.sampled_from(OWNERS), item=st.sampled_from(ITEMS)
    )
    def meddle(self, victim: str, thief: str, item: str) -> None:
        self.play.game.move(victim, _one(item), thief, _one(None))

    @invariant()
    def books_agree(self) -> None:
        self.play.check()

    def teardown(self) -> None:
        self.play.drain()
        self.play.check_end()


TestPlay = PlayMachine.TestCase
TestPlay.settings = settings(
    max_examples=count(full=500, ci=40), stateful_step_count=40, deadline=None
)
