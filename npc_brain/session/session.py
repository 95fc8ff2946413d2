"""One engine's session: its messages go to a stage, whose events become messages."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import isfinite
from statistics import median
from typing import Any, TypeVar

from npc_brain.clock import Clock
from npc_brain.decision.models import Models
from npc_brain.decision.roster import LoadedNpcs
from npc_brain.decision.stage import Stage
from npc_brain.errors import ErrorCode, NpcBrainError, SessionError
from npc_brain.inference.chat import BackendStats
from npc_brain.media import Picture, Sound
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.machine import Machine
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.protocol import messages as m
from npc_brain.session.registry import Outbox, Reply, Work
from npc_brain.session.saved_state import pack_npc, pack_state, unpack_state
from npc_brain.tools.custom import custom_tool
from npc_brain.world.world import World, is_large

TICK_S = 0.05
"""How often time passes for NPCs."""

_log = logging.getLogger(__name__)
_SLICE_S = 0.005
_Result = TypeVar("_Result")


class StageSession:
    """See `session.registry.Session`; made by the sidecar for each engine."""

    def __init__(
        self,
        session_id: str,
        outbox: Outbox,
        *,
        models: Models,
        library: NpcLibrary,
        clock: Clock,
        limits: m.Limits,
        num_sessions: Callable[[], int],
    ) -> None:
        self.session_id = session_id
        self._outbox = outbox
        self._models = models
        self._library = library
        self._clock = clock
        self._started_s = clock.now_s()
        self._num_sessions = num_sessions
        self.stage = Stage(
            lambda told, npc_id: self._outbox(told, npc_id),
            models,
            clock,
            max_npcs=limits.max_npcs,
            max_queued_turns=limits.max_queued_turns,
        )
        self._thread: ThreadPoolExecutor | None = None
        self._is_announcing = False
        self._ticking = asyncio.create_task(self._tick())

    # --- session.registry.Session ------------------------------------------------------------

    def handle(self, envelope: m.Envelope) -> m.Body | Work:
        """Act upon a message; raises NpcBrainError."""
        handler = _HANDLERS.get(type(envelope.body))
        if handler is None:
            raise SessionError(
                f"nothing answers {envelope.type!r} here", code=ErrorCode.UNKNOWN_TYPE
            )
        return handler(self, envelope.npc_id or "", envelope.body)

    def attach(self, outbox: Outbox) -> None:
        """The engine is back."""
        self._outbox = outbox

    def detach(self) -> None:
        """The connection is lost: turns end as cancelled, actions stay as the engine last said."""
        self.stage.cancel_all_turns("connection lost")

    async def close(self) -> None:
        """Forget everything."""
        self._ticking.cancel()
        await self.stage.close()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    # --- messages ----------------------------------------------------------------------------

    def _sync(self, _: str, body: m.WorldSync) -> m.Body | Work:
        if is_large(body):
            return partial(self._replace_world, partial(World.from_snapshot, body))
        self.stage.sync_world(body)
        return m.Ok()

    def _patch(self, _: str, body: m.WorldPatched) -> m.Body | Work:
        world = self.stage.world
        if is_large(body) or is_large(world):
            return partial(self._replace_world, partial(world.patched, body))
        self.stage.patch_world(body)
        return m.Ok()

    async def _replace_world(self, make: Callable[[], World], reply: Reply) -> None:
        self.stage.world = await self._aside(make)
        reply(m.Ok())

    def _register(self, _: str, body: m.ToolRegister) -> m.Body:
        tool = custom_tool(
            body.name, body.description, body.parameters, body.kind, body.timeout_ms, body.examples
        )
        self.stage.register_tool(tool)
        return m.Ok()

    def _spawn(self, npc_id: str, body: m.NpcSpawn) -> Work:
        return partial(self._spawn_aside, npc_id, body)

    async def _spawn_aside(self, npc_id: str, body: m.NpcSpawn, reply: Reply) -> None:
        """Read the definition on another thread; what the NPC does at once follows the reply."""
        stage, tools = self.stage, self.stage.tools

        def prepare() -> tuple[NpcDefinition, Machine]:
            definition = self._library.find(body.definition, npc_id, tools)
            return definition, stage.roster.compile(definition)

        definition, _machine = await self._aside(prepare)
        outbox, caused = self._outbox, list[tuple[m.Body, str | None]]()
        self._outbox = lambda told, about: caused.append((told, about))
        try:
            stage.spawn(npc_id, definition, blackboard=body.blackboard, position=body.position)
        finally:
            self._outbox = outbox
        (initial_state, _), *later = caused
        reply(initial_state)
        for told, about in later:
            self._outbox(told, about)

    def _despawn(self, npc_id: str, _: m.NpcDespawn) -> m.Body:
        self.stage.despawn(npc_id)
        return m.Ok()

    def _event(self, npc_id: str, body: m.NpcEvent) -> m.Body:
        self.stage.raise_event(npc_id, body.event, body.data)
        return m.Ok()

    def _hear(self, npc_id: str, body: m.NpcHear) -> m.Body:
        if body.text is None and body.audio is None:
            raise SessionError(
                "npc.hear: got neither `text` nor `audio`",
                code=ErrorCode.BAD_BODY,
                hint="send the text or the sound of what was said",
            )
        sound = None
        if body.audio is not None:
            sound = Sound(body.audio, body.audio_format or "wav", body.sample_rate_hz or 0)
        turn = self.stage.hear(
            npc_id,
            body.speaker_id,
            body.text or "",
            sound=sound,
            priority=body.priority,
            deadline_ms=body.deadline_ms,
        )
        return turn.started

    def _see(self, npc_id: str, body: m.NpcSee) -> m.Body:
        caption = body.caption or ""
        if not caption and body.entity_id is not None:
            caption = self.stage.world.name_of(body.entity_id)
        self.stage.see(npc_id, body.speaker_id, Picture(body.image), caption)
        return m.Ok()

    def _cancel(self, _: str, body: m.TurnCancel) -> m.Body:
        self.stage.cancel_turn(body.turn_id)
        return m.Ok()

    def _update(self, _: str, body: m.ActionUpdate) -> m.Body:
        self.stage.update_action(body.action_id, body.status, body.reason, body.result)
        return m.Ok()

    def _result(self, _: str, body: m.ToolCallResult) -> m.Body:
        self.stage.resolve_call(body.call_id, body.ok, body.result, body.error)
        return m.Ok()

    def _save(self, _: str, body: m.StateSave) -> Work:
        return partial(self._save_aside, body.npc_ids)

    def _load(self, _: str, body: m.StateLoad) -> Work:
        return partial(self._load_aside, body.blob)

    async def _save_aside(self, npc_ids: Sequence[str], reply: Reply) -> None:
        """Save NPC by NPC while the stage goes on, and compress it all on another thread."""
        packed: list[bytes] = []
        async for npc_id in self._in_slices(dict.fromkeys(npc_ids) or self.stage.npc_ids):
            packed.append(pack_npc(npc_id, self.stage.roster.save(npc_id)))
        reply(m.StateSaved(blob=await self._aside(partial(pack_state, packed))))

    async def _load_aside(self, blob: bytes, reply: Reply) -> None:
        """Make the saved NPCs on another thread, put them on the stage at once, announce each."""
        stage, tools = self.stage, self.stage.tools

        def prepare(living: Mapping[str, NpcDefinition]) -> LoadedNpcs:
            def definition_of(name: str) -> NpcDefinition:
                return self._library.find(name, name, tools)

            return stage.roster.prepare_load(unpack_state(blob), living, definition_of)

        loaded = await self._aside(partial(prepare, stage.roster.definitions()))
        try:
            stage.roster.check_load(loaded)
        except NpcBrainError:
            await self._aside(partial(stage.roster.forget_memories, loaded.memories.values()))
            raise
        reply(m.Ok())
        unused = stage.roster.apply_load(loaded)
        self._is_announcing = True  # no NPC changes state before its `npc.state` was sent
        try:
            async for npc_id in self._in_slices(loaded.actors):
                stage.announce_loaded(npc_id)
        finally:
            self._is_announcing = False
        await self._aside(partial(stage.roster.forget_memories, unused))

    async def _aside(self, work: Callable[[], _Result]) -> _Result:
        """Do `work` on this session's own thread."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="npc-brain-session")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _in_slices(self, npc_ids: Iterable[str]) -> AsyncIterator[str]:
        """Each of `npc_ids`, letting others have the loop every few milliseconds."""
        slice_end_s = time.monotonic() + _SLICE_S
        for npc_id in list(npc_ids):
            yield npc_id
            if time.monotonic() >= slice_end_s:
                await asyncio.sleep(0)
                slice_end_s = time.monotonic() + _SLICE_S

    def _stats(self, _: str, __: m.StatsRequest) -> m.Body:
        stage = self.stage
        stats = self._backend_stats()
        rate = 1000 * stats.num_completion_tokens / stats.decode_ms if stats.decode_ms else 0.0
        return m.Stats(
            uptime_ms=m.as_uint((self._clock.now_s() - self._started_s) * 1000),
            num_sessions=self._num_sessions(),
            num_npcs=len(stage.npc_ids),
            num_turns=stage.turns.num_begun,
            num_fallbacks=stage.turns.num_fallbacks,
            num_prompt_tokens=m.as_uint(stats.num_prompt_tokens),
            num_cached_tokens=m.as_uint(stats.num_cached_tokens),
            num_completion_tokens=m.as_uint(stats.num_completion_tokens),
            first_token_ms_p50=m.as_uint(median(stage.turns.first_token_ms or (0,))),
            tokens_per_s=rate if isfinite(rate) else 0.0,
        )

    def _backend_stats(self) -> BackendStats:
        backend = self._models.backend
        try:
            return BackendStats() if backend is None else backend.stats
        except Exception:  # of native code; the other counters are still reported
            _log.exception("the model has no counters")
            return BackendStats()

    # --- inside ------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._is_announcing:
                continue
            try:
                await self._let_time_pass()
            except Exception:  # the next tick may work
                _log.exception("a tick failed")

    async def _let_time_pass(self) -> None:
        """Let others have the loop every few milliseconds, however many NPCs there are."""
        slice_end_s = 0.0
        for _ in self.stage.ticking():
            while time.monotonic() >= slice_end_s or self._is_announcing:
                await asyncio.sleep(0)
                slice_end_s = time.monotonic() + _SLICE_S


_HANDLERS: Mapping[type[m.Body], Callable[[StageSession, str, Any], m.Body | Work]] = {
    m.WorldSync: StageSession._sync,
    m.WorldPatched: StageSession._patch,
    m.ToolRegister: StageSession._register,
    m.NpcSpawn: StageSession._spawn,
    m.NpcDespawn: StageSession._despawn,
    m.NpcEvent: StageSession._event,
    m.NpcHear: StageSession._hear,
    m.NpcSee: StageSession._see,
    m.TurnCancel: StageSession._cancel,
    m.ActionUpdate: StageSession._update,
    m.ToolCallResult: StageSession._result,
    m.StateSave: StageSession._save,
    m.StateLoad: StageSession._load,
    m.StatsRequest: StageSession._stats,
}
