"""How many cores a process may use."""

import warnings
from typing import Any, Literal


def count_cores() -> int:
    """The machine's cores, or fewer where the process's affinity or its cgroup allows fewer.

    A share of a core counts as one. LOKY_MAX_CPU_COUNT in the environment lowers the number.
    """
    with warnings.catch_warnings():
        # joblib warns on a full disk that it cannot make a semaphore, of which counting needs none.
        warnings.simplefilter("ignore", UserWarning)
        from joblib import cpu_count  # here: whoever names a number does not wait for it

    return cpu_count()


def choose_cores(wanted: int | Literal["auto"]) -> int:
    """A number as it is; ``auto`` are the cores there are."""
    return count_cores() if wanted == "auto" else wanted


def check_cores(found: Any) -> Any:
    """``auto`` or a number of cores.

    Raises:
        ValueError: it is neither.
    """
    if found != "auto" and (type(found) is not int or found < 1):
        raise ValueError("must be 'auto' or a whole number of 1 or more")
    return found
