"""`npc-brain generate`: continues a text or tokens with a model, for trying and checking it.

The prompt is continued as it is: no chat format is put around it, and what spells a control token
in `--prompt` stays plain text. `--tokens` takes ids as they are, control tokens included.

`--logits-out` writes float32[num_given + num_generated, vocab]: row i is what the model predicts
after token i of the given tokens followed by the generated ones, in one pass over all of them.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from npc_brain import files
from npc_brain.cli.progress import progress_bar
from npc_brain.clock import MonotonicClock
from npc_brain.errors import InferenceError, UsageError
from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.chat import ChatEvent, Finished
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.engine import Engine
from npc_brain.inference.formats.base import CompletionParser
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.profile import Sampling
from npc_brain.inference.request import GenerationRequest
from npc_brain.inference.sampler import Sampler
from npc_brain.inference.tokenizer import Tokenizer

_DEFAULT_TEMPERATURE = 0.7


class _Continuation(CompletionParser):
    """Shows each token as it comes; a stop token is the last."""

    def __init__(self, stop_ids: Sequence[int], show: Callable[[int], None]) -> None:
        self._stop_ids = stop_ids
        self._show = show

    def feed(self, token_id: int) -> list[ChatEvent]:
        self._show(token_id)
        self.is_full = token_id in self._stop_ids
        return []


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("generate", help="continue a text with a model")
    parser.add_argument("--model", required=True, metavar="M", help="a model's name or directory")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--prompt", metavar="T", help="the text to continue")
    given.add_argument(
        "--tokens",
        metavar="FILE",
        type=Path,
        help="the tokens to continue: a JSON list of token ids",
    )
    parser.add_argument(
        "--max-tokens", type=int, default=128, metavar="N", help="0 or more (default: 128)"
    )
    parser.add_argument(
        "--temperature", type=float, default=_DEFAULT_TEMPERATURE, metavar="T", help="0 is greedy"
    )
    parser.add_argument("--seed", type=int, metavar="S", help="makes the result reproducible")
    parser.add_argument(
        "--logits-out",
        type=Path,
        metavar="F.npy",
        help="write float32[given + generated, vocab]: the logits after each token",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Generate and print; 0, or an error."""
    from npc_brain.inference.open_decoder import open_decoder

    _check(args)
    given = None if args.tokens is None else _read_tokens(args.tokens)
    started = time.perf_counter()
    with progress_bar() as progress:
        model_dir = resolve_model(args.model, progress)
    info, tokenizer = load_model_info(model_dir), Tokenizer.load(model_dir)
    if given is None:
        given = [] if info.bos_id is None else [info.bos_id]
        given += tokenizer.encode(args.prompt)
    if not 0 <= min(given) <= max(given) < info.dims.vocab:
        raise InferenceError(
            f"got token ids from {min(given)} to {max(given)}, wanted 0 to {info.dims.vocab - 1}"
        )
    decoder = open_decoder(model_dir, DecoderOptions(max_context=len(given) + args.max_tokens))
    load_ms = (time.perf_counter() - started) * 1e3
    stream = tokenizer.stream()

    def show(token_id: int) -> None:
        if not args.json:
            print(stream.push(token_id), end="", flush=True)

    sampling = Sampling(
        temperature=args.temperature, top_k=0, top_p=1.0, repetition_penalty=1.0, seed=args.seed
    )
    events: SimpleQueue[ChatEvent] = SimpleQueue()
    request = GenerationRequest(
        prompt_ids=given,
        emit=events.put,
        parser=_Continuation(info.stop_ids, show),
        sampler=Sampler(sampling),
        stop_ids=frozenset(),
        max_tokens=args.max_tokens,
    )
    with closing(Engine(decoder, MonotonicClock())) as engine:
        engine.start()
        engine.submit(request)
        finished = events.get()
        assert isinstance(finished, Finished), "the parser gives no other event"
        if finished.error:
            raise InferenceError(finished.error)
        if args.logits_out is not None:  # the engine has nothing left to do
            decoder.truncate(0, 0)
            logits = decoder.prefill(0, [*given, *request.completion_ids], all_logits=True)
            with args.logits_out.open("wb") as file:
                np.save(file, logits)
    if args.json:
        told = _as_json(finished, request.completion_ids, given, tokenizer, load_ms)
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(stream.finish())
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.max_tokens < 0:
        raise UsageError(f"--max-tokens is {args.max_tokens}, wanted 0 or more")
    if not 0.0 <= args.temperature <= 2.0:
        raise UsageError(f"--temperature is {args.temperature}, wanted 0 to 2")
    if args.prompt == "":
        raise UsageError("--prompt is empty", hint="give the model something to continue")
    if args.logits_out is not None and not args.logits_out.parent.is_dir():
        raise UsageError(f"--logits-out: there is no directory {args.logits_out.parent}")


def _read_tokens(path: Path) -> list[int]:
    value = files.read_json(path, files.MB, UsageError)
    if not isinstance(value, list) or not value or not all(type(item) is int for item in value):
        raise UsageError(f"--tokens: {path} is not a JSON list of one or more token ids")
    return value


def _as_json(
    finished: Finished, token_ids: list[int], given: list[int], tokenizer: Tokenizer, load_ms: float
) -> dict[str, object]:
    prefill_s, decode_s = finished.prefill_ms / 1e3, finished.decode_ms / 1e3
    return {
        "token_ids": token_ids,
        "text": tokenizer.decode(token_ids),
        "prompt_token_ids": given,
        "timings": {
            "load_ms": round(load_ms, 1),
            "prefill_ms": round(finished.prefill_ms, 1),
            "decode_ms": round(finished.decode_ms, 1),
            "prefill_tokens_per_s": round(len(given) / max(prefill_s, 1e-9), 1),
            "decode_tokens_per_s": round(len(token_ids) / max(decode_s, 1e-9), 1),
        },
    }
