"""`make profile PROFILE=paper`: lay a profile over params.yaml and show the difference.

A profile holds only what differs. Its keys replace those of params.yaml, block by block; an entry
of `backbones`, `tables`, `learners`, `fusion.others` or a table's `reduce` that is null goes.
"""

import argparse
import difflib
import io
import subprocess
from collections.abc import Sequence
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


def switch(name: str) -> list[str]:
    """Lay a profile over params.yaml; returns the unified difference, empty if none.

    Raises:
        InputError: as `propose`.
    """
    before, after = propose(name)
    files.write_text(PARAMS, after)
    lines = (before.splitlines(), after.splitlines())
    return list(difflib.unified_diff(*lines, str(PARAMS), f"{PARAMS} ({name})", lineterm=""))


def propose(name: str, skipped: Sequence[str] = ()) -> tuple[str, str]:
    """The text of params.yaml, and with a profile laid over it, but for blocks that are skipped.

    Raises:
        InputError: no such profile, an invalid one, or params.yaml has changes that git lacks.
    """
    allowed = sorted(path.stem for path in PROFILES.glob("*.yaml") if path.stem != NO_PROFILE)
    if name not in allowed:
        raise InputError(f"PROFILE={name}: no such profile; allowed: {', '.join(allowed)}")
    before, after = files.read_text(PARAMS), apply(PARAMS, PROFILES / f"{name}.yaml", skipped)
    if before != after and _has_uncommitted_changes():
        raise InputError(
            "params.yaml: has changes that are not committed and would be lost; "
            "commit or restore it first"
        )
    return before, after


def apply(base: Path, profile: Path, skipped: Sequence[str] = ()) -> str:
    """The text of ``base`` with ``profile`` laid over it but for some blocks, comments kept.

    Where both have the same source, the folder of ``base`` stays: `fame init` has found it.

    Raises:
        InputError: the outcome is not valid; names the key.
    """
    yaml = make_yaml()
    content, overlay = yaml.load(base), yaml.load(profile)
    for block in overlay:
        if block not in content:
            raise InputError(f"{profile.name}: {block}: unknown key; allowed: {', '.join(content)}")
    chosen = {block: value for block, value in overlay.items() if block not in skipped}
    if chosen.get("data", {}).get("source") == content["data"]["source"]:
        chosen["data"].pop("root", None)
    _merge(content, chosen, removable=False)
    text = io.StringIO()
    yaml.dump(content, text)
    params.check(text.getvalue(), profile.name)
    return text.getvalue()


def make_yaml() -> YAML:
    """Reads and writes params.yaml so that comments, quotes and lines stay as they are."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


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
    name = parser.parse_args().name
    before = params.load(PARAMS, kinds=False).data
    difference = switch(name)
    if not difference:
        print(f"params.yaml: nothing of profiles/{name}.yaml differs; it is unchanged")
        return
    print("\n".join(difference))
    after = params.load(PARAMS, kinds=False).data
    if after.describe() != before.describe():
        print(f"params.yaml: reads {after.describe()}; before: {before.describe()}")
    print(f"params.yaml: profiles/{name}.yaml is laid over it; back: git checkout params.yaml")


if __name__ == "__main__":
    run(main)
