"""Makes long logit vectors short so that their cosines can still be told.

A count sketch: coordinates with random signs are summed into buckets. The estimate of 1 - cosine
has a relative standard error of about sqrt(2 / NUM_BUCKETS), whatever the length of the vectors.

Source: Charikar, Chen and Farach-Colton 2002.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

NUM_BUCKETS = 512
_SEED = 20261124


@cache
def _layout(size: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    rng = np.random.default_rng(_SEED)
    return rng.permutation(size), rng.choice(np.array([-1.0, 1.0], np.float32), size)


def sketch(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32[positions, vocab] to float32[positions, NUM_BUCKETS]; vocab a multiple of it."""
    order, signs = _layout(logits.shape[-1])
    return (logits[:, order] * signs).reshape(len(logits), NUM_BUCKETS, -1).sum(axis=-1)


def cosines(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """float64[rows], the cosine of each row of `a` with that of `b`."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a64, axis=-1) * np.linalg.norm(b64, axis=-1)
    return np.einsum("ij,ij->i", a64, b64) / norms
