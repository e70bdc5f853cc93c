"""Results that are made by a command of their own and kept: Table 3 and the protocols.

They carry what they were made with; beside another run's results they are shown as stale.
"""

from pathlib import Path
from typing import Any

from fame import params
from fame.runtime import files

COMMANDS = {"ablation": "make ablation", "protocols": "make protocols"}


def describe(settings: params.Params, blocks: list[str], posts_digest: str) -> dict[str, Any]:
    """What a result is made with: blocks of params.yaml, and the labelled posts by their digest."""
    return params.identify(settings, blocks) | {"posts": posts_digest}


def read(
    name: str, path: Path, settings: params.Params, posts_digest: str
) -> tuple[dict[str, Any] | None, str]:
    """A kept result, and what a reader has to know of it.

    Returns:
        None and the command that makes it, where there is none; else the result, and an empty
        string where it is of this run's posts and parameters, or why it is stale.
    """
    command = COMMANDS[name]
    if not path.exists():
        return None, f"Not made yet: {command}."
    content = files.read_json(path)
    made = content["made_with"]
    changed = []
    if made.get("posts") != posts_digest:
        changed.append("posts")
    if made["digest"] != params.identify(settings, made["blocks"])["digest"]:
        changed.append("parameters")
    if not changed:
        return content, ""
    return (
        content,
        f"STALE: made with other {' and '.join(changed)} than this run; {command} makes it anew.",
    )
