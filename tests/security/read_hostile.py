"""Reads hostile files as a user would, in a process of its own with bounds on time and memory.

    python -m tests.security.read_hostile WORK_DIR < cases

`cases` is a JSON list of names `WAY/CASE`; a JSON line comes back for each. One process serves
many files: what each costs is measured between.
"""

import contextlib
import io
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from npc_brain.errors import NpcBrainError
from tests.security import hostile_models as models
from tests.security import hostile_texts as texts

MAX_WALL_S = 60
"""After so long a file is taken to hang."""
MAX_MEMORY_BYTES = 3 * 2**30
"""Of anonymous memory, all in all (RLIMIT_DATA)."""

Read = Callable[[Path, Path], object]
"""Reads the file at a path, given the base directory; an exit code is what a command says."""


@dataclass(slots=True)
class Outcome:
    """What reading a file came to.

    Attributes:
        told: What the user saw.
        fault: A traceback; empty unless there was one.
        cpu_s: Processor time.
        peak_mb: Growth of resident memory.
        strays: Files that are new outside of the case's own.
    """

    case: str
    refused: bool = False
    told: str = ""
    fault: str = ""
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    strays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One way of reading, the name that its files have, and the files."""

    name: str
    read: Read
    cases: Mapping[str, Callable[[Path, Path], object]]


def command(*arguments: str) -> Read:
    """The real command; `@` is the file and `$` the base directory."""

    def read(path: Path, base: Path) -> int:
        from npc_brain.cli import main

        return main([a.replace("@", str(path)).replace("$", str(base)) for a in arguments])

    return read


def function(name: str, *, takes_bytes: bool = False) -> Read:
    """A function `module:name` that raises an error of the project's tree."""

    def read(path: Path, base: Path) -> object:
        module, _, attribute = name.partition(":")
        called = getattr(__import__(module, fromlist=[attribute]), attribute)
        return called(path.read_bytes() if takes_bytes else path)

    return read


def spawned_by_name(path: Path, base: Path) -> object:
    """`npc.spawn` with the name of a file."""
    from npc_brain.npc.npc_files import NpcLibrary
    from npc_brain.tools.registry import BUILT_INS

    return NpcLibrary(path.parent).find(path.stem, "x", BUILT_INS)


def loaded_state(path: Path, base: Path) -> None:
    """`npc.load`: every NPC of a saved state."""
    from npc_brain.session.saved_state import unpack_state

    for _ in unpack_state(path.read_bytes()):
        pass


def alone(cases: Mapping[str, texts.Build]) -> dict[str, Callable[[Path, Path], object]]:
    """Builders that do without the base directory."""
    return {name: partial(_alone, build) for name, build in cases.items()}


def _alone(build: texts.Build, path: Path, base: Path) -> None:
    build(path)


def ways() -> dict[str, Way]:
    """All ways, by name. The media are made when they are asked for."""
    from tests.security import hostile_media as media

    odd, deep = texts.NOT_REGULAR, texts.DEEP_JSON
    generate = command("generate", "--model", "@", "--prompt", "hello", "--max-tokens", "1")
    image = "npc_brain.inference.media.image:image_features"
    world = "npc_brain.simulation.world_file:load_world_file"
    return {
        "validate": Way("ned.yaml", command("validate", "@"), alone({**texts.YAML, **odd})),
        "spawn": Way("ned.yaml", spawned_by_name, alone({**texts.YAML, **odd})),
        "world": Way("world.json", function(world), alone({**texts.WORLDS, **deep, **odd})),
        "validate --world": Way(
            "w.json", command("validate", "--world", "@", "$/ned.yaml"),
            alone({**texts.WORLDS, **deep, **odd}),
        ),
        "validate world": Way(
            "world.json", command("validate", "@"), alone({**texts.WORLDS, **deep})
        ),
        "test": Way(
            "x.scenario.yaml", command("test", "@"), alone({**texts.SCENARIOS, **odd})
        ),
        "replay": Way(
            "r.jsonl",
            command("test", "--backend", "replay", "--recording", "@", "$/ned.scenario.yaml"),
            alone({**texts.RECORDINGS, **deep, **odd}),
        ),
        "connect": Way(
            "sidecar.json",
            function("npc_brain.transport.connection_file:read_connection_file"),
            alone({**texts.CONNECTIONS, **deep, **odd}),
        ),
        "load": Way(
            "game.save", function("npc_brain.demo.saves:read_save"),
            alone({**texts.SAVES, **deep, **odd}),
        ),
        "demo --script": Way(
            "script.txt", function("npc_brain.demo.app:_script_lines"),
            alone({"endless": texts.sparse(2**40), "binary": texts.text(b"\xff\xfe"), **odd}),
        ),
        "generate --tokens": Way(
            "ids.json",
            command("generate", "--model", "$/model", "--tokens", "@", "--max-tokens", "1"),
            alone({**texts.TOKENS, **deep, **odd}),
        ),
        "import gguf": Way(
            "x.gguf", command("model", "import", "@", "@.model"), {**models.GGUFS, **alone(odd)}
        ),
        "import checkpoint": Way(
            "checkpoint", command("model", "import", "@", "@.model"), models.CHECKPOINTS
        ),
        "generate": Way("model", generate, {**models.MODELS, **models.TOKENIZERS}),
        "verify": Way("model", command("model", "verify", "@"), models.MODELS),
        "see": Way("x.png", function(image, takes_bytes=True), alone(media.PICTURES)),
        "see largest": Way("x.png", function(image, takes_bytes=True), alone(media.LARGEST)),
        "hear": Way(
            "x.wav", function("npc_brain.inference.media.audio:decode_audio", takes_bytes=True),
            alone(media.SOUNDS),
        ),
        "npc.load": Way(
            "x.blob", loaded_state, alone(media.BLOBS),
        ),
    }  # fmt: skip


def make_base(base: Path) -> None:
    """What hostile files are made from: good files of every kind."""
    import numpy as np

    from npc_brain.importing.gguf_import import import_gguf
    from tests.gemma4_random import E2B_LIKE, random_weights, text_config, write_checkpoint
    from tests.tiny_gguf import write_tiny_gguf

    (base / "ned.yaml").write_text(texts.NPC)
    (base / "npcs").mkdir()
    (base / "npcs" / "ned.yaml").write_text(texts.NPC)
    (base / "ned.scenario.yaml").write_text(
        "name: x\ngiven: {npc: ned}\nsteps:\n  - hear: Hello.\n"
    )
    import_gguf(write_tiny_gguf(base / "tiny.gguf", "llama"), base / "model")
    config = text_config(E2B_LIKE[:10], 4, kv_heads=1, is_double_wide=True, window=4)
    write_checkpoint(base / "checkpoint", config, random_weights(config, np.random.default_rng(1)))


def read_one(case: str, directory: Path, base: Path, way: Way) -> Outcome:
    """Build the file of a case, read it and say what came of it."""
    outcome = Outcome(case)
    name = case.split("/", 1)[1]
    directory.mkdir()
    if (base / "npcs").is_dir():
        (directory / "npcs").symlink_to(base / "npcs")
    path = directory / way.name
    way.cases[name](path, base)
    before = set(_files(directory.parent))
    output = io.StringIO()
    started_s, memory = time.process_time(), _reset_peak()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), _alarm():
            result = way.read(path, base)
        outcome.refused = type(result) is int and result != 0
    except NpcBrainError as error:
        outcome.refused = True
        print(error.message, error.hint, file=output)
    except BaseException as error:  # whatever it is, it is what the user would see
        outcome.fault = f"{error!r:.300}\n{traceback.format_exc()[-1500:]}"
    outcome.cpu_s = time.process_time() - started_s
    outcome.peak_mb = (_peak_bytes() - memory) / 2**20
    outcome.told = output.getvalue().replace(str(directory), "DIR")
    outcome.strays = tuple(str(each) for each in sorted(set(_files(directory.parent)) - before))
    return outcome


def _files(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        yield from (Path(folder, name) for name in names)


class _HangsError(BaseException):
    """Not an `Exception`, so that nothing takes it for a fault of the file."""


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _HangsError(f"it hangs: not done after {MAX_WALL_S} s")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(MAX_WALL_S)
    try:
        yield
    finally:
        signal.alarm(0)


def _reset_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_bytes()


def _peak_bytes() -> int:
    rows = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("VmHWM"))


def main(work: Path) -> None:
    """Read all cases that come on standard input."""
    names: list[str] = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    base = work / "base"
    base.mkdir()
    make_base(base)
    table = ways()
    for number, name in enumerate(names):
        way = table[name.split("/", 1)[0]]
        if number == 0 or not name.startswith(names[number - 1].split("/")[0] + "/"):
            _warm_up(way, base)
        outcome: Any = read_one(name, work / f"case{number}", base, way)
        print(json.dumps(asdict(outcome)), file=out, flush=True)


def _warm_up(way: Way, base: Path) -> None:
    """What a first call imports is not the cost of a hostile file."""
    with (
        contextlib.suppress(Exception, SystemExit),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        way.read(base / way.name, base)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
