"""`run.py bench masks`: what the grammar adds to a token, beside llguidance's bare mask call.

Random logits and a pause of `MODEL_STEP_S` stand in for a model, so that every part of the grammar
is visited: spoken lines, and calls with nested, array and enum arguments; one turn in six is an
English line instead. `mask` is what is waited for when the logits are there, since large masks are
computed while the model works; the peer's is computed then and there. Gemma 4's tokenizer cannot be
had everywhere; Gemma 3's vocabulary of the same 262144 entries, with a few unused tokens renamed,
stands in for it.
"""

import json
import time
from collections.abc import Callable, Iterator
from statistics import quantiles
from typing import Any

import numpy as np

from npc_brain.errors import ModelError
from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.chat import FunctionSchema, LineRule
from npc_brain.inference.formats import chat_format
from npc_brain.inference.formats.base import ChatFormat
from npc_brain.inference.grammar import GrammarCompiler
from npc_brain.inference.profile import Sampling
from npc_brain.inference.sampler import Sampler
from npc_brain.inference.tokenizer import Tokenizer

MAX_TOKENS = 120
MODEL_STEP_S = 0.01
"""Shorter than a step of any model with a vocabulary of 262144 on a CPU."""
_GEMMA4_CONTROLS = {
    46: "<|tool>",
    47: "<tool|>",
    48: "<|tool_call>",
    49: "<tool_call|>",
    50: "<|tool_response>",
    51: "<tool_response|>",
    52: '<|"|>',
    98: "<|think|>",
    100: "<|channel>",
    101: "<channel|>",
    105: "<|turn>",
    106: "<turn|>",
}
_PLACES = {"type": "string", "enum": ["smithy", "market", "old_mill", "town_gate", "well"]}
_FUNCTIONS = (
    FunctionSchema(
        "inventory_give",
        "Hand an item over.",
        {
            "type": "object",
            "properties": {
                "item": {"type": "string", "enum": ["bread", "iron_sword", "iron_shield", "ale"]},
                "count": {"type": "integer", "minimum": 1, "maximum": 12},
                "note": {"type": "string", "maxLength": 60},
            },
            "required": ["item", "count"],
        },
    ),
    FunctionSchema(
        "plan_route",
        "Plan a way over several places.",
        {
            "type": "object",
            "properties": {
                "stops": {"type": "array", "items": _PLACES, "minItems": 1, "maxItems": 4},
                "pace": {"type": "number", "minimum": 0, "maximum": 2},
                "how": {
                    "type": "object",
                    "properties": {"quietly": {"type": "boolean"}, "reason": {"type": "string"}},
                    "required": ["quietly"],
                },
            },
            "required": ["stops"],
        },
    ),
)
_TURNS = (
    (_FUNCTIONS, LineRule(is_allowed=False)),
    (_FUNCTIONS, LineRule(max_sentences=2)),
    ((), LineRule(max_sentences=2)),
    ((), LineRule()),
    ((), LineRule(openers=("The smithy is 12 steps east",), max_sentences=1)),
    (_FUNCTIONS, LineRule()),
)
_ENGLISH = (
    "Well met, stranger! The market is twelve steps east along the road, by the old mill. I can't "
    "give you that, Mr. Smith... it costs 3.5 gold. What else do you want? 'Tis late, and I close."
)


def run(num_turns: int = 36, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Measure both vocabularies; rows of microseconds a token, and of `start_of_turn`."""
    smollm2 = Tokenizer.load(resolve_model("smollm2-135m"))
    yield from measure(chat_format("chatml", smollm2), num_turns, seed)
    gemma3 = resolve_model("gemma3-270m") / "tokenizer.json"
    gemma4 = Tokenizer(gemma4_stand_in(gemma3.read_text(encoding="utf-8")))
    yield from measure(chat_format("gemma4", gemma4, stop_ids=[1]), num_turns, seed)


def gemma4_stand_in(gemma3_json: str) -> str:
    """Gemma 3's tokenizer.json with Gemma 4's control tokens at Gemma 4's ids.

    Raises ModelError when it is not Gemma 3's.
    """
    spec = json.loads(gemma3_json)
    vocab = spec["model"]["vocab"]
    text_of = {token["id"]: token["content"] for token in spec["added_tokens"]}
    if len(vocab) != 262144 or not _GEMMA4_CONTROLS.keys() <= text_of.keys():
        raise ModelError("the tokenizer is not Gemma 3's, which stands in for Gemma 4's")
    for token_id, text in _GEMMA4_CONTROLS.items():
        del vocab[text_of[token_id]]
        vocab[text] = token_id
    for token in spec["added_tokens"]:
        token["content"] = _GEMMA4_CONTROLS.get(token["id"], token["content"])
    return json.dumps(spec)


def measure(form: ChatFormat, num_turns: int, seed: int) -> Iterator[dict[str, Any]]:
    """Generate turns from random logits; one row for ours, one for the peer, and their ratio."""
    started = time.perf_counter()
    vocab_size = form.tokenizer.vocab_size
    compiler = GrammarCompiler(form.tokenizer, sorted(form.stop_ids), vocab_size, form.closing_ids)
    ours = _Costs(compile_s=time.perf_counter() - started)
    peer: list[float] = []
    rng = np.random.default_rng(seed)
    pool = (4 * rng.standard_normal(2 * vocab_size)).astype(np.float32)
    for turn in range(num_turns):
        functions, line = _TURNS[turn % len(_TURNS)]
        grammar = form.grammar(functions, line)
        sampler = Sampler(Sampling(seed=turn))
        is_last = turn % len(_TURNS) == len(_TURNS) - 1
        spoken = form.tokenizer.encode(_ENGLISH) if is_last else None
        token_ids = _generate(form, compiler, grammar, sampler, rng, pool, ours, spoken)
        peer += _bare(compiler, grammar, token_ids)
    case = {"format": form.name, "vocab_size": vocab_size, "num_tokens": len(ours.masks)}
    yield {"case": "npc_brain", **case, "compile_s": round(ours.compile_s, 2), **ours.row()}
    yield {"case": "llguidance's mask alone, as peer", **case, **_spread("mask", peer)}


class _Costs:
    """Seconds of each step, one a token."""

    def __init__(self, compile_s: float) -> None:
        self.compile_s = compile_s
        self.masks: list[float] = []
        self.samples: list[float] = []
        self.accepts: list[float] = []
        self.starts: list[float] = []

    def row(self) -> dict[str, Any]:
        both = [sum(each) for each in zip(self.masks, self.samples, strict=True)]
        return {
            **_spread("mask", self.masks),
            **_spread("apply", self.samples),
            **_spread("mask_and_apply", both),
            **_spread("accept", self.accepts),
            **_spread("start_of_turn", self.starts),
        }


def _generate(
    form: ChatFormat,
    compiler: GrammarCompiler,
    grammar: str,
    sampler: Sampler,
    rng: np.random.Generator,
    pool: np.ndarray[Any, np.dtype[np.float32]],
    costs: _Costs,
    spoken: list[int] | None,
) -> list[int]:
    """One completion of random tokens, or the tokens of `spoken`."""
    constraint, took_s = _timed(compiler.constrain, grammar, MAX_TOKENS)
    costs.starts.append(took_s)
    token_ids: list[int] = constraint.accept_forced()
    while not constraint.is_complete:
        start = int(rng.integers(len(pool) // 2))
        logits = pool[start : start + form.tokenizer.vocab_size].copy()
        time.sleep(MODEL_STEP_S)
        mask, mask_s = _timed(constraint.mask)
        token_id, sample_s = _timed(sampler.sample, logits, mask)
        if spoken is not None:
            token_id = spoken[len(token_ids)] if len(token_ids) < len(spoken) else -1
        if token_id < 0 or token_id in form.stop_ids:
            break
        accepted, accept_s = _timed(constraint.accept, token_id)
        forced, forced_s = _timed(constraint.accept_forced)
        costs.masks.append(mask_s)
        costs.samples.append(sample_s)
        costs.accepts.append(accept_s + forced_s)
        if accepted is None:
            break
        token_ids += [accepted, *forced]
    return token_ids


def _bare(compiler: GrammarCompiler, grammar: str, token_ids: list[int]) -> list[float]:
    """The peer: the same tokens through a fresh matcher, its mask call alone timed."""
    matcher = compiler.matcher(grammar)
    times_s = []
    for token_id in token_ids:
        times_s.append(_timed(compiler.mask_of, matcher)[1])
        matcher.consume_token(token_id)
    return times_s


def _timed(work: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work(*args)
    return result, time.perf_counter() - started


def _spread(name: str, times_s: list[float]) -> dict[str, int]:
    """Median and tail in microseconds."""
    cuts = quantiles(times_s, n=100)
    values = {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": max(times_s)}
    return {f"{name}_{key}_us": round(value * 1e6) for key, value in values.items()}
