"""`deps/`: for each stage a folder of links to the source files that it imports.

dvc.yaml names the folders; DVC follows the links, so that an edit makes stale exactly the stages
that import the file. `make links` writes them anew; a test compares.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fame.registry import BACKBONES, LEARNERS, SOURCES
from fame.runtime.imports import SOURCE, list_files

FOLDER = Path("deps")
PIPELINES = (Path("dvc.yaml"), Path("reports/dvc.yaml"))


def _modules(registry: dict[str, str], part: str = "") -> dict[str, str]:
    return {kind: place.split(":")[0] + part for kind, place in registry.items()}


# Stages that run what params.yaml names: kind -> the module that they import then.
ONE_KIND = {
    "ingest": _modules(SOURCES),
    "extract": _modules(BACKBONES),
    "train": _modules(LEARNERS, ".training"),
    "predict": _modules(LEARNERS, ".model"),
}
ALL_KINDS = {"leakage": _modules(BACKBONES), "importance": _modules(LEARNERS, ".model")}


def list_links(root: Path = Path()) -> dict[str, list[Path]]:
    """Folder below `deps/`, a stage's or a stage's kind's -> the source files of its links."""
    links = {}
    for stage, module in _read_stages(root).items():
        if stage in ONE_KIND:
            for kind, own in ONE_KIND[stage].items():
                links[f"{stage}/{kind}"] = list_files([module, own])
        else:
            links[stage] = list_files([module, *ALL_KINDS.get(stage, {}).values()])
    return links


def write_links(root: Path = Path()) -> None:
    """Make `deps/` anew where it is not as it should be."""
    wanted = {
        root / FOLDER / name / ".".join(source.relative_to(SOURCE).parts[1:]): os.path.relpath(
            root / "src" / source.relative_to(SOURCE), root / FOLDER / name
        )
        for name, sources in list_links(root).items()
        for source in sources
    }
    if wanted == read_links(root):
        return
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    for link, target in wanted.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def read_links(root: Path = Path()) -> dict[Path, str]:
    """The links that there are: path -> target."""
    found = (path for path in (root / FOLDER).rglob("*") if not path.is_dir())
    return {path: str(path.readlink()) if path.is_symlink() else "" for path in found}


def _read_stages(root: Path) -> dict[str, str]:
    """Stage -> the module that its command runs."""
    found = {}
    for path in PIPELINES:
        content: dict[str, Any] = YAML(typ="safe").load((root / path).read_text(encoding="utf-8"))
        for name, entry in content["stages"].items():
            words = entry.get("do", entry)["cmd"].split()
            found[name] = words[words.index("-m") + 1]
    return found


if __name__ == "__main__":
    write_links(Path(*sys.argv[1:2]))
