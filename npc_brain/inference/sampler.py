"""Logits to one token: repetition penalty, mask, temperature, top-k, top-p, draw.

The work is done on a few candidates. Sorting or exponentiating a whole 262k vocabulary costs
milliseconds, a comparison with a threshold and a list of what passed costs 0.06 ms; so a threshold
picks the candidates, and is lowered when too few of them are allowed.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from npc_brain.inference.grammar import TokenMask
from npc_brain.inference.profile import Sampling

_BLOCK = 32
_NEGLIGIBLE = 30.0
"""Tokens whose scaled logit is further below the maximum (probability < 1e-13) are never drawn."""
_NUM_FIRST_SORTED = 512
"""How many tokens top-p sorts before it sorts them all."""

_Ids = npt.NDArray[np.intp]
_Row = npt.NDArray[np.float32]


class Sampler:
    """Draws the tokens of one completion."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._rng = np.random.default_rng(sampling.seed)
        self._seen: set[int] = set()

    def note(self, token_ids: Iterable[int]) -> None:
        """Tell which tokens became part of the completion, for the repetition penalty."""
        self._seen.update(token_ids)

    def sample(self, logits: _Row, mask: TokenMask | None = None) -> int:
        """The next token.

        Args:
            logits: float32[vocab]; scratch, the repetition penalty is applied in place.
            mask: Which tokens are allowed, at least one of them within the vocabulary; None allows
                all. Bits beyond the vocabulary are ignored.
        """
        self._penalise(logits)
        if self._sampling.temperature <= 0.0:
            best = int(logits.argmax())
            if mask is None or mask[best >> 3] >> (best & 7) & 1:
                return best
            allowed = _allowed_ids(mask, len(logits))
            return int(allowed[logits[allowed].argmax()])
        ids = self._candidates(logits, mask)
        return self._draw(ids, logits[ids])

    def _penalise(self, logits: _Row) -> None:
        penalty = self._sampling.repetition_penalty
        if penalty == 1.0 or not self._seen:
            return
        seen = np.fromiter(self._seen, np.intp, len(self._seen))
        values = logits[seen]
        logits[seen] = np.where(values > 0, values / penalty, values * penalty)

    def _candidates(self, logits: _Row, mask: TokenMask | None) -> _Ids:
        """Allowed ids, the `top_k` likeliest among them; without top_k all but the negligible."""
        top_k = self._sampling.top_k
        if top_k and not _is_narrow(mask):
            for num_wanted in (2 * top_k, 32 * top_k):
                ids = _only_allowed(np.flatnonzero(logits >= _threshold(logits, num_wanted)), mask)
                if len(ids) >= top_k:
                    return ids
        ids = _allowed_ids(mask, len(logits))
        values = logits[ids]
        depth = _NEGLIGIBLE * self._sampling.temperature
        near: _Ids = ids[values >= values.max() - depth]
        return near

    def _draw(self, ids: _Ids, values: _Row) -> int:
        """Draw from `ids` after top-k and top-p; of equal logits the lower id comes first."""
        top_k, top_p = self._sampling.top_k, self._sampling.top_p
        if top_k:
            best = _largest(values, top_k)
            ids, values = ids[best], values[best]
        weights = np.exp((values.astype(np.float64) - values.max()) / self._sampling.temperature)
        if top_p < 1.0:
            best = _nucleus(weights, top_p)
            ids, weights = ids[best], weights[best]
        cumulative = np.cumsum(weights)
        point = self._rng.random() * cumulative[-1]
        index = min(int(np.searchsorted(cumulative, point, side="right")), len(ids) - 1)
        return int(ids[index])


def _threshold(logits: _Row, num_wanted: int) -> float:
    """A value that at least `num_wanted` logits reach, and usually few more.

    The maxima of `num_wanted` blocks reach it (a block is every n-th logit). Finding them costs
    one pass; a partition of the whole vocabulary would cost ten times that.
    """
    num_blocks = len(logits) // _BLOCK
    if num_blocks <= num_wanted:
        return -np.inf
    maxima = logits[: num_blocks * _BLOCK].reshape(_BLOCK, num_blocks).max(axis=0)
    return float(np.partition(maxima, -num_wanted)[-num_wanted])


def _largest(values: npt.NDArray[np.floating[Any]], num: int) -> _Ids:
    """Where the `num` largest values are, largest first."""
    if len(values) <= num:
        return np.argsort(-values, kind="stable")
    near = np.flatnonzero(values >= np.partition(values, -num)[-num])
    largest: _Ids = near[np.argsort(-values[near], kind="stable")][:num]
    return largest


def _nucleus(weights: npt.NDArray[np.float64], top_p: float) -> _Ids:
    """Where the largest weights are that sum to at least `top_p` of all, largest first."""
    wanted = top_p * float(weights.sum())
    for num in (_NUM_FIRST_SORTED, len(weights)):
        order = _largest(weights, num)
        cumulative = np.cumsum(weights[order])
        if cumulative[-1] >= wanted:
            break
    nucleus: _Ids = order[: int(np.searchsorted(cumulative, wanted)) + 1]
    return nucleus


def _only_allowed(ids: _Ids, mask: TokenMask | None) -> _Ids:
    if mask is None:
        return ids
    is_allowed = (mask[ids >> 3] >> (ids & 7).astype(np.uint8) & 1).astype(bool)
    allowed: _Ids = ids[is_allowed]
    return allowed


def _is_narrow(mask: TokenMask | None) -> bool:
    """Whether a mask allows so few tokens that it is best to begin with those."""
    return mask is not None and 8 * int(np.count_nonzero(mask)) < len(mask)


def _allowed_ids(mask: TokenMask | None, vocab_size: int) -> _Ids:
    if mask is None:
        return np.arange(vocab_size)
    used = np.flatnonzero(mask)  # most masks are nearly empty or nearly full
    bits = np.unpackbits(mask[used, None], axis=1, bitorder="little")
    rows, columns = np.nonzero(bits)
    ids: _Ids = used[rows] * 8 + columns
    return ids[: np.searchsorted(ids, vocab_size)]
