"""Where a user's posts may lie: in a folder that the pipeline does not write."""

import os
from pathlib import Path, PurePosixPath

from fame.runtime.errors import InputError

# What the pipeline writes: a folder of posts that holds one of these would depend on itself.
WRITTEN = (
    *("data/interim", "data/features", "data/tables", "data/predictions", "models"),
    *("metrics", "reports", "runs", ".cache", ".dvc", ".git"),
)

SAMPLE = "data/raw/sample"  # what the simulator writes, anew at each run; other posts are gone then


def check_root(root: str, source: str) -> str:
    """A folder's name that DVC can take as a dependency; it is never seen by a shell.

    Args:
        root: as params.yaml has it. source: sample, smpd or table.

    Raises:
        ValueError: says what is allowed.
    """
    path = PurePosixPath(os.path.normpath(os.path.relpath(root) if root.startswith("/") else root))
    if not root.strip() or any(ord(c) < 32 for c in root) or "${" in root or "://" in root:
        raise ValueError("must be the name of a folder, without line breaks, ${ and ://")
    for name in WRITTEN if source == "sample" else (*WRITTEN, SAMPLE):
        written = PurePosixPath(name)
        is_above = set(path.parts) <= {".."}
        if is_above or path == written or path in written.parents or written in path.parents:
            raise ValueError(
                f"must be a folder of its own, as data/raw/mine: it holds or lies in {name}, "
                "which the pipeline writes"
            )
    return root


def require_folder(source: str, root: str) -> None:
    """Refuse a folder of posts that is not there.

    Args:
        source: smpd or table. root: as params.yaml has it.

    Raises:
        InputError: there is none; says what to do.
    """
    if Path(root).is_dir():
        return
    hint = "; ~ and $ stand for themselves" if root[:1] in ("~", "$") else ""
    command = {
        "smpd": "`fame init FOLDER` reads SMPD where it lies",
        "table": "`fame init FILE` puts your posts where they belong",
    }[source]
    raise InputError(
        f"params.yaml: data.root: no folder {root!r}{hint}; {command}, `dvc pull` fetches data "
        "that are under DVC"
    )
