"""The built wheel, installed into an empty environment and used from another directory."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.integration.test_demo import PATIENT

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.model
"""The build back-end comes from the package registry, the demo needs the sentence encoder."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, which finds the dependencies in that of the tests."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root)
    run(
        sys.executable, "-m", "pip", "--python", str(python_of(root)),
        "install", "--no-deps", "--no-index", str(wheel),
    )  # fmt: skip
    site = run(python_of(root), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    dependencies = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    Path(site.strip(), "dependencies.pth").write_text("\n".join(dependencies), encoding="utf-8")
    return root


def test_it_installs_one_top_level_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).parts[0] for name in archive.namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"npc_brain"}


def test_the_tour_ends_the_quest(environment: Path, tmp_path: Path) -> None:
    village = "from npc_brain.demo import village; print(village())"
    packaged = Path(run(python_of(environment), "-c", village, cwd=tmp_path).strip())
    assert environment.resolve() in packaged.resolve().parents
    tour = str(packaged / "scripts" / "tour.txt")
    demo = ("demo", "--model", "none", "--script", tour)
    out = run(python_of(environment), "-c", PATIENT, *demo, cwd=tmp_path)
    assert "What cries in the cellar: done." in out


def test_the_command_is_installed(environment: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("look\n", encoding="utf-8")
    command = python_of(environment).with_name("npc-brain")
    out = run(command, "demo", "--model", "none", "--script", script.name, cwd=tmp_path)
    assert "You are near the well." in out


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run without the checkout on Python's path; what is printed, errors apart."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=variables, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
