import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from fame import params
from fame.features.blocks import Block, Column
from fame.features.encoders.history import History
from fame.features.encoders.past import Past
from fame.features.encoding import encode
from fame.features.meta import Meta
from fame.gates import label_checks, leakage
from fame.learners.contract import FitTable, ScoreTable
from fame.posts.contract import DESCRIPTIONS
from fame.runtime import arrays, ids

COUNT, FOLDS = 400, 4
HISTORY = {"kind": "history", "reads": "posts", "recent_posts": 5}
HISTORY |= {"prior_posts": 2.0, "half_life_posts": 3.0, "trend_posts": 20, "trend_ridge": 10.0}
FIT = np.arange(COUNT) % 5 < 3
PARTS = np.where(FIT, "fit", np.where(np.arange(COUNT) % 5 == 3, "holdout", "challenge"))


@pytest.fixture
def posts(make_posts):
    draw = np.random.default_rng(0)
    author = draw.integers(0, 20, COUNT)
    label = draw.normal(6, 2, COUNT) + author / 5
    return make_posts(
        post_id=[f"{i:03d}" for i in range(COUNT)],
        user_id=[f"u{i}" for i in author],
        # Pairs of posts of one time.
        posted_at=(np.arange(COUNT) // 2 * 86_400).tolist(),
        split=PARTS.tolist(),
        author_hidden=(FIT & (draw.random(COUNT) < 0.2)).tolist(),
        fold=np.where(FIT, author % FOLDS, -1).tolist(),
        popularity=[None if part == "challenge" else x for x, part in zip(label, PARTS, strict=1)],
        title=["a title"] * COUNT,
        tags=[["a"]] * COUNT,
    )


def encode_history(posts):
    return encode(History(History.Params.model_validate(HISTORY), None), posts)


def check_times(posts, read=encode_history):
    return label_checks.check_label_times(posts, {"history": read}, seed=3)


def check_rows(posts, read=encode_history):
    changed = arrays.to_numbers(posts["popularity"])
    changed[~FIT] = 20 - changed[~FIT]
    relabelled = leakage.set_column(posts, "popularity", pa.array(changed, from_pandas=True))
    stored = {"history": read(posts)}
    return label_checks.check_label_rows(posts, relabelled, {"history": read}, stored)


def look_ahead(monkeypatch, days):
    """The planted leak: labels of up to so many days after the post, or of its own time."""
    find = Past.find
    monkeypatch.setattr(
        Past, "find", lambda self, author, now: find(self, author, now + round(days * 86_400))
    )


def test_history_passes(posts):
    for gate in (check_times(posts), check_rows(posts)):
        assert gate.leaks == []
        assert gate.facts["blocks"] == ["history"]
    assert check_times(posts).facts["cuts"] == 3


@pytest.mark.parametrize("days", [2, 30, 10_000])
def test_a_label_of_the_same_or_a_later_time_is_found(posts, monkeypatch, days):
    look_ahead(monkeypatch, days)
    [first, *_] = check_times(posts).leaks
    assert first.startswith("block history: column ")
    assert first.endswith(" knows labels or posts of the same or a later time")


def test_a_count_of_all_posts_is_found_too(posts):
    """It holds no label, but posts that are not known yet."""

    def count(table):
        training = table.filter(pc.equal(table["split"], "fit"))
        found = training.group_by("user_id").aggregate([("post_id", "count")])
        numbers = dict(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))
        values = [[numbers.get(user, 0)] for user in table["user_id"].to_pylist()]
        return Block(np.empty(0), np.array(values, np.float32), (Column("count"),))

    assert len(check_times(posts, count).leaks) == 1


def test_posts_without_a_time_have_no_cut(posts):
    nowhere = pa.nulls(COUNT, posts["posted_at"].type)
    gate = check_times(
        posts.set_column(posts.column_names.index("posted_at"), "posted_at", nowhere)
    )
    assert gate.leaks == []
    assert gate.facts["cuts"] == 0


def read_all_labels(table):
    """The planted leak: fitted on whatever has a label."""
    encoder = History(History.Params.model_validate(HISTORY), None)
    encoder.fit(table)
    return encoder.transform(table)


def test_a_label_outside_the_training_posts_is_found(posts):
    leaks = check_rows(posts, read_all_labels).leaks
    assert leaks[0] == "block history: column mean changes with labels outside the training posts"


def test_posts_beside_the_training_posts_are_found(posts):
    def count(table):
        values = np.full((len(table), 1), len(table), np.float32)
        return Block(np.empty(0), values, (Column("count"),))

    expected = "block history: column count changes for training posts with the posts beside them"
    assert check_rows(posts, count).leaks == [expected]


@pytest.fixture
def run_gates(posts, write_params, tmp_path):
    """All gates on a run whose one table is meta and history."""
    tables = {"own": {"blocks": ["meta", "history"], "reduce": None, "dtype": "float32"}}
    write_params(**{"backbones": {"history": HISTORY}, "tables": tables})
    path = tmp_path / "params.yaml"
    text = path.read_text()
    for table in ("trees", "text_image", "stack"):
        text = text.replace(f"table: {table}", "table: own")
    path.write_text(text)

    def call():
        settings = params.load(path)
        blocks = {"meta": encode(Meta(settings.meta), posts), "history": encode_history(posts)}
        columns = tuple(
            Column(f"{name}.{column.name}", column.categorical)
            for name, block in blocks.items()
            for column in block.columns
        )
        values = np.hstack([block.values for block in blocks.values()])
        post_ids, fold = arrays.to_strings(posts["post_id"]), posts["fold"].to_numpy()
        label = arrays.to_numbers(posts["popularity"])
        parts = {"columns": columns, "texts": {}, "images": {}}
        fit = FitTable(
            **(parts | {"post_ids": post_ids[FIT], "values": values[FIT]}),
            **{"fold": fold[FIT], "popularity": label[FIT]},
        )
        score = ScoreTable(
            **(parts | {"post_ids": post_ids[~FIT], "values": values[~FIT]}), split=PARTS[~FIT]
        )
        seen = {"fitted_on": ids.digest(post_ids[FIT])}
        folds = [
            {"fold": k, "fitted_on": ids.digest(post_ids[FIT & (fold != k)])} for k in range(FOLDS)
        ]
        records = dict.fromkeys(settings.learners, seen | {"folds": folds})
        empty = pa.Table.from_batches([], DESCRIPTIONS)
        return leakage.run_gates(settings, posts, empty, blocks, {"own": (fit, score)}, records)

    return call


def test_all_gates_pass_with_history_on(run_gates):
    gates = run_gates()
    assert {name: gate.leaks for name, gate in gates.items() if gate.leaks} == {}
    assert gates["labels_of_earlier_posts"].facts["blocks"] == ["history"]
    assert gates["labels_of_training_posts"].facts["blocks"] == ["history"]


def test_a_planted_future_label_stops_the_pipeline(run_gates, monkeypatch):
    look_ahead(monkeypatch, 10)
    leaking = {name for name, gate in run_gates().items() if gate.leaks}
    assert "labels_of_earlier_posts" in leaking


def test_a_planted_label_of_the_post_itself_stops_the_pipeline(run_gates, monkeypatch):
    look_ahead(monkeypatch, 1 / 86_400)
    leaking = {name for name, gate in run_gates().items() if gate.leaks}
    assert leaking & {"labels_of_earlier_posts", "shuffled_labels", "label_in_a_feature"}


def test_a_planted_holdout_label_stops_the_pipeline(run_gates, monkeypatch):
    monkeypatch.setattr(leakage, "encode_anew", lambda *given: read_all_labels(given[-1]))
    leaking = {name for name, gate in run_gates().items() if gate.leaks}
    assert "labels_of_training_posts" in leaking
