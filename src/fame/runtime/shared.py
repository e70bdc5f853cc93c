"""Where experiments and variants find what the project has computed: the project's own caches.

DVC runs a queued experiment in a copy below `.dvc/tmp/exps`, a variant runs below `.workspaces`.
A folder relative to such a copy would be empty: hours of vectors would be computed again.
"""

from pathlib import Path

COPIES = ((".dvc", "tmp", "exps"), (".workspaces",))


def find_project(place: Path) -> Path:
    """The project that ``place``, an absolute path, is a copy of; itself if it is none."""
    for copies in COPIES:
        for depth in range(1, len(place.parts) - len(copies)):
            if place.parts[depth : depth + len(copies)] == copies:
                return Path(*place.parts[:depth])
    return place


def locate(folder: str) -> str:
    """A folder of a cache: as it is, or in a copy that of the project which it is a copy of."""
    here = Path.cwd()
    project = find_project(here)
    return folder if project == here else str(project / folder)
