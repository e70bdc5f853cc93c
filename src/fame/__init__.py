"""FAME: how popular will a post be? A fusion of learners over metadata, text and image features."""

import os
from typing import Any

__version__ = "0.1.0"

# Pydantic looks through all that is installed for plugins, which takes longer than it validates.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def __getattr__(name: str) -> Any:
    """`from fame import Predictor`: imported when it is asked for, as it brings the libraries."""
    if name == "Predictor":
        from fame.serving.predictor import Predictor

        return Predictor
    raise AttributeError(f"module 'fame' has no attribute {name!r}")
