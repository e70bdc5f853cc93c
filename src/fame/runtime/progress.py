"""Progress of long work: a bar on a terminal, a line every ten seconds in a log."""

import sys
from typing import Any

from tqdm import tqdm


def bar(total: int, description: str, unit: str) -> "tqdm[Any]":
    """A tqdm bar on stderr with rate and remaining time; use it as a context manager.

    Of nothing to do there is none.
    """
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        mininterval=0.2 if sys.stderr.isatty() else 10,
        file=sys.stderr,
        disable=not total,
    )
