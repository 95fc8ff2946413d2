"""What one may ask of a language model: how it is sampled, and what it is trusted with.

A profile comes with the model: its importer writes it into `model.json`. Each field is one decision
that depends on how able the model is; callers read the field and never ask which model it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from npc_brain.errors import UsageError

_GENERATION_SETTINGS = ("temperature", "top_k", "top_p", "repetition_penalty")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn.

    Attributes:
        temperature: 0 is greedy; up to 2.
        top_k: Keep the k likeliest tokens; 0 keeps all.
        top_p: Keep the likeliest tokens whose probabilities sum to p, 0 < p <= 1.
        repetition_penalty: >= 1; divides positive and multiplies negative logits of tokens seen in
            the completion (CTRL, Keskar et al. 2019).
        seed: Fixes the draw; None takes a fresh one.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    repetition_penalty: float = 1.1
    seed: int | None = None


class ModelProfile(BaseModel):
    """What a model is good for. The defaults suit one of which nothing is known.

    Attributes:
        tool_choice: Who chooses tools for NPCs whose file does not say. The sentence encoder needs
            no help; a model must be tuned for tool calls, since small ones choose no better than
            chance (SmolLM2-135M: 21 % of the lines in `tests/understanding`).
        max_sentences: Of a line, 1 to 10: how long the model keeps its thread.
        num_voice_examples: Of the author's own exchanges that the prompt shows, 0 to 16. A small
            model repeats their words instead of their tone.
        vets_additions: Whether what the model adds to the author's line for an outcome is held back
            until it is found harmless. The line must then be able to stand alone, so
            `lines.opener` is not used.
        temperature: See `Sampling`, as for the next three.
        top_k: At most 1000.
        top_p: Above 0, at most 1.
        repetition_penalty: 1 to 2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tool_choice: Literal["encoder", "model", "both"] = "encoder"
    max_sentences: int = Field(2, ge=1, le=10)
    num_voice_examples: int = Field(0, ge=0, le=16)
    vets_additions: bool = True
    temperature: float = Field(0.4, ge=0, le=2)
    top_k: int = Field(40, ge=0, le=1000)
    top_p: float = Field(0.95, gt=0, le=1)
    repetition_penalty: float = Field(1.2, ge=1, le=2)

    def sampling(self, seed: int | None) -> Sampling:
        """How tokens are drawn."""
        return Sampling(**{name: getattr(self, name) for name in _GENERATION_SETTINGS}, seed=seed)


SMALL = ModelProfile()
"""A model of some hundred million parameters that has not learned to call tools. Its sampling read
best of six settings on SmolLM2-135M, ten questions to five NPCs."""

ABLE = ModelProfile(
    tool_choice="model",
    max_sentences=3,
    num_voice_examples=5,
    vets_additions=False,
    temperature=1.0,
    top_k=64,
    top_p=0.95,
    repetition_penalty=1.0,
)
"""A model of some billion parameters that calls tools. Source of its sampling:
generation_config.json of google/gemma-4-E4B-it."""


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """The fields of `ModelProfile` that `KEY=VALUE` texts set.

    Raises UsageError for a key or value that a profile cannot have.
    """
    given = dict(text.partition("=")[::2] for text in texts)
    try:
        profile = ModelProfile.model_validate_strings(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise UsageError(
            f"--profile {key}={given[key]}: {first['msg']}",
            hint=f"wanted KEY=VALUE with a KEY of {', '.join(ModelProfile.model_fields)}",
        ) from error
    return profile.model_dump(exclude_unset=True)


def with_settings(profile: ModelProfile, settings: Mapping[str, Any]) -> ModelProfile:
    """`profile` with some fields replaced by what `read_settings` gave."""
    return profile.model_copy(update=dict(settings))
