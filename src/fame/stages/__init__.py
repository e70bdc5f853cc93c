"""One thin entry point a stage; `python -m fame.stages.<stage>` is what dvc.yaml calls."""

import sys
from collections.abc import Callable

from fame.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Call a stage; bad input ends in one line on stderr and exit status 1, no traceback."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
