import numpy as np
import pytest

from fame.features.blocks import Block, Column
from fame.gates import checks
from fame.params import LeakageParams, SplitParams
from fame.runtime import ids

IDS = np.array([str(i) for i in range(40)], dtype=object)
FOLD = np.array([0, 1] * 15 + [-1] * 10)
SETTINGS = LeakageParams(
    label_correlation=0.97, probe_posts=1000, probe_ridge=10.0, probe_deviations=5.0, seed=7
)
SPLIT = np.array(["fit"] * 30 + ["holdout"] * 10, dtype=object)


def test_an_id_in_two_parts_is_named():
    gate = checks.check_parts(np.append(IDS, "3"), np.append(SPLIT, "holdout"), {})
    assert gate.leaks == ["post 3 is in two parts: fit and holdout"]
    assert checks.check_parts(IDS, SPLIT, {"trees": (IDS[:30], IDS[30:])}).leaks == []


@pytest.mark.parametrize(
    ("fit", "others", "leak"),
    [
        (IDS[:31], IDS[31:], "post 30 is in part holdout, but table trees trains on it"),
        ([*IDS[:30], "x"], IDS[30:], "post x is in part none, but table trees trains on it"),
        (IDS[:29], IDS[29:], "post 29 is in part fit, but table trees predicts it by models"),
        (IDS[:30], IDS[29:], "post 29 is in part fit, but table trees predicts it by models"),
        (IDS[:30], [*IDS[30:], "x"], "post x is in part none, but table trees predicts it"),
        (IDS[:30], IDS[30:39], "post 39 is not in table trees"),
        (IDS[1:30], IDS[30:], "post 0 is not in table trees"),
    ],
)
def test_a_post_in_the_wrong_one_of_a_learners_tables_is_named(fit, others, leak):
    gate = checks.check_parts(IDS, SPLIT, {"trees": (fit, others)})
    assert len(gate.leaks) == 1
    assert gate.leaks[0].startswith(leak)


def check_users(users, protocol, folds_by="author"):
    settings = SplitParams(
        protocol=protocol,
        folds_by=folds_by,
        large_author_posts=None,
        holdout_fraction=0.2,
        folds=2,
        hidden_share=0.2,
        seed=1,
    )
    return checks.check_users(users, SPLIT, FOLD, settings)


def test_a_user_in_two_folds_is_named_where_the_folds_keep_users_apart():
    users = [f"u{i % 10}" for i in range(30)] + ["w"] * 10
    assert check_users(users, "user").leaks == []
    users[1] = "u0"
    gate = check_users(users, "user")
    assert gate.leaks == ["user u0 is in folds 0 and 1, which folds_by author keeps apart"]
    assert check_users(users, "user", folds_by="post").leaks == []
    large = [f"u{i % 3}" if i % 3 else "large" for i in range(40)]
    assert not any("large" in leak for leak in check_users(large, "chronological").leaks)


def test_a_user_in_fit_and_holdout_is_a_leak_under_user_and_a_fact_elsewhere():
    users = [f"u{i % 2}" for i in range(40)]
    gate = check_users(users, "user")
    assert gate.leaks[0] == "user u0 is in fit and holdout, which protocol user keeps apart"
    gate = check_users(users, "chronological")
    assert gate.leaks == []
    assert gate.facts["users_in_fit_and_holdout"] == 2


def test_a_transform_fitted_on_posts_that_it_scores_is_named():
    fit = ids.digest(IDS[:30])

    def record(**changes):
        folds = [{"fold": k, "fitted_on": ids.digest(IDS[1 - k == FOLD])} for k in (0, 1)]
        folds[1] |= changes
        return {"dae": {"fitted_on": fit, "folds": folds}}

    assert checks.check_fitted_on(IDS, FOLD, {"glove": fit, "minilm": None}, record()).leaks == []
    gate = checks.check_fitted_on(IDS, FOLD, {"glove": ids.digest(IDS)}, record())
    assert gate.leaks == ["block glove was fitted on other posts than the training posts"]
    gate = checks.check_fitted_on(IDS, FOLD, {}, record(encoder_fitted_on=fit))
    assert gate.leaks[0].startswith("learner dae: the encoder of fold 1 was not fitted on")
    assert checks.check_fitted_on(IDS, FOLD, {}, record(borders_fitted_on=fit)).leaks == []
    gate = checks.check_fitted_on(IDS, FOLD, {}, record(borders_fitted_on=ids.digest(IDS)))
    assert gate.leaks[0].startswith("learner dae: the borders of fold 1 were fitted on other posts")


def test_a_label_in_a_feature_is_named():
    label = np.random.default_rng(0).normal(size=200)
    near = label + np.random.default_rng(1).normal(0, 0.05, 200)
    other = np.random.default_rng(2).normal(size=200)
    columns = [("own.score", near, label), ("own.other", other, label)]
    gate = checks.check_labels_in_columns(iter(columns), 0.97)
    assert len(gate.leaks) == 1
    assert gate.leaks[0].startswith("column own.score is the label: |SRC| 0.99")


def test_a_vocabulary_that_knows_the_holdout_is_named():
    def block(words):
        return Block(IDS, np.zeros((40, 1)), (Column("a"),), notes={"vocabularies": words})

    rows = SPLIT == "fit"
    gate = checks.check_unchanged({"meta": block(["x"])}, {"meta": block(["y"])}, rows)
    assert gate.leaks == ["block meta: vocabularies changed with posts outside the training posts"]
    assert checks.check_unchanged({"meta": block(["x"])}, {"meta": block(["x"])}, rows).leaks == []


def test_a_row_of_a_training_post_that_changes_with_others_is_named():
    def block(values):
        return Block(IDS, np.array(values, np.float32)[:, None], (Column("a"),), notes={})

    before, rows = np.arange(40.0), SPLIT == "fit"
    before[3] = np.nan
    outside = np.where(rows, before, -1)
    gate = checks.check_unchanged({"glove": block(before)}, {"glove": block(outside)}, rows)
    assert gate.leaks == []
    inside = np.where(np.arange(40) == 7, -1, before)
    gate = checks.check_unchanged({"glove": block(before)}, {"glove": block(inside)}, rows)
    assert gate.leaks == ["block glove: rows of training posts changed with other posts"]


def test_a_column_that_knows_later_posts_is_named(make_posts):
    posts = make_posts(
        post_id=IDS.tolist(), split=SPLIT.tolist(), fold=FOLD.tolist(), posted_at=range(40)
    )

    def encode(table):
        values = np.column_stack([np.full(len(table), len(table)), np.arange(len(table))])
        columns = (Column("user_posts"), Column("user_rank"))
        return Block(IDS[: len(table)], values, columns)

    gate = checks.check_posting_time(posts, encode, ("user_",))
    assert gate.leaks == ["column user_posts changes when later posts are removed"]
    assert gate.facts["posts_removed"] == 19


@pytest.mark.parametrize("leaky", [True, False])
def test_shuffled_labels_are_learned_only_through_a_leak(leaky):
    draw = np.random.default_rng(0)
    values, label = draw.normal(size=(300, 5)), draw.normal(size=300)
    fold = np.append(np.arange(200) % 4, np.full(100, -1))
    if leaky:
        values[:, 2] = label + draw.normal(size=300)
    gate = checks.check_shuffled(label, values, fold, fold < 0, SETTINGS)
    assert bool(gate.leaks) == leaky
    if leaky:
        assert "shuffled labels are predicted: SRC 0." in gate.leaks[0]
