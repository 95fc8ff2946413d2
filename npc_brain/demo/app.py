"""Puts the terminal game together: sidecar, client, world, view and the player's lines."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console

from npc_brain import files
from npc_brain.client import Client, Sidecar
from npc_brain.client.transcript import TranscriptWriter
from npc_brain.demo import village
from npc_brain.demo.bridge import Bridge
from npc_brain.demo.game import Game
from npc_brain.demo.keyboard import LineEditor, keys
from npc_brain.demo.screen import Screen
from npc_brain.demo.view import PlainView, View
from npc_brain.errors import UsageError
from npc_brain.npc.definition import DEFAULT_FALLBACK
from npc_brain.npc.loader import load_definitions
from npc_brain.protocol.messages import Status
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file

SETTLE_TIMEOUT_S = 90.0
"""How long a script waits for one command to run its course."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to play.

    Attributes:
        model: Catalogue name, model directory, or `none`.
        script: Lines to run instead of a player's.
        transcript: Where to write every message.
    """

    model: str
    script: Path | None = None
    transcript: Path | None = None


async def play(options: Options) -> bool:
    """Play until the player quits or the script ends; whether all went as asked.

    Raises:
        NpcBrainError: The sidecar does not start, or a file is missing or has mistakes.
    """
    npcs = village() / "npcs"
    definitions = load_definitions(npcs)
    inventories = {npc_id: npc.inventory for npc_id, npc in definitions.items()}
    world = SimulatedWorld(load_world_file(village() / "world.json"), inventories)
    fallbacks = {
        npc_id: npc.lines.fallback[DEFAULT_FALLBACK]
        for npc_id, npc in definitions.items()
        if DEFAULT_FALLBACK in npc.lines.fallback
    }
    async with contextlib.AsyncExitStack() as stack:
        view, lines = stack.enter_context(_view_and_lines(options, world))
        view.progress("Starting the sidecar", 0.0)
        sidecar = await asyncio.to_thread(Sidecar.start, npcs, model=options.model)
        stack.callback(sidecar.stop)
        names = {npc.id: npc.definition or npc.id for npc in world.file.npcs}
        bridge = Bridge(world, view, names)
        handlers = bridge.handlers()
        if options.transcript is not None:
            handlers.on_message = stack.enter_context(TranscriptWriter.open(options.transcript))
        client = await stack.enter_async_context(
            Client.connect(
                sidecar.endpoint,
                sidecar.token,
                name=world.file.name,
                handlers=handlers,
                fallbacks=fallbacks,
            )
        )
        bridge.take_status(Status(phase=client.welcome.model.phase, progress=0.0))
        await bridge.is_ready.wait()
        await stack.enter_async_context(bridge.running(client))
        return await _run(Game(world, bridge, view, asyncio.sleep), bridge, view, lines, options)


async def _run(
    game: Game, bridge: Bridge, view: View, lines: AsyncIterator[str], options: Options
) -> bool:
    """Run the lines; a script waits for the end of each and stops when the sidecar is lost."""
    is_good = True
    game.begin()
    async for line in lines:
        is_good &= await game.run_line(line)
        if options.script is not None:
            try:
                await asyncio.wait_for(bridge.settle(), SETTLE_TIMEOUT_S)
            except TimeoutError:
                view.error(f"This took longer than {SETTLE_TIMEOUT_S:.0f} s: {line.strip()}")
                is_good = False
            if bridge.num_losses:
                return False
        if game.has_quit:
            break
    return is_good or options.script is None


@contextlib.contextmanager
def _view_and_lines(
    options: Options, world: SimulatedWorld
) -> Iterator[tuple[View, AsyncIterator[str]]]:
    """A screen for a player at a terminal; plain text for scripts and pipes."""
    if options.script is not None:
        yield PlainView(sys.stdout), _script_lines(options.script)
    elif not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield PlainView(sys.stdout), _piped_lines(sys.stdin)
    else:
        editor, typed = LineEditor(), asyncio.Queue[str | None]()

        def on_key(key: str) -> None:
            try:
                line = editor.press(key)
            except EOFError:
                typed.put_nowait(None)
            else:
                if line is not None:
                    typed.put_nowait(line)

        with (
            Screen(Console(), world, editor) as screen,
            keys(asyncio.get_running_loop(), on_key),
        ):
            yield screen, _queued(typed)


def _script_lines(path: Path) -> AsyncIterator[str]:
    lines = files.read_text(path, files.MB, UsageError, "--script names a text file").splitlines()

    async def each() -> AsyncIterator[str]:
        for line in lines:
            yield line

    return each()


def _piped_lines(stream: TextIO) -> AsyncIterator[str]:
    """Lines of a stream, read in a thread that does not keep the process alive."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody listens any more
            for line in stream:
                loop.call_soon_threadsafe(queue.put_nowait, line)
            loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, daemon=True, name="stdin").start()
    return _queued(queue)


async def _queued(queue: "asyncio.Queue[str | None]") -> AsyncIterator[str]:
    while (line := await queue.get()) is not None:
        yield line
