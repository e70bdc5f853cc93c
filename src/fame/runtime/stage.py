"""How a stage runs: its exit status, one line for what a user can fix, what the run cost."""

import logging
import os
import platform
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fame.runtime import files
from fame.runtime.dvc_lock import keep_locks
from fame.runtime.errors import InputError
from fame.runtime.processes import Interrupts, find_stage, tell_signal
from fame.runtime.readable import (
    count as count,  # of a last line: how it is written retrains nothing
)
from fame.runtime.versions import list_versions

RUNS = Path("runs")
# Read by libraries when they are imported, also in the processes that a stage starts.
QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "PYTHONWARNINGS": "ignore",
}


def run(main: Callable[[], dict[str, Any] | None]) -> None:
    """Call a stage; what a user can fix ends in one line on stderr, no traceback.

    The exit status is 1 for bad input and for a place that cannot be written to, 130 for Ctrl-C
    and 143 for SIGTERM. What a run cost, and what the stage returns of it, is kept in `runs/`,
    which nothing depends on and git ignores.
    """
    interrupts = Interrupts()
    try:
        with interrupts:
            _run(main, interrupts)
    except KeyboardInterrupt:  # on the way in or out, where `_run` could not see it
        _end(interrupts.number or signal.SIGINT)


def _run(main: Callable[[], dict[str, Any] | None], interrupts: Interrupts) -> None:
    start = time.perf_counter()
    # DVC names the stage it runs; by hand the module's name has to do.
    name = find_stage() or Path(sys.argv[0]).stem
    try:
        if "DVC_STAGE" in os.environ:
            silence_libraries()
            keep_locks()
        costs = main() or {}
        files.write_json(RUNS / f"{name}.json", _describe_run(time.perf_counter() - start) | costs)
    except BaseException as error:
        number = interrupts.number
        if number is None and isinstance(error, KeyboardInterrupt):
            number = signal.SIGINT
        if number:
            _end(number)
        told = _explain(error)
        if told is None:
            raise
        print(told, file=sys.stderr)
        sys.exit(1)


def _end(number: int) -> NoReturn:
    tell_signal(number)
    sys.exit(128 + number)


def silence_libraries() -> None:
    """What libraries tell of themselves is not for the one who runs the pipeline.

    A stage says what a person has to know itself; errors, and Python's own warnings of a library
    that ask for an act of ours, come through in the tests.
    """
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def _explain(error: BaseException) -> str | None:
    """One line about what a user can fix, None for anything else."""
    if isinstance(error, InputError):
        return f"error: {error}"
    if isinstance(error, OSError) and error.errno in files.UNWRITABLE:
        place = error.filename2 or error.filename or "a file"  # a copy's second one is written
        return f"error: {place}: {os.strerror(error.errno)}; fix this and rerun"
    return None


def _describe_run(seconds: float) -> dict[str, object]:
    peak_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_kilobytes / 1024, 1),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": list_versions(),
    }
