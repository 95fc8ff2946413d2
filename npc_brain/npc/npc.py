"""One NPC: its file, where it is in its machine, and what it knows. No wire, no model, no waiting.

Each input (an event, a reaction to what was heard, the passing of time) runs the state machine to
completion; what has to be said or done in the world is returned as a `Step` for the caller.
"""

import random
import re
from collections.abc import Mapping
from typing import Any

from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.memory.blackboard import Blackboard
from npc_brain.memory.store import MemoryStore
from npc_brain.memory.transcript import Transcript
from npc_brain.npc.compile import Node, Reaction
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.effects import Assign
from npc_brain.npc.expressions import Scope
from npc_brain.npc.machine import Machine, MachineState, Step
from npc_brain.world.model import Scalar
from npc_brain.world.world import World

MAX_MET = 1000
"""Of those it has met, how many a saved NPC knows; others it greets again."""
_ID = re.compile(r"[A-Za-z0-9_.:/\-]{1,64}")
"""As `world.model.Id`."""


class Npc:
    """A living NPC.

    Attributes:
        npc_id: Its id in the game; need not be that of its definition.
        state: Where it is in its machine.
        rng: Draws among alternative lines; seeded, so that a scenario can be repeated.
        met: Ids of those it has been greeted by.
        last_speaker_id: With whom it spoke last, for lines that are said later.
    """

    def __init__(
        self,
        npc_id: str,
        definition: NpcDefinition,
        machine: Machine,
        store: MemoryStore,
        *,
        seed: int | str | None = None,
    ) -> None:
        self.npc_id = npc_id
        self.definition = definition
        self.machine = machine
        self.blackboard = Blackboard(definition.blackboard)
        self.transcript = Transcript()
        self.memory = store.of(npc_id, machine.secrets.spelled)
        self.rng = random.Random(seed)
        self.met: set[str] = set()
        self.last_speaker_id: str | None = None
        self.state = MachineState("", ())
        self._store = store
        self._seen: tuple[int, int] = (-1, -1)

    @property
    def node(self) -> Node:
        """All that applies in the present state."""
        return self.machine.node(self.state)

    def start(self, world: World, now_s: float) -> Step:
        """Enter the initial state."""
        return self._took(self.machine.start(self.scope(world), now_s), world)

    def handle(
        self,
        event: str,
        data: Mapping[str, Scalar],
        world: World,
        now_s: float,
        *,
        alias: str = "",
        speaker_id: str | None = None,
    ) -> Step:
        """React to an event; `alias` is another name of it, tried when the first leads nowhere."""
        scope = self.scope(world, data, speaker_id)
        return self._took(self.machine.handle(self.state, event, scope, now_s, alias=alias), world)

    def react(self, reaction: Reaction, scope: Scope, world: World, now_s: float) -> Step:
        """Do what a `heard` entry asks for."""
        return self._took(self.machine.react(self.state, reaction, scope, now_s), world)

    def tick(self, world: World, now_s: float) -> Step | None:
        """Let time pass; None, at the cost of two comparisons, when there is nothing to do."""
        seen = (self.blackboard.revision, world.revision)
        if now_s < self.state.next_due_s and (seen == self._seen or not self.node.is_watching):
            return None
        return self._took(self.machine.tick(self.state, self.scope(world), now_s), world)

    def scope(
        self,
        world: World,
        data: Mapping[str, Scalar] | None = None,
        speaker_id: str | None = None,
    ) -> Scope:
        """What guards can see now."""
        speaker_id = speaker_id or self.last_speaker_id
        mine = world.inventory(self.npc_id)
        theirs = world.inventory(speaker_id) if speaker_id else None
        return Scope(
            blackboard=self.blackboard,
            event=data or {},
            held=mine.items if mine else {},
            speaker_held=theirs.items if theirs else {},
            speaker=speaker_id or "",
        )

    def values(self, world: World, speaker_id: str | None = None) -> dict[str, Scalar]:
        """The placeholders that every authored line may use."""
        speaker_id = speaker_id or self.last_speaker_id
        return {
            **self.blackboard,
            "name": self.definition.persona.name,
            "speaker": world.name_of(speaker_id) if speaker_id else "stranger",
        }

    def save(self, now_s: float) -> dict[str, Any]:
        """Its whole state as JSON values."""
        return {
            "machine": self.state.to_json(now_s),
            "blackboard": self.blackboard.to_json(),
            "transcript": self.transcript.to_json(),
            "memories": self._store.to_json(self.npc_id),
            "met": sorted(self.met)[:MAX_MET],
            "last_speaker_id": self.last_speaker_id,
        }

    def restore(self, saved: Mapping[str, Any], now_s: float) -> int:
        """Restore what `save` gave, except for its memories, which are only added to the store.

        So NPCs can be restored beside living ones of the same ids, from any thread.

        Returns:
            The number of its memories, for `MemoryStore.replace_sets`.

        Raises:
            NpcBrainError: It is damaged (`bad_blob`).
        """
        met, last = saved.get("met"), saved.get("last_speaker_id", "")
        if not isinstance(met, list) or not all(map(_is_id, met)) or len(met) > MAX_MET:
            raise _damaged(f"those it has met are no list of up to {MAX_MET} ids")
        if last is not None and not _is_id(last):
            raise _damaged("whom it spoke with last is no id")
        try:
            self.state = self.machine.restore(saved.get("machine", {}), now_s)
            self.blackboard.restore(saved.get("blackboard", ()))
            self.transcript.restore(saved.get("transcript", ""))
            self.met, self.last_speaker_id = set(met), last
            return self._store.add_set(saved.get("memories", ""))
        except NpcBrainError as error:
            raise _damaged(error.message) from error

    def forget(self) -> None:
        """Drop its memories, as when it despawns."""
        self._store.forget(self.npc_id)

    def _took(self, step: Step, world: World) -> Step:
        """Take over the new state and the facts that the step assigned."""
        self.state = step.state
        for effect in step.effects:
            if isinstance(effect, Assign):
                self.blackboard.set(effect.key, effect.value)
        self._seen = (self.blackboard.revision, world.revision)
        return step


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _damaged(how: str) -> NpcBrainError:
    return NpcBrainError(how, code=ErrorCode.BAD_BLOB)
