"""FAME: how popular will a post be? A fusion of learners over metadata, text and image features."""

import os

__version__ = "0.1.0"

# Pydantic looks through all that is installed for plugins, which takes longer than it validates.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
