"""Tokenizers built from the vocabulary inside a GGUF file."""

from pathlib import Path

import gguf
import pytest
from tokenizers import Tokenizer

from npc_brain.errors import ModelError
from npc_brain.importing.architectures import ARCHITECTURES
from npc_brain.importing.gguf_file import GgufFile
from npc_brain.importing.gguf_tokenizer import TokenType, build_tokenizer
from tests.tiny_gguf import write_tiny_gguf

LLAMA = ARCHITECTURES["llama"]
SPACE = "\u2581"


def sentence_piece(path: Path, *, add_space_prefix: bool = False) -> Tokenizer:
    pieces = [
        ("<pad>", TokenType.CONTROL, 0.0),
        ("<unk>", TokenType.UNKNOWN, 0.0),
        ("<start_of_turn>", TokenType.USER_DEFINED, 0.0),
        ("\n\n", TokenType.USER_DEFINED, 0.0),
        *((f"<0x{byte:02X}>", TokenType.BYTE, 0.0) for byte in range(256)),
        *((letter, TokenType.NORMAL, -20.0) for letter in f"abc{SPACE}"),
        ("ab", TokenType.NORMAL, -2.0),
        ("bc", TokenType.NORMAL, -1.0),
        ("abc", TokenType.NORMAL, -3.0),
        (f"{SPACE}a", TokenType.NORMAL, -4.0),
    ]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([piece for piece, _, _ in pieces])
    writer.add_token_types([kind for _, kind, _ in pieces])
    writer.add_token_scores([score for _, _, score in pieces])
    writer.add_unk_token_id(1)
    writer.add_add_space_prefix(add_space_prefix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return build_tokenizer(GgufFile(path), LLAMA)


def tokens_of(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text, add_special_tokens=False).tokens


def test_byte_level_merges_and_digits(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(GgufFile(write_tiny_gguf(tmp_path / "tiny.gguf", "llama")), LLAMA)
    assert tokens_of(tokenizer, "the 12") == ["the", "\u0120", "1", "2"]
    text = "caf\u00e9 \u20ac \U0001f600\n\t<b>"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_control_tokens_are_special(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(GgufFile(write_tiny_gguf(tmp_path / "tiny.gguf", "llama")), LLAMA)
    assert tokenizer.encode("<|im_start|>").ids == [1]
    assert tokenizer.decode([1]) == ""
    tokenizer.encode_special_tokens = True
    assert 1 not in tokenizer.encode("<|im_start|>").ids


def test_sentence_piece_merges_follow_the_scores(tmp_path: Path) -> None:
    """`bc` has the better score, so it is merged first and `abc` comes from `a` + `bc`."""
    tokenizer = sentence_piece(tmp_path / "tiny.gguf")
    assert tokens_of(tokenizer, "ab") == ["ab"]
    assert tokens_of(tokenizer, "abc") == ["abc"]
    assert tokens_of(tokenizer, "abbc a") == ["ab", "bc", f"{SPACE}a"]


def test_sentence_piece_falls_back_to_bytes(tmp_path: Path) -> None:
    tokenizer = sentence_piece(tmp_path / "tiny.gguf")
    assert tokens_of(tokenizer, "\u20ac") == ["<0xE2>", "<0x82>", "<0xAC>"]
    assert tokenizer.decode(tokenizer.encode("a \u20ac abc\n\nb").ids) == "a \u20ac abc\n\nb"


def test_space_prefix(tmp_path: Path) -> None:
    tokenizer = sentence_piece(tmp_path / "tiny.gguf", add_space_prefix=True)
    assert tokens_of(tokenizer, "a") == [f"{SPACE}a"]
    assert tokenizer.decode(tokenizer.encode("a").ids) == "a"


def test_markup_is_special_though_called_user_defined(tmp_path: Path) -> None:
    tokenizer = sentence_piece(tmp_path / "tiny.gguf")
    special = {
        token.content: token.special for token in tokenizer.get_added_tokens_decoder().values()
    }
    assert special["<start_of_turn>"]
    assert not special["\n\n"]


def test_doubled_tokens_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["a", "a"])
    writer.add_token_types([TokenType.NORMAL] * 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ModelError, match="contradicts itself"):
        build_tokenizer(GgufFile(path), LLAMA)
