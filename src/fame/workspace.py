"""A copy of the pipeline with other parameters, beside the project: its own params and results.

It shares the project's DVC cache: a stage that ran anywhere with the same inputs is taken from
there, one that was finished before a kill too. The project's own metrics are never touched.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fame import io, params
from fame.errors import InputError

ROOT = Path(".workspaces")
COPIED = ("dvc.yaml", ".dvcignore")
CONFIG = """[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    dir = {cache}
    type = "reflink,hardlink,copy"
"""


def prepare(name: str, content: dict[str, Any]) -> Path:
    """The workspace ``name`` with these parameters; what it finished before is kept.

    Raises:
        InputError: the parameters are not valid, or this is not the project's folder.
    """
    if not Path("dvc.yaml").exists():
        raise InputError("dvc.yaml: no such file; run this in the project's folder")
    folder = ROOT / name
    for file in COPIED:
        io.write_text(folder / file, Path(file).read_text(encoding="utf-8"))
    with io.replacing_folder(folder / "src") as copy:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree("src", copy, ignore=ignored, dirs_exist_ok=True)
    shutil.copytree(".dvc/plots", folder / ".dvc/plots", dirs_exist_ok=True)
    io.write_text(folder / ".dvc/config", CONFIG.format(cache=_find_cache()))
    with io.replacing(folder / "params.yaml") as temporary, temporary.open("w") as file:
        YAML(typ="safe").dump(content, file)
    _link_root(folder, params.load(folder / "params.yaml").data)
    return folder


def reproduce(folder: Path, *targets: str) -> None:
    """Run what is not done yet; the stages' output goes where ours goes.

    Raises:
        InputError: a stage failed.
    """
    source = str((folder / "src").resolve())
    environment = os.environ | {"PYTHONPATH": source}
    command = [str(Path(sys.executable).parent / "dvc"), "repro", *targets]
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:
        raise InputError(f"{folder}: dvc repro failed, see above; what is finished is kept")


def read_params() -> dict[str, Any]:
    """The content of params.yaml, after validation."""
    params.load()
    return YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))


def _find_cache() -> str:
    command = [str(Path(sys.executable).parent / "dvc"), "cache", "dir"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise InputError(f"dvc cache dir: {found.stderr.strip()}")
    return str(Path(found.stdout.strip()).resolve())


def _link_root(folder: Path, data: params.DataParams) -> None:
    """Data that no stage makes lies in the project; a relative path must lead there."""
    root = Path(data.root)
    if data.source == "sample" or root.is_absolute():
        return
    link = folder / root
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(root.resolve(), target_is_directory=True)
