"""A copy of the pipeline with other parameters, beside the project: its own params and results.

It starts from what the project has finished and keeps what it finished itself, by their entries in
dvc.lock, so that DVC runs only what is new. The project's own results are never touched.
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fame import params
from fame.runtime import files
from fame.runtime import reproduce as dvc
from fame.runtime.dvc_lock import LOCK, read_stages, repair_locks
from fame.runtime.errors import InputError
from fame.runtime.processes import runs
from fame.variants import leftovers

ROOT = Path(".workspaces")
LOOKS, SECONDS_BETWEEN_LOOKS = 5, 0.1  # at a list that is cut off, before it counts as such
COPIED = ("dvc.yaml", ".dvcignore")
CONFIG = """[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    dir = {cache}
    type = "reflink,hardlink,copy"
"""


def prepare(name: str, content: dict[str, Any], prefer_project: bool) -> Path:
    """The workspace ``name`` with these parameters; what it finished before is kept.

    Where both it and the project have finished a stage, ``prefer_project`` says whose counts.

    Raises:
        InputError: the parameters are not valid, or this is not the project's folder.
    """
    if not Path("dvc.yaml").exists():
        raise InputError("dvc.yaml: no such file; run this in the project's folder")
    folder = ROOT / name
    for copied in COPIED:
        files.write_text(folder / copied, Path(copied).read_text(encoding="utf-8"))
    with files.replacing_folder(folder / "src") as copy:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree("src", copy, ignore=ignored, dirs_exist_ok=True)
    with files.replacing_folder(folder / "deps") as copy:
        shutil.copytree("deps", copy, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(".dvc/plots", folder / ".dvc/plots", dirs_exist_ok=True)
    files.write_text(folder / ".dvc/config", CONFIG.format(cache=leftovers.find_cache(Path())))
    with files.replacing(folder / "params.yaml") as temporary, temporary.open("w") as file:
        YAML(typ="safe").dump(content, file)
    _link_root(folder, params.load(folder / "params.yaml").data)
    _take_over(folder, _list_stages(content), prefer_project)
    return folder


def reproduce(folder: Path, *targets: str) -> None:
    """Run what is not done yet; a line a stage goes where ours goes.

    Raises:
        InputError: a stage failed.
    """
    release_locks(folder)
    source = str((folder / "src").resolve())
    environment = os.environ | {"PYTHONPATH": source}
    if dvc.reproduce(*targets, folder=folder, environment=environment):
        raise InputError(f"{folder}: dvc repro failed, see above; what is finished is kept")


def release_locks(folder: Path) -> bool:
    """Remove DVC's list of paths in use where all its processes are dead; whether they are.

    DVC does so too, but takes a zombie for a running process: in a container whose first process
    reaps no orphans, it would refuse for ever to go on after a kill.
    """
    path = folder / ".dvc/tmp/rwlock"
    held = _read_held(path)
    writers = held.get("write", {}).values()
    readers = [user for users in held.get("read", {}).values() for user in users]
    if any(runs(user["pid"]) for user in (*writers, *readers)):
        return False
    path.unlink(missing_ok=True)
    return True


def main() -> None:
    """`python -m fame.variants.workspace`: clear away what a kill, or another run, left behind."""
    # A DVC that runs may be writing its record just now: then it is cut off, but not damaged.
    if release_locks(Path()):
        repair_locks()
        for line in leftovers.clear(Path()):
            print(line, flush=True)


def read_params() -> dict[str, Any]:
    """The content of params.yaml, after validation."""
    params.load()
    return YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))


def _read_held(path: Path) -> dict[str, Any]:
    """DVC's list of paths in use; empty if there is none, or one that a killed DVC has cut off."""
    for _ in range(LOOKS):
        if not path.exists():
            break
        try:
            return files.read_json(path)
        except InputError:  # a DVC that runs writes it in place: it is whole in a moment
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return {}


def _list_stages(content: dict[str, Any]) -> set[str]:
    """The names of dvc.yaml's stages with these parameters, `train@dae` of a `foreach`."""
    names: set[str] = set()
    stages = YAML(typ="safe").load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, entry in stages.items():
        each = entry.get("foreach")
        names |= {f"{name}@{key}" for key in content[each.strip("${}")]} if each else {name}
    return names


def _take_over(folder: Path, stages: set[str], prefer_project: bool) -> None:
    """Enter the project's finished stages into the workspace's dvc.lock and link their outputs.

    DVC's cache of runs would do the same, but not for stages with an output that git keeps. A
    record outlives its stage, and in a fresh clone its outputs are not on disk: what is not both
    in ``stages`` and on disk is left to DVC.
    """
    project, own = read_stages(Path(LOCK)), read_stages(folder / LOCK)
    own = {name: entry for name, entry in own.items() if name in stages}
    for name, entry in project.items():
        outs = [Path(out["path"]) for out in entry.get("outs", [])]
        if name not in stages or not all(path.exists() for path in outs):
            continue
        if name in own and (not prefer_project or own[name] == entry):
            continue
        for path in outs:
            _link(path, folder / path)
        own[name] = entry
    with files.replacing(folder / LOCK) as temporary, temporary.open("w") as file:
        YAML().dump({"schema": "2.0", "stages": own}, file)


def _link(source: Path, target: Path) -> None:
    """The same files again, not copied: a stage replaces files, it never writes into one."""
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_file)
    else:
        _link_file(source, target)


def _link_file(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _link_root(folder: Path, data: params.DataParams) -> None:
    """Data that no stage makes lies in the project; a relative path must lead there."""
    root = Path(data.root)
    if data.source == "sample" or root.is_absolute():
        return
    link = folder / root
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(root.resolve(), target_is_directory=True)


if __name__ == "__main__":
    from fame.runtime.stage import run

    run(main)
