from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npc_brain.inference.profile import Sampling
from npc_brain.inference.sampler import Sampler

Array = npt.NDArray[Any]


def reference_probabilities(logits: Array, sampling: Sampling, allowed: Array) -> Array:
    """The plain definition over the whole vocabulary: mask, temperature, top-k, top-p."""
    scaled = np.where(allowed, logits.astype(np.float64) / sampling.temperature, -np.inf)
    order = np.argsort(-scaled, kind="stable")
    if sampling.top_k:
        scaled[order[sampling.top_k :]] = -np.inf
    probabilities = np.exp(scaled - scaled.max())
    probabilities /= probabilities.sum()
    before = np.cumsum(probabilities[order]) - probabilities[order]
    probabilities[order[before >= sampling.top_p]] = 0
    normalised: Array = probabilities / probabilities.sum()
    return normalised


def pack(allowed: Array) -> npt.NDArray[np.uint8]:
    return np.packbits(np.pad(allowed, (0, -len(allowed) % 32)), bitorder="little")


@pytest.mark.parametrize("spread", [0.5, 3.0, 12.0])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, top_k=0, top_p=1.0, repetition_penalty=1.0, seed=1),
        Sampling(temperature=0.7, top_k=5, top_p=1.0, repetition_penalty=1.0, seed=2),
        Sampling(temperature=1.5, top_k=0, top_p=0.8, repetition_penalty=1.0, seed=3),
        Sampling(temperature=0.9, top_k=12, top_p=0.6, repetition_penalty=1.0, seed=4),
    ],
)
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_draws_follow_the_reference_distribution(
    sampling: Sampling, spread: float, share: float
) -> None:
    rng = np.random.default_rng(7)
    logits = (spread * rng.standard_normal(300)).astype(np.float32)
    allowed = rng.random(300) < share
    mask = None if share == 1.0 else pack(allowed)
    expected = reference_probabilities(logits, sampling, allowed)
    sampler = Sampler(sampling)
    num_draws = 4000
    counts = np.bincount([sampler.sample(logits, mask) for _ in range(num_draws)], minlength=300)
    assert counts[expected == 0].sum() == 0
    deviation = np.abs(counts - num_draws * expected)
    assert (deviation <= 5 * np.sqrt(num_draws * expected * (1 - expected)) + 3).all()


def test_greedy_takes_the_best_allowed_token() -> None:
    logits = np.array([1.0, 5.0, 3.0, 4.0], np.float32)
    sampler = Sampler(Sampling(temperature=0))
    assert sampler.sample(logits) == 1
    assert sampler.sample(logits, pack(np.array([True, False, True, True]))) == 3


def test_mask_bits_beyond_the_vocabulary_are_ignored() -> None:
    logits = np.zeros(10, np.float32)
    mask = pack(np.arange(32) >= 9)
    for temperature in (0.0, 1.0):
        assert Sampler(Sampling(temperature=temperature)).sample(logits, mask) == 9


def test_equal_seeds_draw_equal_tokens() -> None:
    logits = np.random.default_rng(0).standard_normal(1000).astype(np.float32)

    def draws(seed: int | None) -> list[int]:
        sampler = Sampler(Sampling(temperature=1.5, top_k=0, top_p=1.0, seed=seed))
        return [sampler.sample(logits) for _ in range(20)]

    assert draws(5) == draws(5)
    assert draws(5) != draws(6)
    assert draws(None) != draws(None)


def test_the_repetition_penalty_weakens_tokens_of_the_completion() -> None:
    logits = np.array([3.0, 2.0, -1.0, -1.1], np.float32)
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=2.0))
    sampler.note([0, 2])
    work = logits.copy()
    assert sampler.sample(work) == 1
    np.testing.assert_allclose(work, [1.5, 2.0, -2.0, -1.1])


def test_ties_at_top_k_are_cut_by_id() -> None:
    logits = np.zeros(100, np.float32)
    sampler = Sampler(Sampling(temperature=1.0, top_k=3, top_p=1.0, seed=0))
    assert {sampler.sample(logits) for _ in range(100)} == {0, 1, 2}
