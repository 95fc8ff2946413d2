"""The Godot addon as its users meet it.

Its README's steps in a fresh project, its reading of NPC files, exports, clean documented sources.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from npc_brain.npc.compile import compile_nodes
from npc_brain.npc.loader import load_definition
from npc_brain.npc.source import read_document
from npc_brain.tools.registry import BUILT_INS
from tests.bridges.godot import (
    ADDON_PROJECT,
    GODOT,
    ROOT,
    needs_godot,
    run_godot,
    run_tests,
)
from tests.bridges.patience import PROGRAM_S
from tests.counts import count

ADDON = ADDON_PROJECT / "addons" / "npc_brain"
PARTS = Path(__file__).parent / "godot_addon"
NPC_FILES = sorted(
    (
        *(ROOT / "sample_game" / "npcs").glob("*.yaml"),
        *(ROOT / "tests").glob("**/npcs/*.yaml"),
        *(ADDON / "first_project").glob("*.yaml"),
    )
)
MODEL = "smollm2-135m"

TEMPLATE = os.environ.get("GODOT_TEMPLATE", "")
needs_template = pytest.mark.skipif(
    not (GODOT and TEMPLATE), reason="GODOT or GODOT_TEMPLATE is not set"
)


def script_errors(told: str) -> list[str]:
    """What Godot said of mistakes in scripts."""
    return re.findall(r"^SCRIPT ERROR.*(?:\n .*)*", told, re.MULTILINE)


# --- the README's steps -------------------------------------------------------------------------


class FreshProject:
    """A project with nothing in it, on which the README's steps are done as they are written.

    Attributes:
        path: Its folder.
        steps: The text of each step.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        readme = (ADDON / "README.md").read_text(encoding="utf-8")
        section = readme.split("## An NPC that answers\n")[1].split("\n## ")[0]
        numbered = re.split(r"^(\d)\. ", section, flags=re.MULTILINE)[1:]
        assert numbered[::2] == ["1", "2", "3", "4"], "three steps, and one more for the model"
        self.steps = numbered[1::2]

    def copy_addon(self) -> None:
        """Step 1."""
        step = re.search(r"Copy `(\S+)` to `(\S+)`", self.steps[0])
        assert step is not None
        shutil.copytree(ROOT / step[1], self.path / step[2])

    def tick_plugin(self) -> None:
        """Step 2, with a plugin that ticks the box."""
        name = re.search(r"tick \*\*(.+?)\*\*", self.steps[1])
        assert name is not None
        (config,) = self.path.glob("addons/*/plugin.cfg")
        assert f'name="{name[1]}"' in config.read_text()
        written = self.tick(config.parent.name)
        assert "res://addons/npc_brain/plugin.cfg" in written
        assert "NpcBrain=" in written

    def tick(self, folder: str, *, unticks: bool = False) -> str:
        """Tick or untick a plugin's box; what `project.godot` is then."""
        config = self.path / "project.godot"
        ticker = self.add_plugin("ticker", PARTS / "tick_plugin.gd")
        name = "res://addons/ticker/plugin.cfg"
        listed = "enabled=PackedStringArray("
        if listed in config.read_text():
            config.write_text(config.read_text().replace(listed, f'{listed}"{name}", '))
        else:
            self.set("editor_plugins", enabled=f'PackedStringArray("{name}")')
        flag = "1" if unticks else ""
        run = run_godot(self.path, "--editor", PLUGIN_FOLDER=folder, UNTICKS=flag)
        assert f"TICKED {str(not unticks).lower()}" in run.stdout, run.stdout
        assert not script_errors(run.stdout)
        shutil.rmtree(ticker)
        written = re.sub(f'(, )?"{name}"(, )?', "", config.read_text())
        config.write_text(written)
        return written

    def add_plugin(self, name: str, script: Path) -> Path:
        """A plugin that does in the editor what a person would; gives its folder."""
        folder = self.path / "addons" / name
        folder.mkdir()
        shutil.copy(script, folder / "plugin.gd")
        (folder / "plugin.cfg").write_text(
            '[plugin]\nname="t"\ndescription="t"\nauthor="t"\nversion="1"\nscript="plugin.gd"\n'
        )
        return folder

    def add_character(self) -> None:
        """Step 3; the character's script is the README's, its file the one that step 2 wrote."""
        step = self.steps[2]
        node = re.search(r"add a node \*\*(\w+)\*\*", step)
        value = re.search(r"set its \*\*(.+?)\*\*\s+to\s+`(.+?)`", step)
        code = re.search(r"```gdscript\n(.*?)```", step, re.DOTALL)
        assert node is not None
        assert value is not None
        assert code is not None
        (script,) = (
            file
            for file in ADDON.glob("nodes/*.gd")
            if f"class_name {node[1]}\n" in file.read_text()
        )
        lines = "\n".join(line.removeprefix("   ") for line in code[1].splitlines())
        (self.path / "main.gd").write_text(f"extends Node2D\n\n\n{lines}\n")
        (self.path / "main.tscn").write_text(
            "[gd_scene format=3]\n"
            '[ext_resource type="Script" path="res://main.gd" id="1"]\n'
            '[ext_resource type="Script" '
            f'path="res://addons/npc_brain/nodes/{script.name}" id="2"]\n'
            '[node name="Hero" type="Node2D"]\nscript = ExtResource("1")\n'
            f'[node name="{node[1]}" type="Node" parent="."]\nscript = ExtResource("2")\n'
            f'{value[1].lower().replace(" ", "_")} = "{value[2]}"\n'
        )

    def set_up_model(self, model: str) -> None:
        """Step 4, with the environment that runs this test."""
        step = self.steps[3]
        install = re.search(r"`pip install '([\w-]+)\[(\w+)\]'`", step)
        setting = re.search(r"set\s+\*\*(.+?)\*\* to its program `(\S+)`", step)
        assert install is not None
        assert setting is not None
        package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert install[1] == package["name"]
        assert install[2] in package["optional-dependencies"]
        section, _, key = setting[1].lower().replace(" > ", "/").replace(" ", "_").partition("/")
        assert f'"{section}/{key}"' in (ADDON / "editor" / "npc_settings.gd").read_text()
        program = Path(sys.executable).with_name(setting[2])
        self.set(section, **{key: f'"{program}"', "sidecar/model": f'"{model}"'})

    def set(self, section: str, **values: str) -> None:
        """Add a section to `project.godot`, as the editor's dialogs do."""
        lines = [f"{key}={value}" for key, value in values.items()]
        with (self.path / "project.godot").open("a") as file:
            file.write("\n".join(["", f"[{section}]", *lines, ""]))

    def add_person(self) -> None:
        """A scene that plays the main one as a person would."""
        shutil.copy(PARTS / "press_enter.gd", self.path)
        (self.path / "press_enter.tscn").write_text(
            "[gd_scene format=3]\n"
            '[ext_resource type="Script" path="res://press_enter.gd" id="1"]\n'
            '[node name="Person" type="Node"]\nscript = ExtResource("1")\n'
        )

    def play(self, *, waits_for_sidecar: bool) -> subprocess.CompletedProcess[str]:
        """Press Play, then Enter, and wait for the answer."""
        self.add_person()
        waits = "1" if waits_for_sidecar else ""
        run = run_godot(self.path, "res://press_enter.tscn", WAITS_FOR_SIDECAR=waits)
        assert run.returncode == 0, run.stdout
        assert not script_errors(run.stdout)
        return run


@pytest.fixture(scope="module")
def three_steps(tmp_path_factory: pytest.TempPathFactory) -> FreshProject:
    """A project on which the README's first three steps were done."""
    project = FreshProject(tmp_path_factory.mktemp("godot") / "fresh project")
    project.path.mkdir()
    (project.path / "project.godot").write_text(
        'config_version=5\n[application]\nconfig/name="Fresh"\n'
    )
    project.copy_addon()
    project.tick_plugin()
    project.add_character()
    return project


@pytest.fixture
def fresh_project(three_steps: FreshProject, tmp_path: Path) -> FreshProject:
    """The same, for one test alone."""
    shutil.copytree(three_steps.path, tmp_path / "fresh project")
    return FreshProject(tmp_path / "fresh project")


@needs_godot
def test_three_steps_of_the_readme_make_an_npc_that_answers(
    fresh_project: FreshProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    run = fresh_project.play(waits_for_sidecar=False)
    greetings = load_definition(ADDON / "first_project" / "innkeeper.yaml").lines.greeting
    assert any(f"Berta: {line}" in run.stdout for line in greetings), run.stdout
    assert "SOURCE fallback" in run.stdout


@needs_godot
@pytest.mark.model
def test_the_fourth_step_brings_the_model(fresh_project: FreshProject) -> None:
    fresh_project.set_up_model(MODEL)
    script = fresh_project.path / "main.gd"
    question = "What do you think of the fog?"
    script.write_text(script.read_text().replace("Good evening!", question))
    run = fresh_project.play(waits_for_sidecar=True)
    assert "SOURCE model" in run.stdout, run.stdout
    assert re.search(r"^Berta: \w.{8}", run.stdout, re.MULTILINE), run.stdout


@needs_godot
def test_enabling_the_plugin_adds_files_and_disabling_leaves_the_authors(
    fresh_project: FreshProject,
) -> None:
    npc = fresh_project.path / "npcs" / "innkeeper.yaml"
    template = fresh_project.path / "script_templates" / "Node" / "npc_actor.gd"
    assert npc.read_bytes() == (ADDON / "first_project" / "innkeeper.yaml").read_bytes()
    assert template.is_file()
    written = fresh_project.tick("npc_brain", unticks=True)
    assert "NpcBrain=" not in written, "what enabling added to the project is gone"
    assert not template.exists()
    assert npc.is_file(), "but NPC files are the author's"


@needs_godot
def test_script_templates_make_scripts_that_compile(fresh_project: FreshProject) -> None:
    templates = sorted((ADDON / "script_templates").rglob("*.gd"))
    assert len(templates) == 2
    for template in templates:
        script = fresh_project.path / template.name
        script.write_text(_text(template).replace("_BASE_", template.parent.name))
        run = run_godot(fresh_project.path, "--check-only", "-s", script.name)
        assert run.returncode == 0, run.stdout


@needs_godot
def test_the_dock_follows_a_game_that_the_editor_plays(fresh_project: FreshProject) -> None:
    fresh_project.set_up_model("none")
    fresh_project.add_person()
    fresh_project.set("editor", **{"run/main_run_args": '"--headless"'})
    fresh_project.add_plugin("watcher", PARTS / "watch_plugin.gd")
    config = fresh_project.path / "project.godot"
    enabled = config.read_text().replace(
        '"res://addons/npc_brain/plugin.cfg"',
        '"res://addons/npc_brain/plugin.cfg", "res://addons/watcher/plugin.cfg"',
    )
    config.write_text(enabled)
    run = run_godot(fresh_project.path, "--editor", WAITS_FOR_SIDECAR="1")
    assert not script_errors(run.stdout)
    assert re.search(r"^DOCK \w+ \[\"innkeeper\"\]", run.stdout, re.MULTILINE), run.stdout
    for row in (
        "→ innkeeper npc.spawn",
        "← innkeeper npc.state",
        "→ innkeeper npc.hear",
        "← innkeeper turn.line",
    ):
        assert f"ROW {row}" in run.stdout, run.stdout


# --- the nodes ----------------------------------------------------------------------------------


@needs_godot
@pytest.mark.usefixtures("imported_addon")
def test_the_nodes_tests_pass_in_godot() -> None:
    run_tests("tests/nodes")


# --- NPC files ----------------------------------------------------------------------------------


def read_by_addon(files: Sequence[Path], states: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What the addon reads of files, in their order."""
    run = run_godot(
        ADDON_PROJECT,
        "-s",
        "tests/nodes/dump_npc_files.gd",
        "--",
        *map(str, files),
        STATES=",".join(states),
    )
    assert not script_errors(run.stdout), run.stdout
    rows = [line[5:] for line in run.stdout.splitlines() if line.startswith("FILE ")]
    assert len(rows) == len(files), run.stdout
    return [json.loads(row) for row in rows]


def listed(value: Any) -> Any:
    """`value` with lists for tuples, as JSON has them."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, list | tuple) else value


def typed(value: Any) -> Any:
    """`value` with the type of each scalar, since 1 == 1.0 == True."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, value


@needs_godot
@pytest.mark.usefixtures("imported_addon")
def test_npc_files_are_read_as_the_sidecar_reads_them() -> None:
    nodes = [compile_nodes(load_definition(file), BUILT_INS) for file in NPC_FILES]
    states = sorted({state for of_file in nodes for state in of_file})
    assert len(NPC_FILES) >= 8
    for file, of_file, row in zip(NPC_FILES, nodes, read_by_addon(NPC_FILES, states), strict=True):
        definition = load_definition(file)
        assert typed(row["value"]) == typed(listed(read_document(file).value)), file
        assert row["problem"] == ""
        assert row["id"] == definition.id
        assert row["name"] == definition.persona.name
        assert tuple(row["greeting"]) == definition.lines.greeting
        assert row["initial"] == of_file[definition.initial].leaf
        for state, node in of_file.items():
            assert tuple(row["fallback"][state]) == node.fallback, (file, state)


WORDS = (
    *("ale", "yes", "off", "true", "null", "~", "3", "0.5", "1e3", "0x1F", "0o17", "+5", ".5", ""),
    *("-", "- a", "a: b", "a #b", "#x", "it's", 'say "hi"', "{x}", "[y", "x:", "?", "a, b", "%a"),
    *("@a", "`t`", "!t", "&t", "*t", "\ttab", "back\\slash", "  lead", "trail ", "é…", "a\nb"),
    "a sentence of several words that is long enough to be folded somewhere in its middle",
    "line one\n\nline two\n  deeper\nend\n",
)
KEYS = ("a", "b_c", "on", "trust >= 3 and x", "120s", "a b", "yes", "1", "it's", "x#y", "k:v", "-d")


class PlainDumper(yaml.SafeDumper):
    """Writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never."""
        return True


def random_document(seed: int) -> str:
    """YAML of a random value, in a random style."""
    rng = random.Random(seed)
    style = rng.choice([None, None, '"', "'", "|", ">"])
    scalars = WORDS if style else (*WORDS, 1, -7, 2.5, True, False, None, 1e20)

    def value(depth: int) -> Any:
        if depth == 0 or rng.random() < 0.45:
            return rng.choice(scalars)
        if rng.random() < 0.5:
            return {rng.choice(KEYS): value(depth - 1) for _ in range(rng.randint(0, 4))}
        return [value(depth - 1) for _ in range(rng.randint(0, 4))]

    return str(
        yaml.dump(
            {key: value(4) for key in rng.sample(KEYS, 4)},
            Dumper=PlainDumper,
            default_flow_style=rng.choice([True, False, None]),
            width=rng.choice([20, 40, 100]),
            default_style=style,
            allow_unicode=rng.choice([True, False]),
            indent=rng.choice([2, 4]),
            sort_keys=False,
        )
    )


@needs_godot
@pytest.mark.usefixtures("imported_addon")
def test_yaml_of_every_style_is_read_as_the_sidecar_reads_it(tmp_path: Path) -> None:
    files = [tmp_path / f"{seed}.yaml" for seed in range(count(2000, 300))]
    for seed, file in enumerate(files):
        file.write_text(random_document(seed), encoding="utf-8")
    for file, row in zip(files, read_by_addon(files), strict=True):
        document = read_document(file)
        if not document.problems:
            assert row["problem"] == "", file.read_text()
            assert typed(row["value"]) == typed(listed(document.value)), file.read_text()


@needs_godot
@pytest.mark.usefixtures("imported_addon")
def test_damaged_files_are_told_and_never_break_the_game(tmp_path: Path) -> None:
    """Each is read without an error in a script, and to the sidecar's value where that reads it."""
    rng = random.Random(7)
    files = [tmp_path / f"{number}.yaml" for number in range(count(2000, 300))]
    for file in files:
        text = rng.choice(NPC_FILES).read_text(encoding="utf-8")[: rng.randint(200, 3000)]
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            junk = rng.choice(
                ["", "{", "]", '"', "'", ":", "\n", "  ", "- ", "#", "\t", "|", "&a "]
            )
            text = text[:at] + junk + text[at + rng.randint(0, 3) :]
        file.write_text(text, encoding="utf-8")
    num_read = 0
    for file, row in zip(files, read_by_addon(files), strict=True):
        document = read_document(file)
        if not document.problems and row["problem"] == "":
            num_read += 1
            assert typed(row["value"]) == typed(listed(document.value)), file.read_text()
    assert num_read > len(files) // 20


# --- sources ------------------------------------------------------------------------------------


def sources() -> list[Path]:
    """The addon's scripts."""
    return sorted(file for file in ADDON.rglob("*.gd") if "script_templates" not in file.parts)


@pytest.mark.parametrize("tool", [("gdformat", "--check"), ("gdlint",)], ids=lambda tool: tool[0])
def test_sources_are_clean(tool: tuple[str, ...]) -> None:
    program = shutil.which(tool[0], path=str(Path(sys.executable).parent))
    assert program is not None, "gdtoolkit is one of the test extra's packages"
    folders = [str(ADDON), str(ADDON_PROJECT / "tests"), str(PARTS)]
    run = subprocess.run(
        [program, *tool[1:], *folders],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@needs_godot
def test_every_script_loads_with_warnings_as_errors(imported_addon: str) -> None:
    assert script_errors(imported_addon) == []
    settings = (ADDON_PROJECT / "project.godot").read_text()
    for warning in (
        "untyped_declaration",
        "unsafe_method_access",
        "unsafe_cast",
        "unused_variable",
    ):
        assert f"gdscript/warnings/{warning}=2" in settings
    run = run_godot(ADDON_PROJECT, "-s", "tests/nodes/load_scripts.gd")
    assert f"LOADED {len(sources())}" in run.stdout, run.stdout
    assert script_errors(run.stdout) == []


PUBLIC = re.compile(
    r"^(?:static )?(?:class_name|signal|enum|const|var|func|class|@export[^\n]*? var) ?(\w*)"
)


@pytest.mark.parametrize("file", sources(), ids=lambda file: file.stem)
def test_everything_public_is_documented(file: Path) -> None:
    """Each class, signal, property, enum, constant and method that a game can reach has `##` docs.

    Scripts without a `class_name` are internal: only their purpose must be told.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("## ") for line in lines[:12]), "what the script is for"
    if not any(line.startswith("class_name ") for line in lines):
        return
    missing = []
    for number, line in enumerate(lines):
        match = PUBLIC.match(line)
        if match is None or line.startswith("class_name") or match[1].startswith("_"):
            continue
        above = [text for text in lines[:number] if not text.startswith("@warning")][-1]
        if not above.startswith("##") and "preload(" not in line:
            missing.append(line)
    assert missing == []


def test_the_version_is_that_of_plugin_cfg() -> None:
    config = (ADDON / "plugin.cfg").read_text()
    version = re.search(r'^version="(\d+\.\d+\.\d+)"$', config, re.MULTILINE)
    assert version is not None
    client = (ADDON / "npc_brain_client.gd").read_text()
    assert f'const VERSION := "{version[1]}"' in client
    changes = (ADDON / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\]", changes, re.MULTILINE)
    assert headings[:2] == ["Unreleased", version[1]]
    assert 'script="plugin.gd"' in config


def test_the_licence_is_that_of_the_project() -> None:
    assert (ADDON / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert {icon.name for icon in (ADDON / "icons").glob("*.svg")} >= {
        f"{name}.svg" for name in re.findall(r"icons/(\w+)\.svg", "".join(map(_text, sources())))
    }


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


# --- exports ------------------------------------------------------------------------------------


PRESET = """[preset.0]
name="Linux"
platform="Linux"
runnable=true
export_filter="all_resources"
export_path=""
[preset.0.options]
custom_template/release="{template}"
binary_format/architecture="x86_64"
npc_brain/sidecar_folder="{folder}"
"""


def make_packed(folder: Path, system: str = "Linux") -> None:
    """A folder like a packed sidecar's, whose program says that it was run."""
    (folder / "models" / MODEL).mkdir(parents=True)
    (folder / "models" / MODEL / "model.json").write_text("{}")
    (folder / "_internal").mkdir()
    program = folder / "npc-brain"
    program.write_text('#!/bin/sh\necho "$@" > "$(dirname "$0")/was_run"\n')
    program.chmod(0o755)
    (folder / "_internal" / "link").symlink_to("../npc-brain")
    (folder / "sidecar.json").write_text(json.dumps({"system": f"{system} x86_64"}))


def export(
    project: FreshProject, folder: Path, scene: str = "main.tscn"
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Export a project with the sidecar in `folder`; the run, and where the game is."""
    preset = PRESET.format(template=TEMPLATE, folder=folder)
    (project.path / "export_presets.cfg").write_text(preset)
    project.set("application", **{"run/main_scene": f'"res://{scene}"'})
    game = project.path.parent / "out" / "game.x86_64"
    game.parent.mkdir(exist_ok=True)
    return run_godot(project.path, "--export-release", "Linux", str(game)), game


@needs_template
def test_an_export_takes_the_sidecar_along(fresh_project: FreshProject, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    make_packed(packed)
    run, game = export(fresh_project, packed)
    assert run.returncode == 0, run.stdout
    beside = game.parent / "npc_brain_sidecar"
    assert (beside / "_internal" / "link").is_symlink()
    assert os.access(beside / "npc-brain", os.X_OK)
    assert (beside / "models" / MODEL / "model.json").is_file()
    assert (beside / "npcs" / "innkeeper.yaml").is_file()
    assert b"npcs/innkeeper.yaml" in game.with_suffix(".pck").read_bytes(), "for fallback lines"


@needs_template
@pytest.mark.parametrize("npcs", ["res://npcs", "res://../shared"], ids=["inside", "outside"])
def test_an_exported_game_starts_the_sidecar_beside_it_and_speaks_without_it(
    fresh_project: FreshProject, tmp_path: Path, npcs: str
) -> None:
    """NPC files may also lie outside the project: then they are only beside the game."""
    packed = tmp_path / "packed"
    make_packed(packed)
    if ".." in npcs:
        (fresh_project.path / "npcs").rename(tmp_path / "shared")
        fresh_project.set("npc_brain", **{"sidecar/npcs": f'"{npcs}"'})
        scene = fresh_project.path / "main.tscn"
        scene.write_text(scene.read_text().replace("res://npcs", npcs))
    fresh_project.add_person()
    run, game = export(fresh_project, packed, "press_enter.tscn")
    assert run.returncode == 0, run.stdout
    beside = game.parent / "npc_brain_sidecar"
    was_run = beside / "was_run"
    played = subprocess.run(
        [game, "--headless"],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "WAITS_FOR_FILE": str(was_run)},
    )
    assert "SOURCE fallback" in played.stdout, played.stdout + played.stderr
    assert re.search(r"^Berta: \w", played.stdout, re.MULTILINE), played.stdout
    command = was_run.read_text()
    assert f"--npcs {beside / 'npcs'}" in command
    assert f"--model {MODEL}" in command


@needs_template
@pytest.mark.model
def test_an_exported_game_speaks_with_the_model_without_python(
    fresh_project: FreshProject, packed_sidecar: Path, tmp_path: Path
) -> None:
    script = fresh_project.path / "main.gd"
    script.write_text(script.read_text().replace("Good evening!", "What do you think of the fog?"))
    fresh_project.add_person()
    run, game = export(fresh_project, packed_sidecar, "press_enter.tscn")
    assert run.returncode == 0, run.stdout
    played = subprocess.run(
        [game, "--headless"],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
        cwd=tmp_path,
        env={
            "HOME": str(tmp_path),
            "PATH": str(tmp_path / "no_programs"),
            "NPC_BRAIN_CACHE": str(tmp_path / "no_cache"),
            "WAITS_FOR_SIDECAR": "1",
        },
    )
    assert "SOURCE model" in played.stdout, played.stdout + played.stderr


@needs_template
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (shutil.rmtree, "There is no sidecar folder"),
        (lambda folder: (folder / "sidecar.json").write_text("no"), "no readable sidecar.json"),
        (lambda folder: (folder / "npc-brain").unlink(), "lacks the sidecar's program, npc-brain"),
        (lambda folder: shutil.rmtree(folder / "models"), f"lacks the model {MODEL}"),
        (
            lambda folder: (folder / "sidecar.json").write_text('{"system": "Darwin arm64"}'),
            "was packed for Darwin, and the game is exported for Linux",
        ),
    ],
    ids=["folder", "manifest", "program", "model", "system"],
)
def test_an_export_that_would_lack_something_fails(
    fresh_project: FreshProject, tmp_path: Path, spoil: Any, reason: str
) -> None:
    packed = tmp_path / "packed"
    make_packed(packed)
    spoil(packed)
    run, game = export(fresh_project, packed)
    assert run.returncode != 0, "the export must fail"
    assert reason in run.stdout
    assert not (game.parent / "npc_brain_sidecar").exists()
