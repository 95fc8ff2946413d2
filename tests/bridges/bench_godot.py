"""What the Godot addon costs a frame: `GODOT=… python -m tests.bridges.bench_godot`.

32 NPCs stream 20 tokens a second each (`streaming.StreamingSession` on the real server) while the
sidecar works, is stopped, goes on, is killed and comes back. One JSON object a line; the peer is
decoding the same messages on the game's thread. Costs are microseconds of one 60 Hz frame.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.bridges.godot import ADDON_PROJECT, GODOT, ROOT, import_project, run_godot

FACTORY = "tests.bridges.streaming:StreamingSession"


def streaming_program(directory: Path) -> Path:
    """A program that takes the arguments of `npc-brain` and serves `StreamingSession`s."""
    program = directory / "npc-brain"
    program.write_text(
        "#!/bin/sh\n"
        f"cd '{ROOT}' && WIRE_SERVER_FACTORY={FACTORY} "
        f"exec '{sys.executable}' -m tests.integration.wire_server \"$@\"\n"
    )
    program.chmod(0o755)
    return program


def measure(steady_s: float = 20.0) -> list[dict[str, object]]:
    """Run the scene of the imported project; its rows.

    Args:
        steady_s: How long streaming is measured before the sidecar is stopped and killed.
    """
    with tempfile.TemporaryDirectory() as directory:
        program = streaming_program(Path(directory))
        done = run_godot(
            ADDON_PROJECT,
            "res://tests/bench/bench.tscn",
            NPC_BRAIN_PROGRAM=str(program),
            NPC_BRAIN_STEADY_S=str(steady_s),
        )
    lines = done.stdout.splitlines()
    rows = [json.loads(line.removeprefix("bench: ")) for line in lines if line.startswith("bench:")]
    assert done.returncode == 0, done.stdout
    assert rows, done.stdout
    return rows


if __name__ == "__main__":
    if not GODOT:
        sys.exit("GODOT is not set: the path of a Godot 4 program")
    import_project(ADDON_PROJECT)
    for row in measure():
        print(json.dumps(row))
