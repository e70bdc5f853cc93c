"""Progress of long work: a bar on a terminal, gone at its end; in a log a line now and then."""

import sys
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

LOG_SECONDS = 30  # between two lines; a training of hours leaves a hundred of them an hour
LOG_FORMAT = "{desc}: {percentage:.0f}%, {n_fmt} of {total_fmt} [{elapsed}, {remaining} to go]"


class _LogBar(tqdm):  # type: ignore[type-arg]
    """Whole lines, each with its end, where carriage returns would pile up."""

    @staticmethod
    def status_printer(file: TextIO) -> Callable[[str], None]:
        def write(text: str) -> None:
            file.write(f"{text}\n")
            file.flush()

        return write

    def close(self) -> None:
        """Write the last state, if there is one to see, and nothing after it."""
        if not self.disable and self.last_print_t >= self.start_t + self.delay:
            self.display()
        self.sp = None  # what tqdm would write with: blanks and a carriage return
        super().close()


def bar(total: int, description: str, unit: str) -> "tqdm[Any]":
    """A tqdm bar on stderr with rate and remaining time; use it as a context manager.

    Of nothing to do there is none.
    """
    common = {"total": total, "desc": description, "unit": unit, "file": sys.stderr}
    # What is quick needs none: it begins after `delay` seconds.
    if sys.stderr.isatty():
        return tqdm(**common, mininterval=0.2, delay=1, leave=False, disable=not total)
    return _LogBar(
        **common,
        mininterval=LOG_SECONDS,
        maxinterval=LOG_SECONDS,
        delay=10,
        bar_format=LOG_FORMAT,
        disable=not total,
    )
