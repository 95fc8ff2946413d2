"""The NPCs of one game session, without a wire.

A stage takes in what the engine says (the world, events, what was heard, how actions go) and tells
through its `EnginePort` what NPCs do and say. The sidecar's sessions put it on the wire; tests and
scenarios use it as it is. All calls come from one event loop, and none of them blocks it.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from npc_brain.clock import Clock
from npc_brain.decision.events import EnginePort, StageEvent, StateChanged, TurnEnded
from npc_brain.decision.models import Models
from npc_brain.decision.prompt import shown_text
from npc_brain.decision.response import Responder
from npc_brain.decision.scene import InnerEvent, Scene, tool_end
from npc_brain.decision.tool_calls import CallOutcome, action_result
from npc_brain.decision.turn import Turn, TurnRequest
from npc_brain.decision.turn_queue import TurnQueue
from npc_brain.errors import ErrorCode, NpcBrainError, SessionError
from npc_brain.inference.chat import Picture, Sound
from npc_brain.inference.media.audio import num_audio_tokens
from npc_brain.inference.media.image import image_size
from npc_brain.memory.store import MemoryStore
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.machine import Machine, Step, compile_machine
from npc_brain.npc.npc import Npc
from npc_brain.plain_text import plain_text
from npc_brain.tools.actions import Action
from npc_brain.tools.spec import Tool
from npc_brain.world.model import Position, Scalar, WorldPatch, WorldSnapshot
from npc_brain.world.world import World

MAX_CHAIN = 8
"""Events in a row that tool calls of entered states raise at once; more wait for the next tick."""
MAX_OWN_LINES = 3
"""Lines of its own accord that an NPC may have waiting; what else it would say then is dropped."""
OWN_DEADLINE_S = 10.0
"""How long an NPC may take for a line that nobody waits for."""

_NPC_ID = re.compile(r"[A-Za-z0-9_.:/\-]{1,64}")
"""As `world.model.Id`."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Actor:
    """An NPC on the stage, with its turns under way."""

    npc: Npc
    queue: TurnQueue = field(default_factory=TurnQueue)
    turns: dict[int, Turn] = field(default_factory=dict)
    pending: list[tuple[InnerEvent, str | None]] = field(default_factory=list)
    is_faulty: bool = False


@dataclass(eq=False)
class LoadedNpcs:
    """NPCs made from a saved state, not on the stage yet.

    Attributes:
        memories: By NPC, the number of its memories in the store.
        actions: By NPC, its actions under way.
    """

    actors: dict[str, _Actor] = field(default_factory=dict)
    memories: dict[str, int] = field(default_factory=dict)
    actions: dict[str, list[Action]] = field(default_factory=dict)


class Stage:
    """See the module."""

    def __init__(
        self,
        port: EnginePort,
        models: Models,
        clock: Clock,
        *,
        max_npcs: int = 2000,
        max_queued_turns: int = 256,
        seed: int | None = None,
    ) -> None:
        """Set up an empty stage.

        Args:
            port: Hears what NPCs do and say.
            models: What they think with; shared with other stages, not closed here.
            clock: All time comes from it.
            max_npcs: NPCs at once.
            max_queued_turns: Turns under way or waiting at once.
            seed: Makes authored alternatives and sampling repeatable.
        """
        self._port = port
        self._clock = clock
        self._max_npcs = max_npcs
        self._max_queued_turns = max_queued_turns
        self._seed = seed
        self._scene = Scene(port, models, clock)
        self._store = MemoryStore(lambda: models.sentence_encoder)
        self._responder = Responder(self._scene, self._raise)
        self._actors: dict[str, _Actor] = {}
        self._turns: dict[int, Turn] = {}
        self._machines: dict[str, tuple[NpcDefinition, Machine]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last_turn_id = 0
        self._is_closed = False
        self.num_turns = 0
        self.num_fallbacks = 0
        self.first_token_ms: deque[int] = deque(maxlen=1000)

    # --- the world ---------------------------------------------------------------------------

    @property
    def world(self) -> World:
        """The latest snapshot; to be replaced, never changed."""
        return self._scene.world

    @world.setter
    def world(self, world: World) -> None:
        self._scene.world = world

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool by name, built-in and registered."""
        return {name: self._scene.tools.get(name) for name in self._scene.tools.names()}

    def sync_world(self, snapshot: WorldSnapshot) -> None:
        """Replace the world; raises WorldError and keeps the old one when it contradicts itself."""
        self.world = World.from_snapshot(snapshot)

    def patch_world(self, patch: WorldPatch) -> None:
        """Change the world; raises WorldError (`resync` on a gap) and keeps the old one."""
        self.world = self.world.patched(patch)

    def register_tool(self, tool: Tool) -> None:
        """Add a tool of the game; raises ToolError when the name is taken."""
        self._scene.tools.register(tool)

    # --- NPCs --------------------------------------------------------------------------------

    @property
    def npc_ids(self) -> list[str]:
        """Ids of the living NPCs."""
        return list(self._actors)

    def npc(self, npc_id: str) -> Npc:
        """A living NPC; raises SessionError (`unknown_npc`)."""
        return self._actor(npc_id).npc

    def current(self, npc_id: str, event: str) -> StateChanged:
        """Where an NPC is, as the transition that `event` made from nowhere."""
        npc = self.npc(npc_id)
        return StateChanged(None, npc.state.name, event, npc.blackboard.to_json())

    def spawn(
        self,
        npc_id: str,
        definition: NpcDefinition,
        *,
        blackboard: Mapping[str, Scalar] | None = None,
        position: Position | None = None,
    ) -> None:
        """Bring an NPC to life; its first transition and what it does on entering are told.

        `position` places it when the world does not have it yet. Raises SessionError
        (`duplicate_npc`, `too_many_npcs`), DefinitionError, BlackboardError.
        """
        if self._is_closed:
            raise SessionError("the session has ended", code=ErrorCode.UNKNOWN_SESSION)
        if npc_id in self._actors:
            raise SessionError(
                f"npc {npc_id!r} is spawned already",
                code=ErrorCode.DUPLICATE_NPC,
                hint="despawn it first, or use another npc_id",
            )
        self._check_room(1)
        npc = self._make(npc_id, definition)
        npc.blackboard.update(blackboard or {})
        if position is not None and self.world.position_of(npc_id) is None:
            name = definition.persona.name
            self.world = self.world.with_npc(npc_id, name, position)
        self._actors[npc_id] = _Actor(npc)
        self._carry_out(self._actors[npc_id], npc.start(self.world, self._clock.now_s()))
        examples = self._responder.own_examples(npc)
        self._in_background(self._scene.models.prepare(npc, examples, lambda: self.world))

    def despawn(self, npc_id: str) -> None:
        """End an NPC, its turns and its actions."""
        actor = self._actor(npc_id)
        for turn in list(actor.turns.values()):
            turn.cancel("despawned")
        self._scene.calls.drop(npc_id)
        actor.npc.forget()
        del self._actors[npc_id]

    def raise_event(self, npc_id: str, event: str, data: Mapping[str, Scalar]) -> None:
        """Let an NPC's machine react to an event of the game.

        `data.by` names who caused it, if anyone. A transition into a state that does not ask the
        model ends what the NPC is saying.
        """
        actor = self._actor(npc_id)
        by = data.get("by")
        speaker_id = by if isinstance(by, str) and self.world.entity(by) else None
        before = actor.npc.state.name
        self._raise(actor.npc, InnerEvent(event, data=data), speaker_id)
        if actor.npc.state.name != before and actor.npc.node.mind == "scripted":
            for turn in list(actor.turns.values()):
                if turn.request.cause == "hear":
                    turn.cancel(f"interrupted by {event}")

    # --- turns -------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether no turn is under way or waiting."""
        return not self._turns

    def hear(
        self,
        npc_id: str,
        speaker_id: str,
        text: str,
        *,
        sound: Sound | None = None,
        priority: int = 0,
        deadline_ms: int | None = None,
    ) -> Turn:
        """Speak to an NPC; its turn begins as soon as it has ended the one before.

        `text` may be empty where there is a `sound` and the model hears; a model that does not
        takes the text alone.

        Raises SessionError (`unknown_npc`, `too_many_queued`, `cannot_hear`) and MediaError.
        """
        actor = self._actor(npc_id)
        text = plain_text(text)
        sound = self._audible(sound, text)
        if len(self._turns) >= self._max_queued_turns:
            raise SessionError(
                f"{len(self._turns)} turns are waiting, the limit is {self._max_queued_turns}",
                code=ErrorCode.TOO_MANY_QUEUED,
                hint="wait for turns to end, or cancel some",
                retryable=True,
            )
        limit_s = (deadline_ms or actor.npc.definition.deadline_ms) / 1000
        return self._begin(actor, TurnRequest("hear", speaker_id, text, sound), limit_s, priority)

    def see(self, npc_id: str, speaker_id: str, picture: Picture, caption: str = "") -> None:
        """Show an NPC a picture; it stands before what is said to it next.

        An NPC whose model has no eyes knows that it was shown one, and the caption.

        Raises SessionError (`unknown_npc`), MediaError when the picture is no PNG or JPEG file.
        """
        transcript = self._actor(npc_id).npc.transcript
        can_see = "see" in self._scene.models.senses
        if can_see:
            image_size(picture.data)
        transcript.add(
            speaker_id, shown_text(plain_text(caption)), media=(picture,) if can_see else ()
        )

    def _audible(self, sound: Sound | None, text: str) -> Sound | None:
        """The sound, if the model hears and so needs it."""
        if sound is None:
            return None
        if "hear" in self._scene.models.senses:
            num_audio_tokens(sound.data, sound.encoding, sound.sample_rate_hz)
            return sound
        if not text:
            raise SessionError(
                "got a sound without its text, and the model in use cannot hear",
                code=ErrorCode.CANNOT_HEAR,
                hint="send the text too, from the platform's speech recognition; or use a model "
                "with `hear` in the features of `status`",
            )
        return None

    def cancel_turn(self, turn_id: int) -> None:
        """End a turn at once; raises SessionError (`unknown_turn`) when it is not under way."""
        turn = self._turns.get(turn_id)
        if turn is None:
            raise SessionError(f"no turn {turn_id} is under way", code=ErrorCode.UNKNOWN_TURN)
        turn.cancel()

    def cancel_all_turns(self, detail: str) -> None:
        """End all turns, as when the connection is lost; actions stay as they are."""
        for turn in list(self._turns.values()):
            turn.cancel(detail)

    # --- what the engine says ----------------------------------------------------------------

    def update_action(
        self, action_id: int, status: Any, reason: str = "", result: dict[str, Any] | None = None
    ) -> None:
        """Take in how an action goes; raises SessionError as `ActionTracker.update`."""
        action = self._scene.calls.update(action_id, status, reason, result or {})
        if action.is_ended:
            self._ended(action)

    def resolve_call(
        self, call_id: int, ok: bool, result: dict[str, Any], reason: str = ""
    ) -> None:
        """Take in the answer to a query; raises SessionError (`unknown_call`)."""
        self._scene.calls.resolve_call(call_id, ok, result, reason)

    def tick(self) -> None:
        """Let time pass: timers, guards, timeouts. To be called some 20 times a second."""
        for _ in self.ticking():
            pass

    def ticking(self) -> Iterator[None]:
        """As `tick`, one NPC after the other; meanwhile everything else may be called."""
        for action in self._scene.calls.expire():
            self._ended(action)
        for npc_id, actor in list(self._actors.items()):
            if self._actors.get(npc_id) is actor:
                self._tick(actor)
            yield

    # --- saving ------------------------------------------------------------------------------

    def save(self, npc_ids: Iterable[str] = ()) -> dict[str, Any]:
        """The state of NPCs (all by default) as JSON values."""
        return {npc_id: self.save_npc(npc_id) for npc_id in npc_ids or self.npc_ids}

    def save_npc(self, npc_id: str) -> dict[str, Any]:
        """The state of one NPC as JSON values; raises SessionError (`unknown_npc`)."""
        npc = self._actor(npc_id).npc
        return {
            "definition": npc.definition.id,
            **npc.save(self._clock.now_s()),
            "actions": self._scene.calls.tracker.save(npc_id),
        }

    def load(self, saved: Mapping[str, Any], definition_of: Callable[[str], NpcDefinition]) -> None:
        """Put NPCs back as `save` gave them, all or none; those not spawned are spawned.

        Transitions are told with the event `load`. Raises NpcBrainError (`bad_blob`,
        `bad_definition`, `too_many_npcs`), after which all is as before.
        """
        loaded = self.prepare_load(saved.items(), self.definitions(), definition_of)
        try:
            self.check_load(loaded)
        except NpcBrainError:
            self.forget_memories(loaded.memories.values())
            raise
        self.forget_memories(self.apply_load(loaded))
        for npc_id in saved:
            self.announce_loaded(npc_id)

    def definitions(self) -> dict[str, NpcDefinition]:
        """The definitions of the living NPCs, by their ids."""
        return {npc_id: actor.npc.definition for npc_id, actor in self._actors.items()}

    def prepare_load(
        self,
        saved: Iterable[tuple[str, Any]],
        living: Mapping[str, NpcDefinition],
        definition_of: Callable[[str], NpcDefinition],
    ) -> LoadedNpcs:
        """Make NPCs from what `save` gave, without touching those on the stage.

        May be called from any thread; `close` ends it. Pass the result to `check_load` and
        `apply_load`, or its memories to `forget_memories`.

        Args:
            saved: Ids and states.
            living: What `definitions` gives; NPCs whose definition is the same keep it.
            definition_of: Finds any other definition by its name.

        Raises:
            NpcBrainError: As `load`.
        """
        loaded, found = LoadedNpcs(), dict[str, NpcDefinition]()
        try:
            for npc_id, entry in saved:
                if len(loaded.actors) >= self._max_npcs:
                    raise _too_many(len(loaded.actors) + 1, self._max_npcs)
                if self._is_closed:
                    raise SessionError("the session has ended", code=ErrorCode.UNKNOWN_SESSION)
                name = _definition_name(npc_id, entry)
                definition = living.get(npc_id)
                if definition is None or definition.id != name:
                    definition = found[name] = found.get(name) or definition_of(name)
                self._restore(npc_id, definition, entry, loaded)
        except BaseException:
            self.forget_memories(loaded.memories.values())
            raise
        return loaded

    def check_load(self, loaded: LoadedNpcs) -> None:
        """Raise NpcBrainError unless `apply_load` can follow at once."""
        self._check_room(len(loaded.actors.keys() - self._actors.keys()))
        self._scene.calls.tracker.check(loaded.actions)

    def apply_load(self, loaded: LoadedNpcs) -> list[int]:
        """Put all loaded NPCs on the stage at once; then call `announce_loaded` for each.

        Returns the memories that no NPC has any more, for `forget_memories`.
        """
        for npc_id in loaded.actors:
            known = self._actors.get(npc_id)
            for turn in list(known.turns.values()) if known else ():
                turn.cancel("loaded")
        self._scene.calls.replace_actions(loaded.actions)
        self._actors.update(loaded.actors)
        return self._store.replace_sets(loaded.memories)

    def announce_loaded(self, npc_id: str) -> None:
        """Tell the engine which state a loaded NPC is in."""
        self._port.notify(npc_id, self.current(npc_id, "load"))

    def forget_memories(self, memories: Iterable[int]) -> None:
        """Free memories that no NPC has; from any thread."""
        if not self._is_closed:
            self._store.drop(memories)

    async def close(self) -> None:
        """End everything."""
        self._is_closed = True
        self.cancel_all_turns("closed")
        for npc_id in list(self._actors):
            self._scene.calls.drop(npc_id)
        self._actors.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._store.close()
        self.world = World.empty()

    # --- inside ------------------------------------------------------------------------------

    def _actor(self, npc_id: str) -> _Actor:
        actor = self._actors.get(npc_id)
        if actor is None:
            raise SessionError(
                f"no npc {npc_id!r} is spawned",
                code=ErrorCode.UNKNOWN_NPC,
                hint="send npc.spawn first",
            )
        return actor

    def _check_room(self, num_more: int) -> None:
        if len(self._actors) + num_more > self._max_npcs:
            raise _too_many(len(self._actors) + num_more, self._max_npcs)

    def compile(self, definition: NpcDefinition) -> tuple[NpcDefinition, Machine]:
        """Make a definition ready for NPCs to be spawned of it; may be called from any thread.

        Raises DefinitionError.
        """
        known = self._machines.get(definition.id)
        if known is None or known[0] != definition:
            known = (definition, compile_machine(definition, self.tools))
            self._machines[definition.id] = known
        return known

    def _make(self, npc_id: str, definition: NpcDefinition) -> Npc:
        known = self.compile(definition)
        seed = None if self._seed is None else f"{self._seed}/{npc_id}"
        return Npc(npc_id, *known, self._store, seed=seed)

    def _restore(
        self, npc_id: str, definition: NpcDefinition, entry: Any, loaded: LoadedNpcs
    ) -> None:
        """Add one saved NPC to `loaded`; raises NpcBrainError."""
        npc = self._make(npc_id, definition)
        loaded.actions[npc_id] = self._scene.calls.tracker.loaded(npc_id, entry.get("actions"))
        try:
            loaded.memories[npc_id] = npc.restore(entry, self._clock.now_s())
        except NpcBrainError as error:
            raise _damaged(npc_id, error.message) from error
        loaded.actors[npc_id] = _Actor(npc)

    def _begin(
        self, actor: _Actor, request: TurnRequest, limit_s: float, priority: int = 0
    ) -> Turn:
        self._last_turn_id += 1
        self.num_turns += 1
        npc_id = actor.npc.npc_id
        turn = Turn(
            self._last_turn_id,
            actor.npc,
            request,
            notify=lambda event: self._told(actor, event),
            clock=self._clock,
            deadline_s=self._clock.now_s() + limit_s,
            priority=priority,
        )
        actor.turns[turn.turn_id] = self._turns[turn.turn_id] = turn
        task = turn.start(actor.queue, self._responder.respond, lambda: self.world)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if request.cause != "hear":
            turn.announce()
        _log.debug("turn %d of %s: %s", turn.turn_id, npc_id, request.cause)
        return turn

    def _tick(self, actor: _Actor) -> None:
        try:
            self._let_time_pass(actor)
            actor.is_faulty = False
        except Exception:  # of one NPC, which stops no other
            if not actor.is_faulty:  # else it was told, and would be 20 times a second
                _log.exception("time does not pass for npc %s", actor.npc.npc_id)
            actor.is_faulty = True

    def _let_time_pass(self, actor: _Actor) -> None:
        if actor.pending:
            self._drain(actor)
        if actor.turns:
            return
        step = actor.npc.tick(self.world, self._clock.now_s())
        if step is not None:
            self._carry_out(actor, step)

    def _told(self, actor: _Actor, event: StageEvent) -> None:
        """Pass on what a turn tells, and let go of it after its end."""
        if isinstance(event, TurnEnded):
            actor.turns.pop(event.turn_id, None)
            self._turns.pop(event.turn_id, None)
            try:
                self._count(event)
            except Exception:
                _log.exception("turn %d is not counted", event.turn_id)
        self._port.notify(actor.npc.npc_id, event)

    def _count(self, ended: TurnEnded) -> None:
        self.num_fallbacks += ended.outcome == "fallback"
        if ended.timings.first_token_ms:
            self.first_token_ms.append(ended.timings.first_token_ms)

    def _raise(self, npc: Npc, event: InnerEvent, speaker_id: str | None) -> None:
        """Let a machine react to an event, and to the events that its own tool calls raise."""
        actor = self._actors.get(npc.npc_id)
        if actor is not None and actor.npc is npc:
            actor.pending.append((event, speaker_id))
            self._drain(actor)

    def _drain(self, actor: _Actor) -> None:
        for _ in range(MAX_CHAIN):
            if not actor.pending:
                return
            event, speaker_id = actor.pending.pop(0)
            step = actor.npc.handle(
                event.event,
                event.data,
                self.world,
                self._clock.now_s(),
                alias=event.alias,
                speaker_id=speaker_id,
            )
            self._carry_out(actor, step, speaker_id)

    def _carry_out(self, actor: _Actor, step: Step, speaker_id: str | None = None) -> None:
        """Do what a step asks for; what it says comes in a turn of its own."""
        for fault in step.faults:
            _log.warning("npc %s: %s", actor.npc.npc_id, fault)
        carried = self._scene.carry_out(actor.npc, step, speaker_id)
        actor.pending += [(end, speaker_id) for end in carried.ended]
        num_waiting = sum(turn.request.cause == "state" for turn in actor.turns.values())
        if carried.lines and num_waiting < MAX_OWN_LINES:
            request = TurnRequest("state", speaker_id, lines=tuple(carried.lines))
            self._begin(actor, request, OWN_DEADLINE_S)

    def _ended(self, action: Action) -> None:
        """An action came to its end: the machine reacts, and the NPC speaks of it if it should."""
        calls = self._scene.calls
        is_awaited = calls.is_awaited(action.action_id)
        is_unspoken = action.action_id in calls.unspoken
        speaker_id = calls.unspoken.pop(action.action_id, None)
        actor = self._actors.get(action.npc_id)
        if actor is None:
            return
        tool = self._scene.tools.get(action.tool)
        result = action_result(tool, action, self.world)
        outcome = CallOutcome(tool, action.args, result, was_requested=True)
        num_turns = self.num_turns
        self._raise(actor.npc, tool_end(outcome), speaker_id)
        has_spoken = self.num_turns > num_turns
        if is_unspoken and not is_awaited and not has_spoken and action.status != "cancelled":
            self._begin(actor, TurnRequest("action", speaker_id, outcome=outcome), OWN_DEADLINE_S)

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _definition_name(npc_id: str, entry: Any) -> str:
    if not _NPC_ID.fullmatch(npc_id):
        raise _damaged(npc_id, "that is no id")
    name = entry.get("definition") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise _damaged(npc_id, "it names no definition")
    return name


def _damaged(npc_id: str, how: str) -> SessionError:
    return SessionError(
        f"the saved state of npc {npc_id!r:.70} is damaged: {how}", code=ErrorCode.BAD_BLOB
    )


def _too_many(num: int, limit: int) -> SessionError:
    return SessionError(
        f"that would make {num} NPCs, the limit is {limit}", code=ErrorCode.TOO_MANY_NPCS
    )
