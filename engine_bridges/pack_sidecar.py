"""Packs the sidecar for an exported game: one folder, which needs no Python and no network.

    python engine_bridges/pack_sidecar.py OUT_DIR [--model NAME]... [--npcs DIR]

makes OUT_DIR/npc_brain_sidecar/, to be laid beside the game's executable:

    npc-brain          the sidecar's executable (npc-brain.exe on Windows) and, in _internal/, its
                       libraries
    models/NAME/       the language model and the sentence encoder
    npcs/              the NPC files
    licences/          of everything in the folder
    sidecar.json       what the folder holds, for people and exporters

It holds for the system that it was made on: pack on each system that the game is exported for.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from pkgutil import iter_modules

import npc_brain
from npc_brain import files
from npc_brain.cli.progress import progress_bar
from npc_brain.client import Sidecar
from npc_brain.errors import NpcBrainError, SessionError, UsageError
from npc_brain.importing import architectures
from npc_brain.importing.catalogue import CATALOGUE, resolve_model
from npc_brain.inference.model_dir import INFO_FILE, load_model_info, new_directory, verify
from npc_brain.npc.source import MAX_FILE_BYTES
from npc_brain.sidecar import ENCODER, NO_MODEL

FOLDER = "npc_brain_sidecar"
MANIFEST = "sidecar.json"
EXECUTABLE = "npc-brain"
COMMANDS = ("serve", "validate")
"""What of `npc-brain` a packed sidecar can do."""
DEFAULT_MODEL = "smollm2-135m"
_LOG_LINES_SHOWN = 15
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
_LEFT_OUT = frozenset({"huggingface-hub"})
"""`tokenizers` asks for it, to download; a packed sidecar downloads nothing."""
_UNWANTED_MODULES = ("_curses", "_gdbm", "curses", "readline", "tkinter")
"""Of the standard library: of no use here, and GNU readline and gdbm would put the game under the
GPL."""
_LICENCE_WORDS = ("licen", "copying", "notice", "authors")


def main(argv: Sequence[str] | None = None) -> int:
    """Pack; 0 when that is done, 1 when something went wrong, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description="Pack the sidecar for an exported game.")
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path)
    parser.add_argument(
        "--model",
        metavar="M",
        action="append",
        help=f"catalogue name, model directory, or none (default: {DEFAULT_MODEL}); more than once "
        "for several",
    )
    parser.add_argument("--npcs", metavar="DIR", type=Path, help="the game's NPC files")
    args = parser.parse_args(argv)
    try:
        folder = pack(args.out_dir, models=args.model or (DEFAULT_MODEL,), npcs=args.npcs)
    except NpcBrainError as error:
        print(f"pack_sidecar: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("pack_sidecar: interrupted, nothing was made", file=sys.stderr)
        return 130
    print(folder)
    return 0


def pack(out_dir: Path, *, models: Sequence[str] = (DEFAULT_MODEL,), npcs: Path | None) -> Path:
    """Make `out_dir`/npc_brain_sidecar, whole or not at all; one made before is replaced.

    Args:
        out_dir: Where the folder comes; made when missing.
        models: Catalogue names or model directories; the sentence encoder always comes along.
        npcs: Directory of NPC files; None leaves `npcs/` empty.

    Returns:
        The folder.

    Raises:
        UsageError: PyInstaller or NPC files are missing, or something else is in the way.
        ModelError: A model cannot be had or is damaged.
        NpcBrainError: The executable cannot be built or does not start.
    """
    target = out_dir.resolve() / FOLDER
    _check_usage(target, npcs)
    chosen = [name for name in models if name != NO_MODEL]
    with progress_bar() as progress:
        directories = {
            _packed_name(name): resolve_model(name, progress) for name in (*chosen, ENCODER)
        }
        for directory in directories.values():
            verify(directory, progress)
    with new_directory(target) as staging:
        _say("building the executable, which takes about half a minute")
        distributions = _needed_distributions()
        _build(staging, distributions)
        _say("copying models, NPC files and licences")
        for name, directory in directories.items():
            _copy_model(directory, staging / "models" / name)
        _copy_npcs(npcs, staging / "npcs")
        _copy_licences(staging / "licences", distributions, directories)
        _write_manifest(staging, directories)
        _check_listens(staging)
        if target.exists():
            shutil.rmtree(target)
    _say(f"{_size(target) / 1e6:.0f} MB")
    return target


def _check_usage(target: Path, npcs: Path | None) -> None:
    if importlib.util.find_spec("PyInstaller") is None:
        raise UsageError(
            "PyInstaller is not installed", hint="pip install 'npc-brain[cpu,pack]', then again"
        )
    if npcs is not None and not _npc_files(npcs):
        raise UsageError(f"there are no NPC files (*.yaml) in {npcs}", hint="--npcs names them")
    if target.exists() and not (target / MANIFEST).is_file():
        raise UsageError(
            f"{target} is there, and was not made by this program",
            hint="move it away, or choose another OUT_DIR",
        )


def _npc_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*") if path.suffix in (".yaml", ".yml"))


def _needed_distributions() -> dict[str, importlib.metadata.Distribution]:
    """By name, npc-brain and what it needs to run; what only imports models is not among it."""
    from packaging.requirements import Requirement  # comes with PyInstaller

    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = ["npc-brain", "pillow", *_RUNTIMES]  # the last ones where they are installed
    while waiting:
        name = _normal(waiting.pop())
        if name in found or name in _LEFT_OUT:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = distribution
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    if not any(name in found for name in _RUNTIMES):
        raise UsageError("ONNX Runtime is not installed", hint="pip install 'npc-brain[cpu,pack]'")
    return found


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def _unneeded_modules(needed: dict[str, importlib.metadata.Distribution]) -> list[str]:
    """Top-level modules of this environment that belong to none of the `needed`."""
    owners_by_module = importlib.metadata.packages_distributions()
    return sorted(
        module
        for module, owners in owners_by_module.items()
        if module.isidentifier() and not any(_normal(owner) in needed for owner in owners)
    )


def _build(staging: Path, distributions: dict[str, importlib.metadata.Distribution]) -> None:
    """Put the executable and its libraries into `staging`."""
    with tempfile.TemporaryDirectory(prefix="pack_sidecar-") as work:
        entry = Path(work, "npc_brain_packed.py")
        entry.write_text(
            f"from npc_brain.cli import main\nraise SystemExit(main(commands={COMMANDS!r}))\n"
        )
        command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--onedir", "--console"]
        command += ["--log-level", "WARN", "--name", EXECUTABLE, "--collect-data", "npc_brain"]
        command += ["--distpath", f"{work}/dist", "--workpath", f"{work}/build", "--specpath", work]
        for name in distributions:  # some ask for their own version
            command += ["--copy-metadata", name]
        hidden = [f"npc_brain.cli.{name}" for name in COMMANDS]
        hidden += [
            f"{architectures.__name__}.{m.name}" for m in iter_modules(architectures.__path__)
        ]
        for name in hidden:  # modules that are looked up by name
            command += ["--hidden-import", name]
        command += ["--collect-submodules", "npc_brain.tools.builtin"]
        for module in (*_UNWANTED_MODULES, *_unneeded_modules(distributions)):
            command += ["--exclude-module", module]
        built = subprocess.run([*command, str(entry)], capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise _failed("PyInstaller failed", built.stderr or built.stdout)
        for path in Path(work, "dist", EXECUTABLE).iterdir():
            shutil.move(path, staging / path.name)
    _remove_links(staging)


def _remove_links(staging: Path) -> None:
    """Remove PyInstaller's links to libraries of wheels, which know the way to them themselves.

    Archives and copies of engines would make further copies of the libraries out of the links.
    """
    for path in staging.rglob("*.so*"):
        if path.is_symlink() and path.readlink().parts[0].endswith(".libs"):
            path.unlink()


def _packed_name(model: str) -> str:
    """What `serve --model` calls it in the folder: the catalogue's name or the directory's."""
    return model if model in CATALOGUE else Path(model).resolve().name


def _copy_model(directory: Path, into: Path) -> None:
    """Copy what `model.json` lists, so that nothing else of the directory comes along."""
    info = load_model_info(directory)
    for relative in (INFO_FILE, *(file.path for file in info.files)):  # checked to be inside
        copy = into / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / relative, copy)


def _copy_npcs(npcs: Path | None, into: Path) -> None:
    into.mkdir()
    for path in _npc_files(npcs) if npcs is not None else ():
        try:
            (into / path.name).write_bytes(files.read_bytes(path, MAX_FILE_BYTES))
        except OSError as error:
            raise UsageError(f"{path}: cannot be packed: {error.strerror}") from error


def _copy_licences(
    into: Path,
    distributions: dict[str, importlib.metadata.Distribution],
    models: Mapping[str, Path],
) -> None:
    """Copy the licence files of packages and Python, and name those of the models."""
    bundled = [*distributions.values(), importlib.metadata.distribution("pyinstaller")]
    for distribution in bundled:
        directory = into / f"{distribution.name}-{distribution.version}"
        for source, name in _licence_files(distribution):
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, directory / name)
    python_licence = Path(sysconfig.get_path("stdlib"), "LICENSE.txt")
    if python_licence.is_file():
        (into / "python").mkdir()
        shutil.copyfile(python_licence, into / "python" / python_licence.name)
    told = ["name: licence, where it comes from", ""]
    told += [f"Python {platform.python_version()}: PSF License Version 2"]
    told += [
        f"{distribution.name} {distribution.version}: {_licence_name(distribution)}"
        for distribution in bundled
    ]
    for name, directory in models.items():
        info = load_model_info(directory)
        told.append(f"model {name}: {info.licence or 'not told'}, {info.source or 'not told'}")
    told.append("_internal/lib*: libraries of packages above, and of the system that packed this")
    (into / "licences.txt").write_text("\n".join(told) + "\n", encoding="utf-8")


def _licence_files(distribution: importlib.metadata.Distribution) -> Iterator[tuple[Path, str]]:
    """The licence files in a distribution's metadata or package, each with a name of its own."""
    for file in distribution.files or ():
        is_near_top = len(file.parts) <= 2 or ".dist-info" in file.parts[0]
        if is_near_top and any(word in file.name.lower() for word in _LICENCE_WORDS):
            path = Path(str(distribution.locate_file(file)))
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                yield path, "-".join(file.parts[1:]) or file.name


def _licence_name(distribution: importlib.metadata.Distribution) -> str:
    fields = ("License-Expression", "License", "Classifier")
    values = [value for field in fields for value in distribution.metadata.get_all(field) or ()]
    named = [
        value.rpartition(" :: ")[2]
        for value in values
        if "\n" not in value and (" :: " not in value or value.startswith("License ::"))
    ]
    return next(filter(None, named), "see its files here")


def _write_manifest(staging: Path, models: Iterable[str]) -> None:
    system = {"Darwin": "macOS"}.get(platform.system(), platform.system())
    manifest = {
        "version": npc_brain.__version__,
        "system": f"{system} {platform.machine()}",
        "models": list(models),
        "npcs": [path.stem for path in _npc_files(staging / "npcs")],
    }
    (staging / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _check_listens(staging: Path) -> None:
    """Start the sidecar once, as a game would. Raises NpcBrainError."""
    with tempfile.TemporaryDirectory(prefix="pack_sidecar-") as work:
        log_path = Path(work, "sidecar.log")
        command = [str(staging / EXECUTABLE)]
        try:
            Sidecar.start(staging / "npcs", log_path=log_path, command=command).stop()
        except SessionError as error:
            raise _failed("the packed sidecar does not start", log_path.read_text()) from error


def _failed(what: str, log: str) -> NpcBrainError:
    """An error that shows the end of a program's output."""
    lines = log.strip().splitlines()[-_LOG_LINES_SHOWN:]
    return NpcBrainError(
        "\n    ".join((f"{what}:", *lines)),
        hint="update PyInstaller, or use a virtual environment with npc-brain alone",
    )


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if not path.is_symlink())


def _say(message: str) -> None:
    print(f"pack_sidecar: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
