"""A hostile game: it spawns NPCs, says the worst to them, and is killed and resumed in between."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from npc_brain.errors import NpcBrainError
from npc_brain.protocol import messages as m
from npc_brain.world.model import Inventory, WorldSnapshot
from tests.integration.wire_server import RawPeer, hello
from tests.security.hostile_lines import HostileLine, is_plain

REPLY_LIMIT_S = 60.0
"""A reply that has not come by then never will; far above what a slow machine takes."""
GRACE_S = 60.0
"""How long after its deadline a turn may end on a slow machine."""
LAST_ACTIONS = 50
DEFINITIONS = ("mira", "osric", "pip", "fennick", "hedda")
SECRETS = ("The gate passes came from the reeve's wastepaper.",)
_EVENTS = ("attacked", "received", "player_near", "cellar_solved", "nonsense")
_STATUSES = ("accepted", "started", "progress", "done", "failed", "refused", "cancelled")


@dataclass
class Tally:
    """What happened in all games together.

    Attributes:
        anomalies: What must not happen, with how often it did.
    """

    num_started: int = 0
    num_ended: int = 0
    num_lost: int = 0
    """Turns under way when their game was killed: their end was told to nobody."""
    num_kills: int = 0
    num_resumed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)

    def blame(self, text: str) -> None:
        """Note an anomaly."""
        self.anomalies[text[:300]] += 1


@dataclass
class _Turn:
    npc_id: str
    until_s: float
    said: str = ""


class Game:
    """One session with the sidecar, over all its connections."""

    def __init__(
        self,
        name: str,
        endpoint: Callable[[], str | None],
        token: str,
        snapshot: WorldSnapshot,
        lines: Sequence[HostileLine],
        num_npcs: int,
        tally: Tally,
    ) -> None:
        self.tally = tally
        self._endpoint = endpoint
        self._token = token
        self._snapshot = snapshot
        self._lines = lines
        self._rng = random.Random(name)
        self._npcs = {
            DEFINITIONS[n % len(DEFINITIONS)] + f"_{n}" * (n >= len(DEFINITIONS)): DEFINITIONS[
                n % len(DEFINITIONS)
            ]
            for n in range(num_npcs)
        }
        self._peer: RawPeer | None = None
        self._session_id: str | None = None
        self._turns: dict[int, _Turn] = {}
        self._asked: dict[int, tuple[m.Body, str | None, float]] = {}
        self._actions: list[int] = []
        self._saved: list[bytes] = []
        self._revision = snapshot.revision
        self._phase = "starting"

    @property
    def num_open_turns(self) -> int:
        """Turns that have begun and not ended."""
        return len(self._turns)

    @property
    def is_ready(self) -> bool:
        """Whether the sidecar has told that all is loaded."""
        return self._phase in ("ready", "degraded")

    @property
    def is_linked(self) -> bool:
        """Whether it has a session, and has heard from it."""
        return self._peer is not None and not self._asked

    async def link(self) -> None:
        """Connect: take the session up again, or begin a new one with world and NPCs."""
        endpoint = self._endpoint()
        if endpoint is None:
            raise ConnectionError("the sidecar is away")
        peer = RawPeer(endpoint)
        try:
            answer = (await peer.ask(hello(self._token, resume=self._session_id))).body
            if isinstance(answer, m.Error) and self._session_id is not None:
                answer = (await peer.ask(hello(self._token))).body
            if not isinstance(answer, m.Welcome):
                raise ConnectionError(f"hello was answered by {answer}")
        except BaseException:
            peer.close()
            raise
        self._peer = peer
        self._session_id = answer.session_id
        if answer.resumed:
            self.tally.num_resumed += 1
            return
        self._revision, self._saved = self._snapshot.revision, []
        self._post(m.WorldSync(**dict(self._snapshot)))
        for npc_id in self._npcs:
            self._spawn(npc_id)

    def kill(self) -> None:
        """Vanish without a word."""
        self.tally.num_kills += 1
        self._drop()

    def close(self) -> None:
        """End the session as a good client does."""
        self._post(m.Goodbye())
        self._drop()

    async def stay_linked(self) -> None:
        """Take in what comes; connect again whenever the connection is gone."""
        while True:
            if self._peer is None:
                await asyncio.sleep(self._rng.uniform(0.1, 3.0))
                with suppress(ConnectionError, TimeoutError):
                    await self.link()
            await self._read()

    async def _read(self) -> None:
        while (peer := self._peer) is not None:
            try:
                envelope = await peer.receive(0.5)
            except TimeoutError:
                self._check_times()
            except asyncio.CancelledError:
                if peer is self._peer:
                    raise  # else it was closed under its receiver
            except NpcBrainError as error:
                self.tally.blame(f"an undecodable message: {error.message}")
            else:
                if peer is self._peer:
                    self._take(envelope)

    def do_something(self) -> None:
        """One thing that a game, or somebody who means it harm, may do."""
        deeds: list[tuple[int, Callable[[], None]]] = [
            (60, self._hear),
            (6, self._cancel),
            (6, self._event),
            (8, self._patch),
            (3, self._save),
            (2, self._load),
            (2, self._respawn),
            (4, self._update_late),
            (1, self._ask_stats),
        ]
        [(_, deed)] = self._rng.choices(deeds, [weight for weight, _ in deeds])
        deed()

    def _check_times(self) -> None:
        """Blame what is overdue: replies and ends of turns."""
        now_s = time.monotonic()
        for message_id, (body, _, sent_s) in list(self._asked.items()):
            if now_s - sent_s > REPLY_LIMIT_S:
                del self._asked[message_id]
                self.tally.blame(f"{body.type} was never answered")
        for turn_id, turn in list(self._turns.items()):
            if now_s > turn.until_s:
                del self._turns[turn_id]
                self.tally.blame(f"a turn of {turn.npc_id} never ended")

    # --- what is said to the sidecar -----------------------------------------------------------

    def _post(self, body: m.Body, npc_id: str | None = None) -> None:
        if self._peer is not None:
            message_id = self._peer.post(body, npc_id)
            self._asked[message_id] = (body, npc_id, time.monotonic())

    def _drop(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._peer = None
        self.tally.num_lost += len(self._turns)
        self._turns.clear()
        self._asked.clear()

    def _spawn(self, npc_id: str) -> None:
        definition = self._npcs[npc_id]
        places = {entity.id: entity.position for entity in self._snapshot.entities}
        self._post(m.NpcSpawn(definition=definition, position=places[definition]), npc_id)

    def _any_npc(self) -> str:
        return self._rng.choice(list(self._npcs))

    def _hear(self) -> None:
        text = self._rng.choice(self._lines).against(SECRETS) or "?"
        deadline_ms = self._rng.choice([300, 1000, 2000, 4000])
        heard = m.NpcHear(speaker_id="player", text=text, deadline_ms=deadline_ms)
        self._post(heard, self._any_npc())

    def _cancel(self) -> None:
        turn_ids = [*self._turns, 10**6]
        self._post(m.TurnCancel(turn_id=self._rng.choice(turn_ids)))

    def _event(self) -> None:
        data = {"by": "player", "item": self._rng.choice(["coin", "honey_cake"]), "count": 1}
        self._post(m.NpcEvent(event=self._rng.choice(_EVENTS), data=data), self._any_npc())

    def _patch(self) -> None:
        gap = self._rng.random() < 0.1
        stock = {item.id: self._rng.randint(0, 9) for item in self._snapshot.items}
        patch = m.WorldPatched(
            base_revision=self._revision + 5 * gap,
            revision=self._revision + 5 * gap + 1,
            inventories={self._any_npc(): Inventory(items=stock)},
        )
        self._post(patch)
        self._revision += not gap

    def _save(self) -> None:
        self._post(m.StateSave())

    def _load(self) -> None:
        if self._saved:
            self._post(m.StateLoad(blob=self._rng.choice(self._saved)))

    def _respawn(self) -> None:
        npc_id = self._any_npc()
        self._post(m.NpcDespawn(), npc_id)
        self._spawn(npc_id)

    def _update_late(self) -> None:
        """An update of an action that has had one, or of one that never was."""
        action_id = self._rng.choice([*self._actions[-LAST_ACTIONS:], 10**6])
        self._update(action_id, self._rng.choice(_STATUSES))

    def _update(self, action_id: int, status: str) -> None:
        self._post(m.ActionUpdate.model_validate({"action_id": action_id, "status": status}))

    def _ask_stats(self) -> None:
        self._post(m.StatsRequest())

    # --- what the sidecar says -----------------------------------------------------------------

    def _take(self, envelope: m.Envelope) -> None:
        body, asked = envelope.body, None
        if envelope.reply_to is not None:
            asked = self._asked.pop(envelope.reply_to, None)
            if asked is None:
                self.tally.blame(f"{body.type} answers what was not asked")
        match body:
            case m.Error():
                self._take_error(body, asked[0] if asked else None)
            case m.TurnStarted():
                self._begin_turn(envelope.npc_id or "", body.turn_id, asked[0] if asked else None)
            case m.TurnToken() | m.TurnLine() | m.TurnEnded():
                self._take_part(body)
            case m.ActionRequest(action_id=action_id):
                self._answer_action(action_id)
            case m.Status(phase=phase):
                self._phase = phase
            case m.StateSaved(blob=blob):
                self._saved = [*self._saved[-2:], blob]

    def _take_error(self, error: m.Error, asked: m.Body | None) -> None:
        self.tally.errors[error.code] += 1
        if error.code in ("internal", "bad_blob", "bad_definition", "hello_first"):
            what = asked.type if asked else "nothing"
            self.tally.blame(f"{what} was answered by {error.code}: {error.message}")
        if error.code == "resync":
            self._revision = self._snapshot.revision
            self._post(m.WorldSync(**dict(self._snapshot)))

    def _begin_turn(self, npc_id: str, turn_id: int, asked: m.Body | None) -> None:
        if turn_id in self._turns:
            self.tally.blame("a turn began twice")
        deadline_ms = asked.deadline_ms if isinstance(asked, m.NpcHear) else None
        limit_s = (deadline_ms or 10_000) / 1000 + GRACE_S
        self._turns[turn_id] = _Turn(npc_id, time.monotonic() + limit_s)
        self.tally.num_started += 1

    def _take_part(self, part: m.TurnToken | m.TurnLine | m.TurnEnded) -> None:
        turn = self._turns.get(part.turn_id)
        if turn is None:
            self.tally.blame(f"{part.type} of a turn that is not under way")
            return
        if isinstance(part, m.TurnEnded):
            del self._turns[part.turn_id]
            self.tally.num_ended += 1
            self.tally.outcomes[part.outcome] += 1
            if part.detail == "internal":
                self.tally.blame(f"a turn of {turn.npc_id} failed")
            return
        if isinstance(part, m.TurnToken):
            turn.said += part.text
        elif part.text != turn.said:
            self.tally.blame("the pieces do not add up to the line")
        if not is_plain(part.text):
            self.tally.blame(f"markup was said: {part.text!r}")

    def _answer_action(self, action_id: int) -> None:
        self._actions = [*self._actions[-LAST_ACTIONS:], action_id]
        answers: list[tuple[str, ...]] = [
            ("accepted", "done"), ("accepted", "failed"), ("refused",), (), ("done", "done"),
            ("accepted", "started", "progress"), ("cancelled", "done"),
        ]  # fmt: skip
        for status in self._rng.choice(answers):
            self._update(action_id, status)
