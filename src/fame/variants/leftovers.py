"""The stage `clear`: remove what entries that params.yaml no longer has have left behind.

Some stages depend on whole folders, for DVC takes no list of files from params.yaml: what another
run left there would be an input of theirs, and git would keep its records. `make repro` removes it
before anything starts, the stage does for a plain `dvc repro`.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fame import params
from fame.runtime import files
from fame.runtime.dvc_lock import digest_folder
from fame.runtime.errors import InputError
from fame.runtime.stage import run

KEY = "${key}"
CACHED_MODE = 0o444  # as DVC has it
NAME = "[a-z][a-z0-9_]*"  # of an entry, see `fame.params`: nothing else is touched


@dataclass(frozen=True)
class Leftover:
    """An output of an entry that params.yaml does not have.

    Attributes:
        block: of params.yaml that had the entry.
        path: below the project's folder.
        is_cached: whether DVC keeps it; else git does.
    """

    block: str
    name: str
    path: Path
    is_cached: bool


def main() -> None:
    """Remove them, write which places were looked at: the same always, so that nothing reruns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    lines = clear(Path()) or ["clear: nothing is left of entries that params.yaml does not have"]
    files.write_json(output, sorted(place for _, place, _ in _list_places(_read_stages(Path()))))
    print("\n".join(lines))


def clear(root: Path) -> list[str]:
    """Remove what is left in ``root``, a project's folder; tell it, a line each.

    What DVC's cache does not hold stays, for it could not be had again. Git's records go into the
    cache: with them DVC takes an entry that is put back from there, and trains nothing.

    Raises:
        InputError: params.yaml is not valid.
    """
    found = list_leftovers(root)
    if not found:
        return []
    cache = find_cache(root)
    places = {one: find_place(cache, root / one.path) for one in found}
    kept = [one for one in found if one.is_cached and not is_whole(cache, places[one])]
    removed = [one for one in found if one not in kept]
    for one in removed:
        if not places[one].is_file():
            with files.replacing(places[one]) as temporary:
                shutil.copyfile(root / one.path, temporary)
                temporary.chmod(CACHED_MODE)
        _remove(root / one.path, one.name)
    lines = [
        f"clear: {one.path} is of no entry in params.yaml and not in DVC's cache: it stays, and "
        "counts as an input; remove it, or name it again"
        for one in kept
    ]
    if removed:
        lines.append(
            "clear: removed the outputs of entries that params.yaml no longer has, DVC's cache "
            f"keeps them: {_name(removed)}"
        )
    return lines


def list_leftovers(root: Path) -> list[Leftover]:
    """The outputs of `foreach` stages on disk whose entry params.yaml does not have, by path."""
    stages = _read_stages(root)
    settings = params.load(root / "params.yaml", kinds=False)
    places = _list_places(stages)
    wanted = {out for entry in stages.values() for out, _ in _list_outs(entry)}
    wanted |= {
        place.replace(KEY, name) for block, place, _ in places for name in getattr(settings, block)
    }
    found = []
    for block, place, is_cached in places:
        shape = re.compile(re.escape(place).replace(re.escape(KEY), f"({NAME})"))
        for path in sorted(root.glob(place.replace(KEY, "*"))):
            written = path.relative_to(root).as_posix()
            match = shape.fullmatch(written)
            if match and written not in wanted:
                found.append(Leftover(block, match[1], Path(written), is_cached))
    return found


def find_place(cache: Path, path: Path) -> Path:
    """Where DVC's cache has a folder or a file as it is, if it has it."""
    if path.is_dir():
        return _locate(cache, digest_folder(path))
    with path.open("rb") as file:
        return _locate(cache, hashlib.file_digest(file, "md5").hexdigest())


def is_whole(cache: Path, place: Path) -> bool:
    """Whether the cache has what lies there, of a folder all files that its list names."""
    if not place.is_file() or place.suffix != ".dir":
        return place.is_file()
    return all(_locate(cache, entry["md5"]).is_file() for entry in files.read_json(place))


def _locate(cache: Path, digest: str) -> Path:
    return cache / "files/md5" / digest[:2] / digest[2:]


def find_cache(root: Path) -> Path:
    """The folder of DVC's cache.

    Raises:
        InputError: DVC says why there is none.
    """
    command = [str(Path(sys.executable).parent / "dvc"), "cache", "dir"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if found.returncode:
        raise InputError(f"dvc cache dir: {found.stderr.strip()}")
    return (root / found.stdout.strip()).resolve()


def _read_stages(root: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(files.read_text(root / "dvc.yaml"))["stages"]


def _list_places(stages: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Block of params.yaml, its entries' output with KEY in the name's place, whether DVC's."""
    return [
        (entry["foreach"].strip("${}"), out, is_cached)
        for entry in stages.values()
        if "foreach" in entry
        for out, is_cached in _list_outs(entry["do"])
    ]


def _list_outs(entry: dict[str, Any]) -> list[tuple[str, bool]]:
    """The outputs of a stage and whether DVC's cache keeps them."""
    return [
        (out, True)
        if isinstance(out, str)
        else next((path, options.get("cache", True)) for path, options in out.items())
        for out in entry.get("outs", [])
    ]


def _remove(path: Path, entry: str) -> None:
    """A file or a folder, and the entry's folder around it once it holds nothing of a stage's."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    around = path.parent
    if around.name == entry and all(other.name == ".gitignore" for other in around.iterdir()):
        shutil.rmtree(around)


def _name(removed: list[Leftover]) -> str:
    """`backbones blip; learners dae, tabm`."""
    names: dict[str, dict[str, None]] = {}
    for one in removed:
        names.setdefault(one.block, {})[one.name] = None
    return "; ".join(f"{block} {', '.join(sorted(found))}" for block, found in names.items())


if __name__ == "__main__":
    run(main)
