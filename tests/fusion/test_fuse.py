import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from tests.python_process import run_python

from fame import params
from fame.fusion import combination, data_record, fusion_file, intervals, mean
from fame.fusion.combination import TrainingPosts
from fame.learners import table_files
from fame.posts.splits import number_users
from fame.runtime import files
from fame.runtime.errors import InputError
from fame.runtime.metrics import mean_absolute_error, spearman

COUNT = 60
HEADER = "phase,fold,iteration,training_mae,validation_mae\n"
ROOT = Path(__file__).parents[2]
NAMES = ("catboost", "lightgbm", "autogluon", "dae")


@pytest.fixture
def write_params(write_params):
    """Four learners and the paper's weights, whatever the defaults are."""
    known = YAML(typ="safe").load((ROOT / "params.yaml").read_text())["learners"]
    settings = {"learners": {name: known[name] for name in NAMES}, "fusion.others": {}}
    settings |= {"fusion.mode": "fixed", "fusion.by_author": False, "fusion.calibrate": False}
    settings |= dict(zip(("fusion.alpha", "fusion.beta"), (0.4, 0.35), strict=True))
    settings |= dict(zip(("fusion.gamma", "fusion.delta"), (0.15, 0.1), strict=True))
    return lambda **changes: write_params(**settings | changes)


@pytest.fixture
def posts(tmp_path, make_posts):
    split = np.array((["fit"] * 3 + ["holdout"] * 2 + ["challenge"]) * 10)
    label = np.random.default_rng(1).normal(6, 2, COUNT)
    labels = [None if part == "challenge" else x for part, x in zip(split, label, strict=True)]
    table = make_posts(
        post_id=[str(i) for i in range(COUNT)],
        user_id=[f"u{i % 7}" for i in range(COUNT)],
        split=split.tolist(),
        posted_at=list(range(COUNT)),
        fold=[i // 6 % 3 if part == "fit" else -1 for i, part in enumerate(split)],
        popularity=labels,
    )
    files.write_table(tmp_path / "posts.parquet", table)
    return split, label


@pytest.fixture
def predictions(tmp_path, posts):
    split, label = posts
    draw = np.random.default_rng(2)
    rows = pa.table({"post_id": [str(i) for i in range(COUNT)], "split": split.tolist()})
    made = {name: label + draw.normal(0, 1, COUNT) for name in NAMES}
    for name, values in made.items():
        write_predictions(tmp_path, name, rows, values)
    files.write_json(tmp_path / "leakage.json", {"passed": True})
    for name in NAMES:
        content = HEADER + f"boosting,0,1,2.0,{len(name)}\nboosting,0,2,1.5,1.6\n"
        files.write_text(tmp_path / "curves" / f"{name}.csv", content)
    blocks = params.load(ROOT / "params.yaml").backbones
    for name in (name for name, block in blocks.items() if block.reads == "images"):
        record = {"status": {"image": {"ok": 57, "missing": 2, "bomb": 1}}}
        files.write_json(tmp_path / "features" / f"{name}.json", record)
    return made


def write_predictions(folder, name, rows, values):
    path = folder / "predictions" / f"{name}.parquet"
    table_files.write_predictions(path, rows, values)
    record = {"model_digest": f"of {name}", "predictions_digest": files.digest_file(path)}
    files.write_json(folder / "records" / f"{name}.json", record)


@pytest.fixture
def fuse(run_stage, tmp_path):
    def call():
        paths = {
            "posts": "posts.parquet",
            "predictions": "predictions",
            "records": "records",
            "features": "features",
            "leakage": "leakage.json",
            "curves": "curves",
            "model": "fusion.json",
            "output": "predictions/fame.parquet",
            "metrics": "metrics.json",
            "data": "data.json",
            "plots": "plots",
        }
        run_stage("fusion.fuse", *[part for k, v in paths.items() for part in (f"--{k}", v)])
        return json.loads((tmp_path / "metrics.json").read_text())

    return call


def test_metrics_equal_a_fresh_computation_from_the_files(fuse, posts, predictions, tmp_path):
    split, label = posts
    metrics = fuse()
    holdout = split == "holdout"
    weights = {"catboost": 0.4, "lightgbm": 0.35, "autogluon": 0.15, "dae": 0.1}
    fused = sum(weights[name] * predictions[name] for name in weights)
    written = pq.read_table(tmp_path / "predictions" / "fame.parquet")
    assert written.column_names == ["post_id", "split", "prediction"]
    np.testing.assert_allclose(written["prediction"].to_numpy(), fused)
    assert metrics["weights"] == pytest.approx(weights, abs=1e-6)
    expected = {"fame": fused} | predictions
    left = {k: v for k, v in weights.items() if k != "dae"}
    expected["without_dae"] = sum(left[name] * predictions[name] for name in left) / sum(
        left.values()
    )
    for name, values in expected.items():
        assert metrics[name]["src"] == pytest.approx(
            spearman(label[holdout], values[holdout]), abs=1e-6
        )
        assert metrics[name]["mae"] == pytest.approx(
            mean_absolute_error(label[holdout], values[holdout]), abs=1e-6
        )
    data = files.read_json(tmp_path / "data.json")
    assert data["posts_holdout"] == 20
    assert data["users_holdout_seen_in_fit"] == 7
    assert data["unreadable"]["efficientnet"]["missing"] == 2
    assert data["simulated"] is False
    assert "simulated_best" not in data


@pytest.mark.usefixtures("predictions")
def test_what_compares_experiments_is_scores_and_weights_the_fusion_first(fuse):
    metrics = fuse()
    assert next(iter(metrics)) == "fame"
    left = [f"without_{name}" for name in NAMES]
    assert set(metrics) == {"fame", *NAMES, *left, "weights"}
    assert all(set(metrics[name]) == {"src", "mae"} for name in set(metrics) - {"weights"})


@pytest.mark.usefixtures("predictions")
def test_curves_are_of_the_learners_that_the_parameters_name(fuse, tmp_path):
    # A learner that was deleted leaves its files behind.
    files.write_text(tmp_path / "curves/deleted.csv", HEADER + "boosting,0,1,2.0,2.5\n")
    fuse()
    lines = (tmp_path / "plots/learning_curves.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == set(NAMES)
    assert "catboost,boosting,0,1,2.0,8" in lines


@pytest.mark.usefixtures("posts", "predictions")
def test_a_long_curve_is_thinned_and_keeps_its_ends(fuse, tmp_path):
    rows = "".join(f"boosting,0,{i},2.0,{i}\n" for i in range(1, 5001))
    files.write_text(tmp_path / "curves/dae.csv", HEADER + rows)
    fuse()
    lines = (tmp_path / "plots/learning_curves.csv").read_text().splitlines()
    steps = [int(line.split(",")[3]) for line in lines if line.startswith("dae,")]
    assert (len(steps), steps[0], steps[-1]) == (200, 1, 5000)


@pytest.mark.usefixtures("predictions")
def test_the_digest_is_of_the_labelled_posts_whatever_the_split(fuse, tmp_path):
    fuse()
    first = files.read_json(tmp_path / "data.json")["posts_digest"]
    posts = files.read_table(tmp_path / "posts.parquet")
    assert data_record.digest_posts(posts) == first
    labelled = posts.filter(pc.is_valid(posts["popularity"]))
    assert data_record.digest_posts(labelled) == first
    other = posts.set_column(posts.column_names.index("split"), "split", pa.array(["fit"] * COUNT))
    assert data_record.digest_posts(other) == first
    halved = pc.divide(posts["popularity"], 2.0)
    place = posts.column_names.index("popularity")
    assert data_record.digest_posts(posts.set_column(place, "popularity", halved)) != first


@pytest.mark.usefixtures("predictions")
def test_the_unit_stands_beside_the_scores(fuse, write_params, tmp_path):
    own = {"data.source": "table", "data.root": "own", "data.table.columns.target": "likes"}
    write_params(**own)
    fuse()
    unit = files.read_json(tmp_path / "data.json")["unit"]
    assert unit == "the target as it is given (likes)"


def test_whether_all_posts_get_the_same_prediction_is_recorded(fuse, posts, predictions, tmp_path):
    fuse()
    assert files.read_json(tmp_path / "data.json")["same_for_all"] is False
    rows = pa.table({"post_id": [str(i) for i in range(COUNT)], "split": posts[0].tolist()})
    for place, name in enumerate(predictions):
        rounded = np.full(COUNT, 6.0) + 1e-7 * (np.arange(COUNT) % 2)
        write_predictions(tmp_path, name, rows, rounded + place)
    fuse()
    assert files.read_json(tmp_path / "data.json")["same_for_all"] is True


@pytest.mark.usefixtures("predictions")
def test_weights_that_do_not_sum_to_one_are_said(fuse, write_params, capsys):
    write_params(**{"fusion.alpha": 0.4})
    fuse()
    assert "sum to 1," not in capsys.readouterr().out
    write_params(**{"fusion.alpha": 0.5})
    fuse()
    assert "the weights of the learners present sum to 1.1, not 1" in capsys.readouterr().out


def change_predictions(folder):
    """The same posts, other numbers."""
    path = folder / "predictions/dae.parquet"
    table = pq.read_table(path)
    table_files.write_predictions(path, table, table["prediction"].to_numpy() + 1)


def exchange_predictions(folder):
    """Another learner's file, whole and of the same posts."""
    shutil.copy(folder / "predictions/catboost.parquet", folder / "predictions/dae.parquet")


def change_record(folder):
    record = files.read_json(folder / "records/dae.json")
    digest = record["predictions_digest"]
    record["predictions_digest"] = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    files.write_json(folder / "records/dae.json", record)


@pytest.mark.parametrize("change", [change_predictions, exchange_predictions, change_record])
@pytest.mark.usefixtures("predictions")
def test_predictions_that_are_not_the_learners_are_refused(fuse, tmp_path, change):
    change(tmp_path)
    with pytest.raises(
        InputError, match=r"dae\.parquet: not the predictions that its learner wrote"
    ):
        fuse()
    assert not (tmp_path / "metrics.json").exists()
    assert not (tmp_path / "predictions" / "fame.parquet").exists()


@pytest.mark.usefixtures("predictions")
def test_predictions_without_a_record_are_refused(fuse, tmp_path):
    (tmp_path / "records/dae.json").unlink()
    with pytest.raises(InputError, match=r"records/dae\.json: "):
        fuse()
    assert not (tmp_path / "metrics.json").exists()


def test_the_ranges_of_the_plots_hold_every_value(fuse, predictions, tmp_path):
    fuse()
    lines = (tmp_path / "plots" / "densities.csv").read_text().splitlines()[1:]
    mass = {}
    for line in lines:
        model, _, density = line.split(",")
        mass[model] = mass.get(model, 0) + float(density) * 0.5
    assert mass == pytest.approx(dict.fromkeys(["true", "fame", *predictions], 1), abs=1e-3)
    assert len((tmp_path / "plots" / "predicted_true.csv").read_text().splitlines()) == 21


@pytest.mark.usefixtures("predictions")
def test_it_runs_without_heavy_libraries(fuse, tmp_path):
    fuse()
    names = ["posts", "predictions", "records", "features", "output", "metrics", "plots"]
    names += ["curves", "model", "data"]
    places = dict(zip(names, names, strict=True)) | {"posts": "posts.parquet"}
    places |= {"leakage": "leakage.json"}
    arguments = [part for name, place in places.items() for part in (f"--{name}", place)]
    code = f"import sys; sys.argv[1:] = {arguments}\n"
    code += "from fame.fusion import fuse; fuse.main(); print('loaded', *sys.modules)"
    said = run_python(code, cwd=tmp_path)
    loaded = {name.split(".")[0] for name in said.splitlines()[-1].split()}
    assert "pyarrow" in loaded
    heavy = {"torch", "transformers", "catboost", "lightgbm", "sklearn", "scipy", "matplotlib"}
    assert loaded & (heavy | {"pandas", "pandera"}) == set()


def read_training(folder, label):
    """What the fusion is learned on: all authors are known."""
    table = files.read_table(folder / "posts.parquet").to_pandas()
    fit = (table["split"] == "fit").to_numpy()
    fold, author = table["fold"].to_numpy()[fit], number_users(table["user_id"][fit].tolist())
    return TrainingPosts(label[fit], np.ones(fit.sum(), bool), fold, author)


def test_learned_weights_come_from_the_fit_rows_alone(
    fuse, posts, predictions, write_params, tmp_path, capsys
):
    split, label = posts
    write_params(**{"fusion.mode": "learned"})
    metrics = fuse()
    assert "fusion: learned weights: " in capsys.readouterr().out
    fit = split == "fit"
    own = {name: values[fit] for name, values in predictions.items()}
    expected = combination.choose_weights(read_training(tmp_path, label), own, "mae")
    assert metrics["weights"] == pytest.approx(expected, abs=1e-6)
    nested = files.read_json(tmp_path / "data.json")["nested"]
    assert set(nested) == {"src", "mae"}
    fused = mean.fuse(own, expected)
    # Nested weights did not see the rows: they cannot beat those that did.
    assert nested["mae"] >= mean_absolute_error(label[fit], fused)


def test_intervals_of_a_learned_fusion_are_of_posts_that_it_did_not_see(
    fuse, posts, predictions, write_params, tmp_path
):
    split, label = posts
    rows = pa.table({"post_id": [str(i) for i in range(COUNT)], "split": split.tolist()})
    for name in NAMES[1:]:  # far off, so that weights and line are learned
        predictions[name] = 3 - 2 * predictions[name]
        write_predictions(tmp_path, name, rows, predictions[name])
    write_params(**{"fusion.mode": "learned", "fusion.calibrate": True})
    fuse()
    fit = split == "fit"
    own = {name: values[fit] for name, values in predictions.items()}
    training, settings = (
        read_training(tmp_path, label),
        params.load(tmp_path / "params.yaml").fusion,
    )
    nested = combination.nest(training, own, settings)
    expected = intervals.fit(np.abs(label[fit] - nested), training.known, settings.intervals)
    written = fusion_file.read(tmp_path / "fusion.json")
    assert written["intervals"]["known"] == expected["known"]
    assert written["reach"] == [label[fit].min(), label[fit].max()]


@pytest.mark.usefixtures("predictions")
def test_what_leaks_is_not_scored(fuse, tmp_path):
    files.write_json(tmp_path / "leakage.json", {"passed": False})
    with pytest.raises(InputError, match="a gate found a leak; nothing is scored"):
        fuse()
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.usefixtures("predictions")
def test_calibration_has_a_point_a_tenth(fuse, tmp_path):
    fuse()
    lines = (tmp_path / "plots" / "calibration.csv").read_text().splitlines()
    assert lines[0] == "model,predicted,true"
    points = [line.split(",") for line in lines if line.startswith("fame,")]
    assert len(points) == 10
    assert [float(p[1]) for p in points] == sorted(float(p[1]) for p in points)
