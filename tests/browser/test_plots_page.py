"""`dvc plots` without a network: the page that .dvc/config names, with the plots of dvc.yaml."""

from pathlib import Path

from dvc_render.html import render_html
from dvc_render.vega import VegaRenderer
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ROWS = {
    "densities": [{"model": "fame", "popularity": x, "density": x * x} for x in range(5)],
    "predicted_true": [{"true": x, "predicted": x + 1} for x in range(5)],
    "calibration": [{"model": "fame", "predicted": x, "true": x} for x in range(5)],
    "learning_curves": [
        {"learner": name, "phase": "1", "fold": fold, "iteration": x, "validation_mae": 2 - x / 9}
        for name in ("catboost", "dae")
        for fold in range(2)
        for x in range(5)
    ],
}


COUNT_BLANK = """
const pixels = (x) => x.getContext("2d").getImageData(0, 0, x.width, x.height).data;
return [...document.querySelectorAll("canvas")].filter((x) => !pixels(x).some((y) => y)).length;
"""


def list_plots():
    entries = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["plots"]
    return [item for entry in entries for item in entry.items()]


def test_dvcs_plots_are_drawn_offline(browser, tmp_path):
    renderers = []
    for path, settings in list_plots():
        rows = [
            row | {"rev": rev} for rev in ("HEAD", "workspace") for row in ROWS[Path(path).stem]
        ]
        folder = str(ROOT / ".dvc/plots")
        renderers.append(VegaRenderer(rows, path, template_dir=folder, **settings))
    page = render_html(renderers, tmp_path / "index.html", ROOT / ".dvc/plots.html")
    browser.open(Path(page).as_uri())
    browser.wait(f"return document.querySelectorAll('canvas, svg.marks').length >= {len(ROWS)}")
    assert browser.list_requests() == []
    assert browser.list_complaints() == []
    assert browser.run(COUNT_BLANK) == 0
