"""Gives every file and folder of the Unity package its `.meta` file.

Unity knows assets by the id in it, so ids must never change: they are made from the path. Run it
after adding or removing files: `python engine_bridges/unity/write_metas.py`; `--check` only tells
what is missing, stale or left over.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent / "com.npcbrain.bridge"
_FOLDER = "folderAsset: yes\nDefaultImporter:\n"
_SCRIPT = (
    "MonoImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  defaultReferences: []\n"
    "  executionOrder: 0\n  icon: {instanceID: 0}\n"
)
_IMPORTERS = {
    ".cs": _SCRIPT,
    ".asmdef": "AssemblyDefinitionImporter:\n",
    ".json": "TextScriptImporter:\n",
    ".md": "TextScriptImporter:\n",
    ".txt": "TextScriptImporter:\n",
    ".yaml": "TextScriptImporter:\n",
}
_MANIFEST = "PackageManifestImporter:\n"
_NO_EXTERNALS = "  externalObjects: {}\n"
_USER_DATA = "  userData: \n  assetBundleName: \n  assetBundleVariant: \n"


def assets() -> Iterator[Path]:
    """Files and folders that Unity imports, samples too: it copies them into `Assets`."""
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(PACKAGE).parts
        is_hidden = parts[0] == "Documentation~" or any(part.startswith(".") for part in parts)
        if not is_hidden and path.suffix != ".meta" and not path.name.endswith("~"):
            yield path


def meta_path(asset: Path) -> Path:
    """Where the `.meta` file of an asset is."""
    return asset.with_name(asset.name + ".meta")


def guid_of(asset: Path) -> str:
    """An asset's id: 32 hexadecimal digits, from its path alone."""
    name = f"{PACKAGE.name}/{asset.relative_to(PACKAGE).as_posix()}"
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def meta_of(asset: Path) -> str:
    """The text of an asset's `.meta` file."""
    if asset.is_dir():
        importer = _FOLDER
    elif asset == PACKAGE / "package.json":
        importer = _MANIFEST
    else:
        importer = _IMPORTERS[asset.suffix]
    if _NO_EXTERNALS not in importer:
        importer += _NO_EXTERNALS
    return f"fileFormatVersion: 2\nguid: {guid_of(asset)}\n{importer}{_USER_DATA}"


def problems() -> list[str]:
    """What is wrong with the `.meta` files, a line each."""
    wanted = {meta_path(asset): meta_of(asset) for asset in assets()}
    found = []
    for meta, text in wanted.items():
        if not meta.is_file():
            found.append(f"{meta.relative_to(PACKAGE)} is missing")
        elif meta.read_text(encoding="utf-8") != text:
            found.append(f"{meta.relative_to(PACKAGE)} is stale")
    for meta in sorted(PACKAGE.rglob("*.meta")):
        if meta not in wanted:
            found.append(f"{meta.relative_to(PACKAGE)} belongs to nothing")
    return found


def main() -> None:
    """Write what is missing or stale and remove what is left over, or only check."""
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(problems()) or None)
    for asset in assets():
        meta_path(asset).write_text(meta_of(asset), encoding="utf-8", newline="\n")
    kept = {meta_path(asset) for asset in assets()}
    for meta in PACKAGE.rglob("*.meta"):
        if meta not in kept:
            meta.unlink()


if __name__ == "__main__":
    main()
