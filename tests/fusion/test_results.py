from fame.fusion import results

METRICS = {
    "fame": {"src": 0.7543, "mae": 1.1607},
    "dae": {"src": 0.5, "mae": 1.9},
    "catboost": {"src": 0.7, "mae": 1.2},
    "without_dae": {"src": 0.7, "mae": 1.2},
    "without_catboost": {"src": 0.5, "mae": 1.9},
    "median": {"src": 0.0, "mae": 2.0},
    "weights": {"catboost": 0.8, "dae": 0.2},
    "data": {"simulated": False, "posts_fit": 80, "posts_holdout": 20},
}


def test_the_last_line_is_the_fusion():
    lines = results.render(METRICS).splitlines()
    assert lines[0] == "holdout: 20 held-out posts that nothing was fitted on, 80 posts to fit on"
    assert lines[2].split() == ["catboost", "0.7000", "1.2000", "0.800"]
    assert lines[-1].split() == ["FAME", "0.7543", "1.1607", "1.000"]
    assert "simulated" not in results.render(METRICS).lower()


def test_simulated_numbers_are_called_simulated():
    data = METRICS["data"] | {"simulated": True}
    text = results.render(METRICS | {"data": data, "simulated_best": {"src": 0.86, "mae": 0.98}})
    assert text.startswith("SIMULATED sample")
    assert "best reachable (simulated truth)    0.8600   0.9800" in text
