"""`deps/`: for each stage a folder of links to the source files that it imports.

dvc.yaml names the folders; DVC follows the links, so that an edit makes stale exactly the stages
that import the file. A stage that runs one kind of several has a folder of what it imports for
every kind, and one a kind of what that adds. `make links` writes them anew, and the page that lists
them by file; a test compares both.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fame.registry import BACKBONES, LEARNERS, SOURCES
from fame.runtime import files
from fame.runtime.imports import SOURCE, list_files

FOLDER = Path("deps")
PAGE = Path("docs/dependencies.md")
INTRODUCTION = """\
# What an edit runs again

Which stages `dvc repro` runs again after an edit of a source file: those that import it. A kind in
brackets is the one whose entries run again; a stage without brackets runs again for all. Where a
stage's output is the same bytes as before, what comes after it does not run. Files that only check,
name or report belong to no stage: they cannot change a result. `make links` writes this page.

| file below `src/fame` | stages |
|---|---|
"""
EVERY_KIND = "every_kind"  # the folder beside those of the kinds
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


def list_imports(root: Path = Path()) -> dict[str, list[Path]]:
    """A stage, `train/dae` with its kind -> the source files that it imports."""
    found = {}
    for stage, module in _read_stages(root).items():
        if stage in ONE_KIND:
            for kind, own in ONE_KIND[stage].items():
                found[f"{stage}/{kind}"] = list_files([module, own])
        else:
            found[stage] = list_files([module, *ALL_KINDS.get(stage, {}).values()])
    return found


def list_links(root: Path = Path()) -> dict[str, list[Path]]:
    """Folder below `deps/` -> the source files of its links."""
    every = {
        f"{stage}/{EVERY_KIND}": list_files([module])
        for stage, module in _read_stages(root).items()
        if stage in ONE_KIND
    }
    own = {
        name: [file for file in files if file not in every.get(_find_every(name), ())]
        for name, files in list_imports(root).items()
    }
    return every | own


def _find_every(name: str) -> str:
    return f"{name.partition('/')[0]}/{EVERY_KIND}"


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


def list_stages(root: Path = Path()) -> dict[str, list[str]]:
    """File below `src/fame` -> the stages, with their kinds, that import it."""
    package = SOURCE / "fame"
    modules = (path for path in package.rglob("*.py") if path.name != "__init__.py")
    names: dict[Path, list[str]] = {path: [] for path in modules}
    for name, sources in list_imports(root).items():
        for source in sources:
            names.setdefault(source, []).append(name)
    return {str(path.relative_to(package)): names[path] for path in sorted(names)}


def render_page(root: Path = Path()) -> str:
    """The content of `docs/dependencies.md`."""
    every = list(list_imports(root))
    rows = [
        f"| `{file}` | {_render_stages(names, every)} |"
        for file, names in list_stages(root).items()
    ]
    return INTRODUCTION + "\n".join(rows) + "\n"


def _render_stages(names: list[str], every: list[str]) -> str:
    """`train (dae), predict`: kinds only where not all of a stage's are meant."""
    if names == every:
        return "all"
    kinds: dict[str, list[str]] = {}
    for name in names:
        stage, _, kind = name.partition("/")
        kinds.setdefault(stage, []).append(kind)
    told = [
        stage
        if len(own) == sum(name.partition("/")[0] == stage for name in every)
        else f"{stage} ({', '.join(own)})"
        for stage, own in kinds.items()
    ]
    return ", ".join(told) or "none"


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
    place = Path(*sys.argv[1:2])
    write_links(place)
    files.write_text(place / PAGE, render_page(place))
