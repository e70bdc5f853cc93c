"""`make profile PROFILE=paper`: lay a profile over params.yaml and show the difference.

A profile holds only what differs. Its keys replace those of params.yaml, block by block; an entry
of `backbones`, `tables`, `learners`, `fusion.others` or a table's `reduce` that is null goes.
"""

import argparse
import difflib
import io
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from fame import params
from fame.runtime import files
from fame.runtime.errors import InputError
from fame.runtime.stage import run

PARAMS, PROFILES = Path("params.yaml"), Path("profiles")
NO_PROFILE = "ablation"  # entries that `make ablation` adds to params.yaml
NAMED_ENTRIES = ("backbones", "tables", "learners", "reduce", "others")


def switch(name: str, dry_run: bool = False) -> list[str]:
    """Lay a profile over params.yaml; returns the unified difference, empty if none.

    With ``dry_run`` nothing is written: what would be refused is refused.

    Raises:
        InputError: no such profile, an invalid one, or params.yaml has changes that git lacks.
    """
    allowed = sorted(path.stem for path in PROFILES.glob("*.yaml") if path.stem != NO_PROFILE)
    if name not in allowed:
        raise InputError(f"PROFILE={name}: no such profile; allowed: {', '.join(allowed)}")
    before, after = files.read_text(PARAMS), apply(PARAMS, PROFILES / f"{name}.yaml")
    if before != after and _has_uncommitted_changes():
        raise InputError(
            "params.yaml: has changes that are not committed and would be lost; "
            "commit or restore it first"
        )
    if not dry_run:
        files.write_text(PARAMS, after)
    lines = (before.splitlines(), after.splitlines())
    return list(difflib.unified_diff(*lines, str(PARAMS), f"{PARAMS} ({name})", lineterm=""))


def apply(base: Path, profile: Path) -> str:
    """The text of ``base`` with ``profile`` laid over it, comments kept.

    Raises:
        InputError: the outcome is not valid; names the key.
    """
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    content, overlay = yaml.load(base), yaml.load(profile)
    for block in overlay:
        if block not in content:
            raise InputError(f"{profile.name}: {block}: unknown key; allowed: {', '.join(content)}")
    _merge(content, overlay, removable=False)
    text = io.StringIO()
    yaml.dump(content, text)
    params.check(text.getvalue(), profile.name)
    return text.getvalue()


def _merge(content: CommentedMap, overlay: dict[str, Any], removable: bool) -> None:
    for key, value in overlay.items():
        if removable and value is None:
            content.pop(key, None)
        elif isinstance(value, dict) and isinstance(content.get(key), dict):
            _merge(content[key], value, removable=key in NAMED_ENTRIES)
            if not content[key]:  # one with comments and no entry would be no YAML
                content[key] = CommentedMap()
                content[key].fa.set_flow_style()
        else:
            content[key] = value


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    name = arguments.name
    difference = switch(name, arguments.dry_run)
    if arguments.dry_run:
        return
    print("\n".join(difference) or f"params.yaml: nothing of profiles/{name}.yaml differs")
    print(f"params.yaml: profiles/{name}.yaml is laid over it; back: git checkout params.yaml")


if __name__ == "__main__":
    run(main)
