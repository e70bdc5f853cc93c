import numpy as np
import pyarrow as pa
import pytest

from fame import params
from fame.learners import table_files
from fame.runtime import files
from fame.runtime.metrics import mean_absolute_error, spearman
from fame.variants import protocols


def test_scores_come_from_the_prediction_files(tmp_path, make_posts, write_params):
    write_params(**{"report.resamples": 50})
    draw = np.random.default_rng(0)
    label, split = draw.normal(6, 2, 60), ["fit", "holdout"] * 30
    posts = make_posts(
        post_id=[str(i) for i in range(60)],
        user_id=[f"u{i % 9}" for i in range(60)],
        split=split,
        fold=[0] * 60,
        popularity=label.tolist(),
    )
    files.write_table(tmp_path / protocols.POSTS, posts)
    predictions = {name: label + draw.normal(0, 1, 60) for name in ("dae", "fame")}
    rows = pa.table({"post_id": posts["post_id"], "split": posts["split"]})
    for name, values in predictions.items():
        table_files.write_predictions(tmp_path / f"data/predictions/{name}.parquet", rows, values)
    settings = params.load(tmp_path / "params.yaml").report
    content = protocols.score(tmp_path, ["dae", "fame"], settings)
    scores = content["scores"]
    held = np.arange(60) % 2 == 1
    for name, values in predictions.items():
        found = scores[name]
        mae = mean_absolute_error(label[held], values[held])
        assert found["mae"] == pytest.approx(mae, abs=1e-6)
        src = spearman(label[held], values[held])
        assert found["src"] == pytest.approx(src, abs=1e-6)
        assert found["mae_interval"][0] < mae < found["mae_interval"][1]
    assert content["drawn"] == "posts"  # of nine authors, all of one day
    line = protocols.describe("user", content, settings)
    assert line.endswith("95% of 50 resamples of posts)")
