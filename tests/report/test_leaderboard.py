import csv

from fame.report.leaderboard import NONE, collect
from fame.runtime import files

MODELS = [
    {"model": "CatBoost_BAG_L1", "layer": 1, "validation_mae": 1.5},
    {"model": "WeightedEnsemble_L3", "layer": 3, "validation_mae": 1.25},
]


def write_learners(write_params, *names):
    write_params(
        learners={name: {"kind": "catboost", "table": "trees", "seed": 7} for name in names}
    )


def test_models_of_stacks_are_listed_with_the_seconds_that_are_known(
    tmp_path, run_stage, write_params
):
    files.write_json(tmp_path / "learners" / "stack.json", {"leaderboard": MODELS})
    files.write_json(tmp_path / "learners" / "catboost.json", {"folds": []})
    # Of a learner that was deleted from params.yaml.
    files.write_json(tmp_path / "learners" / "old.json", {"leaderboard": MODELS})
    write_learners(write_params, "stack", "catboost")
    seconds = {"fit_seconds": {"CatBoost_BAG_L1": 0.0}}
    files.write_json(tmp_path / "runs" / "train@stack.json", seconds)
    run_stage("report.leaderboard", "--learners=learners", "--runs=runs", "--output=board.csv")
    with (tmp_path / "board.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {
                "learner": "stack",
                "layer": "1",
                "model": "CatBoost_BAG_L1",
                "validation_mae": "1.5",
                "fit_seconds": "0.0",
            },
            {
                "learner": "stack",
                "layer": "3",
                "model": "WeightedEnsemble_L3",
                "validation_mae": "1.25",
                "fit_seconds": "",
            },
        ]


def test_learners_stand_in_the_order_of_params(tmp_path):
    for name in ("stack", "autogluon"):
        files.write_json(tmp_path / f"{name}.json", {"leaderboard": MODELS[:1]})
    rows = collect(["stack", "autogluon"], tmp_path, tmp_path)
    assert [row["learner"] for row in rows] == ["stack", "autogluon"]


def test_without_a_stack_the_table_is_empty_and_why_is_said(
    tmp_path, run_stage, write_params, capsys
):
    write_learners(write_params, "catboost")
    files.write_json(tmp_path / "learners" / "catboost.json", {"folds": []})
    run_stage("report.leaderboard", "--learners=learners", "--runs=runs", "--output=board.csv")
    assert (tmp_path / "board.csv").read_text() == (
        "learner,layer,model,validation_mae,fit_seconds\n"
    )
    assert capsys.readouterr().out == f"leaderboard: {NONE}\n"
