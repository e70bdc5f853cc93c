import json

import numpy as np
import pyarrow as pa
import pytest

from fame import params
from fame.features import block_files, meta
from fame.features.blocks import Column
from fame.features.encoding import encode
from fame.gates import leakage
from fame.learners import table_files
from fame.posts.contract import DESCRIPTIONS
from fame.runtime import arrays, files, ids
from fame.runtime.errors import InputError

COUNT = 300
SPLIT = np.array((["fit"] * 4 + ["holdout"]) * 50 + ["challenge"] * 50, dtype=object)


class Case:
    """The artefacts of a small run without a leak; a test plants one and runs the gates."""

    def __init__(self, folder, make_posts, run_stage, write_params):
        self.folder, self.run_stage = folder, run_stage
        tables = {"own": {"blocks": ["meta"], "reduce": None, "dtype": "float32"}}
        write_params(**{"backbones": {}, "tables": tables})
        path = folder / "params.yaml"
        text = path.read_text()
        for table in ("trees", "text_image", "stack"):
            text = text.replace(f"table: {table}", "table: own")
        path.write_text(text)
        draw = np.random.default_rng(0)
        self.fold = np.full(COUNT, -1)
        self.fold[SPLIT == "fit"] = (np.arange(COUNT) // 5 % 4)[SPLIT == "fit"]
        self.users = [f"u{i // 5}" for i in range(COUNT)]
        self.label = draw.normal(6, 2, COUNT)
        self.columns = {
            "post_id": [f"{i:03d}" for i in range(COUNT)],
            "posted_at": list(range(COUNT)),
            "category": draw.choice(["x", "y"], COUNT).tolist(),
            "title": ["a title"] * COUNT,
            "tags": [["a"]] * COUNT,
            "longitude": draw.normal(size=COUNT).tolist(),
        }
        self.make_posts = make_posts
        self.records = {}

    def build(self):
        hidden = [
            None if part == "challenge" else x for x, part in zip(self.label, SPLIT, strict=True)
        ]
        self.posts = self.make_posts(
            **self.columns,
            user_id=self.users,
            split=SPLIT.tolist(),
            fold=self.fold.tolist(),
            popularity=hidden,
        )
        files.write_table(self.folder / "posts.parquet", self.posts)
        files.write_batches(self.folder / "descriptions.arrow", DESCRIPTIONS, [])
        settings = params.load(self.folder / "params.yaml")
        descriptions = DESCRIPTIONS.empty_table()
        self.block = encode(meta.Meta(settings.meta, descriptions=descriptions), self.posts)
        post_ids, fold = self.block.post_ids, self.fold
        for name in settings.learners:
            folds = [
                {"fold": k, "fitted_on": ids.digest(post_ids[(fold >= 0) & (fold != k)])}
                for k in range(4)
            ]
            self.records[name] = {"fitted_on": ids.digest(post_ids[fold >= 0]), "folds": folds}

    def run(self, split=SPLIT):
        (self.folder / "features/meta").mkdir(parents=True)
        block_files.write_block(self.folder / "features/meta", self.block)
        columns = [Column(f"meta.{c.name}", c.categorical) for c in self.block.columns]
        for name, chosen, own in (
            ("fit", split == "fit", ["post_id", "fold", "popularity"]),
            ("score", split != "fit", ["post_id", "split"]),
        ):
            folder = self.folder / "tables/own" / name
            folder.mkdir(parents=True)
            rows = self.posts.filter(pa.array(chosen)).select(own)
            values = [self.block.values[chosen]]
            table_files.write_table(folder, rows, columns, values, "float32")
        for name, record in self.records.items():
            files.write_json(self.folder / "learners" / f"{name}.json", record)
        names = {"posts": "posts.parquet", "descriptions": "descriptions.arrow"}
        names |= {"features": "features", "tables": "tables", "learners": "learners"}
        arguments = [part for pair in names.items() for part in (f"--{pair[0]}", pair[1])]
        self.run_stage("gates.leakage", *arguments, "--output", "leakage.json")

    def report(self):
        return json.loads((self.folder / "leakage.json").read_text())


@pytest.fixture
def case(tmp_path, make_posts, run_stage, write_params):
    return Case(tmp_path, make_posts, run_stage, write_params)


def test_nothing_is_found_where_nothing_leaks(case):
    case.build()
    case.run()
    report = case.report()
    assert report["passed"]
    assert len(report["gates"]) == 9


def test_a_label_in_a_feature_stops_the_pipeline(case):
    case.columns["longitude"] = case.label.tolist()
    case.build()
    with pytest.raises(InputError, match=r"label_in_a_feature: column meta.geo_longitude is the"):
        case.run()
    assert not case.report()["passed"]


def test_holdout_rows_in_a_vocabulary_stop_the_pipeline(case, monkeypatch):
    case.columns["category"][4] = "only in the holdout"
    fit, transform = meta.Meta.fit, meta.Meta.transform
    monkeypatch.setattr(meta.Meta, "fit", lambda *_: None)
    monkeypatch.setattr(
        meta.Meta, "transform", lambda own, posts: fit(own, posts) or transform(own, posts)
    )
    case.build()
    with pytest.raises(
        InputError, match="outside_the_training_posts: block meta: vocabularies changed"
    ):
        case.run()


def test_the_same_user_in_two_folds_stops_the_pipeline(case):
    case.users[5] = case.users[0]
    case.build()
    with pytest.raises(InputError, match="users: user u0 is in folds 0 and 1"):
        case.run()


def test_an_id_in_two_parts_stops_the_pipeline(case):
    case.build()
    split = SPLIT.copy()
    split[0] = "holdout"
    with pytest.raises(InputError, match="parts: post 000 is in part fit, but table own predicts"):
        case.run(split)


def test_a_model_that_saw_its_fold_stops_the_pipeline(case):
    case.build()
    case.records["dae"]["folds"][2]["fitted_on"] = case.records["dae"]["fitted_on"]
    with pytest.raises(InputError, match="fitted_on: learner dae: the model of fold 2"):
        case.run()


def test_a_feature_of_later_posts_stops_the_pipeline(case, monkeypatch):
    def count_posts(posts):
        return {"user_posts_in_all": np.full(len(posts), float(len(posts)))}

    monkeypatch.setitem(meta.GROUPS, "user", count_posts)
    case.build()
    with pytest.raises(InputError, match="posting_time: column user_posts_in_all changes when"):
        case.run()


def test_a_feature_of_the_training_posts_labels_stops_the_pipeline(case, monkeypatch):
    """An encoder sees those: shuffled, they would teach what they are."""

    def encode_target(posts):
        label = arrays.to_numbers(posts["popularity"])
        noise = np.random.default_rng(0).normal(0, 2, len(label))
        return {"profile_mean": np.nan_to_num(label) + noise}

    monkeypatch.setitem(meta.GROUPS, "profile", encode_target)
    case.build()
    with pytest.raises(InputError, match="shuffled_labels: shuffled labels are predicted"):
        case.run()


def test_a_label_of_the_holdout_reaches_no_feature(case, monkeypatch):
    """Even of an encoder that would take it: it is given none."""

    def encode_label(posts):
        label = arrays.to_numbers(posts["popularity"])
        outside = arrays.to_strings(posts["split"]) != "fit"
        return {"profile_label": np.where(outside, label, 0)}

    monkeypatch.setitem(meta.GROUPS, "profile", encode_label)
    case.build()
    place = [column.name for column in case.block.columns].index("profile_label")
    assert np.isnan(case.block.values[SPLIT != "fit", place]).all()
    case.run()
    assert case.report()["passed"]


def test_labelled_posts_are_drawn_from_each_table(case):
    case.build()
    case.run()
    settings = params.load(case.folder / "params.yaml").leakage
    few = settings.model_copy(update={"probe_posts": 100})
    fit, score = leakage.read_pair(case.folder / "tables/own")
    labelled = dict(zip(case.columns["post_id"], case.label, strict=True))
    for post_id in score.post_ids[score.split == "challenge"]:
        del labelled[post_id]
    drawn = leakage.find_labelled(fit, labelled, few)
    assert len(set(drawn.tolist())) == 100
    np.testing.assert_array_equal(drawn, np.sort(drawn))
    drawn = leakage.find_labelled(score, labelled, few)
    assert set(score.split[drawn]) == {"holdout"}
    assert len(drawn) == 50
    name, values, label = next(leakage.read_columns({"own": (fit, score)}, labelled, few))
    assert (name, len(values), len(label)) == ("meta.category", 150, 150)
