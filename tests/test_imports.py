"""Imports point downwards, from room to room, and in no circle; those inside functions too."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from fame.runtime.imports import SOURCE, list_imports

# A room imports of the rooms before its own, never of one beside it.
FLOORS = (
    {"runtime"},
    {"posts"},
    {"simulator", "features"},
    {"learners"},
    {"fusion", "gates"},
    {"report", "serving"},
    {"variants"},
    {"setup"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# At the top of the package. Every room but the ground checks its parameters with the first two;
# nothing imports the others.
SHARED = {"params", "registry"}
ENTRIES = {"dependencies", "cli"}
# It alone imports by a name that is no import statement: the kinds that params.yaml names.
IMPORTS_BY_NAME = {"fame.cli", "fame.registry"}


def list_modules():
    names = [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in sorted((SOURCE / "fame").rglob("*.py"))
    ]
    return [name.removesuffix(".__init__") for name in names]


def find_room(module):
    return module.split(".")[1]


def is_allowed(module, imported):
    """Whether a module may import another one."""
    own, other = find_room(module), find_room(imported)
    if own in SHARED:
        return other in SHARED | {"runtime"}
    if own in ENTRIES:
        return other not in ENTRIES
    if other in SHARED:
        return own != "runtime"
    return other in FLOOR and (own == other or FLOOR[other] < FLOOR[own])


MODULES = [name for name in list_modules() if "." in name]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module):
    wrong = [name for name in sorted(list_imports(module)) if not is_allowed(module, name)]
    assert wrong == []


def test_every_module_has_its_place():
    assert {find_room(module) for module in MODULES} <= set(FLOOR) | SHARED | ENTRIES
    assert {room for room in map(find_room, MODULES) if room in FLOOR} == set(FLOOR)


def test_no_modules_import_each_other():
    order = list(TopologicalSorter({name: list_imports(name) for name in MODULES}).static_order())
    assert set(MODULES) <= set(order)


@pytest.mark.parametrize(
    ("module", "imported", "allowed"),
    [
        ("fame.report.report", "fame.fusion.scores", True),
        ("fame.learners.train", "fame.learners.contract", True),
        ("fame.serving.scoring", "fame.fusion.combination", True),
        ("fame.serving.scoring", "fame.report.tables", False),
        ("fame.posts.splits", "fame.params", True),
        ("fame.posts.splits", "fame.features.blocks", False),
        ("fame.fusion.fuse", "fame.gates.leakage", False),
        ("fame.simulator.posts", "fame.features.images", False),
        ("fame.runtime.files", "fame.params", False),
        ("fame.runtime.files", "fame.posts.contract", False),
        ("fame.params", "fame.posts.contract", False),
        ("fame.report.report", "fame.dependencies", False),
        ("fame.report.report", "fame.attic.old", False),
    ],
)
def test_what_points_upwards_is_noticed(module, imported, allowed):
    assert is_allowed(module, imported) == allowed


@pytest.mark.parametrize("module", MODULES)
def test_every_import_is_a_statement_with_the_whole_name(module):
    """Else nothing would know which stages an edit makes stale."""
    path = SOURCE / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not getattr(node, "level", 0), f"{path}: a relative import"
        called = getattr(node, "func", None)
        name = getattr(called, "id", getattr(called, "attr", None))
        if module not in IMPORTS_BY_NAME:
            assert name not in ("import_module", "__import__"), f"{path}: {name}"
