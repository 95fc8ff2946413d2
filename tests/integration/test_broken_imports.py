"""`model import` broken off by Ctrl-C and by a disk that is full: a real process, a real tmpfs."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from npc_brain.importing.architectures.gemma4 import fill
from npc_brain.inference.model_dir import verify
from tests.gemma4_random import E4B_LIKE, random_weights, text_config, write_checkpoint

CONFIG = text_config(E4B_LIKE, 6, hidden=256, intermediate=1024, vocab=20_000)
"""Some 30 MB in 4 bits."""


STOPS_HALF_WAY = """
import sys, time
from npc_brain.cli import main
from npc_brain.importing.architectures.gemma4.fill import _Journal

add = _Journal.add

def add_and_wait(journal, name):
    add(journal, name)
    if len(journal._path.read_text().splitlines()) > 3:
        time.sleep(3600)

_Journal.add = add_and_wait
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = random_weights(CONFIG, np.random.default_rng(1))
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "source", CONFIG, weights)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mounted)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs Linux and root")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def import_command(source: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "npc_brain", "model", "import", str(source), str(target)]


def run_import(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(import_command(source, target), capture_output=True, text=True)


def test_ctrl_c_leaves_nothing_half_made_and_the_next_try_resumes(
    source: Path, tmp_path: Path
) -> None:
    target, unfinished = tmp_path / "model", tmp_path / ".model.importing"
    arguments = import_command(source, target)[3:]
    process = subprocess.Popen(
        [sys.executable, "-c", STOPS_HALF_WAY, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = unfinished / fill.DONE_FILE
    while not (journal.is_file() and len(journal.read_text().splitlines()) > 3):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert len(err.splitlines()) == 2
    assert "interrupted" in err
    assert "same command" in err
    assert not target.exists()

    assert run_import(source, target).returncode == 0
    verify(target)
    assert os.listdir(tmp_path) == ["model"]


def test_a_full_disk_is_one_line(source: Path, small_disk: Path) -> None:
    done = run_import(source, small_disk / "model")
    assert done.returncode == 1
    assert "GB are free" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not (small_disk / "model").exists()


def test_a_disk_that_fills_up_meanwhile_is_one_line(source: Path, small_disk: Path) -> None:
    """Somebody else takes the room after ours was counted."""
    lying = (
        "import shutil, sys\n"
        "shutil.disk_usage = lambda path: shutil._ntuple_diskusage(10**12, 0, 10**12)\n"
        "from npc_brain.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = import_command(source, small_disk / "model")[3:]
    done = subprocess.run([sys.executable, "-c", lying, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not (small_disk / "model").exists()
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert run_import(source, small_disk / "model").returncode == 0
    verify(small_disk / "model")
