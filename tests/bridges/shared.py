"""What is made once for all workers of a test run."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bridges.patience import PROGRAM_S


def once_per_run(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], str]
) -> str:
    """What `make` returned to the first worker that asked; the others wait for it.

    Args:
        tmp_path_factory: pytest's.
        name: What is made, as a folder's name.
        make: Gets a new folder that lasts as long as the run.

    Raises:
        AssertionError: Another worker's `make` failed, or takes for ever.
    """
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    folder = run / f"shared-{name}"
    done, failed = run / f"{name}.done", run / f"{name}.failed"
    try:
        folder.mkdir()
    except FileExistsError:
        return _result_of_another(done, failed)
    try:
        result = make(folder)
    except BaseException as error:
        _write_whole(failed, str(error))
        raise
    _write_whole(done, result)
    return result


def _result_of_another(done: Path, failed: Path) -> str:
    end_s = time.monotonic() + PROGRAM_S
    while not done.exists():
        assert not failed.exists(), failed.read_text(encoding="utf-8")
        assert time.monotonic() < end_s, f"{done.stem} takes for ever"
        time.sleep(0.1)
    return done.read_text(encoding="utf-8")


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
