"""Whether the committed scores are another machine's: a comparison with them mixes two things."""

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fame.runtime import files, git

METRICS, LOCK = Path("metrics/metrics.json"), Path("dvc.lock")
COMMIT = 'git commit -m "Results of this machine" -- dvc.lock metrics reports'


def describe() -> str:
    """What to do where this machine's scores are not the committed ones, with all else the same.

    "" where they agree, where code, parameters or data are not those of the committed run (then the
    difference is the change's), and where nothing is committed.
    """
    scores, lock = git.read_committed(METRICS), git.read_committed(LOCK)
    if not (scores and lock and METRICS.exists() and LOCK.exists()):
        return ""
    before, now = json.loads(scores), files.read_json(METRICS)
    if before == now or _list_inputs(lock) != _list_inputs(files.read_text(LOCK)):
        return ""
    src, mae = (now["fame"][metric] - before["fame"][metric] for metric in ("src", "mae"))
    return (
        "this machine's results differ from the committed ones, with the same code, parameters and "
        f"data: FAME's SRC by {src:+.2g}, its MAE by {mae:+.2g}. Commit them, and comparisons show "
        f"your changes alone:\n  {COMMIT}"
    )


def _list_inputs(lock: str) -> dict[str, Any]:
    """Stage -> its command, its parameters and the digests of what no stage makes."""
    stages = YAML(typ="safe").load(lock)["stages"]
    made = [Path(out["path"]) for entry in stages.values() for out in entry.get("outs", [])]

    def is_made(path: Path) -> bool:
        return any(path.is_relative_to(out) or out.is_relative_to(path) for out in made)

    return {
        name: (
            entry["cmd"],
            entry.get("params"),
            {
                d["path"]: d.get("md5")
                for d in entry.get("deps", [])
                if not is_made(Path(d["path"]))
            },
        )
        for name, entry in stages.items()
    }
