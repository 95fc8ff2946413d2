"""Hostile weights and model directories: one small function a file.

`base` of each builder has `tiny.gguf`, `model/` (imported from it) and `checkpoint/` to begin with.
"""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.security.hostile_texts import DEEP_JSON, NOT_REGULAR, Build, sparse

Make = Callable[[Path, Path], None]
"""Writes something at a path where nothing is, from what is in the base directory."""

U8, U32, F32, BOOL, TEXT, ARRAY, U64 = 0, 4, 6, 7, 8, 9, 10


def gguf_text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def key(name: str, kind: int, value: bytes) -> bytes:
    return gguf_text(name) + struct.pack("<I", kind) + value


def tensor(name: str, dims: list[int], kind: int = 0, offset: int = 0) -> bytes:
    numbers = struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    return gguf_text(name) + numbers


ARCHITECTURE = key("general.architecture", TEXT, gguf_text("llama"))


def gguf(
    *parts: bytes,
    num_tensors: int = 0,
    num_keys: int = 1,
    size: int = 0,
    magic: bytes = b"GGUF",
    version: int = 3,
) -> Make:
    """A file of these parts after the first key, filled up with zeros to `size`."""
    head = magic + struct.pack("<IQQ", version, num_tensors, num_keys) + ARCHITECTURE
    data = head + b"".join(parts)

    def make(path: Path, base: Path) -> None:
        with path.open("wb") as file:
            file.write(data)
            file.truncate(max(size, len(data)))

    return make


def array(kind: int, count: int, data: bytes = b"") -> bytes:
    return key("a", ARRAY, struct.pack("<IQ", kind, count) + data)


def changed_gguf(old: bytes, new: bytes) -> Make:
    """The tiny file with one place changed; as long as before."""
    assert len(old) == len(new)

    def make(path: Path, base: Path) -> None:
        data = (base / "tiny.gguf").read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))

    return make


def setting(name: str, value: int) -> Make:
    """The tiny file with a number of four bytes in its metadata changed."""

    def make(path: Path, base: Path) -> None:
        data = bytearray((base / "tiny.gguf").read_bytes())
        place = data.index(name.encode()) + len(name) + 4
        data[place : place + 4] = struct.pack("<I", value)
        path.write_bytes(data)

    return make


def cut_gguf(share: float) -> Make:
    def make(path: Path, base: Path) -> None:
        data = (base / "tiny.gguf").read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


NESTED = b"".join(struct.pack("<IQ", ARRAY, 1) for _ in range(5000))

GGUFS: dict[str, Make] = {
    "array of 2^60": gguf(array(U8, 2**60), num_keys=2),
    "array of 50 million": gguf(array(U8, 50_000_000), num_keys=2, size=50_100_000),
    "texts of 50 million": gguf(array(TEXT, 50_000_000), num_keys=2, size=400_100_000),
    "array of 2^64": gguf(array(U64, 2**64 - 1), num_keys=2),
    "arrays in arrays": gguf(key("a", ARRAY, NESTED), num_keys=2),
    "many arrays": gguf(*[key(f"a{n}", ARRAY, struct.pack("<IQ", U8, 10**6) + bytes(10**6))
                          for n in range(5)], num_keys=6),
    "text of 2^63": gguf(key("a", TEXT, struct.pack("<Q", 2**63)), num_keys=2),
    "text of 100 MB": gguf(key("a", TEXT, struct.pack("<Q", 10**8)), num_keys=2, size=10**8 + 999),
    "name of 100 MB": gguf(struct.pack("<Q", 10**8), num_keys=2, size=10**8 + 999),
    "2^63 tensors": gguf(num_tensors=2**63),
    "2^40 keys": gguf(num_keys=2**40),
    "a million keys": gguf(num_keys=10**6, size=10**8),
    "2^32 dimensions": gguf(gguf_text("t"), struct.pack("<I", 2**32 - 1), num_tensors=1),
    "no dimensions": gguf(tensor("t", []), num_tensors=1, size=999),
    "dimensions that overflow": gguf(tensor("t", [2**32, 2**32, 2]), num_tensors=1, size=999),
    "empty dimension": gguf(tensor("t", [32, 0]), num_tensors=1, size=999),
    "offset beyond": gguf(tensor("t", [32], 0, 2**50), num_tensors=1, size=999),
    "offset of 2^64": gguf(tensor("t", [32], 0, 2**64 - 1), num_tensors=1, size=999),
    "tensors on each other": gguf(tensor("t", [32]), tensor("u", [32]), num_tensors=2, size=9999),
    "tensor twice": gguf(tensor("t", [8]), tensor("t", [8], 0, 32), num_tensors=2, size=9999),
    "part of a block": gguf(tensor("t", [33], 8), num_tensors=1, size=9999),
    "unknown tensor type": gguf(tensor("t", [32], 12345), num_tensors=1, size=9999),
    "unknown key type": gguf(key("a", 99, b""), num_keys=2, size=999),
    "key twice": gguf(ARCHITECTURE, num_keys=2),
    "alignment of 0": gguf(key("general.alignment", U32, bytes(4)), tensor("t", [8]),
                           num_keys=2, num_tensors=1, size=999),
    "alignment of 3": gguf(key("general.alignment", U32, b"\3\0\0\0"), num_keys=2, size=999),
    "alignment of 2^31": gguf(key("general.alignment", U32, b"\0\0\0\x80"), num_keys=2, size=999),
    "alignment of text": gguf(key("general.alignment", TEXT, gguf_text("8")), num_keys=2),
    "bad truth value": gguf(key("a", BOOL, b"\7"), num_keys=2, size=999),
    "not unicode": gguf(key("a", TEXT, gguf_text(b"\xff\xfe")), num_keys=2, size=999),
    "big endian": gguf(version=0x03000000),
    "version 99": gguf(version=99),
    "another magic": gguf(magic=b"GGML"),
    "nothing but a head": cut_gguf(0.0001),
    "cut in the header": cut_gguf(0.01),
    "cut in the weights": cut_gguf(0.9),
    "layers of 2^31": setting("llama.block_count", 2**31 - 1),
    "width of 2^31": setting("llama.embedding_length", 2**31),
    "no heads": setting("llama.attention.head_count", 0),
    "rope of NaN": setting("llama.rope.freq_base", 0x7FC00000),
    "rope of infinity": setting("llama.rope.freq_base", 0x7F800000),
    "epsilon below 0": setting("llama.attention.layer_norm_rms_epsilon", 0xBF800000),
    "end token of 2^31": setting("tokenizer.ggml.bos_token_id", 2**31),
}  # fmt: skip


def in_model(change: Callable[[dict[str, Any]], None]) -> Make:
    """A model directory whose `model.json` was changed."""

    def make(path: Path, base: Path) -> None:
        shutil.copytree(base / "model", path)
        info = json.loads((path / "model.json").read_text())
        change(info)
        (path / "model.json").write_text(json.dumps(info))

    return make


def file_in(source: str, name: str, build: Build) -> Make:
    """A directory with another file in place of one that it had."""

    def make(path: Path, base: Path) -> None:
        shutil.copytree(base / source, path)
        (path / name).unlink(missing_ok=True)
        build(path / name)

    return make


def embedding(name: str) -> Make:
    return in_model(lambda info: info["embedding"].update(path=name))


def published(**names: str) -> Make:
    graphs = {"embed_tokens": "model.onnx", "decoder": "model.onnx", **names}
    return in_model(lambda info: info.update(published=graphs))


def link_out(path: Path, base: Path) -> None:
    shutil.copytree(base / "model", path)
    (path / "weights.bin").rename(path.parent / "elsewhere.bin")
    (path / "weights.bin").symlink_to(path.parent / "elsewhere.bin")


def raw_info(name: str, value: str) -> Make:
    def make(path: Path, base: Path) -> None:
        shutil.copytree(base / "model", path)
        info = {**json.loads((path / "model.json").read_text()), name: "@"}
        (path / "model.json").write_text(json.dumps(info).replace('"@"', value))

    return make


OUTSIDE = {
    "absolute": "/etc/passwd",
    "above": "../evil",
    "above by a detour": "a/../../evil",
    "Windows drive": "C:\\Windows\\win.ini",
    "Windows drive with slashes": "C:/Windows/win.ini",
    "Windows share": "\\\\host\\share\\x",
    "share": "//host/share",
    "backslashes": "..\\evil",
    "NUL byte": "weights.bin\0.txt",
    "reserved": "NUL",
    "reserved with a suffix": "com1.bin",
    "stream": "weights.bin:evil",
    "empty": "",
    "itself": ".",
    "long": "a" * 5000,
    "surrogate": "\ud800",
}

MODELS: dict[str, Make] = {
    **{f"embedding {name}": embedding(path) for name, path in OUTSIDE.items()},
    **{f"published {name}": published(decoder=path) for name, path in OUTSIDE.items()},
    "published eyes above": published(vision_encoder="../evil"),
    "published ears above": published(audio_encoder="/dev/zero"),
    "listed above": in_model(lambda i: i["files"][0].update(path="../../etc/hostname")),
    "linked outside": link_out,
    "stop id of 10^18": in_model(lambda i: i.update(stop_ids=[10**18])),
    "stop id below 0": in_model(lambda i: i.update(stop_ids=[-5])),
    "a million stop ids": in_model(lambda i: i.update(stop_ids=list(range(100_000)))),
    "first id of 10^18": in_model(lambda i: i.update(bos_id=10**18)),
    "vocabulary of 10^18": in_model(lambda i: i["dims"].update(vocab=10**18)),
    "context of 10^18": in_model(lambda i: i["dims"].update(context=10**18)),
    "layers of 10^18": in_model(lambda i: i["dims"].update(layers=10**18)),
    "offset of 10^30": in_model(lambda i: i["embedding"].update(codes_offset=10**19)),
    "block of 0": in_model(lambda i: i["embedding"].update(block_size=0)),
    "multiplier of NaN": raw_info("embedding", '{"multiplier": NaN}'),
    "unknown format": in_model(lambda i: i.update(chat_format="../../evil")),
    "pad id of 10^18": in_model(lambda i: i.update(pad_id=10**18)),
    **{f"info: {name}": file_in("model", "model.json", b) for name, b in DEEP_JSON.items()},
    **{f"info: {name}": file_in("model", "model.json", b) for name, b in NOT_REGULAR.items()},
    **{f"weights: {name}": file_in("model", "weights.bin", b) for name, b in NOT_REGULAR.items()},
    **{f"graph: {name}": file_in("model", "model.onnx", b) for name, b in NOT_REGULAR.items()},
    **{f"tokens: {name}": file_in("model", "tokenizer.json", b) for name, b in DEEP_JSON.items()},
    **{f"tokens: {name}": file_in("model", "tokenizer.json", b)
       for name, b in NOT_REGULAR.items()},
}  # fmt: skip


def tokenizer(change: Callable[[dict[str, Any]], None]) -> Make:
    """A model directory whose `tokenizer.json` was changed, and is of the size that is listed."""

    def make(path: Path, base: Path) -> None:
        shutil.copytree(base / "model", path)
        spec = json.loads((path / "tokenizer.json").read_text())
        change(spec)
        (path / "tokenizer.json").write_text(json.dumps(spec))
        info = json.loads((path / "model.json").read_text())
        for file in info["files"]:
            file["bytes"] = (path / file["path"]).stat().st_size
        (path / "model.json").write_text(json.dumps(info))

    return make


TOKENIZERS: dict[str, Make] = {
    "id of 10^18": tokenizer(lambda s: s["model"]["vocab"].update(x=10**18)),
    "id below 0": tokenizer(lambda s: s["model"]["vocab"].update(x=-1)),
    "id of text": tokenizer(lambda s: s["model"]["vocab"].update(x="1")),
    "added id of 10^18": tokenizer(lambda s: s["added_tokens"][0].update(id=10**18)),
    "added text of a number": tokenizer(lambda s: s["added_tokens"][0].update(content=5)),
    "added nothing": tokenizer(lambda s: s.update(added_tokens=[7])),
    "vocabulary of a list": tokenizer(lambda s: s["model"].update(vocab=[1])),
    "no vocabulary": tokenizer(lambda s: s["model"].update(vocab={})),
    "merges of numbers": tokenizer(lambda s: s["model"].update(merges=[1])),
    "merges of threes": tokenizer(lambda s: s["model"].update(merges=[["a", "b", "c"]])),
    "merges of nothing": tokenizer(lambda s: s["model"].update(merges=None)),
    "merges of strangers": tokenizer(lambda s: s["model"].update(merges=[["no", "such"]])),
    "model of a list": tokenizer(lambda s: s.update(model=[])),
    "another model": tokenizer(lambda s: s["model"].update(type="Unigram")),
    "decoder of a number": tokenizer(lambda s: s.update(decoder=7)),
    "pattern that never ends": tokenizer(
        lambda s: s.update(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$("},
                                          "behavior": "Isolated", "invert": False})
    ),
}  # fmt: skip


def in_checkpoint(name: str, change: Callable[[Any], Any]) -> Make:
    """A checkpoint with a JSON file changed."""

    def make(path: Path, base: Path) -> None:
        shutil.copytree(base / "checkpoint", path)
        value = json.loads((path / name).read_text())
        (path / name).write_text(json.dumps(change(value)))

    return make


def config(**changes: Any) -> Make:
    return in_checkpoint(
        "config.json", lambda c: {**c, "text_config": {**c["text_config"], **changes}}
    )


def header(change: Callable[[dict[str, Any]], Any]) -> Make:
    """A checkpoint with the header of a file changed."""

    def make(path: Path, base: Path) -> None:
        shutil.copytree(base / "checkpoint", path)
        data = (path / "a.safetensors").read_bytes()
        length = int.from_bytes(data[:8], "little")
        old = json.loads(data[8 : 8 + length])
        new = json.dumps(change(old) or old).encode()
        whole = len(new).to_bytes(8, "little") + new + data[8 + length :]
        (path / "a.safetensors").write_bytes(whole)

    return make


def raw_header(length: int, data: bytes) -> Make:
    return file_in(
        "checkpoint", "a.safetensors", lambda p: _write(p, length.to_bytes(8, "little") + data)
    )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _first(header: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = next(v for k, v in header.items() if k != "__metadata__")
    return entry


CHECKPOINTS: dict[str, Make] = {
    "header of 2^63": raw_header(2**63, b"{}"),
    "header of 2^64": raw_header(2**64 - 1, b"{}"),
    "header of 100 MB": file_in("checkpoint", "a.safetensors",
                                sparse(10**8 + 8, (10**8).to_bytes(8, "little"))),
    "deep header": raw_header(200_000, b"[" * 200_000),
    "header of a list": raw_header(2, b"[]" + bytes(99)),
    "header of digits": raw_header(10_006, b'{"a":' + b"1" * 10_000 + b"}"),
    "header of NaN": raw_header(9, b'{"a":NaN}'),
    "shape of 2^62": header(lambda h: _first(h).update(shape=[2**32, 2**32])),
    "shape below 0": header(lambda h: _first(h).update(shape=[-1, -64])),
    "shape of text": header(lambda h: _first(h).update(shape=["9" * 5000])),
    "shape of many": header(lambda h: _first(h).update(shape=[1] * 5000)),
    "offsets below 0": header(lambda h: _first(h).update(data_offsets=[-8, 0])),
    "offsets beyond": header(lambda h: _first(h).update(data_offsets=[0, 2**62])),
    "offsets of fractions": header(lambda h: _first(h).update(data_offsets=[0.5, 1.5])),
    "no offsets": header(lambda h: _first(h).pop("data_offsets")),
    "unknown type": header(lambda h: _first(h).update(dtype="F1")),
    "type of a list": header(lambda h: _first(h).update(dtype=[1])),
    **{f"weights {name}": in_checkpoint(
        "model.safetensors.index.json", lambda i, p=path: {"weight_map": {"x": p}})
       for name, path in OUTSIDE.items()},
    "weights of a list": in_checkpoint(
        "model.safetensors.index.json", lambda i: {"weight_map": [1]}),
    "weights of nothing": in_checkpoint("model.safetensors.index.json", lambda i: {}),
    "layers of 10^18": config(num_hidden_layers=10**18),
    "layers of text": config(layer_types="sliding_attention"),
    "layers of lists": config(layer_types=[[]] * 4),
    "width of 10^18": config(hidden_size=10**18),
    "width of 0": config(hidden_size=0),
    "heads of 10^18": config(num_attention_heads=10**18),
    "vocabulary of 10^18": config(vocab_size=10**18),
    "epsilon below 0": config(rms_norm_eps=-1.0),
    "context of text": config(max_position_embeddings="many"),
    "text config of a list": in_checkpoint("config.json", lambda c: {"text_config": [1]}),
    "eyes of nonsense": in_checkpoint("config.json", lambda c: {**c, "vision_config": 7}),
    "quantised with nonsense": in_checkpoint("config.json", lambda c: {
        **c, "quantization_config": [1]}),
    "first id of text": config(bos_token_id="x"),
    "stop id of 10^18": in_checkpoint("generation_config.json", lambda c: {"eos_token_id": 10**18}),
    **{f"config: {n}": file_in("checkpoint", "config.json", b) for n, b in DEEP_JSON.items()},
    **{f"index: {n}": file_in("checkpoint", "model.safetensors.index.json", b)
       for n, b in DEEP_JSON.items()},
    **{f"shard: {n}": file_in("checkpoint", "a.safetensors", b) for n, b in NOT_REGULAR.items()},
    "tokenizer linked outside": file_in(
        "checkpoint", "tokenizer.json", lambda p: p.symlink_to("/etc/passwd")),
    "template linked outside": file_in(
        "checkpoint", "chat_template.jinja", lambda p: p.symlink_to("/etc/passwd")),
    "config linked outside": file_in(
        "checkpoint", "config.json", lambda p: p.symlink_to("/etc/passwd")),
}  # fmt: skip
