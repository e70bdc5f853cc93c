"""What git says of this folder; None where there is no git, or no repository."""

import subprocess
from pathlib import Path


def ask(*arguments: str) -> str | None:
    """The answer to a command of git's, without its last line break; None if it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def read_committed(path: Path) -> str | None:
    """A file of this folder as it stands in the last commit; None if it is in none."""
    return ask("show", f"HEAD:./{path.as_posix()}")
