import hashlib
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fame.fusion import results
from fame.runtime import dvc_lock, files

METRICS = {
    "fame": {"src": 0.7543, "mae": 1.1607},
    "dae": {"src": 0.5, "mae": 1.9},
    "catboost": {"src": 0.7, "mae": 1.2},
    "without_dae": {"src": 0.7, "mae": 1.2},
    "without_catboost": {"src": 0.5, "mae": 1.9},
    "weights": {"dae": 0.2, "catboost": 0.8},
}
DATA = {"simulated": False, "posts_fit": 800, "posts_holdout": 200, "unit": "log2(likes + 1)"}
DATA |= {"median": {"src": 0.0, "mae": 2.0}}

BIG = {"src": 0.1, "mae": 98765.4321}


def test_models_stand_as_in_the_metrics_the_fusion_first():
    lines = results.render(METRICS, DATA).splitlines()
    assert lines[0] == "holdout: 200 held-out posts that nothing was fitted on, 800 training posts"
    assert lines[1] == "MAE in units of log2(likes + 1)"
    assert lines[3].split() == ["FAME", "0.7543", "1.1607", "1.000"]
    assert lines[4].split() == ["dae", "0.5000", "1.9000", "0.200"]
    assert [line.partition("  ")[0] for line in lines[5:]] == [
        *("catboost", "FAME without dae", "FAME without catboost", "median of the training posts")
    ]
    assert "simulated" not in results.render(METRICS, DATA).lower()


def test_few_held_out_posts_are_said_to_be_few():
    assert "few held-out posts" not in results.render(METRICS, DATA)
    text = results.render(METRICS, DATA | {"posts_holdout": 20})
    assert text.splitlines()[2].startswith("few held-out posts")


def test_a_learner_without_a_weight_is_said_to_change_nothing():
    assert "weight is 0" not in results.render(METRICS, DATA)
    one = {"catboost": 1.0, "dae": 0.0}
    text = results.render(METRICS | {"weights": one}, DATA)
    assert "FAME without dae is FAME as it is: its weight is 0." in text.splitlines()
    three = results.describe_idle(one | {"tabm": 0.0, "ridge": 0.0})
    assert three == "FAME without dae, tabm and ridge is FAME as it is: their weights are 0."


def test_simulated_numbers_are_called_simulated():
    best = {"simulated": True, "simulated_best": {"src": 0.86, "mae": 0.98}}
    text = results.render(METRICS, DATA | best)
    assert text.startswith("SIMULATED sample")
    assert "upper bound on held-out posts  0.8600  0.9800" in text


def test_columns_of_large_numbers_stay_apart():
    large = METRICS | {"dae": {"src": 0.5, "mae": 1234567890.123}, "without_dae": BIG}
    lines = results.render(large, DATA | {"median": BIG}).splitlines()
    row = next(line for line in lines if line.startswith("dae"))
    assert row.split() == ["dae", "0.5000", "1,234,567,890", "0.200"]
    row = next(line for line in lines if line.startswith("median"))
    assert row.split()[-2:] == ["0.1000", "98,765"]


def test_that_nothing_tells_the_posts_apart_is_said():
    assert results.SAME_FOR_ALL not in results.render(METRICS, DATA | {"same_for_all": False})
    text = results.render(METRICS, DATA | {"same_for_all": True})
    assert results.SAME_FOR_ALL in text.splitlines()


def test_one_post_is_no_plural():
    text = results.render(METRICS, DATA | {"posts_holdout": 1, "posts_fit": 2000})
    assert text.startswith(
        "holdout: 1 held-out post that nothing was fitted on, 2,000 training posts\n"
    )


FEATURES = Path("metrics/features")
POSTS = Path("data/interim/posts.parquet")


def record(path):
    """As dvc.lock has a file or a folder."""
    if path.is_dir():
        return {"path": str(path), "md5": dvc_lock.digest_folder(path)}
    return {"path": str(path), "md5": hashlib.md5(path.read_bytes()).hexdigest()}


@pytest.fixture
def finished(tmp_path, monkeypatch, write_params):
    """A run that is through: its scores, its page, and what the two locks have of it."""
    monkeypatch.chdir(tmp_path)
    write_params()
    for folder in (FEATURES, POSTS.parent, Path("reports")):
        folder.mkdir(parents=True)
    files.write_json(FEATURES / "glove.json", {})
    POSTS.write_bytes(b"posts")
    files.write_json(results.METRICS, METRICS)
    files.write_json(results.DATA, DATA)
    results.PAGE.write_text("<html>")
    settings = YAML(typ="safe").load(results.PARAMS.read_text())
    ingest = {"params": {"params.yaml": {"data.source": settings["data"]["source"]}}}
    fuse = {
        "params": {"params.yaml": {"learners": settings["learners"]}},
        "deps": [record(FEATURES), record(POSTS), {"path": "deps/fuse", "md5": "of code"}],
        "outs": [record(results.METRICS), record(results.DATA)],
    }
    report = {"deps": [record(results.METRICS), record(results.DATA)]}
    report["outs"] = [record(results.PAGE)]
    for path, stages in (
        (results.LOCK, {"ingest": ingest, "fuse": fuse}),
        (results.REPORT_LOCK, {"report": report}),
    ):
        with path.open("w") as file:
            YAML().dump({"stages": stages}, file)


def show(capsys):
    results.main()
    return capsys.readouterr().out.splitlines()


def write_dataset(write_params):
    """`fame init` of other posts; nothing has run since."""
    write_params(**{"data.source": "table", "data.root": "own", "learners.dae.seed": 5})


EARLIER = "these scores are of an earlier run, since which {}; make repro makes new ones"


@pytest.mark.usefixtures("finished")
def test_scores_of_this_run_are_shown_without_a_word(capsys):
    assert show(capsys)[-2:] == [
        *("median of the training posts  0.0000  2.0000", "report: reports/report.html")
    ]


@pytest.mark.usefixtures("finished")
def test_another_simulation_is_told_and_another_way_to_draw_is_not(capsys, write_params):
    recorded = YAML(typ="safe").load(results.LOCK.read_text())
    settings = YAML(typ="safe").load(results.PARAMS.read_text())
    sample, drawn = settings["data"]["sample"], settings["report"]["scatter_posts"]
    recorded["stages"]["simulate"] = {"params": {"params.yaml": {"data.sample": sample}}}
    recorded["stages"]["fuse"]["params"]["params.yaml"]["report.scatter_posts"] = drawn
    with results.LOCK.open("w") as file:
        YAML().dump(recorded, file)
    write_params(**{"report.scatter_posts": drawn + 1})
    assert not any("earlier run" in line for line in show(capsys))
    write_params(**{"data.sample.seed": 9})
    assert EARLIER.format("params.yaml (data.sample) has changed") in show(capsys)


@pytest.mark.usefixtures("finished")
def test_scores_of_other_parameters_keep_their_unit_and_are_said_to_be_earlier(
    capsys, write_params
):
    write_dataset(write_params)
    lines = show(capsys)
    assert lines[1] == "MAE in units of log2(likes + 1)"
    assert EARLIER.format("params.yaml (data.source, learners) has changed") in lines


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: POSTS.write_bytes(b"others"), str(POSTS)),
        (POSTS.unlink, str(POSTS)),
        (lambda: files.write_json(FEATURES / "glove.json", {"x": 1}), str(FEATURES)),
        (lambda: files.write_json(results.DATA, DATA | {"posts_fit": 9}), str(results.DATA)),
    ],
)
def test_scores_of_before_a_run_that_failed_are_said_to_be_earlier(capsys, change, named):
    """It has read other posts, or was stopped while it read them, or made other features."""
    change()
    assert EARLIER.format(f"{named} has changed") in show(capsys)


@pytest.mark.usefixtures("finished")
def test_scores_that_came_with_git_are_said_nothing_of(capsys):
    shutil.rmtree("data")
    assert "earlier run" not in "\n".join(show(capsys))


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("path", "content"),
    [
        (results.METRICS, METRICS | {"fame": {"src": 0.7, "mae": 1.2}}),
        (results.DATA, DATA | {"posts_fit": 9}),
        (results.PAGE, "<html> of another commit"),
    ],
)
def test_a_page_of_another_run_is_said_to_be_one(capsys, path, content):
    assert "another run" not in "\n".join(show(capsys))
    files.write_json(path, content)
    assert show(capsys)[-1].endswith(", of another run; make repro draws it anew")
