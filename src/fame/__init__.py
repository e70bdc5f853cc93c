"""FAME: how popular will a post be? A fusion of learners over metadata, text and image features."""

import os
import sys
from types import TracebackType
from typing import Any

__version__ = "0.1.0"

# Pydantic looks through all that is installed for plugins, which takes longer than it validates.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a stage still imports its libraries is one line, as it is later."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


# `python -m fame...` imports this before all else; who imports FAME keeps a hook of their own.
if sys.argv[:1] == ["-m"] and any(part.startswith("fame.") for part in sys.orig_argv[1:]):
    sys.excepthook = _tell


def __getattr__(name: str) -> Any:
    """`from fame import Predictor`: imported when it is asked for, as it brings the libraries."""
    if name == "Predictor":
        from fame.serving.predictor import Predictor

        return Predictor
    raise AttributeError(f"module 'fame' has no attribute {name!r}")
