"""Keeps the world and the sidecar in step: the part of the game that an engine bridge plays.

The world decides, and the sidecar is informed in order through one queue: first what changed, then
the status of actions, then what happened to NPCs, so that a state machine that reacts to a gift
sees it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from npc_brain.client import Client, Handlers, Turn
from npc_brain.demo.view import Speech, View
from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.protocol.messages import ActionCancel, ActionRequest, NpcState, Status, TurnEnded
from npc_brain.simulation.ground import cells_apart
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.walking import Update
from npc_brain.vocabulary import END_STATUSES

TICK_S = 0.05
EARSHOT_CELLS = 12
"""Lines from further off are shown as such, and what goes on behind them is not shown."""
QUIET_S = 0.4
"""When nothing has been said or done for so long, a command has run its course."""
ENDLESS_TOOLS = frozenset({"follow"})

Send = Callable[[], Awaitable[Any]]


class Bridge:
    """Runs the world in real time and carries messages both ways.

    Attributes:
        is_ready: Set once the sidecar has its model, or will do without.
        num_losses: How often the link to the sidecar was lost.
    """

    def __init__(self, world: SimulatedWorld, view: View, definitions: Mapping[str, str]) -> None:
        self.world = world
        self.is_ready = asyncio.Event()
        self.num_losses = 0
        self._view = view
        self._definitions = definitions
        self._outbox: asyncio.Queue[Send] = asyncio.Queue()
        self._client: Client | None = None
        self._walks: dict[int, asyncio.Future[Update]] = {}
        self._last_walk_id = 0
        self._turn_actions: dict[int, tuple[str, int]] = {}
        """NPC and turn of each action under way that was asked for in a turn, by action id."""
        self._tool_names: dict[int, str] = {}
        self._shown_tools: set[tuple[int, str]] = set()
        self._speaking: set[asyncio.Task[None]] = set()
        self._busy_until_s = 0.0
        self._quest_steps = dict(world.quests.num_done)
        self._is_loading = False

    def handlers(self) -> Handlers:
        """What the client calls."""
        return Handlers(
            on_action=self._take_action,
            on_action_cancel=self._take_cancel,
            on_state=self._take_state,
            on_turn=self._take_turn,
            on_status=self.take_status,
            on_link=self._take_link,
        )

    @contextlib.asynccontextmanager
    async def running(self, client: Client) -> AsyncIterator[None]:
        """Bring the NPCs to life and let time pass for the length of a `with` block."""
        self._client = client
        await self._populate()
        tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._send())]
        try:
            yield
        finally:
            self._client = None
            for task in (*tasks, *self._speaking):
                task.cancel()
            await asyncio.gather(*tasks, *self._speaking, return_exceptions=True)

    # --- what the game does --------------------------------------------------------------------

    async def walk_player(self, target_id: str) -> Update:
        """Walk the player to a place or person; returns how the walk ended."""
        self._last_walk_id += 1
        walk_id = self._last_walk_id
        ending: asyncio.Future[Update] = asyncio.get_running_loop().create_future()
        self._walks[walk_id] = ending
        args = {"target": target_id}
        self.publish(self.world.begin(self.world.player_id, walk_id, "go_to", args))
        return await ending

    def hear(self, npc_id: str, text: str) -> Turn:
        """Speak to an NPC; the answer is shown as it comes."""
        turn = self._connected().hear(npc_id, self.world.player_id, text)
        self._follow_turn(turn)
        return turn

    def publish(self, updates: list[Update]) -> None:
        """Tell the sidecar what changed in the world, and the player what to read."""
        client = self._connected()
        patch = self.world.take_patch()
        if patch is not None:
            self._outbox.put_nowait(partial(client.patch_world, patch))
        for update in updates:
            self._publish_update(client, update)
        for event in self.world.take_events():
            self._outbox.put_nowait(partial(client.event, event.npc_id, event.event, event.data))
        for notice in self.world.take_notices():
            self._view.note(notice)
        self._note_quests()

    async def settle(self) -> None:
        """Wait until everything that was asked for has been said and done."""
        self._stir()
        while self.is_busy:
            await asyncio.sleep(TICK_S)

    @property
    def is_busy(self) -> bool:
        """Whether something is being said, done or sent, or was a moment ago."""
        if self._speaking or self._turn_actions or not self._outbox.empty():
            return True
        return time.monotonic() < self._busy_until_s

    async def save(self) -> bytes:
        """The NPCs' minds, opaque."""
        return await self._connected().save()

    async def load(self, saved_world: Mapping[str, Any], minds: bytes) -> None:
        """Put world and minds back; time stands still meanwhile.

        What the NPCs had under way ends with the minds that wanted it; nobody is told.

        Raises:
            NpcBrainError: Either is damaged; nothing is changed then.
        """
        client, before = self._connected(), self.world.save()
        updates = self.world.load(saved_world)
        self._is_loading = True
        try:
            await self._drained()
            await client.sync_world(self.world.snapshot())
            await client.load(minds)
        except NpcBrainError:
            self.world.load(before)
            self._outbox.put_nowait(lambda: client.sync_world(self.world.snapshot()))
            raise
        finally:
            self._is_loading = False
        self._turn_actions.clear()
        self._tool_names.clear()
        self._quest_steps = dict(self.world.quests.num_done)
        self.world.begin(self.world.player_id, 0, "stop", {})  # nobody waits for that walk
        self.publish([update for update in updates if update.actor_id == self.world.player_id])

    # --- what the sidecar says -----------------------------------------------------------------

    def _take_action(self, npc_id: str, request: ActionRequest) -> None:
        if self._is_loading:
            return  # of a mind that is being replaced
        self._tool_names[request.action_id] = request.tool
        if request.turn_id is not None:
            self._shown_tools.add((request.turn_id, request.tool))
            if request.tool not in ENDLESS_TOOLS:
                self._turn_actions[request.action_id] = (npc_id, request.turn_id)
        self._aside(npc_id, f"{request.tool}({_spelt(request.args)})", request.turn_id is not None)
        self.publish(self.world.begin(npc_id, request.action_id, request.tool, request.args))

    def _take_cancel(self, npc_id: str, cancel: ActionCancel) -> None:
        self.publish(self.world.cancel(npc_id, cancel.action_id))

    def _take_state(self, npc_id: str, state: NpcState) -> None:
        if self._is_loading and state.event != "load":
            return  # of the mind that is being replaced
        if state.from_state is not None:
            self._aside(npc_id, f"{state.from_state} → {state.to_state} ({state.event})")
        self.world.note_state(npc_id, state.to_state)
        if self._client is not None:
            self.publish([])

    def _take_turn(self, turn: Turn) -> None:
        self._follow_turn(turn)

    def take_status(self, status: Status) -> None:
        """Show how far the sidecar is."""
        if status.phase in ("ready", "degraded"):
            if not self.is_ready.is_set() and status.phase == "degraded":
                self._view.note(f"Playing without a language model: {status.detail}")
            self._view.progress("Ready", 1.0)
            self.is_ready.set()
        else:
            is_phrase = " " in status.detail  # else it names what is loading
            what = status.detail if is_phrase else f"{status.phase} {status.detail}".strip()
            self._view.progress(what[:1].upper() + what[1:], status.progress)

    def _take_link(self, link: str) -> None:
        if self._client is None:
            return
        if link == "lost":
            self.num_losses += 1
            self._view.error("The sidecar does not answer; looking for it again.")
        elif link == "new_session":
            self._view.note("The sidecar is back; nobody remembers a thing.")
            self._outbox.put_nowait(self._populate)

    # --- turns ---------------------------------------------------------------------------------

    def _follow_turn(self, turn: Turn) -> None:
        task = asyncio.create_task(self._show_turn(turn))
        self._speaking.add(task)
        task.add_done_callback(self._speaking.discard)

    async def _show_turn(self, turn: Turn) -> None:
        lines = _Lines(lambda: self._speech(turn.npc_id))
        try:
            async for piece in turn:
                lines.add(piece, [line.text for line in turn.lines])
            ended = await turn.ended()
        except NpcBrainError as error:
            lines.close([])
            self._view.error(f"{self.world.name_of(turn.npc_id)} says nothing: {error.message}")
            return
        lines.close([line.text for line in turn.lines])
        self._show_end(turn, ended)
        self._stir()

    def _show_end(self, turn: Turn, ended: TurnEnded) -> None:
        for use in ended.tools:
            if (ended.turn_id, use.tool) not in self._shown_tools:
                outcome = use.text if use.ok else f"refused, {use.reason}: {use.text}"
                self._aside(turn.npc_id, f"{use.tool}({_spelt(use.args)}): {outcome}")
        sources = {line.source for line in turn.lines}
        if "model" in sources:
            first_s, total_s = (
                ended.timings.first_token_ms / 1000,
                ended.timings.total_ms / 1000,
            )
            self._aside(
                turn.npc_id, f"said by the model: first word {first_s:.2f} s, all {total_s:.2f} s"
            )
        elif "fallback" in sources:
            self._aside(turn.npc_id, f"fallback line{ended.detail and f' ({ended.detail})'}")

    def _speech(self, npc_id: str) -> Speech:
        npc = next(npc for npc in self.world.file.npcs if npc.id == npc_id)
        return self._view.speech(npc.name, npc.colour, is_far=not self._is_in_earshot(npc_id))

    # --- inside --------------------------------------------------------------------------------

    async def _tick(self) -> None:
        last_s = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            if not self._is_loading:
                self.publish(self.world.tick(now_s - last_s))
            last_s = now_s
            self._view.refresh()

    async def _send(self) -> None:
        while True:
            send = await self._outbox.get()
            try:
                await send()
            except NpcBrainError as error:
                await self._mend(error)

    async def _mend(self, error: NpcBrainError) -> None:
        """Deal with a message that the sidecar refused."""
        if error.code is ErrorCode.RESYNC:
            await self._connected().sync_world(self.world.snapshot())
        elif error.code not in (ErrorCode.CONNECTION_LOST, ErrorCode.ACTION_ENDED):
            self._view.aside(f"the sidecar refused a message: {error.message}")

    async def _drained(self) -> None:
        while not self._outbox.empty():
            await asyncio.sleep(TICK_S)

    async def _populate(self) -> None:
        client = self._connected()
        await client.sync_world(self.world.snapshot())
        for npc in self.world.file.npcs:
            await client.spawn(npc.id, self._definitions[npc.id], position=npc.position)

    def _publish_update(self, client: Client, update: Update) -> None:
        if update.actor_id == self.world.player_id:
            ending = self._walks.get(update.action_id)
            if update.status in END_STATUSES and ending is not None and not ending.done():
                del self._walks[update.action_id]
                ending.set_result(update)
            return
        if update.status in END_STATUSES:
            in_turn = self._turn_actions.pop(update.action_id, None) is not None
            tool = self._tool_names.pop(update.action_id, "action")
            why = f" ({update.reason})" if update.reason else ""
            self._aside(update.actor_id, f"{tool} {update.status}{why}", in_turn)
            self._stir()
        self._outbox.put_nowait(
            partial(
                client.update_action,
                update.actor_id,
                update.action_id,
                update.status,  # type: ignore[arg-type]
                reason=update.reason,
                result=dict(update.result),
            )
        )

    def _note_quests(self) -> None:
        for quest in self.world.quests.quests:
            num_done = self.world.quests.num_done[quest.id]
            if num_done == self._quest_steps[quest.id]:
                continue
            self._quest_steps[quest.id] = num_done
            step = self.world.quests.current_step(quest)
            self._view.note(f"★ {quest.title}: {step.text if step else 'done.'}")

    def _aside(self, npc_id: str, text: str, always: bool = False) -> None:
        if always or self._is_in_earshot(npc_id):
            self._view.aside(f"{npc_id}: {text}")

    def _is_in_earshot(self, npc_id: str) -> bool:
        positions = self.world.ground.positions
        return cells_apart(positions[npc_id], positions[self.world.player_id]) <= EARSHOT_CELLS

    def _stir(self) -> None:
        self._busy_until_s = time.monotonic() + QUIET_S

    def _connected(self) -> Client:
        assert self._client is not None, "the bridge is not running"
        return self._client


class _Lines:
    """Cuts a turn's pieces into its lines, so that each gets a speech of its own."""

    def __init__(self, open_speech: Callable[[], Speech]) -> None:
        self._open_speech = open_speech
        self._speech: Speech | None = None
        self._said = ""
        self._num_closed = 0

    def add(self, piece: str, lines: list[str]) -> None:
        """A piece; `lines` are the turn's whole lines so far."""
        self._close_if_whole(lines)
        if self._speech is None:
            self._speech = self._open_speech()
            piece = piece.lstrip()
        self._speech.add(piece)
        self._said += piece
        self._close_if_whole(lines)

    def close(self, lines: list[str]) -> None:
        """The turn has ended with `lines`: show what is missing, correct what was cut short."""
        self._close_if_whole(lines)
        for line in lines[self._num_closed :]:
            speech = self._speech or self._open_speech()
            speech.close(line)
            self._speech = None
        if self._speech is not None:
            self._speech.close()

    def _close_if_whole(self, lines: list[str]) -> None:
        is_whole = self._num_closed < len(lines) and self._said.strip() == lines[self._num_closed]
        if self._speech is not None and is_whole:
            self._speech.close()
            self._speech = None
            self._said = ""
            self._num_closed += 1


def _spelt(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in args.items())
