"""What an encoder of the posts' own columns must do."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from fame.features.blocks import Block


class Encoder(ABC):
    """Posts -> a block, from the posts' own columns; what is fitted saves and loads.

    It is given the whole posts table, but no label outside the training posts. A row of a block
    depends on its post and on the training posts alone, never on other posts beside it.
    """

    Params: ClassVar[type]  # its block of params.yaml
    reads: ClassVar[str] = "posts"

    @abstractmethod
    def __init__(self, params: Any, runtime: Any) -> None:
        """From its block of params.yaml and the block runtime."""

    @abstractmethod
    def fit(self, posts: pa.Table) -> None:
        """See the training posts (POSTS and own numbers), in the order of their ids."""

    @abstractmethod
    def transform(self, posts: pa.Table) -> Block:
        """The block of any posts; of the training posts, the same values as after ``fit``."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was fitted into ``folder`` (exists, empty); no pickle."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
