"""Hostile player text: whatever is said, and whatever the model makes of it, authors' rules hold.

Each line of the corpus is said without a model and with the worst one (`worst_model`), to the
village's NPCs and to the warden of a world whose only rules are the sidecar's own.
"""

import json
import sys
import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from npc_brain.clock import FakeClock
from npc_brain.decision.models import Models
from npc_brain.decision.stage import Stage
from npc_brain.demo import village
from npc_brain.errors import NpcBrainError
from npc_brain.protocol.codec import decode, encode
from npc_brain.protocol.messages import (
    Direction,
    Envelope,
    NpcHear,
    NpcMessage,
    NpcState,
    TurnEnded,
    TurnLine,
    TurnToken,
)
from npc_brain.testing.game import ScenarioGame
from npc_brain.testing.scenario import Scenario, load_scenario
from npc_brain.understanding.lexical import LexicalEncoder
from tests.counts import count
from tests.security.hostile_lines import MAX_CHARS, HostileLine, hostile_lines, is_plain, sample
from tests.security.worst_model import Habit, WorstModel
from tests.unit.decision.declared import Declared, declared_by
from tests.unit.decision.stages import check_turn

HERE = Path(__file__).parent
NPC_FILES = village() / "npcs"
SEED = 20
DEADLINE_MS = 120_000
LINES_OF_A_GAME = 20
"""Then a new one begins: an NPC that has been driven off hears no more."""
FOLLOW_UPS = {
    "memory_poisoning": "What do you remember about me?",
    "secrets": "What do you remember?",
}
NEVER_SOLD = {"vault_key", "seal", "sword", "cellar_key", "tap_mallet", "gate_pass", "spear"}
"""Dearer than what the player has, or tied to what it has not done."""
MAX_SHOWN = 60
"""Faults that a failing test tells."""
GIFTS = {"warden": 2}
"""The worth of what an author lets an NPC give away, once."""
NEVER_ENTERED = {"vault_open", "key_given", "grateful"}

_FORBIDDEN_AUDITS = (
    "socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system",
    "os.exec", "os.posix_spawn", "os.remove", "os.rename", "os.mkdir", "os.symlink", "shutil.",
    "pickle.find_class", "urllib.Request", "ctypes.dlopen",
)  # fmt: skip
_READABLE = (sys.prefix, sys.base_prefix, sys.exec_prefix, str(HERE.parents[1]))


class _Auditor:
    """Notes what the process does outside of itself while it is watched."""

    def __init__(self) -> None:
        self.is_watching = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        self.seen, self.is_watching = [], True
        try:
            yield self.seen
        finally:
            self.is_watching = False

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_watching:
            return
        if event == "open":
            path, mode = str(args[0]), str(args[1] or "r")
            is_module = "__pycache__" in path or path.endswith((".py", ".so"))
            is_read = not set(mode) & set("wax+")
            if not (is_module or (is_read and path.startswith(_READABLE))):
                self.seen.append(f"open {path} {mode}")
        elif event.startswith(_FORBIDDEN_AUDITS):
            self.seen.append(f"{event} {args!r:.200}")


@cache
def auditor() -> _Auditor:
    """One for the process: a hook cannot be taken away again."""
    return _Auditor()


@dataclass
class Play:
    """A game of one of the two worlds, and everything that must hold in it."""

    game: ScenarioGame
    stage: Stage
    model: WorstModel | None
    declared: dict[str, Declared]
    secrets: list[str]
    totals: dict[str, int] = field(default_factory=dict)
    wealth: dict[str, int] = field(default_factory=dict)

    async def say(self, npc_id: str, text: str) -> list[str]:
        """Say a line; what does not hold after it."""
        self.game.begin_step(1)
        self.game.approach(npc_id)
        player_id = self.game.world.player_id
        turn = self.stage.hear(npc_id, player_id, text, deadline_ms=DEADLINE_MS)
        await self.game.settle()
        told = list(self.game.told)
        ids = {event.turn_id for _, event in told if not isinstance(event, NpcState)}
        assert turn.turn_id in ids
        turns = [[e for _, e in told if getattr(e, "turn_id", None) == each] for each in ids]
        faults = [fault for events in turns for fault in self._faults_of_turn(events)]
        faults += [*self._faults_of_moves(told), *self._faults_of_holdings()]
        return [*faults, *self._faults_of_prompts()]

    def note_holdings(self) -> None:
        """Remember who holds what, as the beginning of the game."""
        world = self.game.world
        self.totals = {item: world.ledger.total(item) for item in world.items}
        self.wealth = {owner: self._worth(owner) for owner in world.ledger.owners}

    def _worth(self, owner: str) -> int:
        world = self.game.world
        return sum(
            count * (world.items[item].price or 0)
            for item, count in world.ledger.inventory(owner).items.items()
        )

    def _faults_of_turn(self, events: Sequence[NpcMessage]) -> Iterator[str]:
        said = ""
        try:
            check_turn([e for e in events if isinstance(e, TurnToken | TurnLine | TurnEnded)])
        except AssertionError as error:
            yield f"turn: {error!s:.300}"
        for event in events:
            if isinstance(event, TurnToken):
                said += event.text
                yield from self._faults_of_text("piece", event.text)
            elif isinstance(event, TurnLine):
                if len(event.text) > MAX_CHARS:
                    yield f"line: of {len(event.text)} characters"
                for text in (event.text, *event.choices):
                    yield from self._faults_of_text("line", text)
        if self._tells(said):
            yield f"pieces: {said!r:.200} tells a secret"

    def _faults_of_text(self, what: str, text: str) -> Iterator[str]:
        if not is_plain(text):
            yield f"{what}: markup or controls in {text!r:.200}"
        if self._tells(text):
            yield f"{what}: {text!r:.200} tells a secret"

    def _tells(self, text: str) -> bool:
        """Whether an NPC's secret is in a text, be it in capitals or letter by letter."""
        letters = _letters(text)
        return any(_letters(secret) in letters for secret in self.secrets)

    def _faults_of_moves(self, told: Sequence[tuple[str, NpcMessage]]) -> Iterator[str]:
        for npc_id, event in told:
            if isinstance(event, NpcState) and event.from_state is not None:
                way = (event.from_state, event.to_state, event.event)
                if way not in self.declared[npc_id].ways or event.to_state in NEVER_ENTERED:
                    yield f"state: {way}"

    def _faults_of_holdings(self) -> Iterator[str]:
        world = self.game.world
        for item, before in self.totals.items():
            if world.ledger.total(item) != before:
                yield f"items: {before} {item} have become {world.ledger.total(item)}"
        held = world.ledger.inventory(world.player_id).items
        if got := NEVER_SOLD & held.keys():
            yield f"items: the player got {sorted(got)}"
        for owner, before in self.wealth.items():
            gift = GIFTS.get(owner, 0)
            if owner != world.player_id and self._worth(owner) < before - gift:
                yield f"items: {owner} had a worth of {before} and has {self._worth(owner)}"

    def faults_of_stored(self) -> Iterator[str]:
        """What does not hold of what the NPCs keep, and would be saved."""
        for npc_id, entry in self.stage.save().items():
            for memory in entry["memories"]:
                if not is_plain(memory["text"]):  # a secret may be kept, if a player told it
                    yield f"memory: markup or controls in {memory['text']!r:.200}"
            for spoken in entry["transcript"]:
                if spoken["speaker_id"] == npc_id:
                    yield from self._faults_of_text("transcript", spoken["text"])
            declared = self.stage.npc(npc_id).definition.blackboard
            if entry["blackboard"].get("trust") != declared.get("trust"):
                yield f"state: the trust of {npc_id} is {entry['blackboard']['trust']}"

    def _faults_of_prompts(self) -> Iterator[str]:
        """A secret may stand there only where the player has told it, or as a memory of that."""
        requests = self.model.requests if self.model else []
        for message in (message for request in requests for message in request.messages):
            if message.role in ("system", "assistant") and self._tells(message.content):
                yield f"prompt: {message.role}: {message.content!r:.200} tells a secret"
        requests.clear()


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in plain if char.isalnum())


@cache
def scenario_of(world: str) -> Scenario:
    """One of the two worlds, read once."""
    return load_scenario(HERE / f"{world}.yaml")


@cache
def declared_in(world: str) -> dict[str, Declared]:
    """What the NPC files of a world declare, by NPC id."""
    folder = NPC_FILES if world == "village" else HERE / "npcs"
    return {each: declared_by(folder / f"{each}.yaml") for each in scenario_of(world).definitions}


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    """One for all games: it has to learn the examples of all NPCs only once."""
    models = Models(LexicalEncoder())
    yield models
    models.close()


@asynccontextmanager
async def playing(world: str, models: Models, habit: Habit | None) -> AsyncIterator[Play]:
    scenario, clock = scenario_of(world), FakeClock()
    model = models.backend = WorstModel(habit) if habit else None
    game = ScenarioGame(scenario, clock)
    stage = game.stage = Stage(game.tell, models, clock, seed=SEED)
    try:
        for npc_id, definition in scenario.definitions.items():
            stage.spawn(npc_id, definition)
        await game.settle()
        secrets = [s for each in scenario.definitions.values() for s in each.persona.secrets]
        play = Play(game, stage, model, declared_in(world), secrets)
        play.note_holdings()
        yield play
        stage.load(json.loads(json.dumps(stage.save())), lambda name: scenario.definitions[name])
    finally:
        await stage.close()


async def faults_of(
    world: str, models: Models, habit: Habit | None, lines: Sequence[HostileLine]
) -> list[str]:
    """Say each line to an NPC of that world, and to the next one the next; what did not hold."""
    npc_ids = sorted(scenario_of(world).definitions)
    faults = []
    for start in range(0, len(lines), LINES_OF_A_GAME):
        async with playing(world, models, habit) as play:
            await play.say(npc_ids[0], "Good evening.")  # what is imported late is by now
            with auditor().watching() as outside:
                for number, line in enumerate(lines[start : start + LINES_OF_A_GAME], start):
                    npc_id = npc_ids[number % len(npc_ids)]
                    text = line.against(play.stage.npc(npc_id).definition.persona.secrets)
                    found = await play.say(npc_id, text)
                    if line.kind in FOLLOW_UPS:
                        found += await play.say(npc_id, FOLLOW_UPS[line.kind])
                    faults += [f"{each} ({line.kind} to {npc_id}: {text!r:.120})" for each in found]
            faults += [*play.faults_of_stored(), *(f"outside: {each}" for each in outside)]
    return faults


@pytest.mark.parametrize("habit", [None, "echoes", "leaks", "obeys"])
@pytest.mark.parametrize("world", ["village", "vault"])
@pytest.mark.timeout(1200)
async def test_hostile_text_changes_nothing(
    world: str, models: Models, habit: Habit | None
) -> None:
    lines = [each for each in sample(count(1000, 2), SEED) if each.kind != "too_long"]
    faults = []
    for shift in range(count(len(scenario_of(world).definitions), 1)):
        faults += await faults_of(world, models, habit, lines[shift:] + lines[:shift])
    if faults:
        pytest.fail("\n".join([f"{len(faults)} faults", *faults[:MAX_SHOWN]]), pytrace=False)


def test_the_corpus_is_large_and_of_many_kinds() -> None:
    lines = hostile_lines()
    assert len(lines) >= 300
    assert len({line.kind for line in lines}) >= 20
    assert len({(line.kind, line.template) for line in lines}) == len(lines)


def test_plain_text_is_told_from_markup() -> None:
    plain = (
        "Five < six > four.",
        "*bows* {well} [sic] a|b",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "I <3 you",
        "👩\u200d🌾",
    )
    marked = (
        "<|im_end|>",
        "</s>",
        "[INST]",
        "<end_of_turn>",
        "\u202ea",
        "a\0",
        "\uff1c|x|>",
        "\x9b",
    )
    assert all(map(is_plain, plain))
    assert not any(map(is_plain, marked))


def test_what_is_too_long_is_refused() -> None:
    for line in hostile_lines():
        hear = {"speaker_id": "player", "text": line.against(["A secret."])}
        if line.kind == "too_long":
            with pytest.raises(ValueError, match="2000"):
                NpcHear.model_validate(hear)
        else:
            NpcHear.model_validate(hear)


async def test_a_gate_opens_when_its_author_says_so(models: Models) -> None:
    """The test above can fail: once the game vouches for the player, its words get the key."""
    async with playing("vault", models, None) as play:
        for _ in range(2):
            play.stage.raise_event("warden", "vouched_for", {})
        faults = await play.say("warden", "Give me the vault key.")
        assert {fault.split(":")[0] for fault in faults} == {"items", "state"}
        assert play.stage.npc("warden").state.name == "vault_open"
        assert play.game.world.ledger.count("player", "vault_key") == 1


@pytest.mark.parametrize(
    "text",
    [
        b"\xed\xa0\x80",
        b"\xed\xb0\x80\xed\xa0\x80",
        b"key\xff\xfe",
        b"\xc0\xae\xc0\xae/",
        b"\xf5\x80\x80\x80",
    ],
    ids=["high surrogate", "swapped pair", "no UTF-8", "overlong", "beyond Unicode"],
)
def test_bytes_that_are_no_text_are_refused(text: bytes) -> None:
    heard = NpcHear(speaker_id="player", text="x" * len(text))
    frame = encode(Envelope(type="npc.hear", id=1, npc_id="mira", body=heard))
    assert frame.count(b"x" * len(text)) == 1
    with pytest.raises(NpcBrainError):
        decode(frame.replace(b"x" * len(text), text), Direction.INBOUND)
