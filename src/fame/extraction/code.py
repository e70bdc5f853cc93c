"""The version of a backbone's code: a digest of what its files do, not of how they are written.

Found and not declared: a number that has to be raised by hand would be forgotten, and stale vectors
look like good ones.
"""

import ast
import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

from fame.core.contracts import Backbone

# What backbones share: part of the code of each that uses it.
SHARED, DECODING = "fame.backbones.common", "fame.extraction.images"


def digest_code(backbone: type[Backbone]) -> str:
    """Of the files that make a vector; comments, docstrings and layout do not count."""
    names = [SHARED] + [DECODING] * any(shown.image for shown in backbone.passes)
    files = [find_spec(name).origin for name in names]
    files.append(sys.modules[backbone.__module__].__file__)
    programs = [digest_program(Path(file).read_text(encoding="utf-8")) for file in files]
    return hashlib.sha256("".join(programs).encode()).hexdigest()


def digest_program(source: str) -> str:
    """A hex digest of a program without its comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not _is_text(statement)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
