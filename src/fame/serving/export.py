"""`fame export OUT.tar`: a bundle as one archive, for another machine."""

import argparse
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from fame.registry import resolve_learner
from fame.runtime import files
from fame.runtime.dvc_lock import MANIFEST
from fame.runtime.errors import InputError
from fame.serving.manifest import FUSION, LEARNERS, check_files, read_fusion, read_manifest

FOLDER = "models"  # in the archive


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("output", metavar="OUT.tar", type=Path, help="the archive to write")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the bundle")
    parser.add_argument(
        "--without-pickles",
        action="store_true",
        help="leave out learners whose library saves pickles; the others share their weight",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the archive; a line says what it holds."""
    manifest = read_manifest(arguments.models)
    check_files(arguments.models, manifest["files"])
    read_fusion(arguments.models, manifest)
    if arguments.without_pickles:
        manifest = leave_out_pickles(manifest)
    pack(arguments.models, manifest, arguments.output)
    size = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {len(manifest['files']) + 1} files, {size:.1f} MB")
    for name, why in manifest["left_out"].items():
        print(f"without {name} ({why}); the other learners share its weight")


def leave_out_pickles(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest without the learners whose models hold pickles.

    Raises:
        InputError: no learner would be left.
    """
    entries = manifest["params"]["learners"]
    pickled = [
        name
        for name, entry in entries.items()
        if getattr(resolve_learner(entry["kind"], "Model", f"learners.{name}"), "pickled", False)
    ]
    if set(pickled) == set(entries):
        raise InputError("every learner's models hold pickles; none would be left")
    below = tuple(f"{LEARNERS}/{name}/" for name in pickled)
    kept = {
        name: digest for name, digest in manifest["files"].items() if not name.startswith(below)
    }
    left_out = manifest["left_out"] | dict.fromkeys(pickled, "its models hold pickles")
    return manifest | {"files": kept, "left_out": left_out}


def pack(folder: Path, manifest: dict[str, Any], target: Path) -> None:
    """The manifest and its files as a tar; the same bundle is the same bytes."""
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    with files.replacing(target) as temporary, tarfile.open(temporary, "w") as archive:
        _add(archive, MANIFEST, text.encode())
        for name in sorted([*manifest["files"], FUSION]):
            _add(archive, name, (folder / name).read_bytes())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(f"{FOLDER}/{name}")
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))


def unpack(source: Path, folder: Path) -> Path:
    """The bundle in the archive ``source``, unpacked into ``folder``: plain files inside it only.

    Raises:
        InputError: no such archive, or a member that is none of a bundle's.
    """
    try:
        with tarfile.open(source, "r:") as archive:
            for entry in archive:
                if not entry.isreg() and not entry.isdir():
                    raise InputError(f"{source}: {entry.name} is no plain file; not a bundle")
                archive.extract(entry, folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{source}: not a whole bundle: {error}") from None
    return folder / FOLDER
