"""dvc.yaml lists the source files that a stage imports: proved by walking the imports.

A folder stands for its files where a stage owns it: DVC reads dvc.lock over and over, and an
experiment waits for its length.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fame import params
from fame.registry import BACKBONES, LEARNERS, SOURCES

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
# They validate, name and report; none can change a result (see their docstrings).
EXEMPT = {
    "fame.params",
    "fame.registry",
    "fame.runtime.errors",
    "fame.runtime.progress",
    "fame.runtime.stage",
}
KINDS = {
    "ingest": SOURCES,
    "extract": BACKBONES,
    "leakage": BACKBONES,
    "train": LEARNERS,
    "importance": LEARNERS,
}


def read_stages():
    stages = {}
    for file in (ROOT / "dvc.yaml", ROOT / "reports" / "dvc.yaml"):
        for name, stage in YAML(typ="safe").load(file.read_text())["stages"].items():
            stages[name] = stage.get("do", stage)
    return stages


def find_file(module):
    path = SOURCE / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def list_imports(module):
    """The modules of fame that a module imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(find_file(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if find_file(name).exists() else node.module for name in names}
    return {name for name in found if name.split(".")[0] == "fame" and name != "fame"}


def walk(module):
    reached, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        if name not in reached and name not in EXEMPT:
            reached.add(name)
            waiting |= list_imports(name)
    return reached


def holds_code(module):
    body = ast.parse(find_file(module).read_text()).body
    return any(not isinstance(node, ast.Expr) for node in body)


def to_paths(modules):
    return {f"src/{find_file(name).relative_to(SOURCE)}" for name in modules if holds_code(name)}


def list_needed(stage, kind):
    modules = walk(f"fame.runtime.stage.{stage}")
    if kind:
        modules |= walk(KINDS[stage][kind].split(":")[0])
    return to_paths(modules)


def list_named(stage, kind):
    """The files of each dependency: path as named -> the files that it stands for."""
    named = {}
    for path in read_stages()[stage].get("deps", []):
        if path.startswith("src/"):
            place = ROOT / re.sub(r"\$\{item\.kind\}", kind or "", path)
            files = place.rglob("*.py") if place.is_dir() else [place]
            named[path] = {str(file.relative_to(ROOT)) for file in files}
    return named


CASES = [(stage, kind) for stage in read_stages() for kind in KINDS.get(stage, [None])]


@pytest.mark.parametrize(("stage", "kind"), CASES)
def test_every_import_is_a_dependency(stage, kind):
    missing = list_needed(stage, kind) - set().union(*list_named(stage, kind).values())
    assert not missing, f"add to dvc.yaml {stage}.deps: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("stage", read_stages())
def test_every_source_dependency_is_imported(stage):
    imported = {}
    for kind in KINDS.get(stage, [None]):
        for path, files in list_named(stage, kind).items():
            imported[path] = imported.get(path, False) or bool(files & list_needed(stage, kind))
    idle = [path for path, used in imported.items() if not used]
    assert not idle, f"remove from dvc.yaml {stage}.deps: {', '.join(idle)}"


@pytest.mark.parametrize("stage", read_stages())
def test_every_path_of_a_stage_is_in_its_command(stage):
    entry = read_stages()[stage]
    paths = [next(iter(path)) if isinstance(path, dict) else path for path in entry.get("outs", [])]
    paths += [next(iter(path)) for path in entry.get("metrics", [])]
    paths += [path for path in entry.get("deps", []) if not path.startswith("src/")]
    assert [path for path in paths if path not in entry["cmd"]] == []


@pytest.mark.parametrize("stage", read_stages())
def test_every_stage_says_what_it_does(stage):
    assert read_stages()[stage]["desc"]


def test_the_exempt_files_hold_no_default():
    for model in vars(params).values():
        if isinstance(model, type) and issubclass(model, params.Strict):
            assert all(field.is_required() for field in model.model_fields.values()), model
