"""Whether the committed scores are another machine's: a comparison with them mixes two things."""

import json
from pathlib import Path
from typing import Any

from fame.runtime import dvc_lock, files, git
from fame.runtime.readable import show_change

METRICS, LOCK = Path("metrics/metrics.json"), Path(dvc_lock.LOCK)
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
    stages_before, stages = dvc_lock.parse_stages(lock), dvc_lock.read_stages(LOCK)
    if before == now or dvc_lock.list_inputs(stages_before) != dvc_lock.list_inputs(stages):
        return ""
    src, mae = (
        show_change(now["fame"][metric] - before["fame"][metric]) for metric in ("src", "mae")
    )
    return (
        "this machine's results differ from the committed ones, with the same code, parameters and "
        f"data: FAME's SRC by {src}, its MAE by {mae}{_name_furthest(before, now)}. Commit them, "
        f"and comparisons show your changes alone:\n  {COMMIT}"
    )


def _name_furthest(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The learner whose MAE differs most, which the fusion's hardly shows; "" if none does."""
    changes = {
        name: now[name]["mae"] - before[name]["mae"] for name in now["weights"] if name in before
    }
    furthest = max(changes, key=lambda name: abs(changes[name]), default=None)
    if furthest is None or changes[furthest] == 0:
        return ""
    return f"; of the learners most {furthest}'s, its MAE by {show_change(changes[furthest])}"
