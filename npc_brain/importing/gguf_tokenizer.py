"""Builds a `tokenizers` tokenizer from the vocabulary inside a GGUF file.

Building takes seconds (large vocabularies), so the importer keeps the result as `tokenizer.json`.
Control tokens become special tokens: an encoder told to encode special tokens as text
(`Tokenizer.encode_special_tokens`) never makes one out of a player's words.
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from npc_brain.errors import ModelError
from npc_brain.importing.architecture import Architecture
from npc_brain.importing.gguf_file import GgufFile
from npc_brain.importing.gguf_header import MAX_ENTRIES
from npc_brain.inference.model_dir import MAX_VOCAB


class TokenType(IntEnum):
    """Values of `tokenizer.ggml.token_type`. Source: GGUF specification."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


_MAX_TOKEN_CHARS = 1024
_MARKUP = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
_SPACE = "\u2581"


def build_tokenizer(file: GgufFile, architecture: Architecture) -> Tokenizer:
    """The tokenizer of `file`. Raises ModelError for a kind that is not known here."""
    tokens = file.values("tokenizer.ggml.tokens", str)
    types = file.values("tokenizer.ggml.token_type", int)
    longest = max(map(len, tokens), default=0)
    if not tokens or len(tokens) > MAX_VOCAB or longest > _MAX_TOKEN_CHARS:
        raise ModelError(
            f"{file.path}: {len(tokens)} tokens of up to {longest} characters, wanted 1 to "
            f"{MAX_VOCAB} of up to {_MAX_TOKEN_CHARS}"
        )
    if len(types) != len(tokens) or len(set(tokens)) != len(tokens):
        raise ModelError(f"{file.path}: the vocabulary contradicts itself")
    kind = file.value("tokenizer.ggml.model", str)
    if kind == "gpt2":
        tokenizer = _byte_level(file, tokens, architecture)
    elif kind in ("llama", "gemma4"):
        tokenizer = _sentence_piece(file, tokens, architecture)
    else:
        raise ModelError(f"{file.path}: tokenizer model {kind!r} is not supported")
    tokenizer.add_tokens(
        [
            AddedToken(token, special=_is_special(token, kind), normalized=False)
            for token, kind in zip(tokens, types, strict=True)
            if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)
        ]
    )
    return tokenizer


def bos_id(file: GgufFile) -> int | None:
    """The token that every prompt starts with; None when there is none."""
    if not file.value("tokenizer.ggml.add_bos_token", bool, True):
        return None
    return file.token_id("tokenizer.ggml.bos_token_id")


def stop_ids(file: GgufFile, architecture: Architecture) -> tuple[int, ...]:
    """The tokens that end a completion."""
    tokens = file.value("tokenizer.ggml.tokens", list)
    keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
    named = [file.value(key, int, None) for key in keys]
    found = {index for index in named if index is not None and index < len(tokens)}
    return tuple(
        sorted(found | {i for i, token in enumerate(tokens) if token in architecture.end_tokens})
    )


def _is_special(token: str, kind: int) -> bool:
    """Control tokens, and what looks like one though the file calls it user-defined."""
    return kind == TokenType.CONTROL or _MARKUP.fullmatch(token) is not None


def _byte_level(file: GgufFile, tokens: Sequence[str], architecture: Architecture) -> Tokenizer:
    merges = _split(file.values("tokenizer.ggml.merges", str))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = _bpe(file, vocab=vocabulary, merges=merges)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    splitter = file.value("tokenizer.ggml.pre", str, "default")
    if splitter == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    elif splitter in ("gpt-2", "default"):
        tokenizer.pre_tokenizer = byte_level
    elif splitter in architecture.split_patterns:
        split = pre_tokenizers.Split(Regex(architecture.split_patterns[splitter]), "isolated")
        bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    else:
        raise ModelError(
            f"{file.path}: pre-tokenizer {splitter!r} is not supported",
            hint="how its vocabulary splits a text is not known for this architecture",
        )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentence_piece(file: GgufFile, tokens: Sequence[str], architecture: Architecture) -> Tokenizer:
    merges = file.values("tokenizer.ggml.merges", str, None)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    unknown = file.token_id("tokenizer.ggml.unknown_token_id")
    tokenizer = _bpe(
        file,
        vocab=vocabulary,
        merges=_merges_by_score(file, tokens, vocabulary) if merges is None else _split(merges),
        unk_token=tokens[unknown] if unknown is not None else None,
        fuse_unk=True,
        byte_fallback=True,
    )
    steps: list[normalizers.Normalizer] = [normalizers.Replace(" ", _SPACE)]
    default = architecture.has_space_prefix
    add_prefix = file.value("tokenizer.ggml.add_space_prefix", bool, default)
    if add_prefix:
        steps.insert(0, normalizers.Prepend(_SPACE))
    tokenizer.normalizer = normalizers.Sequence(steps)
    parts: list[decoders.Decoder] = [
        decoders.Replace(_SPACE, " "),
        decoders.ByteFallback(),
        decoders.Fuse(),
    ]
    if add_prefix:
        parts.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(parts)
    return tokenizer


def _bpe(file: GgufFile, **arguments: Any) -> Tokenizer:
    try:
        return Tokenizer(BPE(**arguments))
    except Exception as error:  # the Rust library raises bare Exception
        raise ModelError(f"{file.path}: the vocabulary contradicts itself: {error}") from error


def _split(merges: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs out of "left right"; a piece never holds a space, but may begin with a line break."""
    return [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]


def _merges_by_score(
    file: GgufFile, tokens: Sequence[str], vocabulary: dict[str, int]
) -> list[tuple[str, str]]:
    """The BPE merges that a SentencePiece vocabulary implies, the best score first.

    A piece can come about from every split into two other pieces. Ties within a piece go to the
    split with the lower ids, as SentencePiece's own merge order has it.
    """
    scores = file.values("tokenizer.ggml.scores", float)
    if len(scores) != len(tokens):
        raise ModelError(f"{file.path}: {len(scores)} scores for {len(tokens)} tokens")
    order = sorted(range(len(tokens)), key=lambda index: -scores[index])
    merges = []
    for index in order:
        piece = tokens[index]
        splits = [
            (vocabulary[piece[:cut]], vocabulary[piece[cut:]])
            for cut in range(1, len(piece))
            if piece[:cut] in vocabulary and piece[cut:] in vocabulary
        ]
        merges += [(tokens[left], tokens[right]) for left, right in sorted(splits)]
        if len(merges) > MAX_ENTRIES:
            raise ModelError(f"{file.path}: its tokens imply more than {MAX_ENTRIES} merges")
    return merges
