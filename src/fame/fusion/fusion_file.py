"""models/fusion.json: how the learners are fused and what that is worth, with a digest of its own.

No manifest records it, so that an experiment on the fusion runs the fusion alone.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fame.runtime import files
from fame.runtime.errors import InputError

DIGEST = "digest"
# Of metrics/data.json, what the fusion's scores stand beside.
BESIDE = {"median", "known_authors", "new_authors", "posts_holdout", "simulated"}


def write(path: Path, content: dict[str, Any]) -> None:
    """The content, JSON-able, and its digest."""
    files.write_json(path, content | {DIGEST: _digest(content)})


def read(path: Path) -> dict[str, Any]:
    """What `write` was given.

    Raises:
        InputError: no such file, or not as it was written.
    """
    content = files.read_json(path)
    if not isinstance(content, dict) or content.pop(DIGEST, None) != _digest(content):
        raise InputError(
            f"{path}: not the file that was saved (damaged or changed); export the bundle again, "
            "or run `dvc repro`"
        )
    return content


def list_scores(metrics: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Of a holdout: the fusion's scores, the constant's beside it, the coverage of intervals.

    Args:
        metrics: metrics/metrics.json. record: metrics/data.json.
    """
    chosen = {name for name in record if name.startswith("interval_")} | BESIDE & record.keys()
    return {"fame": metrics["fame"]} | {name: record[name] for name in chosen}


def list_models(records: Path, learners: Iterable[str]) -> dict[str, str]:
    """Learner -> digest of the manifest of its models, by the record of its predictions."""
    return {name: files.read_json(records / f"{name}.json")["model_digest"] for name in learners}


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
