"""One learner's predictions of every post: out of fold for training posts, by all models elsewhere.

Holdout and challenge posts are predicted apart: the arithmetic of a batch may change a last digit,
and no challenge post may change anything of a labelled one.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from fame import params
from fame.learners import model_files, table_files
from fame.learners.clipping import clip
from fame.posts.contract import CHALLENGE, HOLDOUT
from fame.registry import resolve_learner
from fame.runtime import files
from fame.runtime.stage import count, run


def main() -> None:
    """Load, predict, write; the record of what was written goes last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("learner")
    for name in ("table", "model", "out-of-fold", "predictions", "record"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    started = time.monotonic()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    settings = params.load()
    chosen = params.choose(settings.learners, arguments.learner, "learners")
    where = f"learners.{arguments.learner}.kind"
    model = resolve_learner(chosen.kind, "Model", where)(chosen, settings.runtime)
    model.load(arguments.model)
    table = table_files.read_score_table(arguments.table)
    prediction, clipped = np.empty(len(table.post_ids)), {}
    for part in (HOLDOUT, CHALLENGE):
        rows = np.flatnonzero(table.split == part)
        found = model.predict(table, rows)
        prediction[rows], clipped[part] = clip(
            found, model.label_range, settings.predictions.margin
        )
    table_files.join_predictions(arguments.predictions, arguments.out_of_fold, table, prediction)
    record = {
        "learner": arguments.learner,
        "posts": len(prediction),
        "clipped": clipped,
        "model_digest": files.digest_file(arguments.model / model_files.MANIFEST),
        "predictions_digest": files.digest_file(arguments.predictions),
    }
    files.write_json(arguments.record, record)
    seconds = time.monotonic() - started
    print(
        f"{arguments.learner}: {count(len(prediction), 'post')} predicted, "
        f"{sum(clipped.values())} clipped to the range of the training labels, {seconds:.0f} s"
    )


if __name__ == "__main__":
    run(main)
