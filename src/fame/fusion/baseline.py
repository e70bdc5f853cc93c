"""Whether the committed scores are another machine's: a comparison with them mixes two things."""

import json
from pathlib import Path

from fame.runtime import dvc_lock, files, git

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
    src, mae = (now["fame"][metric] - before["fame"][metric] for metric in ("src", "mae"))
    return (
        "this machine's results differ from the committed ones, with the same code, parameters and "
        f"data: FAME's SRC by {src:+.2g}, its MAE by {mae:+.2g}. Commit them, and comparisons show "
        f"your changes alone:\n  {COMMIT}"
    )
