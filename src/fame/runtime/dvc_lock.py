"""dvc.lock: its stages, whether a folder is as one wrote it, and a copy, for DVC may damage it.

The manifest of a bundle is such a record too, for a bundle lies where no DVC is.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from fame.runtime import files
from fame.runtime.errors import InputError

LOCK = "dvc.lock"
MANIFEST = "manifest.json"  # of a bundle, see `fame.serving.manifest`
LOCKS = (Path(LOCK), Path("reports") / LOCK)
KEPT = Path(".dvc/tmp/kept")


def check_locked(folder: Path) -> None:
    """Refuse a folder but one that is as dvc.lock or the manifest of a bundle records it.

    The nearest dvc.lock above it counts, and the manifest two folders above.

    Raises:
        InputError: neither names the folder with the digests that its files have.
    """
    if _is_in_bundle(folder):
        return
    place = folder.resolve()
    root = next((parent for parent in place.parents if (parent / LOCK).is_file()), None)
    if root is None:
        raise InputError(f"{folder}: there is no {LOCK} above it to check it by; not opened")
    outs = [out for stage in read_stages(root / LOCK).values() for out in stage.get("outs", [])]
    path = place.relative_to(root).as_posix()
    recorded = next((out.get("md5") for out in outs if out["path"] == path), None)
    if recorded is None:
        raise InputError(f"{folder}: {LOCK} does not record it; not opened, run `dvc repro`")
    if digest_folder(folder) != recorded:
        raise InputError(
            f"{folder}: not what {LOCK} records; not opened, run `dvc repro`, which makes it again"
        )


def _is_in_bundle(folder: Path) -> bool:
    """Whether a bundle's manifest holds the digests of exactly the folder's files."""
    root = folder.resolve().parents[1]
    if not (root / MANIFEST).is_file():
        return False
    manifest = files.read_json(root / MANIFEST)
    digests = manifest.get("files", {}) if isinstance(manifest, dict) else {}
    below = folder.resolve().relative_to(root).as_posix() + "/"
    recorded = {name: digest for name, digest in digests.items() if name.startswith(below)}
    found = [path for path in folder.resolve().rglob("*") if not path.is_dir()]
    names = {path.relative_to(root).as_posix(): path for path in found}
    return (
        bool(names)
        and names.keys() == recorded.keys()
        and all(files.digest_file(path) == recorded[name] for name, path in names.items())
    )


def digest_folder(folder: Path) -> str:
    """The digest of all files of a folder, as DVC makes it of their names and MD5s."""
    entries = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        entries.append({"md5": digest, "relpath": path.relative_to(folder).as_posix()})
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def keep_locks() -> None:
    """Copy what DVC has recorded so far: it writes in place, so a full disk or a kill loses it."""
    for path in LOCKS:
        if path.exists():
            with files.replacing(KEPT / path) as temporary:
                shutil.copyfile(path, temporary)


def repair_locks() -> None:
    """Put the last copy in place of a record that is cut off."""
    for path in LOCKS:
        if path.exists() and not read_stages(path):
            path.unlink()
            if (KEPT / path).exists():
                shutil.copyfile(KEPT / path, path)
            print(
                f"{path}: was cut off; it is as it was when the last stage began", file=sys.stderr
            )


def read_stages(path: Path) -> dict[str, dict]:
    """Stage -> entry; empty where there is no such file, or one that is cut off."""
    return parse_stages(path.read_text(encoding="utf-8")) if path.exists() else {}


def parse_stages(text: str) -> dict[str, dict]:
    """Stage -> entry of the text of a dvc.lock; empty for one that is cut off."""
    from ruamel.yaml import YAML, YAMLError  # here, for every stage that starts imports this

    try:
        content = YAML(typ="safe").load(text)
    except YAMLError:
        return {}
    return content.get("stages") or {} if isinstance(content, dict) else {}


def list_inputs(stages: dict[str, dict]) -> dict[str, Any]:
    """Stage -> its command, its parameters and the digests of what no stage makes."""
    made = [Path(out["path"]) for entry in stages.values() for out in entry.get("outs", [])]

    def is_made(path: Path) -> bool:
        return any(path.is_relative_to(out) or out.is_relative_to(path) for out in made)

    return {
        name: (
            entry["cmd"],
            entry.get("params"),
            {
                d["path"]: d.get("md5")
                for d in entry.get("deps", [])
                if not is_made(Path(d["path"]))
            },
        )
        for name, entry in stages.items()
    }
