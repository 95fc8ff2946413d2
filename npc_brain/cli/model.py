"""`npc-brain model`: what models there are, and their directories."""

import argparse
from pathlib import Path

from npc_brain.cli.progress import progress_bar
from npc_brain.errors import ErrorCode, ModelError
from npc_brain.importing.architectures import profile_of
from npc_brain.importing.catalogue import (
    CATALOGUE,
    CatalogueEntry,
    HubEntry,
    model_path,
    pull,
)
from npc_brain.inference.model_dir import INFO_FILE, load_model_info, verify

_VARIANT_HELP = "of published ONNX files: q4 (for a CPU), q4f16 (for a GPU), fp16, quantized, fp32"
_SOURCE_HELP = (
    "a .gguf file, a Hugging Face checkpoint, or a directory with published "
    "ONNX files, or a local name: ollama:MODEL:TAG, lmstudio:PUBLISHER/MODEL/FILE"
)

_GOES_ON = "nothing half-made is left in use; the same command goes on where it can"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("model", help="list, download, import and check models")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    action = actions.add_parser("list", help="list the models that are available by name")
    action.set_defaults(run=_run_list)

    action = actions.add_parser("pull", help="download and convert a model")
    action.add_argument("name", metavar="M", help="a name from `model list`")
    action.add_argument("--variant", help=_VARIANT_HELP)
    action.set_defaults(run=_run_pull, after_interrupt=_GOES_ON)

    action = actions.add_parser(
        "import", help="convert model files that you have into a model directory"
    )
    action.add_argument("source", metavar="SRC", help=_SOURCE_HELP)
    action.add_argument("target", metavar="DIR", type=Path, help="the model directory to create")
    action.add_argument("--variant", help=_VARIANT_HELP)
    action.set_defaults(run=_run_import, after_interrupt=_GOES_ON)

    action = actions.add_parser("info", help="show what is in a model directory")
    action.add_argument(
        "model", metavar="DIR", help="a model directory, or the name of a downloaded model"
    )
    action.set_defaults(run=_run_info)

    action = actions.add_parser("verify", help="compare a model directory with its checksums")
    action.add_argument(
        "model", metavar="DIR", help="a model directory, or the name of a downloaded model"
    )
    action.set_defaults(run=_run_verify)


def _run_list(args: argparse.Namespace) -> int:
    for entry in CATALOGUE.values():
        state = "ready" if (model_path(entry) / INFO_FILE).is_file() else "not fetched"
        print(f"{entry.name:<14} {entry.kind:<17} {state:<12} {entry.summary} ({entry.licence})")
    return 0


def _run_pull(args: argparse.Namespace) -> int:
    with progress_bar() as progress:
        path = pull(_entry(args.name), progress, variant=args.variant)
    print(path)
    return 0


def _run_import(args: argparse.Namespace) -> int:
    from npc_brain.importing.sources import import_model

    with progress_bar() as progress:
        import_model(args.source, args.target, progress, variant=args.variant)
    print(args.target)
    return 0


def _run_info(args: argparse.Namespace) -> int:
    for name, value in _described(_directory(args.model)):
        print(f"{name:<14} {value}")
    return 0


def _run_verify(args: argparse.Namespace) -> int:
    directory = _directory(args.model)
    with progress_bar() as progress:
        info = verify(directory, progress)
    print(f"{directory}: {len(info.files)} files, all unchanged")
    return 0


def _described(directory: Path) -> list[tuple[str, str]]:
    info, profile = load_model_info(directory), profile_of(directory).model_dump()
    sizes = info.dims.model_dump(exclude_none=True)
    megabytes = sum(file.bytes for file in info.files) / 1e6
    return [
        ("name", info.name),
        ("kind", info.kind),
        ("architecture", info.architecture),
        ("sizes", ", ".join(f"{name} {value}" for name, value in sizes.items())),
        ("profile", ", ".join(f"{name} {value}" for name, value in profile.items())),
        ("chat format", info.chat_format or "none"),
        ("stop ids", ", ".join(map(str, info.stop_ids)) or "none"),
        ("licence", info.licence or "unknown"),
        ("source", info.source),
        ("files", f"{', '.join(file.path for file in info.files)} ({megabytes:.0f} MB)"),
    ]


def _entry(name: str) -> CatalogueEntry | HubEntry:
    if name not in CATALOGUE:
        raise ModelError(
            f"there is no model {name!r}, only {', '.join(CATALOGUE)}",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint="`npc-brain model list` shows the available models",
        )
    return CATALOGUE[name]


def _directory(name_or_dir: str) -> Path:
    entry = CATALOGUE.get(name_or_dir)
    return Path(name_or_dir) if entry is None else model_path(entry)
