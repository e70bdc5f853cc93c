"""Progress of long work: a bar on a terminal, gone when it ends; one a ten seconds in a log."""

import sys
from typing import Any

from tqdm import tqdm


def bar(total: int, description: str, unit: str) -> "tqdm[Any]":
    """A tqdm bar on stderr with rate and remaining time; use it as a context manager."""
    is_seen = sys.stderr.isatty()
    interval = 0.2 if is_seen else 10
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        mininterval=interval,
        file=sys.stderr,
        leave=not is_seen,
    )
