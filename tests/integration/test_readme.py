"""What the README shows is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from npc_brain.npc.loader import parse_definition
from npc_brain.tools.registry import BUILT_INS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_npc_is_valid() -> None:
    [npc] = [block for block in blocks("yaml") if block.startswith("persona:")]
    assert parse_definition(f"id: mira\n{npc}", "README.md", BUILT_INS).persona.name == "Mira"


def test_the_scenario_passes(tmp_path: Path) -> None:
    [scenario] = [block for block in blocks("yaml") if block.startswith("name:")]
    file = tmp_path / "readme.scenario.yaml"
    file.write_text(scenario.replace("../world.json", str(ROOT / "sample_game" / "world.json")))
    done = run("-m", "npc_brain", "test", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.model
def test_the_client_talks() -> None:
    [program] = blocks("python")
    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in the checkout, with the environment's models."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
