"""The NPCs of one stage: made from their files, saved and loaded."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from npc_brain.decision.actor import Actor
from npc_brain.decision.context import StageContext
from npc_brain.decision.tool_calls import ToolCalls
from npc_brain.errors import ErrorCode, NpcBrainError, SessionError
from npc_brain.memory.store import MemoryStore
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.machine import Machine, compile_machine
from npc_brain.npc.npc import Npc
from npc_brain.tools.actions import Action

_NPC_ID = re.compile(r"[A-Za-z0-9_.:/\-]{1,64}")
"""As `world.model.Id`."""


@dataclass(eq=False)
class LoadedNpcs:
    """NPCs made from a saved state, not on the stage yet.

    Attributes:
        memories: By NPC, the number of its memories in the store.
        actions: By NPC, its actions under way.
    """

    actors: dict[str, Actor] = field(default_factory=dict)
    memories: dict[str, int] = field(default_factory=dict)
    actions: dict[str, list[Action]] = field(default_factory=dict)


class Roster:
    """See the module.

    Attributes:
        actors: The living NPCs, by their ids.
    """

    def __init__(
        self, context: StageContext, calls: ToolCalls, *, max_npcs: int, seed: int | None
    ) -> None:
        self.actors: dict[str, Actor] = {}
        self._context = context
        self._calls = calls
        self._max_npcs = max_npcs
        self._seed = seed
        self._store = MemoryStore(lambda: context.models.sentence_encoder)
        self._machines = WeakValueDictionary[bytes, Machine]()
        self._is_closed = False

    def get(self, npc_id: str) -> Actor:
        """A living NPC; raises SessionError (`unknown_npc`)."""
        actor = self.actors.get(npc_id)
        if actor is None:
            raise SessionError(
                f"no npc {npc_id!r} is spawned",
                code=ErrorCode.UNKNOWN_NPC,
                hint="send npc.spawn first",
            )
        return actor

    def compile(self, definition: NpcDefinition) -> Machine:
        """The machine of a definition, shared by all NPCs whose definitions say the same.

        May be called from any thread; while its result is kept, NPCs are quickly made. Raises
        DefinitionError.
        """
        machine = self._machines.get(definition.content)
        if machine is None:
            machine = compile_machine(definition, self._context.tools_by_name())
            self._machines[definition.content] = machine
        return machine

    def add(self, npc_id: str, definition: NpcDefinition) -> Actor:
        """Make an NPC; nothing has happened to it yet.

        Raises SessionError (`duplicate_npc`, `too_many_npcs`), DefinitionError.
        """
        if self._is_closed:
            raise _ended()
        if npc_id in self.actors:
            raise SessionError(
                f"npc {npc_id!r} is spawned already",
                code=ErrorCode.DUPLICATE_NPC,
                hint="despawn it first, or use another npc_id",
            )
        self._check_room(1)
        return self._make(npc_id, definition)

    def put(self, actor: Actor) -> None:
        """Put an NPC on the stage."""
        npc_id = actor.npc.npc_id
        self.actors[npc_id] = actor
        self._context.mailboxes[npc_id] = actor.mailbox

    def remove(self, npc_id: str) -> None:
        """End an NPC, its turns and its actions; raises SessionError (`unknown_npc`)."""
        actor = self.get(npc_id)
        self._retire(npc_id, "despawned")
        self._calls.drop(npc_id)
        actor.npc.forget()
        del self.actors[npc_id]

    async def close(self) -> None:
        """End all NPCs at once, and free them one by one, so that others go on meanwhile."""
        self._is_closed = True
        for npc_id in self.actors:
            self._retire(npc_id, "closed")
            self._calls.drop(npc_id)
        while self.actors:
            self.actors.popitem()
            await asyncio.sleep(0)

    def close_store(self) -> None:
        """Free all memories; to be called when no NPC is busy any more."""
        self._store.close()

    # --- saving ------------------------------------------------------------------------------

    def save(self, npc_id: str) -> dict[str, Any]:
        """The state of one NPC as JSON values; raises SessionError (`unknown_npc`)."""
        npc = self.get(npc_id).npc
        return {
            "definition": npc.definition.id,
            **npc.save(self._context.clock.now_s()),
            "actions": self._calls.tracker.save(npc_id),
        }

    def definitions(self) -> dict[str, NpcDefinition]:
        """The definitions of the living NPCs, by their ids."""
        return {npc_id: actor.npc.definition for npc_id, actor in self.actors.items()}

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
            NpcBrainError: It is damaged, or too much (`bad_blob`, `bad_definition`,
                `too_many_npcs`).
        """
        loaded, found = LoadedNpcs(), dict[str, NpcDefinition]()
        try:
            for npc_id, entry in saved:
                if len(loaded.actors) >= self._max_npcs:
                    raise _too_many(len(loaded.actors) + 1, self._max_npcs)
                if self._is_closed:
                    raise _ended()
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
        self._check_room(len(loaded.actors.keys() - self.actors.keys()))
        self._calls.tracker.check(loaded.actions)

    def apply_load(self, loaded: LoadedNpcs) -> list[int]:
        """Put all loaded NPCs on the stage at once.

        Returns the memories that no NPC has any more, for `forget_memories`.
        """
        for npc_id in loaded.actors.keys() & self.actors.keys():
            self._retire(npc_id, "loaded")
        self._calls.replace_actions(loaded.actions)
        for actor in loaded.actors.values():
            self.put(actor)
        return self._store.replace_sets(loaded.memories)

    def forget_memories(self, memories: Iterable[int]) -> None:
        """Free memories that no NPC has; from any thread."""
        if not self._is_closed:
            self._store.drop(memories)

    # --- inside ------------------------------------------------------------------------------

    def _retire(self, npc_id: str, why: str) -> None:
        """End the turns of an NPC that leaves the stage; it hears of nothing any more."""
        actor = self.actors[npc_id]
        actor.is_gone = True
        del self._context.mailboxes[npc_id]
        for turn in list(actor.turns.values()):
            turn.cancel(why)

    def _check_room(self, num_more: int) -> None:
        if len(self.actors) + num_more > self._max_npcs:
            raise _too_many(len(self.actors) + num_more, self._max_npcs)

    def _make(self, npc_id: str, definition: NpcDefinition) -> Actor:
        machine = self.compile(definition)
        seed = None if self._seed is None else f"{self._seed}/{npc_id}"
        npc = Npc(npc_id, definition, machine, self._store, seed=seed)
        return Actor(npc, self._context, self._calls)

    def _restore(
        self, npc_id: str, definition: NpcDefinition, entry: Any, loaded: LoadedNpcs
    ) -> None:
        """Add one saved NPC to `loaded`; raises NpcBrainError."""
        actor = self._make(npc_id, definition)
        loaded.actions[npc_id] = self._calls.tracker.loaded(npc_id, entry.get("actions"))
        try:
            now_s = self._context.clock.now_s()
            loaded.memories[npc_id] = actor.npc.restore(entry, now_s)
        except NpcBrainError as error:
            raise _damaged(npc_id, error.message) from error
        loaded.actors[npc_id] = actor


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


def _ended() -> SessionError:
    return SessionError("the session has ended", code=ErrorCode.UNKNOWN_SESSION)


def _too_many(num: int, limit: int) -> SessionError:
    return SessionError(
        f"that would make {num} NPCs, the limit is {limit}", code=ErrorCode.TOO_MANY_NPCS
    )
