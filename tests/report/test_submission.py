import copy
import json

import numpy as np
import pyarrow as pa
import pytest

from fame import params
from fame.learners import table_files
from fame.report import submission
from fame.runtime import files
from fame.runtime.errors import InputError

GOOD = submission.compose(np.array(["7", "12"], dtype=object), np.array([2.13456, 3.0]), "weights")


def test_the_challenges_form():
    assert GOOD == {
        "version": "VERSION 1.2",
        "result": [
            {"post_id": "post7", "popularity_score": 2.1346},
            {"post_id": "post12", "popularity_score": 3.0},
        ],
        "external_data": {"used": "true", "details": "weights"},
    }
    summary = submission.check(GOOD, {"7", "12"}, "s.json")
    assert (summary["posts"], summary["lowest"], summary["highest"]) == (2, 2.1346, 3.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["result"].pop(), "1 challenge posts are missing, first 7"),
        (lambda c: c["result"].append(c["result"][0]), "result 3: post 12 is there twice"),
        (lambda c: c["result"][0].update(post_id="post9"), "post 9 is no challenge post"),
        (lambda c: c["result"][0].update(popularity_score=float("nan")), "expected a finite"),
        (lambda c: c["result"][0].update(popularity_score="3"), "expected a finite number"),
        (lambda c: c.pop("version"), "expected the keys"),
    ],
)
def test_what_the_challenge_would_refuse(change, message):
    content = copy.deepcopy(GOOD)
    content["result"].reverse()
    change(content)
    with pytest.raises(InputError, match=message):
        submission.check(content, {"7", "12"}, "s.json")


def test_challenge_posts_alone_are_submitted(run_stage, make_posts, tmp_path):
    split = ["fit", "challenge", "holdout", "challenge"]
    posts = make_posts(post_id=list("abcd"), split=split, fold=[0, -1, -1, -1])
    files.write_table(tmp_path / "posts.parquet", posts)
    rows = pa.table({"post_id": list("abcd"), "split": split})
    table_files.write_predictions(tmp_path / "fame.parquet", rows, np.arange(4.0))
    run_stage(
        *("report.submission", "--posts", "posts.parquet", "--prediction", "fame.parquet"),
        *("--output", "submission.json", "--summary", "summary.json"),
    )
    content = json.loads((tmp_path / "submission.json").read_text())
    details = content["external_data"]["details"]
    assert details.startswith("frozen pretrained backbones: ")
    assert "efficientnet" in details
    written = content["result"]
    assert [(row["post_id"], row["popularity_score"]) for row in written] == [
        ("postb", 1.0),
        ("postd", 3.0),
    ]
    assert json.loads((tmp_path / "summary.json").read_text())["posts"] == 2


def test_only_backbones_of_a_learners_table_are_declared(tmp_path, write_params):
    tables = {
        "wide": {"blocks": ["meta", "glove", "minilm"], "reduce": None, "dtype": "float32"},
        "narrow": {"blocks": ["minilm"], "reduce": None, "dtype": "float32"},
        "idle": {"blocks": ["efficientnet"], "reduce": None, "dtype": "float32"},
    }
    learner = {"kind": "dae", "table": "narrow", "seed": 1}
    write_params(tables=tables, learners={"dae": learner, "other": learner | {"table": "wide"}})
    settings = params.load(tmp_path / "params.yaml", kinds=False)
    assert submission.list_backbones(settings) == ["glove", "minilm"]
    del settings.learners["other"]
    assert submission.list_backbones(settings) == ["minilm"]
