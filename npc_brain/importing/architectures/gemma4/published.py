"""A directory in the layout of the onnx-community exports becomes a model directory.

The weights are used as they were published: files are linked, or copied where the target is on
another disk. Only the decoder's graph, a file without weights, is rewritten, see `ACCURACY_LEVEL`.

Source: the repositories onnx-community/gemma-4-E2B-it-ONNX and -E4B-it-ONNX.

Why hard links: ONNX Runtime refuses weights that a symbolic link leads out of the graph's directory
to (1.32: "External data path escapes model directory").
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnx

from npc_brain.errors import ModelError
from npc_brain.importing.architectures.gemma4 import ARCHITECTURE
from npc_brain.importing.architectures.gemma4.spec import Gemma4Spec, spec_from_config
from npc_brain.importing.checkpoint import (
    CONFIG_FILE,
    bos_id,
    checkpoint_file,
    read_object,
    read_stop_ids,
)
from npc_brain.importing.published_files import (
    CHAT_TEMPLATE_FILE,
    GENERATION_FILE,
    PublishedFiles,
)
from npc_brain.inference.model_dir import (
    TOKENIZER_FILE,
    ModelDims,
    Progress,
    PublishedGraphs,
    write_model_info,
)

ACCURACY_LEVEL = 4
"""Of MatMulNBits nodes that do not say one: activations are rounded to 8 bits in each block, which
halves the time of a token on a CPU (2560 by 10240, 4 bits, one row: 3.3 ms for 6.7 ms). What other
providers make of it is for them to say; to CUDA it is a hint (unverified)."""

_STOP_IDS = (1, 50, 106)
"""Of Gemma 4, for want of a `generation_config.json`. Source: google/gemma-4-E4B-it."""


def fill_from_published(
    files: PublishedFiles, model_dir: Path, progress: Progress, *, name: str, source: str = ""
) -> None:
    """Write model `name` into the empty directory `model_dir`; `source` is told to people."""
    config = read_object(files.root, CONFIG_FILE)
    spec = spec_from_config(config, str(files.root / CONFIG_FILE))
    weights = {part: _read_graph(path) for part, path in files.graphs.items()}
    _check_caches(files.graphs["decoder"], weights["decoder"].graph, spec)
    to_link = {path for part, graph in weights.items() for path in _data_files(files, part, graph)}
    to_link |= {path for part, path in files.graphs.items() if part != "decoder"}
    to_link |= {files.root / TOKENIZER_FILE, files.root / CONFIG_FILE}
    to_link |= {p for p in (files.root / CHAT_TEMPLATE_FILE,) if p.is_file()}
    for path in to_link:
        checkpoint_file(files.root, path.relative_to(files.root).as_posix())
    _link_all(sorted(to_link), model_dir, progress)
    decoder = weights["decoder"]
    _set_accuracy_level(decoder.graph)
    (model_dir / files.graphs["decoder"].name).write_bytes(decoder.SerializeToString())
    progress(0, 0, "computing checksums")
    write_model_info(
        model_dir,
        kind="decoder",
        name=name,
        architecture=ARCHITECTURE.name,
        profile=ARCHITECTURE.profile,
        dims=_dims(spec, config),
        chat_format="gemma4",
        bos_id=bos_id(config, files.root / CONFIG_FILE),
        stop_ids=_stop_ids(files.root),
        pad_id=spec.pad_id,
        published=PublishedGraphs(**{part: path.name for part, path in files.graphs.items()}),
        licence="Apache-2.0",
        source=source or f"{files.root.name} ({files.variant})",
    )


def _read_graph(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(os.fspath(path), load_external_data=False)
    except Exception as error:  # protobuf's errors have no common base but Exception
        raise ModelError(
            f"{path} is not an ONNX graph: {error}",
            hint="download it again; it may be incomplete",
        ) from error


def _data_files(files: PublishedFiles, part: str, model: onnx.ModelProto) -> set[Path]:
    """The files that hold the weights of a graph, each checked to be long enough for them."""
    graph_path = files.graphs[part]
    folder = graph_path.parent.relative_to(files.root).as_posix()
    below = "" if folder == "." else f"{folder}/"
    ends: dict[str, int] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entry = {item.key: item.value for item in tensor.external_data}
        name = entry.get("location", "")
        if "/" in name:
            raise ModelError(f"{graph_path}: weights of {tensor.name} lie at {name!r}, outside")
        checkpoint_file(files.root, f"{below}{name}", graph_path)
        try:
            end = _byte(entry.get("offset", "0")) + _byte(entry.get("length", "0"))
        except ValueError as error:
            raise ModelError(f"{graph_path}: {tensor.name}: {error}") from error
        ends[name] = max(ends.get(name, 0), end)
    for name, end in ends.items():
        path = graph_path.parent / name
        size = path.stat().st_size if path.is_file() else None
        if size is None or size < end:
            state = "missing" if size is None else f"{size} bytes long, wanted {end} or more"
            raise ModelError(f"{path} is {state}", hint="download the file again")
    return {graph_path.parent / name for name in ends}


def _byte(text: str) -> int:
    """A place in a file, as ONNX writes it. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"got the place {text[:40]!r}, wanted a number of bytes")
    return int(text)


def _check_caches(path: Path, graph: onnx.GraphProto, spec: Gemma4Spec) -> None:
    """Each layer that owns KV has an input for it, of the size that the config tells."""
    found = {
        node.name: [d.dim_value for d in node.type.tensor_type.shape.dim]
        for node in graph.input
        if node.name.startswith("past_key_values.")
    }
    wanted = {
        f"past_key_values.{index}.{part}": (spec.kv_heads, spec.head_dims[kind])
        for index, kind in enumerate(spec.layer_kinds[: spec.num_own])
        for part in ("key", "value")
    }
    odd = set(found) ^ set(wanted)
    odd |= {
        name
        for name, shape in found.items()
        if len(shape) < 2 or (shape[1], shape[-1]) != wanted.get(name)
    }
    if odd:
        raise ModelError(
            f"{path} and {CONFIG_FILE} belong to different models: they differ in "
            f"{', '.join(sorted(odd)[:3])}",
            hint="download both from the same repository",
        )


def _set_accuracy_level(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.op_type != "MatMulNBits":
            continue
        levels = [attribute for attribute in node.attribute if attribute.name == "accuracy_level"]
        if not levels:
            node.attribute.append(onnx.helper.make_attribute("accuracy_level", ACCURACY_LEVEL))
        elif levels[0].i == 0:
            levels[0].i = ACCURACY_LEVEL


def _link_all(paths: Sequence[Path], target: Path, progress: Progress) -> None:
    """Have the files under their names in `target`. Raises ModelError when one is missing."""
    for path in paths:
        if not path.is_file():
            raise ModelError(f"{path} is missing", hint="download the whole repository")
    sizes = [path.stat().st_size for path in paths]
    done = 0
    for path, size in zip(paths, sizes, strict=True):
        progress(done, sum(sizes), f"taking over {path.name}")
        _take_over(path.resolve(), target / path.name)  # the hub's cache has symbolic links
        done += size


def _take_over(path: Path, target: Path) -> None:
    """Link weights; copy what people edit, or what lies on another disk."""
    if target.suffix not in (".json", ".jinja"):
        with suppress(OSError):
            os.link(path, target)
            return
    _check_space(target.parent, path.stat().st_size)
    shutil.copyfile(path, target)


def _check_space(target: Path, size: int) -> None:
    free = shutil.disk_usage(target).free
    if size > free:
        raise ModelError(
            f"{target} has {free / 1e9:.1f} GB free, wanted {size / 1e9:.1f} GB for a copy",
            hint="import to the disk that the files are on; there they are linked, not copied",
        )


def _dims(spec: Gemma4Spec, config: Mapping[str, Any]) -> ModelDims:
    return ModelDims(
        layers=spec.num_layers,
        hidden=spec.hidden,
        heads=spec.heads,
        vocab=spec.vocab,
        context=int(_text(config)["max_position_embeddings"]),
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dims["sliding_attention"],
        sliding_window=spec.window,
        per_layer_width=spec.per_layer_width,
    )


def _stop_ids(root: Path) -> tuple[int, ...]:
    return tuple(sorted(read_stop_ids(root, GENERATION_FILE, _STOP_IDS)))


def _text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    text: Mapping[str, Any] = config.get("text_config", config)
    return text
