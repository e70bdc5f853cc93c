import json

import pytest
from PIL import Image

METRICS = {
    "fame": {"src": 0.71, "mae": 1.21},
    "dae": {"src": 0.5, "mae": 1.9},
    "without_dae": {"src": 0.7, "mae": 1.2},
    "median": {"src": 0.0, "mae": 2.0},
    "simulated_best": {"src": 0.86, "mae": 0.98},
    "weights": {"dae": 1.0},
    "data": {"simulated": True, "posts_fit": 80, "posts_holdout": 20, "posts_challenge": 5},
}


@pytest.fixture
def report(run_stage, tmp_path):
    plots, curves = tmp_path / "plots", tmp_path / "curves"
    plots.mkdir()
    curves.mkdir()
    (plots / "densities.csv").write_text(
        "model,popularity,density\ntrue,1,0.5\ntrue,2,0.5\nfame,1,0.1\nfame,2,0.9\n"
    )
    (plots / "predicted_true.csv").write_text("true,predicted\n1,2\n3,4\n")
    (curves / "dae.csv").write_text(
        "phase,fold,iteration,training_mae,validation_mae\n"
        "1,0,1,2.0,2.1\n1,0,2,1.9,2.0\n2,0,1,1.8,1.9\n2,1,1,1.7,1.8\n"
    )

    def call(metrics=METRICS):
        (tmp_path / "metrics.json").write_text(json.dumps(metrics))
        names = {"metrics": "metrics.json", "figures": "figures", "results": "results.md"}
        names |= {"plots": "plots", "curves": "curves"}
        run_stage("report", *[part for k, v in names.items() for part in (f"--{k}", v)])
        return (tmp_path / "results.md").read_text()

    return call


def test_every_figure_is_drawn_and_the_same_twice(report, tmp_path):
    report()
    first = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert set(first) == {"densities.png", "predicted_true.png", "learning_curve_dae.png"}
    for name in first:
        with Image.open(tmp_path / "figures" / name) as image:
            assert len(image.convert("L").getcolors()) > 10
    report()
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}


def test_the_published_number_stands_beside_ours(report):
    text = report()
    assert "| FAME (fused) | 0.7100 | 1.2100 | 0.7543 | 1.1607 |" in text
    assert "| FAME without dae | 0.7000 | 1.2000 | 0.7511 | 1.1711 |" in text
    assert "| dae (weight 1.000) | 0.5000 | 1.9000 | - | - |" in text


def test_simulated_numbers_are_called_simulated(report):
    text = report()
    assert "SRC, simulated sample" in text
    assert "All posts are simulated" in text
    real = METRICS | {"data": METRICS["data"] | {"simulated": False}}
    assert "simulated" not in report(real)
