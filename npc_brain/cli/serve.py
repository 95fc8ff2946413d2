"""`npc-brain serve`: the sidecar."""

import argparse
import asyncio
import json
import logging
import os
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from npc_brain import event_loop
from npc_brain.cli import private_log
from npc_brain.errors import UsageError
from npc_brain.servers.address import is_server, parse_address

if TYPE_CHECKING:
    from npc_brain.sidecar import Service

PROVIDERS = ("auto", "tensorrt-rtx", "cuda", "directml", "coreml", "cpu")
"""As in `inference.providers`, which `--help` should not have to import the runtime for."""
GRACE_S = 1.0
"""How long an orderly end may take. Once the parent has died, half as long."""
TOKEN_VARIABLE = "NPC_BRAIN_TOKEN"
OPEN_FILES = 1024
"""Enough for a crowd of idle connections; some systems begin with 256."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("serve", help="run the sidecar for a game")
    parser.add_argument("--npcs", metavar="DIR", type=Path, help="the directory of the NPC files")
    parser.add_argument(
        "--model",
        metavar="M",
        default="smollm2-135m",
        help="a model's name or directory, a server like openai:http://127.0.0.1:8080/v1#NAME, or "
        "none",
    )
    parser.add_argument("--bind", metavar="ENDPOINT", default="tcp://127.0.0.1:0")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow addresses other than loopback in --bind",
    )
    parser.add_argument("--parent-pid", metavar="PID", type=int, help="end when this process ends")
    parser.add_argument(
        "--provider",
        metavar="P",
        choices=PROVIDERS,
        default=PROVIDERS[0],
        help=f"what runs the model: {', '.join(PROVIDERS)}",
    )
    parser.add_argument(
        "--threads", metavar="N", type=int, default=0, help="number of threads for the model"
    )
    parser.add_argument(
        "--slots", metavar="N", type=int, default=2, help="number of lines generated at once"
    )
    parser.add_argument(
        "--spin",
        action="store_true",
        help="let threads wait actively: faster if nothing else is running",
    )
    parser.add_argument(
        "--thinking-tokens",
        metavar="N",
        type=int,
        default=0,
        help="how many tokens a model may think before each line, if it can (Gemma 4); never shown",
    )
    parser.add_argument(
        "--profile",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a field of the model's profile, for example "
        "tool_choice=encoder or temperature=0.7; may be repeated",
    )
    parser.add_argument(
        "--connection-file",
        metavar="FILE",
        type=Path,
        help=f"where to write endpoint and token (default without {TOKEN_VARIABLE}: in the cache)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal, or the parent's death, ends it; returns 0."""
    if args.npcs is not None and not args.npcs.is_dir():
        raise UsageError(
            f"there is no directory {args.npcs}", hint="--npcs takes a directory with NPC files"
        )
    if args.thinking_tokens < 0:
        raise UsageError(f"--thinking-tokens is {args.thinking_tokens}, not 0 or more")
    from npc_brain.inference.profile import read_settings

    args.profile = read_settings(args.profile)
    if is_server(args.model):
        parse_address(args.model)  # report a wrong one before anything is started
    private_log.configure()
    _allow_connections()
    event_loop.run(_serve(args))
    return 0


def _allow_connections() -> None:
    """Permit as many open files as this user may have, up to what the sidecar can need."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(args: argparse.Namespace) -> None:
    # Imported here: the model's runtime takes a while, and `--help` needs none of it.
    from npc_brain.cache import cache_dir
    from npc_brain.importing.fetch import stop_downloads
    from npc_brain.inference.decoder import DecoderOptions
    from npc_brain.sidecar import Service, SidecarOptions
    from npc_brain.transport.parent import watch_parent
    from npc_brain.transport.signals import watch_signals

    given_token = os.environ.pop(TOKEN_VARIABLE, "")
    token = given_token or secrets.token_urlsafe(32)
    connection_file = args.connection_file
    if connection_file is None and not given_token:
        connection_file = cache_dir("sidecar.json")
    options = SidecarOptions(
        npcs=args.npcs,
        model=args.model,
        token=token,
        bind=args.bind,
        allow_remote=args.allow_remote,
        decoder=DecoderOptions(
            num_slots=args.slots,
            num_threads=args.threads,
            is_spinning=args.spin,
            provider=args.provider,
        ),
        thinking_tokens=args.thinking_tokens,
        profile=args.profile,
    )
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()

    def end(grace_s: float = GRACE_S) -> None:
        """End in order, or at once if that takes too long: much of what loads cannot be stopped."""
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(ending.set)
        time.sleep(grace_s)
        stop_downloads()
        if connection_file is not None:
            with suppress(OSError):
                connection_file.unlink(missing_ok=True)
        os._exit(0)

    if args.parent_pid is not None:
        watch_parent(args.parent_pid, lambda: end(GRACE_S / 2))
    with watch_signals(end):
        await _run(Service(options), token, connection_file, ending)
        if ending.is_set():  # else clearing away thousands of NPCs would take seconds
            logging.shutdown()
            os._exit(0)


async def _run(
    sidecar: "Service", token: str, connection_file: Path | None, ending: asyncio.Event
) -> None:
    """Serve until `ending` is set, and say where."""
    from npc_brain.transport.connection_file import write_connection_file

    endpoint = await sidecar.start()
    listening = {"event": "listening", "endpoint": endpoint, "pid": os.getpid()}
    if connection_file is not None:
        write_connection_file(connection_file, endpoint, token)
        listening["connection_file"] = str(connection_file)
    print(json.dumps(listening), flush=True)
    try:
        over = [asyncio.ensure_future(ending.wait()), asyncio.ensure_future(sidecar.run())]
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        over[0].cancel()
    finally:
        await sidecar.stop()
        if connection_file is not None:
            connection_file.unlink(missing_ok=True)
    await over[1]  # raises what the server failed of, if it did
