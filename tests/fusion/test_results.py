import hashlib

from fame.fusion import results
from fame.runtime import files

METRICS = {
    "fame": {"src": 0.7543, "mae": 1.1607},
    "dae": {"src": 0.5, "mae": 1.9},
    "catboost": {"src": 0.7, "mae": 1.2},
    "without_dae": {"src": 0.7, "mae": 1.2},
    "without_catboost": {"src": 0.5, "mae": 1.9},
    "weights": {"dae": 0.2, "catboost": 0.8},
}
UNIT = "log2(likes + 1)"
DATA = {"simulated": False, "posts_fit": 800, "posts_holdout": 200}
DATA |= {"median": {"src": 0.0, "mae": 2.0}}

BIG = {"src": 0.1, "mae": 98765.4321}


def test_models_stand_as_in_the_metrics_the_fusion_first():
    lines = results.render(METRICS, DATA, UNIT).splitlines()
    assert lines[0] == "holdout: 200 held-out posts that nothing was fitted on, 800 training posts"
    assert lines[1] == "MAE in units of log2(likes + 1)"
    assert lines[3].split() == ["FAME", "0.7543", "1.1607", "1.000"]
    assert lines[4].split() == ["dae", "0.5000", "1.9000", "0.200"]
    assert [line.partition("  ")[0] for line in lines[5:]] == [
        *("catboost", "FAME without dae", "FAME without catboost", "median of the training posts")
    ]
    assert "simulated" not in results.render(METRICS, DATA, UNIT).lower()


def test_few_held_out_posts_are_said_to_be_few():
    assert "few held-out posts" not in results.render(METRICS, DATA, UNIT)
    text = results.render(METRICS, DATA | {"posts_holdout": 20}, UNIT)
    assert text.splitlines()[2].startswith("few held-out posts")


def test_a_learner_without_a_weight_is_said_to_change_nothing():
    assert "weight is 0" not in results.render(METRICS, DATA, UNIT)
    one = {"catboost": 1.0, "dae": 0.0}
    text = results.render(METRICS | {"weights": one}, DATA, UNIT)
    assert "FAME without dae is FAME as it is: its weight is 0." in text.splitlines()
    three = results.describe_idle(one | {"tabm": 0.0, "ridge": 0.0})
    assert three == "FAME without dae, tabm and ridge is FAME as it is: their weights are 0."


def test_simulated_numbers_are_called_simulated():
    best = {"simulated": True, "simulated_best": {"src": 0.86, "mae": 0.98}}
    text = results.render(METRICS, DATA | best, UNIT)
    assert text.startswith("SIMULATED sample")
    assert "upper bound on held-out posts  0.8600  0.9800" in text


def test_columns_of_large_numbers_stay_apart():
    large = METRICS | {"dae": {"src": 0.5, "mae": 1234567890.123}, "without_dae": BIG}
    lines = results.render(large, DATA | {"median": BIG}, UNIT).splitlines()
    row = next(line for line in lines if line.startswith("dae"))
    assert row.split() == ["dae", "0.5000", "1.23457e+09", "0.200"]
    row = next(line for line in lines if line.startswith("median"))
    assert row.split()[-2:] == ["0.1000", "98765.4321"]


def test_a_page_of_another_run_is_said_to_be_one(tmp_path, monkeypatch, capsys, write_params):
    monkeypatch.chdir(tmp_path)
    write_params()
    for name in ("metrics", "reports"):
        (tmp_path / name).mkdir()
    files.write_json(results.METRICS, METRICS)
    files.write_json(results.DATA, DATA)
    results.PAGE.write_text("<html>")
    lines = ["stages:", "  report:"]
    for part, paths in (("deps", (results.METRICS, results.DATA)), ("outs", (results.PAGE,))):
        lines.append(f"    {part}:")
        for path in paths:
            digest = hashlib.md5(path.read_bytes()).hexdigest()
            lines += [f"    - path: {path}", f"      md5: {digest}"]
    text = "\n".join(lines) + "\n"
    results.LOCK.write_text(text)
    results.main()
    assert capsys.readouterr().out.splitlines()[-1] == "report: reports/report.html"
    for path, content in (
        (results.METRICS, METRICS | {"fame": {"src": 0.7, "mae": 1.2}}),
        (results.DATA, DATA | {"posts_fit": 9}),
    ):
        before = path.read_bytes()
        files.write_json(path, content)
        results.main()
        assert ", of another run; make repro draws it anew\n" in capsys.readouterr().out
        path.write_bytes(before)
    results.PAGE.write_text("<html> of another commit")
    results.main()
    assert ", of another run; make repro draws it anew\n" in capsys.readouterr().out
