"""The version of a backbone's code: a digest of what its files do, not of how they are written.

Found and not declared: a number that has to be raised by hand would be forgotten, and stale vectors
look like good ones.
"""

import ast
import hashlib
from importlib.util import find_spec
from pathlib import Path

from fame.features.contract import Backbone

IMAGES = ["fame.features.images", "fame.features.resampling"]  # of those that see any
BACKBONES = "fame.features.backbones."


def digest_code(backbone: type[Backbone]) -> str:
    """Of the files that make a vector; comments, docstrings and layout do not count."""
    own = _read(backbone.__module__)
    names = list_shared(own) + IMAGES * any(shown.image for shown in backbone.passes)
    programs = [digest_program(source) for source in (own, *map(_read, names))]
    return hashlib.sha256("".join(programs).encode()).hexdigest()


def list_shared(source: str) -> list[str]:
    """What a backbone's program imports, and so on, of what backbones share."""
    found: set[str] = set()
    waiting = [source]
    while waiting:
        nodes = ast.walk(ast.parse(waiting.pop()))
        named = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        more = {name for name in named if name.startswith(BACKBONES)} - found
        found |= more
        waiting += [_read(name) for name in sorted(more)]
    return sorted(found)


def _read(module: str) -> str:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module}")
    return Path(spec.origin).read_text(encoding="utf-8")


def digest_program(source: str) -> str:
    """A hex digest of a program without its comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [statement for statement in body if not _is_text(statement)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
