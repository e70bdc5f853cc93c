"""One thin entry point a stage; `python -m fame.stages.<stage>` is what dvc.yaml calls."""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fame.common import io
from fame.errors import InputError

RUNS = Path("runs")
LIBRARIES = ("numpy", "pyarrow", "scipy", "torch", "transformers", "catboost", "lightgbm")


def run(main: Callable[[], dict[str, Any] | None]) -> None:
    """Call a stage; bad input ends in one line on stderr and exit status 1, no traceback.

    What a run cost, and what the stage returns of it, is kept in `runs/`, which nothing depends on
    and git ignores.
    """
    start = time.perf_counter()
    try:
        costs = main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    # DVC names the stage it runs; by hand the module's name has to do.
    name = os.environ.get("DVC_STAGE", Path(sys.argv[0]).stem).split(":")[-1]
    io.write_json(RUNS / f"{name}.json", _describe_run(time.perf_counter() - start) | (costs or {}))


def _describe_run(seconds: float) -> dict[str, object]:
    peak_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_kilobytes / 1024, 1),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {
            name: sys.modules[name].__version__ for name in LIBRARIES if name in sys.modules
        },
    }
