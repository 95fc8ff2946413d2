#!/usr/bin/env python3
"""Set up and run npc_brain from a checkout, with nothing but Python 3.11 or newer.

    python3 run.py demo [...]          the sample game in the terminal
    python3 run.py test [--full] [...] the project's tests; --full: the counts as written (slow),
                                       and comparisons with torch and transformers
    python3 run.py ARGS...             any other `npc-brain` command

The first run makes a virtual environment in `.venv` and installs the project into it; later runs
start at once. Set NPC_BRAIN_EXTRA to `gpu` or `directml` to install that build of onnxruntime, and
NPC_BRAIN_TEST_EXTRA to `reference` for the comparisons without --full.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "npc-brain-installed.txt"


def say(message: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(f"npc_brain: {message}", file=sys.stderr, flush=True)


def set_up(extras: list[str]) -> None:
    """Make `.venv` hold the project with `extras`; does nothing when it already does."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    wanted = {f"{project} {sys.version_info[:2]} {extra}" for extra in extras}
    installed = set(STAMP.read_text().splitlines()) if STAMP.exists() and PYTHON.exists() else set()
    if wanted <= installed:
        return
    if not PYTHON.exists():
        say(f"making a virtual environment in {VENV.name}/")
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    say(f"installing ({', '.join(extras)}); later runs skip this")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "-e", f"{ROOT}[{','.join(extras)}]"], check=True, stdout=sys.stderr)
    STAMP.write_text("\n".join(sorted(installed | wanted)) + "\n")


def run(command: list[str], **environment: str) -> int:
    """Run `command` in the foreground; Ctrl-C reaches it, and its exit code is returned."""
    process = subprocess.Popen(command, env={**os.environ, **environment})
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def main(arguments: list[str]) -> int:
    """Set up what `arguments` need and run them; returns the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036
        say(f"needs Python 3.11 or newer, this is {sys.version.split()[0]}")
        return 2
    is_test = arguments[:1] == ["test"]
    runtime = os.environ.get("NPC_BRAIN_EXTRA", "cpu")
    is_full = "--full" in arguments
    more = "reference" if is_full else os.environ.get("NPC_BRAIN_TEST_EXTRA", "")
    try:
        set_up([runtime, "test", *more.split()] if is_test else [runtime])
    except subprocess.CalledProcessError as error:
        say(f"installing failed (exit {error.returncode}); see above")
        return 1
    if not is_test:
        return run([str(PYTHON), "-m", "npc_brain", *(arguments or ["--help"])])
    rest = [argument for argument in arguments[1:] if argument != "--full"]
    pytest = [str(PYTHON), "-m", "pytest", f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")]
    paths = [] if any(not argument.startswith("-") for argument in rest) else [str(ROOT / "tests")]
    return run([*pytest, *rest, *paths], **({"NPC_BRAIN_FULL": "1"} if is_full else {}))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
