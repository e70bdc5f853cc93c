"""`make profile PROFILE=paper`: switch params.yaml to a valid profile and show the difference."""

import difflib
import subprocess
import sys
from pathlib import Path

from fame import params
from fame.runtime import files
from fame.runtime.errors import InputError
from fame.runtime.stage import run

PARAMS, PROFILES = Path("params.yaml"), Path("profiles")
ENTRIES = "ablation"  # no whole profile: entries that `make ablation` adds to params.yaml


def switch(name: str) -> list[str]:
    """Replace params.yaml by the profile; returns the unified difference, empty if none.

    Raises:
        InputError: no such profile, an invalid one, or params.yaml has changes that git lacks.
    """
    profile = PROFILES / f"{name}.yaml"
    allowed = sorted(path.stem for path in PROFILES.glob("*.yaml") if path.stem != ENTRIES)
    if name not in allowed:
        raise InputError(f"PROFILE={name}: no such profile; allowed: {', '.join(allowed)}")
    params.load(profile)
    before, after = PARAMS.read_text(encoding="utf-8"), profile.read_text(encoding="utf-8")
    if before != after and _has_uncommitted_changes():
        raise InputError(
            "params.yaml: has changes that are not committed and would be lost; "
            "commit or restore it first"
        )
    files.write_text(PARAMS, after)
    lines = (before.splitlines(), after.splitlines())
    return list(difflib.unified_diff(*lines, str(PARAMS), str(profile), lineterm=""))


def _has_uncommitted_changes() -> bool:
    command = ["git", "status", "--porcelain", "--", str(PARAMS)]
    status = subprocess.run(command, capture_output=True, text=True, check=False)
    if status.returncode:
        raise InputError(
            f"params.yaml: git cannot tell if it is committed: {status.stderr.strip()}"
        )
    return bool(status.stdout.strip())


def main() -> None:
    """Switch and show."""
    difference = switch(sys.argv[1])
    print("\n".join(difference) or "params.yaml is this profile already")
    print(f"params.yaml is now profiles/{sys.argv[1]}.yaml; back: git checkout params.yaml")


if __name__ == "__main__":
    run(main)
