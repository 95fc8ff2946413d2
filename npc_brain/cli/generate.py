"""`npc-brain generate`: continues a text or tokens with a model, for trying and checking it.

The prompt is continued as it is: no chat format is put around it, and what spells a control token
in `--prompt` stays plain text. `--tokens` takes ids as they are, control tokens included.

`--logits-out` writes float32[num_given + num_generated, vocab]: row i is what the model predicts
after token i of the given tokens followed by the generated ones. So row num_given - 1 chose the
first generated token, and the last row follows the last generated one.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from npc_brain import files
from npc_brain.cli.progress import progress_bar
from npc_brain.errors import UsageError
from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.decoder import Decoder, Logits
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.profile import Sampling
from npc_brain.inference.sampler import Sampler
from npc_brain.inference.tokenizer import Tokenizer

_DEFAULT_TEMPERATURE = 0.7


@dataclass(slots=True)
class Completion:
    """What a model made of a prompt.

    Attributes:
        token_ids: Generated tokens; the stop token that ended it is the last of them.
        logits: One array for the prompt, float32[num_given, vocab], then one float32[1, vocab] for
            each generated token; empty unless asked for.
    """

    token_ids: list[int] = field(default_factory=list)
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    logits: list[Logits] = field(default_factory=list)


def complete(
    decoder: Decoder,
    prompt_ids: Sequence[int],
    sampling: Sampling,
    *,
    max_tokens: int,
    stop_ids: Sequence[int] = (),
    keeps_logits: bool = False,
    emit: Callable[[int], None] = lambda token_id: None,
) -> Completion:
    """Continue `prompt_ids` in slot 0 until a stop token or `max_tokens`, telling `emit` of each.

    Raises InferenceError when an id is out of the vocabulary or the context is too small.
    """
    completion, sampler = Completion(), Sampler(sampling)
    started = time.perf_counter()
    logits = decoder.prefill(0, prompt_ids, all_logits=keeps_logits)
    completion.prefill_ms = (time.perf_counter() - started) * 1e3
    if keeps_logits:
        completion.logits.append(logits)
    started = time.perf_counter()
    while len(completion.token_ids) < max_tokens:
        token_id = sampler.sample(logits[-1].copy())
        sampler.note([token_id])
        completion.token_ids.append(token_id)
        emit(token_id)
        is_last = token_id in stop_ids or len(completion.token_ids) == max_tokens
        if not is_last or keeps_logits:
            logits = decoder.decode([0], [token_id])
        if keeps_logits:
            completion.logits.append(logits.copy())
        if is_last:
            break
    completion.decode_ms = (time.perf_counter() - started) * 1e3
    return completion


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
    decoder = open_decoder(model_dir, max_context=len(given) + args.max_tokens)
    load_ms = (time.perf_counter() - started) * 1e3
    stream = tokenizer.stream()

    def show(token_id: int) -> None:
        if not args.json:
            print(stream.push(token_id), end="", flush=True)

    completion = complete(
        decoder,
        given,
        Sampling(
            temperature=args.temperature,
            top_k=0,
            top_p=1.0,
            repetition_penalty=1.0,
            seed=args.seed,
        ),
        max_tokens=args.max_tokens,
        stop_ids=info.stop_ids,
        keeps_logits=args.logits_out is not None,
        emit=show,
    )
    decoder.close()
    if args.logits_out is not None:
        with args.logits_out.open("wb") as file:
            np.save(file, np.concatenate(completion.logits))
    if args.json:
        print(json.dumps(_as_json(completion, given, tokenizer, load_ms), ensure_ascii=False))
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
    completion: Completion, given: list[int], tokenizer: Tokenizer, load_ms: float
) -> dict[str, object]:
    num_tokens = len(completion.token_ids)
    seconds = completion.decode_ms / 1e3
    return {
        "token_ids": completion.token_ids,
        "text": tokenizer.decode(completion.token_ids),
        "prompt_token_ids": given,
        "timings": {
            "load_ms": round(load_ms, 1),
            "prefill_ms": round(completion.prefill_ms, 1),
            "decode_ms": round(completion.decode_ms, 1),
            "prefill_tokens_per_s": round(len(given) / max(completion.prefill_ms / 1e3, 1e-9), 1),
            "decode_tokens_per_s": round(num_tokens / max(seconds, 1e-9), 1),
        },
    }
