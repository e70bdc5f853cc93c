"""Progress of long work: a bar on a terminal, gone at its end; in a log a line now and then."""

import sys
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

from fame.runtime.processes import find_stage

LOG_SECONDS = 30  # between two lines; a training of hours leaves a hundred of them an hour
LOG_FORMAT = (
    "{desc}: {percentage:.0f}%, {n_fmt} of {total_fmt} {unit} [{elapsed}, {remaining} to go]"
)
BAR_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]"


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
    """A tqdm bar on stderr with the remaining time; use it as a context manager.

    Of nothing to do there is none.

    Args:
        total: how many there are.
        description: what is done with them, below the stage, which is named before it.
        unit: what is counted, in the plural.
    """
    said = ": ".join(part for part in (find_stage(), description) if part)
    common = {"total": total, "desc": said, "unit": unit, "file": sys.stderr}
    # What is quick needs none: it begins after `delay` seconds.
    if sys.stderr.isatty():
        return tqdm(
            **common,
            mininterval=0.2,
            delay=1,
            leave=False,
            bar_format=BAR_FORMAT,
            disable=not total,
        )
    return _LogBar(
        **common,
        mininterval=LOG_SECONDS,
        maxinterval=LOG_SECONDS,
        delay=10,
        bar_format=LOG_FORMAT,
        disable=not total,
    )
