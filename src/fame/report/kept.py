"""Results that are made by a command of their own and kept: Table 3 and the protocols.

They carry what they were made with: of other parameters they are shown as stale, of other posts
(the sample's, beside a user's own) not at all.
"""

from pathlib import Path
from typing import Any

from fame import params
from fame.runtime import files, git

COMMANDS = {"ablation": "make ablation", "protocols": "make protocols"}


def describe(settings: params.Params, blocks: list[str], posts_digest: str) -> dict[str, Any]:
    """What a result is made with: blocks of params.yaml, and the labelled posts by their digest."""
    return params.identify(settings, blocks) | {"posts": posts_digest}


def read(
    name: str, path: Path, settings: params.Params, posts_digest: str
) -> tuple[dict[str, Any] | None, str]:
    """A kept result, and what a reader has to know of it.

    Returns:
        None and the command that makes it, where there is none of this run's posts; else the
        result, and an empty string where it is of this run's parameters, or why it is stale.
    """
    command = COMMANDS[name]
    content = files.read_json(path) if path.exists() else None
    # One that names no posts is of before they were named.
    if content is None or content["made_with"].get("posts") != posts_digest:
        return None, f"Not made for these posts; {command} makes it."
    made = content["made_with"]
    if made["digest"] == params.identify(settings, made["blocks"])["digest"]:
        return content, ""
    return content, f"STALE: made with other parameters than this run; {command} makes it anew."


def tell_origin(name: str, path: Path) -> str:
    """That a kept result is not of this run, and of when it is where git knows.

    It may be another machine's: the scores of the same model beside it differ a little then.
    """
    is_committed = git.ask("status", "--porcelain", "--", str(path)) == ""
    day = git.ask("log", "-1", "--format=%cs", "--", str(path)) if is_committed else None
    when = f", committed {day}" if day else ""
    return (
        f"Made earlier than this run, by {COMMANDS[name]}{when}: not all scores need be the same."
    )
