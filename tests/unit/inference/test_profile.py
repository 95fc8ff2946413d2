"""What a model is good for: read from text and from `model.json`, bounded either way."""

import json
from pathlib import Path
from typing import Any

import pytest

import npc_brain
from npc_brain.errors import ModelError, UsageError
from npc_brain.importing.architectures import profile_of
from npc_brain.inference.model_dir import ModelDims, write_model_info
from npc_brain.inference.profile import (
    ABLE,
    SMALL,
    ModelProfile,
    Sampling,
    read_settings,
    with_settings,
)

DIMS = ModelDims(layers=1, hidden=32, heads=1, vocab=8, context=8)


def model(directory: Path, architecture: str, **fields: Any) -> Path:
    write_model_info(
        directory, kind="decoder", name="m", architecture=architecture, dims=DIMS, **fields
    )
    return directory


def test_settings_replace_single_fields() -> None:
    settings = read_settings(["temperature=0.7", "vets_additions=false", "tool_choice=both"])
    assert settings == {"temperature": 0.7, "vets_additions": False, "tool_choice": "both"}
    profile = with_settings(ABLE, settings)
    assert profile.max_sentences == ABLE.max_sentences
    assert profile.sampling(5) == Sampling(0.7, ABLE.top_k, ABLE.top_p, 1.0, seed=5)
    assert with_settings(SMALL, read_settings([])) == SMALL


@pytest.mark.parametrize(
    "text",
    ["temperature=hot", "temperature=3", "top_p=nan", "top_k=1.5", "tool_choice=player",
     "max_sentences=0", "vets_additions=perhaps", "mood=glad", "temperature", "=", ""],
)  # fmt: skip
def test_wrong_settings_are_named(text: str) -> None:
    key = text.partition("=")[0]
    with pytest.raises(UsageError, match=f"--profile {key}=") as caught:
        read_settings(["max_sentences=2", text])
    assert "max_sentences" in caught.value.hint


def test_each_architecture_says_what_its_models_are_good_for(tmp_path: Path) -> None:
    """Directories of earlier versions have no profile in their `model.json`."""
    wanted = {"llama": SMALL, "gemma3": SMALL, "gemma4": ABLE, "bert": SMALL, "unheard_of": SMALL}
    for name, profile in wanted.items():
        (tmp_path / name).mkdir()
        assert profile_of(model(tmp_path / name, name)) == profile


def test_a_directory_s_own_profile_and_settings_come_first(tmp_path: Path) -> None:
    directory = model(tmp_path, "llama", profile=ModelProfile(max_sentences=4, top_k=7))
    assert profile_of(directory, {"top_k": 9}) == ModelProfile(max_sentences=4, top_k=9)


@pytest.mark.parametrize(
    "profile", [{"temperature": 9}, {"mood": "glad"}, {"max_sentences": "many"}, 7]
)
def test_a_damaged_profile_is_refused(tmp_path: Path, profile: object) -> None:
    path = model(tmp_path, "llama") / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"profile": profile}))
    with pytest.raises(ModelError, match="profile"):
        profile_of(tmp_path)


def test_the_documented_values_are_the_real_ones() -> None:
    text = (Path(npc_brain.__file__).parents[1] / "docs" / "models.md").read_text("utf-8")
    table = text.partition("## Profiles")[2].partition("## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    documented = {key.strip("`"): (small, able) for key, _, small, able in rows}
    real = {
        key: tuple(str(profile.model_dump()[key]).lower() for profile in (SMALL, ABLE))
        for key in ModelProfile.model_fields
    }
    assert documented == real
