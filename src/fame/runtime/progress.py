"""Progress of long work: a bar on a terminal, gone at its end; a line each ten seconds in a log."""

import sys
from typing import Any

from tqdm import tqdm


def bar(total: int, description: str, unit: str) -> "tqdm[Any]":
    """A tqdm bar on stderr with rate and remaining time; use it as a context manager.

    Of nothing to do there is none.
    """
    is_seen = sys.stderr.isatty()
    interval, delay = (0.2, 1) if is_seen else (10, 10)
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        mininterval=interval,
        delay=delay,  # what is quick needs none
        file=sys.stderr,
        leave=not is_seen,
        disable=not total,
    )
