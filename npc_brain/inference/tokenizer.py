"""Text to token ids and back.

Plain text and control tokens are two worlds here. `Tokenizer.encode` cannot give a control token
whatever the text spells, because the tokenizer it uses does not hold any: they are taken out of the
vocabulary, the merges and the list of added tokens. A chat format adds control tokens by id.

Why not `encode(..., add_special_tokens=False)`: that only leaves out the template's own tokens; an
added token spelt in the text still becomes that token.
"""

import codecs
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as _HfTokenizer

from npc_brain import files
from npc_brain.errors import ModelError
from npc_brain.inference.model_dir import (
    MAX_TOKEN_VALUES,
    MAX_TOKENIZER_BYTES,
    MAX_VOCAB,
    TOKENIZER_FILE,
)

_NUM_CACHED_TEXTS = 1024
_SPACE_MARK = "\u2581"


class Tokenizer:
    """A byte-pair tokenizer: byte level (GPT-2) or SentencePiece with byte fallback.

    Safe to use from several threads.

    Attributes:
        vocab_size: Highest token id + 1.
        control_ids: Token id by text of every control token.
    """

    def __init__(self, tokenizer_json: str, where: str = TOKENIZER_FILE) -> None:
        """Build from the text of a `tokenizer.json`; raises ModelError when it is not BPE.

        `where` is what messages call it.
        """
        spec = _parse(tokenizer_json, where)
        added = spec.get("added_tokens") or []
        controls = {token["content"]: int(token["id"]) for token in added if _is_control(token)}
        model = spec["model"]
        ids = [*model["vocab"].values(), *(token["id"] for token in added)]
        self.vocab_size = max(ids) + 1
        self.control_ids: dict[str, int] = controls
        self._control_texts = {token_id: text for text, token_id in controls.items()}
        self._is_byte_level = '"ByteLevel"' in json.dumps(spec.get("decoder"))
        self._strips_first_space = '"Strip"' in json.dumps(spec.get("decoder"))
        self.constraint_json = json.dumps(_with_all_controls_special(spec))
        self._plain = _built(_without_controls(spec, controls), where)
        self._encode = lru_cache(_NUM_CACHED_TEXTS)(self._encode_uncached)

    constraint_json: str
    """The `tokenizer.json` for llguidance: every control token is marked as special."""

    @classmethod
    def load(cls, model_dir: Path) -> "Tokenizer":
        """Read `tokenizer.json` of a model directory; raises ModelError."""
        path = model_dir / TOKENIZER_FILE
        return cls(files.read_text(path, MAX_TOKENIZER_BYTES, ModelError), str(path))

    def encode(self, text: str) -> list[int]:
        """Token ids of plain `text`; never a control token."""
        return list(self._encode(text))

    def control_id(self, text: str) -> int:
        """The id of the control token written `text`; raises ModelError when there is none."""
        try:
            return self.control_ids[text]
        except KeyError:
            raise ModelError(
                f"the tokenizer has no control token {text!r}",
                hint="the model's chat_format does not fit its tokenizer",
            ) from None

    def token_bytes(self, token_id: int) -> bytes:
        """The text of one token in UTF-8, perhaps a part of a character; b"" for control tokens."""
        token = self._plain.id_to_token(token_id)
        if token is None:
            return b""
        if self._is_byte_level:
            table = _byte_of_char()
            # Added tokens (runs of white space) are plain text, not byte-level text.
            if all(char in table for char in token):
                return bytes(table[char] for char in token)
            return token.encode("utf-8")
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return bytes([int(token[3:5], 16)])
        return token.replace(_SPACE_MARK, " ").encode("utf-8")

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of `token_ids` without control tokens; U+FFFD where it is not UTF-8."""
        stream = self.stream()
        return "".join([stream.push(token_id) for token_id in token_ids]) + stream.finish()

    def describe(self, token_ids: Iterable[int]) -> str:
        """Like `decode`, with control tokens written out: for people and tests only."""
        parts: list[str] = []
        plain: list[int] = []
        for token_id in [*token_ids, -1]:
            if token_id >= 0 and token_id not in self._control_texts:
                plain.append(token_id)
                continue
            parts.append(self.decode(plain))
            plain.clear()
            parts.append(self._control_texts.get(token_id, ""))
        return "".join(parts)

    def stream(self) -> "TextStream":
        """A decoder for one completion."""
        return TextStream(self, strips_first_space=self._strips_first_space)

    def _encode_uncached(self, text: str) -> tuple[int, ...]:
        valid = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
        return tuple(self._plain.encode(valid, add_special_tokens=False).ids)


class TextStream:
    """Turns the tokens of one completion into text as they come, whole characters only."""

    def __init__(self, tokenizer: Tokenizer, *, strips_first_space: bool = False) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._strips_space = strips_first_space

    def push(self, token_id: int) -> str:
        """The characters that `token_id` completes; may be empty."""
        text = self._utf8.decode(self._tokenizer.token_bytes(token_id))
        if self._strips_space and text:
            self._strips_space = False
            text = text.removeprefix(" ")
        return text

    def finish(self) -> str:
        """U+FFFD when the completion ends inside a character, else an empty text."""
        return self._utf8.decode(b"", final=True)


def _built(spec: dict[str, Any], where: str) -> _HfTokenizer:
    try:
        return _HfTokenizer.from_str(json.dumps(spec))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the Rust library raises bare Exception, and panics
        raise ModelError(f"{where} cannot be used: {error}") from error


def _parse(tokenizer_json: str, where: str) -> dict[str, Any]:
    """The specification, with everything of the types that this module relies on."""
    spec = files.parse_json(tokenizer_json, where, ModelError, max_values=MAX_TOKEN_VALUES)
    try:
        model = spec["model"]
        kind = model.get("type", "BPE")
        if kind != "BPE":
            raise ModelError(f"{where} has a model of type {kind!r}, wanted 'BPE'")
        added = spec.get("added_tokens") or []
        for token in added:
            if not isinstance(token["content"], str):
                raise TypeError(f"an added token is {token['content']!r:.40}")
        ids = [*model["vocab"].values(), *(token["id"] for token in added)]
        odd = [i for i in ids if type(i) is not int or not 0 <= i < MAX_VOCAB]
        if odd or not ids:
            raise ValueError(f"got the token ids {odd[:3]!r:.80}, wanted 0 to {MAX_VOCAB - 1}")
        if not all(map(_is_merge, model["merges"])):
            raise ValueError("its merges are not pairs of texts")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{where} is damaged: {error!r}") from error
    return dict(spec)


def _is_merge(merge: object) -> bool:
    if isinstance(merge, str):
        return " " in merge
    return isinstance(merge, list) and [type(part) for part in merge] == [str, str]


def _is_control(added_token: dict[str, Any]) -> bool:
    """Whether an added token is more than a run of white space.

    Tokenizers mark some of their markup (`<start_of_image>`, `<table>`) as ordinary, so the
    `special` flag alone is not enough.
    """
    content: str = added_token["content"]
    return bool(added_token.get("special")) or not content.replace(_SPACE_MARK, " ").isspace()


def _without_controls(spec: dict[str, Any], controls: dict[str, int]) -> dict[str, Any]:
    model = dict(spec["model"])
    model["vocab"] = {
        token: token_id for token, token_id in model["vocab"].items() if token not in controls
    }
    model["merges"] = [m for m in model["merges"] if not _makes_control(m, controls)]
    unknown = model.get("unk_token")
    if isinstance(unknown, str) and unknown in controls:
        model["unk_token"] = None
    plain_added = [token for token in spec.get("added_tokens") or [] if not _is_control(token)]
    return {**spec, "model": model, "added_tokens": plain_added, "post_processor": None}


def _makes_control(merge: str | list[str], controls: dict[str, int]) -> bool:
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left in controls or right in controls or left + right in controls


def _with_all_controls_special(spec: dict[str, Any]) -> dict[str, Any]:
    added = [{**token, "special": _is_control(token)} for token in spec.get("added_tokens") or []]
    return {**spec, "added_tokens": added}


@lru_cache(1)
def _byte_of_char() -> dict[str, int]:
    """The byte that each character of a byte-level token stands for.

    Source: GPT-2 (Radford et al. 2019), `bytes_to_unicode`: printable Latin-1 bytes stand for
    themselves, the others for U+0100 onwards in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return table
