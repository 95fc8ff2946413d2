"""The NPCs of one game session, without a wire.

A stage receives what the engine says (the world, events, what was heard, how actions proceed) and
reports through its `Notify` what NPCs do and say. The sidecar's sessions put it on the wire;
tests and scenarios use it directly. All calls come from one event loop, and none of them blocks it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from npc_brain.clock import Clock
from npc_brain.decision.actor import Actor
from npc_brain.decision.context import Notify, StageContext
from npc_brain.decision.mailbox import Event, TurnRequest
from npc_brain.decision.models import Models
from npc_brain.decision.prompt import shown_text
from npc_brain.decision.roster import Roster
from npc_brain.decision.tool_calls import ToolCalls
from npc_brain.decision.turn import Turn
from npc_brain.decision.turns import Turns
from npc_brain.errors import ErrorCode, NpcBrainError, SessionError
from npc_brain.inference.media.audio import num_audio_tokens
from npc_brain.inference.media.image import image_size
from npc_brain.media import Picture, Sound
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.npc import Npc
from npc_brain.plain_text import plain_text
from npc_brain.protocol.messages import NpcState
from npc_brain.tools.actions import Action
from npc_brain.tools.spec import Tool
from npc_brain.vocabulary import ActionStatus
from npc_brain.world.model import Position, Scalar, WorldPatch, WorldSnapshot
from npc_brain.world.world import World

_log = logging.getLogger(__name__)


class Stage:
    """See the module.

    Attributes:
        roster: The NPCs; saves and loads them.
        turns: Those under way, and how many there were.
    """

    def __init__(
        self,
        notify: Notify,
        models: Models,
        clock: Clock,
        *,
        max_npcs: int = 4096,
        max_queued_turns: int = 64,
        seed: int | None = None,
    ) -> None:
        """Set up an empty stage.

        Args:
            notify: Receives what NPCs say, become and want.
            models: The models that they use; shared with other stages, not closed here.
            clock: The source of all time.
            max_npcs: The most NPCs at a time.
            max_queued_turns: Turns under way or waiting at once.
            seed: Makes authored alternatives and sampling repeatable.
        """
        self._context = StageContext(notify, models, clock)
        self._calls = ToolCalls(self._context)
        self.roster = Roster(self._context, self._calls, max_npcs=max_npcs, seed=seed)
        self.turns = Turns(self._context, self._calls, max_queued=max_queued_turns)
        self._clock = clock

    # --- the world ---------------------------------------------------------------------------

    @property
    def world(self) -> World:
        """The latest snapshot. Replace it, never change it."""
        return self._context.world

    @world.setter
    def world(self, world: World) -> None:
        self._context.world = world

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool by name, built-in and registered."""
        return self._context.tools_by_name()

    def sync_world(self, snapshot: WorldSnapshot) -> None:
        """Replace the world. Raises WorldError and keeps the old one if it contradicts itself."""
        self.world = World.from_snapshot(snapshot)

    def patch_world(self, patch: WorldPatch) -> None:
        """Change the world. Raises WorldError (`resync` on a gap) and keeps the old one."""
        self.world = self.world.patched(patch)

    def register_tool(self, tool: Tool) -> None:
        """Add a tool of the game; raises ToolError when the name is taken."""
        self._context.tools.register(tool)

    # --- NPCs --------------------------------------------------------------------------------

    @property
    def npc_ids(self) -> list[str]:
        """Ids of the living NPCs."""
        return list(self.roster.actors)

    def npc(self, npc_id: str) -> Npc:
        """A living NPC; raises SessionError (`unknown_npc`)."""
        return self.roster.get(npc_id).npc

    def spawn(
        self,
        npc_id: str,
        definition: NpcDefinition,
        *,
        blackboard: Mapping[str, Scalar] | None = None,
        position: Position | None = None,
    ) -> None:
        """Bring an NPC to life; first its initial state is reported, then what it does there.

        `position` places it when the world does not have it yet.

        Raises SessionError (`duplicate_npc`, `too_many_npcs`), DefinitionError, BlackboardError.
        """
        actor = self.roster.add(npc_id, definition)
        npc = actor.npc
        npc.blackboard.update(blackboard or {})
        if position is not None and self.world.position_of(npc_id) is None:
            self.world = self.world.with_npc(npc_id, definition.persona.name, position)
        self.roster.put(actor)
        actor.take_step(npc.start(self.world, self._clock.now_s()))
        self.turns.begin_requested(actor)
        examples = self._context.own_examples(npc)
        self.turns.in_background(self._context.models.prepare(npc, examples, lambda: self.world))

    def despawn(self, npc_id: str) -> None:
        """End an NPC, its turns and its actions."""
        self.roster.remove(npc_id)

    def raise_event(self, npc_id: str, event: str, data: Mapping[str, Scalar]) -> None:
        """Let an NPC's machine react to an event of the game.

        `data.by` names who caused it, if anyone. A transition into a state that does not ask the
        model ends what the NPC is saying.
        """
        actor = self.roster.get(npc_id)
        by = data.get("by")
        speaker_id = by if isinstance(by, str) and self.world.entity(by) else None
        before = actor.npc.state.name
        actor.raise_event(Event(event, data=data, speaker_id=speaker_id))
        self.turns.begin_requested(actor)
        if actor.npc.state.name != before and actor.npc.node.mind == "scripted":
            for turn in list(actor.turns.values()):
                if turn.request.cause == "hear":
                    self.turns.call_off(turn, f"interrupted by {event}")

    # --- turns -------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether no turn is in progress or waiting."""
        return not self.turns

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
        """Speak to an NPC; its turn begins as soon as the previous one has ended.

        `text` may be empty if there is a `sound` and the model can hear. A model that cannot hear
        only gets the text.

        Raises SessionError (`unknown_npc`, `too_many_queued`, `cannot_hear`) and MediaError.
        """
        actor = self.roster.get(npc_id)
        text = plain_text(text)
        sound = self._audible(sound, text)
        self.turns.check_room()
        limit_s = (deadline_ms or actor.npc.definition.deadline_ms) / 1000
        request = TurnRequest("hear", speaker_id, text, sound)
        return self.turns.begin(actor, request, limit_s, priority)

    def see(self, npc_id: str, speaker_id: str, picture: Picture, caption: str = "") -> None:
        """Show an NPC a picture; it precedes what is said to the NPC next.

        If the model cannot see, the NPC only knows that it was shown a picture, and the caption.

        Raises SessionError (`unknown_npc`), MediaError when the picture is no PNG or JPEG file.
        """
        transcript = self.npc(npc_id).transcript
        can_see = "see" in self._context.models.senses
        if can_see:
            image_size(picture.data)
        transcript.add(
            speaker_id, shown_text(plain_text(caption)), media=(picture,) if can_see else ()
        )

    def _audible(self, sound: Sound | None, text: str) -> Sound | None:
        """The sound, if the model hears and so needs it."""
        if sound is None:
            return None
        if "hear" in self._context.models.senses:
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
        """End a turn immediately, and cancel the actions that it started.

        Raises SessionError (`unknown_turn`) when it is not under way.
        """
        self.turns.call_off(self.turns.get(turn_id))

    def cancel_all_turns(self, detail: str) -> None:
        """End all turns, as when the connection is lost; actions stay as they are."""
        self.turns.cancel_all(detail)

    # --- what the engine says ----------------------------------------------------------------

    def update_action(
        self,
        action_id: int,
        status: ActionStatus,
        reason: str = "",
        result: dict[str, Any] | None = None,
    ) -> None:
        """Take in how an action goes; raises SessionError as `ActionTracker.update`."""
        self._take_end(self._calls.update(action_id, status, reason, result or {}))

    def resolve_call(
        self, call_id: int, ok: bool, result: dict[str, Any], reason: str = ""
    ) -> None:
        """Take in the answer to a query; raises SessionError (`unknown_call`)."""
        self._calls.resolve_call(call_id, ok, result, reason)

    def tick(self) -> None:
        """Let time pass: timers, guards, timeouts. To be called some 20 times a second."""
        for _ in self.ticking():
            pass

    def ticking(self) -> Iterator[None]:
        """As `tick`, one NPC after the other; meanwhile everything else may be called."""
        for action in self._calls.expire():
            self._take_end(action)
        for actor in list(self.roster.actors.values()):
            if not actor.is_gone:
                self._tick(actor)
            yield

    # --- saving ------------------------------------------------------------------------------

    def save(self, npc_ids: Iterable[str] = ()) -> dict[str, Any]:
        """The state of NPCs (all by default) as JSON values."""
        return {npc_id: self.roster.save(npc_id) for npc_id in npc_ids or self.npc_ids}

    def load(self, saved: Mapping[str, Any], definition_of: Callable[[str], NpcDefinition]) -> None:
        """Put NPCs back as `save` gave them, all or none; those not spawned are spawned.

        Transitions are reported with the event `load`. Raises NpcBrainError (`bad_blob`,
        `bad_definition`, `too_many_npcs`), after which all is as before.
        """
        roster = self.roster
        loaded = roster.prepare_load(saved.items(), roster.definitions(), definition_of)
        try:
            roster.check_load(loaded)
        except NpcBrainError:
            roster.forget_memories(loaded.memories.values())
            raise
        roster.forget_memories(roster.apply_load(loaded))
        for npc_id in saved:
            self.announce_loaded(npc_id)

    def announce_loaded(self, npc_id: str) -> None:
        """Tell the engine which state a loaded NPC is in."""
        npc = self.npc(npc_id)
        changed = NpcState(
            to_state=npc.state.name, event="load", blackboard=npc.blackboard.to_json()
        )
        self._context.notify(changed, npc_id)

    async def close(self) -> None:
        """End everything."""
        await self.roster.close()
        await self.turns.close()
        self.roster.close_store()
        self.world = World.empty()

    # --- inside ------------------------------------------------------------------------------

    def _take_end(self, action: Action) -> None:
        """Let an NPC's machine react to the end of an action, if it has come."""
        actor = self.roster.actors.get(action.npc_id)
        if actor is not None and action.is_ended:
            actor.run_machine()
            self.turns.begin_requested(actor)

    def _tick(self, actor: Actor) -> None:
        try:
            self._let_time_pass(actor)
            actor.is_faulty = False
        except Exception:  # of one NPC, which stops no other
            if not actor.is_faulty:  # else it was told, and would be 20 times a second
                _log.exception("time does not pass for npc %s", actor.npc.npc_id)
            actor.is_faulty = True

    def _let_time_pass(self, actor: Actor) -> None:
        if actor.mailbox.events:
            actor.run_machine()
        self.turns.begin_requested(actor)
        if actor.turns:
            return
        step = actor.npc.tick(self.world, self._clock.now_s())
        if step is not None:
            actor.take_step(step)
            self.turns.begin_requested(actor)
