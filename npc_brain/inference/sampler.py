"""Logits to one token: repetition penalty, mask, temperature, top-k, top-p, draw.

The work is done on a few candidates. Sorting or exponentiating a whole 262k vocabulary costs
milliseconds, a comparison with a threshold and a list of what passed costs 0.06 ms; so a threshold
below the maximum picks the candidates, and is lowered when they do not suffice.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from npc_brain.inference.chat import Sampling
from npc_brain.inference.grammar import TokenMask

_NEAR = 8.0
"""First threshold below the maximum: usually leaves some dozens of a trained model's tokens."""
_NEGLIGIBLE = 30.0
"""Tokens whose scaled logit is further below the maximum (probability < 1e-13) are never drawn."""

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
        best = int(logits.argmax())
        is_best_allowed = mask is None or bool(mask[best >> 3] >> (best & 7) & 1)
        if self._sampling.temperature <= 0.0:
            if is_best_allowed:
                return best
            allowed = _allowed_ids(mask, len(logits))
            return int(allowed[logits[allowed].argmax()])
        ids = self._candidates(logits, mask, float(logits[best]) if is_best_allowed else None)
        return self._draw(ids, logits[ids])

    def _penalise(self, logits: _Row) -> None:
        penalty = self._sampling.repetition_penalty
        if penalty == 1.0 or not self._seen:
            return
        seen = np.fromiter(self._seen, np.intp, len(self._seen))
        values = logits[seen]
        logits[seen] = np.where(values > 0, values / penalty, values * penalty)

    def _candidates(self, logits: _Row, mask: TokenMask | None, best: float | None) -> _Ids:
        """Allowed ids, the `top_k` likeliest among them; without top_k all but the negligible.

        `best` is the highest logit if that token is allowed, else None.
        """
        top_k, temperature = self._sampling.top_k, self._sampling.temperature
        if best is not None:
            depth = _NEAR if top_k else _NEGLIGIBLE * temperature
            ids = _only_allowed(np.flatnonzero(logits >= best - depth), mask)
            if not top_k or len(ids) >= top_k:
                return ids
        ids = _allowed_ids(mask, len(logits))
        values = logits[ids]
        near: _Ids = ids[values >= values.max() - _NEGLIGIBLE * temperature]
        return near

    def _draw(self, ids: _Ids, values: _Row) -> int:
        """Draw from `ids` after top-k and top-p; equal logits are ordered by id."""
        top_k, top_p = self._sampling.top_k, self._sampling.top_p
        if top_k and len(ids) > top_k:
            kept = values >= np.partition(values, -top_k)[-top_k]
            ids, values = ids[kept], values[kept]
        order = np.argsort(-values, kind="stable")[: top_k or None]
        scaled = values[order].astype(np.float64) / self._sampling.temperature
        weights = np.exp(scaled - scaled[0])
        cumulative = np.cumsum(weights)
        if top_p < 1.0:
            num_kept = int(np.searchsorted(cumulative, top_p * cumulative[-1])) + 1
            cumulative = cumulative[:num_kept]
        point = self._rng.random() * cumulative[-1]
        index = min(int(np.searchsorted(cumulative, point, side="right")), len(cumulative) - 1)
        return int(ids[order[index]])


def _only_allowed(ids: _Ids, mask: TokenMask | None) -> _Ids:
    if mask is None:
        return ids
    is_allowed = (mask[ids >> 3] >> (ids & 7).astype(np.uint8) & 1).astype(bool)
    allowed: _Ids = ids[is_allowed]
    return allowed


def _allowed_ids(mask: TokenMask | None, vocab_size: int) -> _Ids:
    if mask is None:
        return np.arange(vocab_size)
    return np.flatnonzero(np.unpackbits(mask, count=vocab_size, bitorder="little"))
