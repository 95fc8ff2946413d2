"""Nothing leaves the machine, no name is looked up, and files stay in the cache.

The programs run under a recorder of system calls, with an empty home and none of this process's
environment. What pip and the hub fetch when someone asks for a model is not part of this.
"""

import json
import stat
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from npc_brain.cache import cache_dir
from npc_brain.errors import ModelError
from npc_brain.importing.catalogue import resolve_model
from tests.counts import count
from tests.security.recorder import Recording, clean_environment, record

ROOT = Path(__file__).parents[2]
MODELS = ("smollm2-135m", "minilm-l6")
LINGER_S = count(40, ci=5)
"""ONNX Runtime looks up its host after 25 s: what waits like that is seen when everything runs."""
SCRIPT = f"""
talk pip Hello! Who are you?
talk mira What is the oddest guest you ever had?
save {{save}}
wait {LINGER_S}
quit
"""

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the embedded models and nothing else."""
    try:
        directories = [resolve_model(name) for name in MODELS]
    except ModelError as error:
        pytest.skip(f"no weights: {error.message}")
    cache = tmp_path_factory.mktemp("cache")
    (cache / "models").mkdir()
    for directory in directories:
        (cache / directory.relative_to(cache_dir())).symlink_to(directory)
    return cache


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def record_python(home: Path, *arguments: str, **environment: str) -> Recording:
    env = clean_environment(home, **environment)
    return record([sys.executable, *arguments], home.parent / "calls", env=env, cwd=ROOT)


def assert_quiet(recording: Recording, *places: Path) -> None:
    assert recording.exit_code == 0, recording.output[-2000:]
    assert recording.changed_outside(*places) == []
    assert recording.looked_up == set()
    assert recording.met == set()


@pytest.mark.model
def test_a_demo_with_a_model_keeps_to_itself(home: Path, cache: Path) -> None:
    files = home.parent / "files"
    files.mkdir()
    script, save, transcript = (files / name for name in ("script", "save", "transcript"))
    script.write_text(SCRIPT.format(save=save))
    recording = record_python(
        home, "-m", "npc_brain", "demo", "--model", MODELS[0],
        "--script", str(script), "--transcript", str(transcript),
        NPC_BRAIN_CACHE=str(cache),
    )  # fmt: skip
    assert "said by the model" in recording.output, recording.output[-2000:]
    assert_quiet(recording, cache, files, home / "tmp")
    assert [path.name for path in home.iterdir()] == ["tmp"]
    for path in (save, transcript, cache / "sidecar.log"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    messages = [json.loads(line)["message"] for line in transcript.read_text().splitlines()]
    secrets = {message["type"]: message["body"] for message in messages}
    assert secrets["hello"]["token"] == secrets["welcome"]["session_id"] == ""


@pytest.mark.model
def test_without_a_cache_of_its_own_it_uses_the_platforms(home: Path, cache: Path) -> None:
    place = home / ".cache" / "npc_brain"
    place.mkdir(parents=True)
    (place / "models").symlink_to(cache / "models")
    script = home.parent / "script"
    script.write_text("talk pip Hello!\nquit\n")
    recording = record_python(
        home, "-m", "npc_brain", "demo", "--model", "none", "--script", str(script)
    )
    assert_quiet(recording, place, home / "tmp")
    assert [path.name for path in (home / ".cache").iterdir()] == ["npc_brain"]


GAME = """
import time
from npc_brain.client import Sidecar

with Sidecar.start("sample_game/npcs", model="none"):
    time.sleep(2)
"""


@pytest.mark.model
def test_a_game_that_starts_the_sidecar_keeps_to_itself(home: Path, cache: Path) -> None:
    recording = record_python(home, "-c", GAME, NPC_BRAIN_CACHE=str(cache))
    assert_quiet(recording, cache, home / "tmp")


USES = {
    "gguf": "import gguf\ngguf.GGMLQuantizationType.Q8_0",
    "huggingface_hub": "import huggingface_hub.utils\n"
    "huggingface_hub.HfApi()\n"
    "huggingface_hub.get_session()\n"
    "huggingface_hub.utils.build_hf_headers()",
    "llguidance": "import llguidance\n"
    'llguidance.LLMatcher.grammar_from_json_schema(\'{"type": "integer"}\')',
    "msgpack": "import msgpack\nmsgpack.unpackb(msgpack.packb({'a': 1}))",
    "numpy": "import numpy\nnumpy.linalg.inv(numpy.eye(64)) @ numpy.random.rand(64, 64)",
    "onnx": "import onnx.helper\nonnx.checker.check_model(onnx.helper.make_model("
    "onnx.helper.make_graph([], 'g', [], [])))",
    "onnxruntime": "import npc_brain.inference.runtime as runtime\n"
    "import onnx.helper as h\n"
    "value = [h.make_tensor_value_info(name, 1, [1]) for name in 'xy']\n"
    "graph = h.make_graph([h.make_node('Identity', ['x'], ['y'])], 'g', value[:1], value[1:])\n"
    "model = h.make_model(graph, ir_version=8, opset_imports=[h.make_opsetid('', 17)])\n"
    "session = runtime.onnxruntime.InferenceSession(model.SerializeToString())\n"
    "session.run(None, {'x': [1.0]})",
    "pillow": "import io, PIL.Image\nPIL.Image.new('RGB', (8, 8)).save(io.BytesIO(), 'png')",
    "pydantic": "import pydantic\npydantic.create_model('M', a=(int, 1))()",
    "pyyaml": "import yaml\nyaml.safe_load('a: [1]')",
    "pyzmq": "import zmq\n"
    "a = zmq.Context.instance().socket(zmq.PAIR)\n"
    "a.bind('tcp://127.0.0.1:0')\n"
    "b = zmq.Context.instance().socket(zmq.PAIR)\n"
    "b.connect(a.LAST_ENDPOINT)\n"
    "b.send(b'x')\n"
    "a.recv()\n"
    "a.close(0)\n"
    "b.close(0)",
    "rapidfuzz": "import rapidfuzz.fuzz\nrapidfuzz.fuzz.ratio('a', 'b')",
    "rich": "import rich.console\nrich.console.Console().print('[b]x')",
    "safetensors": "import numpy, safetensors.numpy\n"
    "safetensors.numpy.load(safetensors.numpy.save({'a': numpy.ones(2)}))",
    "tcod": "import numpy, tcod.path\n"
    "tcod.path.Pathfinder(tcod.path.SimpleGraph(cost=numpy.ones((4, 4), int), cardinal=1, "
    "diagonal=0))",
    "tokenizers": "import tokenizers, tokenizers.models\n"
    "tokenizers.Tokenizer(tokenizers.models.BPE()).encode('a')",
}
"""What each dependency does for us, in a few lines."""
OURS = ("cpu", "hub", "import", "media")
OTHER_BUILDS = {"onnxruntime_gpu", "onnxruntime_directml"}


def dependencies() -> set[str]:
    """The packages that a player's installation may hold."""
    names = set()
    for line in requires("npc-brain") or []:
        requirement, _, marker = line.partition(";")
        if not marker or any(f'"{extra}"' in marker or f"'{extra}'" in marker for extra in OURS):
            name = requirement
            for end in "[<>=!~ ":
                name = name.partition(end)[0]
            names.add(name.lower().replace("-", "_"))
    return names - OTHER_BUILDS - {"npc_brain"}


def test_every_dependency_is_used_here() -> None:
    assert dependencies() == set(USES)


def test_the_dependencies_keep_to_themselves(home: Path) -> None:
    uses = USES.values()
    program = ["import npc_brain, time", *uses, f"time.sleep({LINGER_S})"]
    assert_quiet(record_python(home, "-c", "\n".join(program)), home / "tmp")


OFFENDERS = {
    "a device id": "import onnxruntime",
    "a name": "import socket\nsocket.getaddrinfo('telemetry.invalid', 443)",
    "an address": "import socket\n"
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "an open port": "import socket\nsocket.socket().bind(('0.0.0.0', 0))",
    "a file": "import os\nos.chdir(os.environ['HOME'])\nopen('left', 'w')",
    "a folder": "import os\nos.mkdir(os.environ['HOME'] + '/left')",
}


@pytest.mark.parametrize("what", OFFENDERS)
def test_the_recorder_sees_who_does_not(home: Path, what: str) -> None:
    recording = record_python(home, "-c", OFFENDERS[what])
    seen = [*recording.changed_outside(home / "tmp"), *recording.looked_up, *recording.met]
    assert seen, recording.output
