"""Which source files a program imports: what makes a stage, or a half-finished training, stale.

Read from the programs, not declared: a list that is kept by hand would miss a file.
"""

import ast
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

SOURCE = Path(__file__).parents[2]
# They check, name, report, start and stop; none can change a result.
WITHOUT_EFFECT = {
    "fame.params",
    "fame.registry",
    *(f"fame.runtime.{name}" for name in ("cores", "dvc_lock", "errors", "imports", "processes")),
    *(f"fame.runtime.{name}" for name in ("progress", "ray", "stage", "versions")),
}


def list_files(modules: Iterable[str]) -> list[Path]:
    """The files of this project that ``modules`` import, theirs included, sorted.

    A template beside a module counts as a part of it. Those that cannot change a result are left
    out, and what only they import.
    """
    reached: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        if name not in reached and name not in WITHOUT_EFFECT:
            reached.add(name)
            waiting |= list_imports(name)
    sources = {find_file(name) for name in reached if holds_code(name)}
    return sorted(sources.union(*map(_list_templates, sources)))


@cache
def list_imports(module: str) -> frozenset[str]:
    """The modules of this project that one imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(_parse(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if _is_module(inner) else node.module)
    return frozenset(name for name in found if name.startswith("fame."))


def find_file(module: str) -> Path:
    """The file of a module of this project, or of one that a user registers."""
    path = SOURCE / Path(*module.split("."))
    if path.is_dir():
        return path / "__init__.py"
    if path.with_suffix(".py").exists():
        return path.with_suffix(".py")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module}")
    return Path(spec.origin)


@cache
def holds_code(module: str) -> bool:
    """Whether a module has more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in _parse(module).body)


@cache
def _parse(module: str) -> ast.Module:
    return ast.parse(find_file(module).read_text(encoding="utf-8"))


def _list_templates(source: Path) -> set[Path]:
    """The files beside a module that it names and that are no modules."""
    text = source.read_text(encoding="utf-8")
    beside = (path for path in source.parent.iterdir() if path.is_file())
    return {path for path in beside if path.suffix != ".py" and path.name in text}


def _is_module(name: str) -> bool:
    path = SOURCE / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()
