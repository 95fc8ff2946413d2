"""`npc-brain model` and `generate` on a tiny model: what they print, write and return."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npc_brain.cli import main
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.tiny_gguf import CONTEXT, write_tiny_gguf


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny")
    source = write_tiny_gguf(directory / "tiny.gguf", "llama")
    assert main(["model", "import", str(source), str(directory / "model")]) == 0
    return directory / "model"


def tokens_file(tmp_path: Path, value: object) -> str:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps(value))
    return str(path)


def generated(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["generate", "--json", *map(str, arguments)]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_list_shows_names_and_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("smollm2-135m") and "not fetched" in line for line in lines)
    assert any(line.startswith("gemma3-270m") for line in lines)


def test_info_and_verify(model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", str(model_dir)]) == 0
    assert "chat format    chatml" in capsys.readouterr().out
    assert main(["model", "verify", str(model_dir)]) == 0


def test_verify_of_a_damaged_directory(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in model_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = bytearray((tmp_path / "weights.bin").read_bytes())
    damaged[100] ^= 1
    (tmp_path / "weights.bin").write_bytes(damaged)
    assert main(["model", "verify", str(tmp_path)]) == 1
    assert "weights.bin is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["model", "info", "nowhere"], 1),
        (["model", "pull", "nothing"], 1),
        (["model", "import", "nothing.gguf", "target"], 2),
        (["generate", "--model", "nothing", "--prompt", "a"], 1),
        (["generate", "--model", "nothing", "--prompt", ""], 2),
        (["generate", "--model", "nothing", "--prompt", "a", "--max-tokens", "-1"], 2),
        (["generate", "--model", "nothing", "--prompt", "a", "--temperature", "nan"], 2),
        (["generate", "--model", "nothing", "--tokens", "nothing.json"], 2),
        (["generate", "--model", "m", "--prompt", "a", "--logits-out", "no/where.npy"], 2),
    ],
)
def test_exit_codes(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One line and perhaps a hint, no traceback."""
    assert main(arguments) == code
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("npc-brain: ")
    assert all(line.startswith("  hint: ") for line in rest)


@pytest.mark.parametrize("value", [[], {}, [1.5], ["1"], [True], 3])
def test_tokens_must_be_a_list_of_ids(model_dir: Path, tmp_path: Path, value: object) -> None:
    tokens = tokens_file(tmp_path, value)
    assert main(["generate", "--model", str(model_dir), "--tokens", tokens]) == 2


def test_ids_outside_the_vocabulary(model_dir: Path, tmp_path: Path) -> None:
    tokens = tokens_file(tmp_path, [1, 999])
    assert main(["generate", "--model", str(model_dir), "--tokens", tokens]) == 1


def test_logits_follow_every_given_and_generated_token(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "logits.npy"
    given = [1, 20, 30, 40]
    found = generated(
        capsys, "--model", model_dir, "--tokens", tokens_file(tmp_path, given),
        "--temperature", 0, "--max-tokens", 5, "--logits-out", out,
    )  # fmt: skip
    logits = np.load(out)
    tokens = found["token_ids"]
    assert found["prompt_token_ids"] == given
    assert logits.dtype == np.float32
    assert logits.shape == (len(given) + len(tokens), 261)
    assert tokens == logits[len(given) - 1 : -1].argmax(axis=-1).tolist()
    again = OnnxDecoder(model_dir).prefill(0, given + tokens, all_logits=True)
    np.testing.assert_allclose(logits[: len(given)], again[: len(given)], rtol=1e-3, atol=1e-3)


def test_no_tokens_asked_for_gives_logits_alone(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "logits.npy"
    found = generated(
        capsys, "--model", model_dir, "--tokens", tokens_file(tmp_path, [5, 6]),
        "--max-tokens", 0, "--logits-out", out,
    )  # fmt: skip
    assert (found["token_ids"], found["text"]) == ([], "")
    assert np.load(out).shape == (2, 261)


def test_seed_repeats_a_draw(model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--model", model_dir, "--prompt", "the", "--max-tokens", 20, "--temperature", 1.5)
    first = generated(capsys, *arguments, "--seed", 4)
    assert generated(capsys, *arguments, "--seed", 4)["token_ids"] == first["token_ids"]
    assert generated(capsys, *arguments, "--seed", 5)["token_ids"] != first["token_ids"]


def test_prompt_is_plain_text(model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What spells a control token does not become one."""
    found = generated(
        capsys, "--model", model_dir, "--prompt", "<|im_start|>the", "--max-tokens", 1
    )
    assert not {0, 1, 2} & set(found["prompt_token_ids"])


def test_text_is_streamed_without_json(model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", str(model_dir), "--prompt", "the", "--temperature", "0"]
    wanted = generated(capsys, *arguments, "--max-tokens", 8)["text"]
    assert main(["generate", *arguments, "--max-tokens", "8"]) == 0
    assert capsys.readouterr().out == wanted + "\n"


def test_prompt_longer_than_the_model(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = tokens_file(tmp_path, [5] * (CONTEXT + 1))
    assert main(["generate", "--model", str(model_dir), "--tokens", tokens]) == 1
    assert f"do not fit a context of {CONTEXT}" in capsys.readouterr().err
