"""The version of a backbone's code: a digest of what its files do, not of how they are written.

Found and not declared: a number that has to be raised by hand would be forgotten, and stale vectors
look like good ones.
"""

import ast
import hashlib

from fame.features.backbones.contract import Backbone
from fame.runtime import imports

# Of those that see images.
IMAGES = [
    f"fame.features.{name}" for name in ("images", "resampling", "gpu_decoding", "gpu_resampling")
]
SHARED = "fame.features.backbones.shared."


def digest_code(backbone: type[Backbone]) -> str:
    """Of the files that make a vector; comments, docstrings and layout do not count."""
    own = backbone.__module__
    names = list_shared(own) + IMAGES * any(shown.image for shown in backbone.passes)
    programs = [digest_program(_read(name)) for name in (own, *names)]
    return hashlib.sha256("".join(programs).encode()).hexdigest()


def list_shared(module: str) -> list[str]:
    """What a backbone's module imports, and so on, of what backbones share."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        named = imports.list_imports(waiting.pop())
        more = {name for name in named if name.startswith(SHARED)} - found
        found |= more
        waiting |= more
    return sorted(found - {module})


def _read(module: str) -> str:
    return imports.find_file(module).read_text(encoding="utf-8")


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
