import copy
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from fame.features.blocks import Column
from fame.fusion import fusion_file
from fame.learners import table_files
from fame.registry import BACKBONES, resolve
from fame.report import submission
from fame.runtime import files
from fame.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
GOOD = submission.compose(
    np.array(["7", "12"], dtype=object), np.array([2.13456, 3.0]), ["minilm", "vilt"]
)


DETAILS = "frozen pretrained backbones: minilm, vilt"


def test_the_challenges_form():
    assert GOOD == {
        "version": "VERSION 1.2",
        "result": [
            {"post_id": "post7", "popularity_score": 2.1346},
            {"post_id": "post12", "popularity_score": 3.0},
        ],
        "external_data": {"used": "true", "details": DETAILS},
    }
    summary = submission.check(GOOD, {"7", "12"}, "s.json")
    assert (summary["posts"], summary["lowest"], summary["highest"]) == (2, 2.1346, 3.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["result"].pop(), "1 challenge post missing, first 7"),
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


@pytest.fixture
def submit(run_stage, make_posts, write_params, tmp_path):
    """Four posts, two of the challenge; two learners, of which `idle` has no weight."""

    def call(**columns):
        split = ["fit", "challenge", "holdout", "challenge"]
        posts = make_posts(post_id=list("abcd"), split=split, fold=[0, -1, -1, -1])
        files.write_table(tmp_path / "posts.parquet", posts)
        rows = pa.table({"post_id": list("abcd"), "split": split})
        table_files.write_predictions(tmp_path / "fame.parquet", rows, np.arange(4.0))
        known = YAML(typ="safe").load((ROOT / "params.yaml").read_text())["learners"]["dae"]
        learners = {name: known | {"table": name} for name in columns}
        table = {"blocks": ["meta"], "reduce": None, "dtype": "float32"}
        write_params(learners=learners, tables=dict.fromkeys(columns, table), **{"fusion.delta": 1})
        shares = {name: float(name != "idle") for name in columns}
        weights = {"known": shares, "new": shares}
        fusion_file.write(tmp_path / "fusion.json", {"weights": weights})
        for name, names in columns.items():
            folder = tmp_path / "tables" / name / table_files.SCORE_FOLDER
            folder.mkdir(parents=True)
            table_files.write_table(
                folder,
                rows.filter(pa.array([part != "fit" for part in split])),
                [Column(column) for column in names],
                [np.zeros((3, len(names)), np.float32)],
                "float32",
            )
        run_stage(
            *("report.submission", "--posts", "posts.parquet", "--prediction", "fame.parquet"),
            *("--tables", "tables", "--fusion", "fusion.json"),
            *("--output", "submission.json", "--summary", "summary.json"),
        )
        return json.loads((tmp_path / "submission.json").read_text())

    return call


def test_challenge_posts_alone_are_submitted(submit, tmp_path):
    written = submit(dae=["meta.hour"])["result"]
    assert [(row["post_id"], row["popularity_score"]) for row in written] == [
        ("postb", 1.0),
        ("postd", 3.0),
    ]
    assert json.loads((tmp_path / "summary.json").read_text())["posts"] == 2


def test_only_pretrained_backbones_with_a_column_that_the_fusion_reads_are_declared(submit):
    """Not one without a column, nor numbers that know no weights, nor those of an idle learner."""
    columns = ["meta.hour", "minilm.title_pca_0", "image_stats.width", "pixel_stats.luma"]
    columns += ["char_ngrams.title_0", "history.posts"]
    declared = submit(dae=columns, idle=["efficientnet.image_0"])["external_data"]
    assert declared == {"used": "true", "details": "frozen pretrained backbones: minilm"}


def test_without_a_pretrained_backbone_no_external_data_is_declared(submit):
    declared = submit(dae=["meta.hour", "image_stats.width"])["external_data"]
    assert declared == {"used": "false", "details": "none"}


def test_backbones_with_weights_of_others_are_pretrained():
    found = {
        kind
        for kind in BACKBONES
        if submission.is_pretrained(resolve(BACKBONES, kind, "backbones"))
    }
    assert found == {"glove", "minilm", "efficientnet", "vilt", "blip", "clip"}
