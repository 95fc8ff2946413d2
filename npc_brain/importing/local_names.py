"""Finds models that Ollama or LM Studio has on this machine, by the names that they use.

`ollama:gemma4:e4b` and `lmstudio:publisher/model/file.gguf` name GGUF files. Names are looked up
among what is there and never become a path of their own.

Source: the layout of Ollama's `models` directory (manifests name blobs by digest); LM Studio's
documentation of its models directory (publisher/model/file.gguf).
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rapidfuzz import process

from npc_brain import files
from npc_brain.errors import ErrorCode, ModelError

OLLAMA, LM_STUDIO = "ollama:", "lmstudio:"

_MODEL_LAYER = "application/vnd.ollama.image.model"
_DEFAULT_HOST, _DEFAULT_NAMESPACE, _DEFAULT_TAG = "registry.ollama.ai", "library", "latest"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_MAX_MANIFEST_BYTES = 1 << 20
_LIKE_ENOUGH = 60


def is_local_name(source: str) -> bool:
    """Whether `source` names a model of another program."""
    return source.startswith((OLLAMA, LM_STUDIO))


def find_local(source: str) -> Path:
    """The GGUF file of a local name.

    Raises ModelError (`model_not_found`) with similar names when there is none.
    """
    program, name = source.split(":", 1)
    return _find_ollama(name) if f"{program}:" == OLLAMA else _find_lm_studio(name)


def _find_ollama(name: str) -> Path:
    roots = _ollama_roots()
    manifests = {found: path for root in roots for found, path in _ollama_names(root)}
    tagged = name if ":" in name.rsplit("/", 1)[-1] else f"{name}:{_DEFAULT_TAG}"
    manifest = manifests.get(tagged.lower())
    if manifest is None:
        raise _not_found(OLLAMA, name, manifests, roots)
    digest = _model_digest(manifest)
    root = next(root for root in roots if manifest.is_relative_to(root))
    blob = root / "blobs" / f"sha256-{digest}"
    if not blob.is_file():
        raise ModelError(
            f"{manifest} names {blob.name}, which is missing",
            hint=f"download the model again with `ollama pull {name}`",
        )
    return blob


def _ollama_roots() -> list[Path]:
    given = os.environ.get("OLLAMA_MODELS")
    if given:
        return [Path(given)]
    return [Path.home() / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")]


def _ollama_names(root: Path) -> Iterable[tuple[str, Path]]:
    """Names as Ollama shows them, in lower case: without the default host and namespace."""
    manifests = root / "manifests"
    for path in _files(manifests, "*/*/*/*"):
        host, namespace, model, tag = path.relative_to(manifests).parts
        parts = [host, namespace, model]
        if host == _DEFAULT_HOST:
            parts = [model] if namespace == _DEFAULT_NAMESPACE else [namespace, model]
        yield f"{'/'.join(parts)}:{tag}".lower(), path


def _model_digest(manifest: Path) -> str:
    """The digest of the GGUF file, in hex."""
    try:
        content = files.read_json(manifest, _MAX_MANIFEST_BYTES, ModelError)
        layers: list[dict[str, Any]] = content["layers"]
        digests = [str(x["digest"]) for x in layers if x["mediaType"] == _MODEL_LAYER]
    except (KeyError, TypeError) as error:
        raise ModelError(f"{manifest} is no manifest of Ollama: {error}") from error
    if len(digests) != 1:
        raise ModelError(
            f"{manifest} names {len(digests)} GGUF files, wanted 1",
            hint="models that Ollama keeps as safetensors cannot be imported from there",
        )
    found = _DIGEST.fullmatch(digests[0])
    if found is None:
        raise ModelError(f"{manifest}: got digest {digests[0][:80]!r}, wanted a sha256")
    return found[1]


def _find_lm_studio(name: str) -> Path:
    roots = [
        Path.home() / ".lmstudio" / "models",
        Path.home() / ".cache" / "lm-studio" / "models",
    ]
    found_files: dict[str, Path] = {}
    for root in roots:
        for path in _files(root, "*/*/*.gguf"):
            if not path.name.startswith("mmproj"):  # the towers of a model, not a model
                found_files.setdefault(path.relative_to(root).as_posix(), path)
    exact = [path for found, path in found_files.items() if found.lower() == name.lower()]
    below = [
        path for found, path in found_files.items() if found.lower().startswith(f"{name.lower()}/")
    ]
    matches = exact or below
    if len(matches) == 1:
        return matches[0]
    if len(matches) > 1:
        raise ModelError(
            f"{LM_STUDIO}{name} has {len(matches)} files: "
            f"{', '.join(sorted(path.name for path in matches))}",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint="name one of them: lmstudio:publisher/model/file.gguf",
        )
    raise _not_found(LM_STUDIO, name, found_files, roots)


def _files(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in root.glob(pattern) if path.is_file())
    except OSError:  # another user's directory: as good as empty
        return []


def _not_found(program: str, name: str, known: Iterable[str], roots: Sequence[Path]) -> ModelError:
    names = sorted(known)
    similar = [match for match, score, _ in process.extract(name, names) if score >= _LIKE_ENOUGH]
    if similar:
        hint = f"did you mean {' or '.join(program + found for found in similar[:3])}?"
    elif names:
        hint = f"there are {', '.join(program + found for found in names[:5])}"
    else:
        hint = f"there are no models in {' or '.join(str(root) for root in roots)}"
    return ModelError(
        f"there is no model {program}{name} on this machine",
        code=ErrorCode.MODEL_NOT_FOUND,
        hint=hint,
    )
