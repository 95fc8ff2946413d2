#!/usr/bin/env python3
"""Set up and run npc_brain from a checkout; all it needs is Python 3.11 or newer.

    python3 run.py demo [...]          the sample game in the terminal
    python3 run.py test [--full] [...] the project's tests, on all cores; with paths, only those, on
                                       one core. --full: all repetitions (slow), comparisons with
                                       torch and transformers, and tests that measure time, which
                                       run last and alone
    python3 run.py bench [NAME...]     benchmarks; --help lists them
    python3 run.py ARGS...             any other `npc-brain` command

The first run creates a virtual environment in `.venv` and installs the project into it; later runs
start immediately. Set NPC_BRAIN_EXTRA to `gpu` or `directml` to install that build of onnxruntime,
and NPC_BRAIN_TEST_EXTRA to `reference` for the comparisons without --full.
"""

import hashlib
import os
import signal
import subprocess
import sys
import venv
from contextlib import suppress
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "npc-brain-installed.txt"
INTERRUPTED = 2  # pytest's exit code after Ctrl-C


def say(message: str) -> None:
    """Report progress to the person at the terminal."""
    print(f"npc_brain: {message}", file=sys.stderr, flush=True)


def set_up(extras: list[str]) -> None:
    """Install the project with `extras` into `.venv`, unless that has been done."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    wanted = {f"{project} {sys.version_info[:2]} {extra}" for extra in extras}
    installed = set(STAMP.read_text().splitlines()) if STAMP.exists() and PYTHON.exists() else set()
    if wanted <= installed:
        return
    if not PYTHON.exists():
        say(f"creating a virtual environment in {VENV.name}/")
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    say(f"installing ({', '.join(extras)}); later runs skip this step")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "-e", f"{ROOT}[{','.join(extras)}]"], check=True, stdout=sys.stderr)
    STAMP.write_text("\n".join(sorted(installed | wanted)) + "\n")


# Many tests spend more time waiting for other processes than computing, so there are more workers
# than cores. Each file goes to the next free worker, in the order of collection: long ones first.
NUM_WORKERS = min(8, 2 * (os.cpu_count() or 1))
SIDE_BY_SIDE = [f"--numprocesses={NUM_WORKERS}", "--dist=loadfile", "--no-loadscope-reorder"]


def run(*commands: list[str], **environment: str) -> int:
    """Run `commands` in turn; returns the exit code of the first that failed, or 0.

    Signals are passed on to the running command; if it ends because of one, the next command does
    not start. A single command replaces this process, except on Windows.
    """
    environment = {**os.environ, **environment}
    if os.name == "nt":
        end_children_with_this_process()
    elif len(commands) == 1:
        os.execve(commands[0][0], commands[0], environment)
    worst = 0
    for command in commands:
        process = subprocess.Popen(command, env=environment)
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), partial(_pass_on, process))
        while process.returncode is None:
            with suppress(KeyboardInterrupt):  # the console has sent it to both
                process.wait()
        worst = worst or process.returncode
        if process.returncode < 0 or process.returncode == INTERRUPTED:
            break
    return worst


def _pass_on(process: subprocess.Popen[bytes], number: int, _: object) -> None:
    process.send_signal(number)


def end_children_with_this_process() -> None:
    """Put this process into a job, which Windows ends with all its children when this one ends.

    Source: Microsoft's documentation of job objects, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE.
    """
    import ctypes
    from ctypes import wintypes

    class Limits(ctypes.Structure):  # JOBOBJECT_EXTENDED_LIMIT_INFORMATION
        _fields_ = [
            ("times", ctypes.c_int64 * 2),
            ("flags", wintypes.DWORD),
            ("working_set", ctypes.c_size_t * 2),
            ("active_processes", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("priority_and_scheduling", wintypes.DWORD * 2),
            ("io_counters", ctypes.c_uint64 * 6),
            ("memory", ctypes.c_size_t * 4),
        ]

    kill_on_job_close, extended_limit_information = 0x2000, 9  # winnt.h
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.CreateJobObjectW.restype = wintypes.HANDLE
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    kernel32.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
    kernel32.SetInformationJobObject.argtypes = [
        wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD,
    ]  # fmt: skip
    job = kernel32.CreateJobObjectW(None, None)  # closed by the end of this process, not before
    limits = Limits(flags=kill_on_job_close)
    kernel32.SetInformationJobObject(
        job, extended_limit_information, ctypes.byref(limits), ctypes.sizeof(limits)
    )
    kernel32.AssignProcessToJobObject(job, kernel32.GetCurrentProcess())


def main(arguments: list[str]) -> int:
    """Set up what `arguments` need and run them; returns the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036
        say(f"needs Python 3.11 or newer; this is Python {sys.version.split()[0]}")
        return 2
    is_test = arguments[:1] == ["test"]
    runtime = os.environ.get("NPC_BRAIN_EXTRA", "cpu")
    is_full = "--full" in arguments
    more = "reference" if is_full else os.environ.get("NPC_BRAIN_TEST_EXTRA", "")
    try:
        set_up([runtime, "test", *more.split()] if is_test else [runtime])
    except subprocess.CalledProcessError as error:
        say(f"installation failed (exit code {error.returncode}); see above")
        return 1
    if arguments[:1] == ["bench"]:
        return run([str(PYTHON), "-m", "tests.bench", *arguments[1:]])
    if not is_test:
        return run([str(PYTHON), "-m", "npc_brain", *(arguments or ["--help"])])
    rest = [argument for argument in arguments[1:] if argument != "--full"]
    pytest = [str(PYTHON), "-m", "pytest", f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")]
    environment = {"NPC_BRAIN_FULL": "1"} if is_full else {}
    if not all(argument.startswith("-") for argument in rest):
        return run([*pytest, *rest], **environment)
    pytest += [*rest, str(ROOT / "tests")]
    environment["OMP_NUM_THREADS"] = "1"  # the workers share the cores already
    if not is_full:
        return run([*pytest, *SIDE_BY_SIDE, "-p", "tests.coverage_figure"], **environment)
    # Durations mean nothing on a busy machine.
    side_by_side = [*pytest, *SIDE_BY_SIDE, "--timeout=7200", "-m", "not measures"]
    return run(side_by_side, [*pytest, "-m", "measures"], **environment)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
