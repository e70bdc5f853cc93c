import base64
import io
import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from ruamel.yaml import YAML
from tests.pictures import encode

from fame import params
from fame.fusion import fusion_file
from fame.learners import table_files
from fame.report import charts, figures, kept, sections, shown_posts
from fame.report.evaluate import find_densities
from fame.report.report import order_models
from fame.report.vega import scripts
from fame.runtime import files as stored

ROOT = Path(__file__).parents[2]

METRICS = {
    "fame": {"src": 0.71, "mae": 1.21},
    "dae": {"src": 0.5, "mae": 1.9},
    "without_dae": {"src": 0.7, "mae": 1.2},
    "weights": {"dae": 1.0},
}
DATA = {
    "simulated": True,
    "posts_fit": 80,
    "posts_holdout": 20,
    "posts_challenge": 5,
    "median": {"src": 0.0, "mae": 2.0},
    "simulated_best": {"src": 0.86, "mae": 0.98},
    "unreadable": {"efficientnet": {"missing": 2, "bomb": 1}},
    "posts_digest": "of these posts",
    "interval_80": {"coverage": 0.78, "width": 4.0, "coverage_known": 0.8},
}
SCORE = {"src": 0.71, "mae": 1.21, "src_interval": [0.6, 0.8], "mae_interval": [1.1, 1.3]}
GROUP = {"name": "<b>x</b>", "posts": 3, "mae": 1.5, "bias": -0.2}
GROUPS = [GROUP, GROUP | {"name": "y"}]
BOTH = {"src": 0.7, "mae": 1.2}
WAY = {"weights": {"dae": 1.0}, "out_of_fold": BOTH, "holdout": BOTH}
EVALUATION = {
    "confidence": 0.95,
    "resamples": 100,
    "drawn": "authors",
    "pairs": 0.74,
    "scores": {"dae": SCORE, "fame": SCORE},
    "fusions": dict.fromkeys(("mean", "fixed", "learned_mae", "learned_src"), WAY),
    "densities": {
        "posts": {"challenge": 30, "holdout": 20},
        "part": "challenge",
        "grid": [1, 2, 3],
        "series": {"dae": {"peak": 2.0, "density": [0.1, 0.8, 0.1]}},
    },
    "breakdown": dict.fromkeys(("category", "author", "posts_per_user", "time"), GROUPS),
}
CELLS = [
    {"row": "vilt", "learner": "dae", "entry": "dae_on_vilt", "blocks": ["minilm"]} | BOTH,
    {"row": "meta_blip", "learner": "lightgbm", "entry": "x", "blocks": ["meta", "blip"]} | BOTH,
]
FILES = {
    "plots/predicted_true.csv": "true,predicted\n1,2\n3,4\n",
    "plots/calibration.csv": "model,predicted,true\nfame,1,2\nfame,3,4\n",
    "plots/learning_curves.csv": "learner,phase,fold,iteration,training_mae,validation_mae\n"
    "dae,1,0,1,2.0,2.1\ndae,1,0,2,1.9,2.0\ndae,2,0,1,1.8,1.9\ndae,2,1,1,1.7,1.8\n",
    "importance/dae.json": '{"learner": "dae", "method": "permutation", "blocks": {"minilm": 0.1},'
    '"columns": {"minilm.title_7": 0.1}}',
    "leaderboard.csv": "learner,layer,model,validation_mae,fit_seconds\n"
    "autogluon,1,CatBoost_BAG_L1,1.6,12.5\nautogluon,3,WeightedEnsemble_L3,1.5,\n",
    "leakage.json": '{"passed": true, "gates": {"users": {"passed": true, "leaks": [], "n": 3}}}',
    "submission.json": '{"posts": 2, "lowest": 1.0, "highest": 3.0, "mean": 2.0}',
}


@pytest.fixture
def report(run_stage, write_params, make_posts, tmp_path):
    def call(
        data=DATA,
        source="sample",
        ablation=True,
        protocols=True,
        learner="dae",
        evaluation=EVALUATION,
        posts=8,
        fusion="fixed",
        label=float,
        metrics=METRICS,
        **own,
    ):
        known = YAML(typ="safe").load((ROOT / "params.yaml").read_text())["learners"]
        root = "data/raw/sample" if source == "sample" else "own"
        mode = {"data.source": source, "data.root": root, "fusion.mode": fusion}
        write_params(**mode | own | {"learners": {learner: known[learner]}})
        for name, content in FILES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
        for name in ("ablation", "protocols"):
            (tmp_path / name).mkdir(exist_ok=True)
        settings = params.load(tmp_path / "params.yaml")
        if ablation:
            made = kept.describe(settings, ["data", "tables"], "of these posts")
            cells = {"simulated": True, "cells": CELLS, "made_with": made}
            (tmp_path / "ablation/cells.json").write_text(json.dumps(cells))
        if protocols:
            scores = {"scores": EVALUATION["scores"]}
            compared = {
                "confidence": 0.95,
                "protocols": {"user": scores, "random": scores},
                "made_with": kept.describe(settings, ["data", "fusion"], "of these posts"),
            }
            (tmp_path / "protocols/scores.json").write_text(json.dumps(compared))
        write_posts(tmp_path, make_posts, posts, label)
        (tmp_path / "metrics.json").write_text(json.dumps(metrics))
        (tmp_path / "data.json").write_text(json.dumps(data))
        (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
        files = ("metrics", "data", "evaluation", "leakage", "submission")
        names = {name: f"{name}.json" for name in files} | {"params": "params.yaml"}
        tables = ("posts", "images", "prediction")
        names |= {name: f"{name}.parquet" for name in tables} | {"fusion": "fusion.json"}
        folders = ("runs", "plots", "importance", "ablation", "protocols", "figures", "tables")
        names |= {name: name for name in folders}
        (tmp_path / "data.md").write_text(READING)
        names |= {
            "reading": "data.md",
            "results": "results.md",
            "page": "report.html",
            "leaderboard": "leaderboard.csv",
        }
        run_stage("report.report", *[part for k, v in names.items() for part in (f"--{k}", v)])
        return (tmp_path / "results.md").read_text()

    return call


READING = """# Data

| | |
|---|---|
| file | <i>mine</i>.csv ![](a.png) [here](b.html) |

## Target

```
1 .. 2  ### 3
```
"""
TITLES = ["<script>alert(1)</script>", "</script><b>x</b>", "旅行 🎉", None]


def write_posts(folder, make_posts, count=8, label=float):
    """Every second post is held out, one with an image; their fused predictions."""
    posts = make_posts(
        post_id=[str(i) for i in range(count)],
        user_id=["u"] * count,
        split=["fit", "holdout"] * (count // 2),
        fold=[0, -1] * (count // 2),
        popularity=[label(i) for i in range(count)],
        title=[None if i % 2 == 0 else TITLES[i // 2 % 4] for i in range(count)],
        tags=[["<i>", "$$"]] * count,
        category=["&quot;>"] * count,
    )
    (folder / "red.png").write_bytes(encode(Image.new("RGB", (300, 200), "red")))
    (folder / "broken.png").write_bytes(b"no image")
    members = [None, "red.png", None, "broken.png", None, "gone.png"] + [None] * (count - 6)
    located = pa.table(
        {
            "post_id": posts["post_id"],
            "status": ["located" if member else "missing" for member in members],
            "container": pa.array([""] * count, pa.string()),
            "member": pa.array(members, pa.string()),
            "digest": pa.array([None] * count, pa.string()),
        }
    )
    stored.write_table(folder / "posts.parquet", posts)
    stored.write_table(folder / "images.parquet", located)
    table_files.write_predictions(folder / "prediction.parquet", posts, np.arange(count) + 0.5)
    widths = {"80": 0.4, "95": 2.0}
    fusion_file.write(
        folder / "fusion.json",
        {
            "intervals": {"known": widths, "new": widths},
            "reach": [-100.0, 100.0],
            "weights": {"known": {"dae": 1.0}, "new": {"dae": 1.0}},
            "lines": {"known": [-1.4, 1.3], "new": [-1.4, 1.3]},
        },
    )


class References(HTMLParser):
    """What a page would fetch, and its images."""

    def __init__(self):
        super().__init__()
        self.fetched, self.images, self.titles = [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.fetched += [found[key] for key in ("src", "href", "srcset", "data") if key in found]
        if tag == "img":
            self.images.append(found["src"])


def test_every_figure_is_drawn_and_the_same_twice(report, tmp_path):
    report()
    folder = tmp_path / "figures"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    names = ["densities", "intervals", "predicted_true", "calibration", "importance", "protocols"]
    names += ["errors_category", "errors_author", "errors_posts_per_user", "errors_time"]
    names += ["learning_curve_dae"]
    assert set(first) == {f"{name}.png" for name in names}
    for name in first:
        with Image.open(folder / name) as image:
            assert len(image.convert("L").getcolors()) > 10
    page = (tmp_path / "report.html").read_bytes()
    report()
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert page == (tmp_path / "report.html").read_bytes()


def test_the_published_number_stands_beside_ours(report):
    text = report()
    assert "| FAME (fused) | 0.7100 | 1.2100 | 0.7543 | 1.1607 |" in text
    assert "| FAME without dae | 0.7000 | 1.2000 | 0.7511 | 1.1711 |" in text
    assert "| dae (weight 1.000) | 0.5000 | 1.9000 | - | - |" in text


def test_simulated_numbers_are_called_simulated(report, tmp_path):
    text = report()
    assert "SRC, simulated sample" in text
    assert "All posts are simulated" in text
    for path in (tmp_path / "tables").glob("*.md"):
        assert "simulated sample" in path.read_text().splitlines()[0], path
    assert "0.7511" not in (tmp_path / "tables/table_2.md").read_text()


def test_the_papers_numbers_are_nowhere_beside_ones_own_posts(report, tmp_path):
    own = DATA | {"simulated": False}
    text = report(own, source="table")
    assert "| model | SRC, this data | MAE, this data |\n|---|---|---|\n" in text
    assert "| FAME without dae | 0.7000 | 1.2000 |\n" in text
    assert not (tmp_path / "tables/table_1.md").exists()
    for name, title in (("2", "Leave one learner out"), ("3", "Feature sets")):
        second = (tmp_path / f"tables/table_{name}.md").read_text()
        assert second.startswith(f"### {title} (own posts, holdout)")
    page = re.sub(
        "<(script|style).*?</\\1>", "", (tmp_path / "report.html").read_text(), flags=re.S
    )
    shown = text + page
    assert [w for w in ("published", "SMPD", "0.7543", "Figure 3", "Table 3") if w in shown] == []


def test_models_stand_everywhere_as_in_the_metrics_the_fusion_first():
    """Records have sorted keys, and some are of a learner that was deleted since."""
    found = {
        "metrics": {"weights": {"tabm": 0.5, "dae": 0.5}},
        "evaluation": {
            "scores": {"dae": 1, "fame": 2, "tabm": 3},
            "fusions": {"mean": {"weights": {"dae": 0.5, "tabm": 0.5}}},
            "densities": {"series": {"dae": 1, "fame": 2, "labels": 4, "tabm": 3}},
        },
        "protocols": {"protocols": {"user": {"scores": {"dae": 1, "fame": 2, "old": 4}}}},
    }
    order_models(found, list(found["metrics"]["weights"]))
    evaluation = found["evaluation"]
    assert list(evaluation["scores"]) == ["fame", "tabm", "dae"]
    assert list(evaluation["fusions"]["mean"]["weights"]) == ["tabm", "dae"]
    assert list(evaluation["densities"]["series"]) == ["fame", "tabm", "dae", "labels"]
    assert list(found["protocols"]["protocols"]["user"]["scores"]) == ["fame", "dae", "old"]


def test_what_was_learned_to_fuse_with_is_told_as_by_the_run(report, tmp_path):
    said = "Then a straight line, fitted out of fold: prediction = -1.400 + 1.300 * weighted mean."
    report()
    assert said not in (tmp_path / "report.html").read_text()
    report(fusion="learned")
    assert said in (tmp_path / "report.html").read_text()


def test_the_unit_of_the_error_stands_on_the_page(report, tmp_path):
    report()
    page = (tmp_path / "report.html").read_text()
    assert "The unit is SMPD&#39;s popularity, log2 of the views a day plus 1" in page


def test_what_the_bootstrap_drew_stands_beside_its_intervals(report, tmp_path):
    """Of few authors their weeks are drawn; protocols that were kept before say no unit."""
    report(evaluation=EVALUATION | {"drawn": "weeks of an author"})
    page = (tmp_path / "report.html").read_text()
    assert "Confidence intervals of scores draw weeks of an author anew" in page
    assert "whole users anew" not in page
    path, table = tmp_path / "protocols/scores.json", tmp_path / "tables/protocols.md"
    assert "Intervals:" not in table.read_text()
    content = json.loads(path.read_text())
    for protocol, drawn in (("user", "authors"), ("random", "days of an author")):
        content["protocols"][protocol]["drawn"] = drawn
    path.write_text(json.dumps(content))
    report(protocols=False)
    said = "resamples of the holdout's authors (user), days of an author (random)."
    assert said in table.read_text()


def test_a_learner_without_a_weight_is_named_beside_the_scores(report, tmp_path, monkeypatch):
    said = "FAME without ridge is FAME as it is: its weight is 0."
    assert said not in report()
    monkeypatch.setitem(METRICS, "ridge", BOTH)
    monkeypatch.setitem(METRICS, "weights", {"dae": 1.0, "ridge": 0.0})
    assert said in report()
    assert said in (tmp_path / "tables/table_2.md").read_text()


def test_on_smpd_the_published_number_stands_beside_each_cell(report, tmp_path):
    text = report(DATA | {"simulated": False}, source="smpd")
    assert "simulated" not in text
    second = (tmp_path / "tables/table_2.md").read_text()
    assert "| without dae | 0.7000 | 1.2000 | -0.0100 | 0.7511 | 1.1711 |" in second
    third = (tmp_path / "tables/table_3.csv").read_text().splitlines()
    assert third[1] == "vilt,minilm,0.7000 / 1.2000,0.6267 / 1.4273,-,-"
    assert third[2] == "meta + blip,meta + blip,-,0.6267 / 1.4273,0.7000 / 1.2000,0.7313 / 1.2241"
    assert "| dae | 2.00 | 4.78 to 6.01 |" in (tmp_path / "tables/figure_3.md").read_text()


def test_cells_of_other_parameters_are_shown_as_stale(report, tmp_path):
    report()
    path, table = tmp_path / "ablation/cells.json", tmp_path / "tables/table_3.md"
    assert "STALE" not in (tmp_path / "report.html").read_text() + table.read_text()
    made = json.loads(path.read_text())["made_with"]
    path.write_text(json.dumps({"cells": CELLS, "made_with": made | {"digest": "x"}}))
    report(ablation=False)
    notice = "STALE: made with other parameters than this run; make ablation makes it anew."
    assert table.read_text().startswith("### STALE: Table 3")
    assert notice in table.read_text()
    assert notice in (tmp_path / "report.html").read_text()


def test_what_was_made_of_other_posts_is_not_shown(report, tmp_path):
    """The results of the sample, which come along, beside a user's own posts."""
    report(DATA | {"posts_digest": "of other posts", "simulated": False}, source="table")
    page = (tmp_path / "report.html").read_text()
    assert 'id="feature-sets"' not in page
    assert "<p>Not made for these posts; make protocols makes it.</p>" in page
    assert not {path.stem for path in (tmp_path / "tables").iterdir()} & {"table_3", "protocols"}
    report(DATA | {"posts_digest": "of other posts"})
    check_not_shown(tmp_path)
    # As it was written before it named its posts.
    for path in (tmp_path / "ablation/cells.json", tmp_path / "protocols/scores.json"):
        content = json.loads(path.read_text())
        del content["made_with"]["posts"]
        path.write_text(json.dumps(content))
    report(ablation=False, protocols=False)
    check_not_shown(tmp_path)


def test_what_was_never_made_names_its_command(report, tmp_path):
    report(ablation=False, protocols=False)
    check_not_shown(tmp_path)


def check_not_shown(folder):
    """Neither Table 3 nor the protocols are on the page or beside it; each has one line."""
    page = (folder / "report.html").read_text()
    for title, name in (("feature-sets", "ablation"), ("protocols", "protocols")):
        (part,) = re.findall(rf'<section id="{title}">.*?</section>', page, re.S)
        assert re.findall("<p.*", part) == [
            f"<p>Not made for these posts; make {name} makes it.</p>"
        ]
        assert "<figure" not in part
        assert "<table" not in part
    assert "STALE" not in page
    made = {path.stem for name in ("figures", "tables") for path in (folder / name).iterdir()}
    assert not {"table_3", "protocols"} & made


def test_a_learner_without_importance_and_curves_is_drawn_around(report, tmp_path):
    """AutoGluon as the only learner, and a learner that was deleted beside it."""
    report()
    assert "importance.png" in [path.name for path in (tmp_path / "figures").iterdir()]
    record = {"learner": "autogluon", "method": "none", "blocks": {}, "columns": {}}
    (tmp_path / "importance/autogluon.json").write_text(json.dumps(record))
    scores = {"autogluon": SCORE, "fame": SCORE}
    report(learner="autogluon", evaluation=EVALUATION | {"scores": scores})
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert "densities" in drawn
    assert not {"importance", "learning_curve_dae", "learning_curve_autogluon"} & drawn


def test_large_ticks_are_written_out_and_others_as_they_were(tmp_path):
    def list_ticks(figure, axis):
        figures.save(figure, tmp_path / "x.png")
        return [tick.get_text() for tick in getattr(figure.axes[0], axis).get_ticklabels()]

    with figures.drawing():
        for end, shown in ((10284726, "10,000,000"), (0.9, "0.2")):
            rows = [{"true": "0", "predicted": "0.1"}, {"true": str(end), "predicted": "0.5"}]
            assert shown in list_ticks(figures.draw_predicted(rows, "own posts"), "xaxis")
        errors = figures.draw_errors([GROUP | {"mae": 5e6}], "Errors", "own posts")
        assert list_ticks(errors, "yaxis") == ["<b>x</b> (3)"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ["$$", "$x_{$", "旅行 · 日本語 한국어", "🎉😀", "a\nb\t\x07", "ä" * 99]
)
def test_any_category_is_drawn(name, tmp_path):
    with figures.drawing():
        rows = [GROUP | {"name": name}]
        figures.save(figures.draw_errors(rows, "Errors", "own posts"), tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_errors_of_one_group_are_those_of_the_holdout_and_not_drawn(report, tmp_path):
    breakdown = EVALUATION["breakdown"] | {"category": [GROUP], "author": []}
    report(evaluation=EVALUATION | {"breakdown": breakdown})
    drawn = {path.stem for path in (tmp_path / "figures").glob("errors_*")}
    assert drawn == {"errors_posts_per_user", "errors_time"}
    page = (tmp_path / "report.html").read_text()
    assert "errors_category" not in page
    assert 'data-chart="errors_time"' in page


@pytest.mark.parametrize(
    ("labels", "decimals"),
    [([1, 15.5], 2), ([2.0, 9.9], 3), ([0.001, 0.02], 5), ([0, 250_000], 0), ([4, 4], 3)],
)
def test_decimals_follow_the_range_of_the_labels(labels, decimals):
    assert shown_posts.count_decimals(np.array(labels, dtype=float)) == decimals


def test_a_picture_without_a_figure_of_its_own_is_folded_away(report, tmp_path):
    """It shows once more what the interactive figures beside it show."""
    report()
    page = (tmp_path / "report.html").read_text()
    (part,) = re.findall(r'<section id="learning-curves">.*?</section>', page, re.S)
    assert "<summary>Picture: Learning curves of dae</summary>" in part
    assert part.count("<img") == part.count("<summary>Picture: ") == 1
    assert part.count("<figcaption>") == part.count("data-chart=") == 2


@pytest.mark.parametrize(
    ("challenge", "holdout", "said"),
    [
        (4, 12, "12 held-out posts and 4 posts without a label, too few to draw a density of."),
        (0, 1, "1 held-out post and 0 posts without a label, too few to draw a density of."),
    ],
)
def test_of_few_posts_no_density_is_drawn_and_how_many_there_are_is_said(
    report, tmp_path, challenge, holdout, said
):
    split = np.array(["challenge"] * challenge + ["holdout"] * holdout)
    values = np.arange(len(split), dtype=float)
    found = find_densities({"dae": values}, values, split)
    assert found["series"] == {}
    report(evaluation=EVALUATION | {"densities": found})
    page = (tmp_path / "report.html").read_text()
    assert f"<p>{said}</p>" in page
    assert "Predicted densities" not in page
    assert not (tmp_path / "figures/densities.png").exists()
    assert not (tmp_path / "tables/figure_3.md").exists()


def test_a_few_posts_without_a_label_have_no_density_but_the_holdout_has(report, tmp_path):
    """Rows whose label is broken become posts without one."""
    split = np.array(["challenge"] * 4 + ["holdout"] * 20)
    values = np.arange(24.0)
    found = find_densities({"dae": values, "fame": values}, values, split)
    assert (found["part"], set(found["series"])) == (
        *("holdout", {"dae", "fame", "labels of the holdout"}),
    )
    report(evaluation=EVALUATION | {"densities": found})
    page = (tmp_path / "report.html").read_text()
    assert "<p>4 posts without a label, too few for a density: it is of the holdout.</p>" in page
    assert "Predictions for the holdout." in (tmp_path / "tables/figure_3.md").read_text()


def test_of_predictions_that_are_all_the_same_there_is_no_density(report, tmp_path):
    labels = np.arange(30.0)
    found = find_densities({"dae": np.ones(30)}, labels, np.array(["holdout"] * 30))
    report(evaluation=EVALUATION | {"densities": found})
    page = (tmp_path / "report.html").read_text()
    assert "<p>All predictions are the same, so there is no density of them.</p>" in page
    assert "Predicted densities" not in page
    assert not (tmp_path / "tables/figure_3.md").exists()


def test_labels_of_a_few_held_out_posts_are_not_drawn_beside_predictions():
    split = np.array(["challenge"] * 20 + ["holdout"] * 4)
    found = find_densities({"dae": np.arange(24.0)}, np.arange(24.0), split)
    assert (found["part"], list(found["series"])) == ("challenge", ["dae"])


def test_the_axis_of_a_density_has_the_targets_name(report, tmp_path):
    own = {"data.target_transform": "log2p1", "data.table.columns.target": "likes"}
    report(DATA | {"simulated": False}, source="table", **own)
    charts = re.search(r'id="charts">(.*?)</script>', (tmp_path / "report.html").read_text())[1]
    assert json.loads(charts)["densities"]["encoding"]["x"]["title"] == "log2(likes + 1)"


def test_that_nothing_tells_the_posts_apart_is_said_and_nothing_empty_is_drawn(
    report, tmp_path, monkeypatch
):
    record = json.loads(FILES["importance/dae.json"]) | {"blocks": {"meta": 0.0, "minilm": 0.0}}
    monkeypatch.setitem(FILES, "importance/dae.json", json.dumps(record))
    text = report(DATA | {"same_for_all": True})
    said = "othing tells the posts apart"
    assert f"N{said}: all get the same prediction" in text
    page = (tmp_path / "report.html").read_text()
    assert f"<strong>N{said}</strong>: FAME gives all of them the same prediction" in page
    assert "picks the more popular one" not in page
    assert "<p>No block counts for dae: nothing in them changes a prediction.</p>" in page
    assert "importance_dae" not in page
    assert not (tmp_path / "figures/importance.png").exists()
    assert said not in report() + (tmp_path / "report.html").read_text()


def test_posts_without_an_author_are_by_none_and_form_no_group(make_posts):
    data = sections.list_coverage(DATA | {"interval_80": {"coverage": 0.8, "coverage_new": 0.8}})
    assert [row["authors"] for row in data] == ["all"]
    both = {"coverage": 0.8, "coverage_new": 0.8, "coverage_known": 0.8}
    data = sections.list_coverage(DATA | {"interval_80": both})
    assert [row["authors"] for row in data] == ["all", "known", "new"]
    posts = make_posts(post_id=["a"], user_id=[None], split=["holdout"], popularity=[1.0])
    one, located = np.ones(1), pa.table({"status": ["missing"]})
    held = shown_posts.Held(posts, located, one, one, one == 0, one, one)
    assert [post["author"] for post in shown_posts.describe(held)] == ["none"]


LARGE = {"src": 0.5, "mae": 1102911.1091}
LARGE_SCORE = LARGE | {"src_interval": [0.2, 0.7], "mae_interval": [801084.6579, 1521868.8272]}


def test_large_numbers_have_one_style_and_no_exponent(report, tmp_path, monkeypatch):
    board = "learner,layer,model,validation_mae,fit_seconds\nautogluon,1,X,1755771.07,12.5\n"
    monkeypatch.setitem(FILES, "leaderboard.csv", board)
    low = '{"posts": 2, "lowest": 7.0, "highest": 8742674.4, "mean": 1268734.2}'
    monkeypatch.setitem(FILES, "submission.json", low)
    way = {"weights": {"dae": 1.0}, "out_of_fold": LARGE, "holdout": LARGE}
    peak = {"dae": {"peak": 512233.0, "density": [0.1, 0.8, 0.1]}}
    evaluation = EVALUATION | {
        "scores": {"dae": LARGE_SCORE, "fame": LARGE_SCORE},
        "fusions": dict.fromkeys(EVALUATION["fusions"], way),
        "densities": EVALUATION["densities"] | {"series": peak},
    }
    metrics = METRICS | {"fame": LARGE, "dae": LARGE, "without_dae": {"src": 0.1, "mae": 880000.46}}
    data = DATA | {"simulated": False, "median": {"src": 0.0, "mae": 483751.2}}
    text = report(data, "table", evaluation=evaluation, metrics=metrics, protocols=False)
    assert "| FAME (fused) | 0.5000 | 1,102,911 |" in text
    page = re.sub(
        "<(script|style).*?</\\1>", "", (tmp_path / "report.html").read_text(), flags=re.S
    )
    for said in (
        "<strong>1,102,911</strong> on average (95% interval 801,085 to 1,521,869)",
        "which is off by 483,751",
        "<td>801,085 to 1,521,869</td>",
        "<td>880,000</td><td>-222,911</td>",
        "<td>1,755,771</td>",
        "<td>512,233</td>",
        "scores 7.00 to 8,742,674, mean 1,268,734.",
    ):
        assert said in page
    page = re.sub('src="data:.*?"', "", page)
    assert re.findall(r"\d{5,}\.\d|\de\+\d", page) == []


@pytest.mark.parametrize(
    ("label", "mae", "is_said"),
    [
        (lambda i: float(2 ** (i % 20)), 2.5, True),
        (lambda i: float(2 ** (i % 20)), 2.1, False),
        (lambda i: 0.1 * i, 2.5, False),
    ],
)
def test_the_remedy_is_named_where_raw_counts_are_predicted_worse_than_by_the_median(
    report, tmp_path, label, mae, is_said
):
    scores = {"dae": SCORE, "fame": SCORE | {"mae": mae}}
    evaluation = EVALUATION | {"scores": scores}
    report(DATA | {"simulated": False}, "table", evaluation=evaluation, label=label, posts=50)
    page = (tmp_path / "report.html").read_text()
    assert ("<strong>data.target_transform: log2p1</strong>" in page) == is_said


def test_kept_results_are_said_to_be_of_an_earlier_run(report, tmp_path):
    report()
    for name, command in (("table_3", "ablation"), ("protocols", "protocols")):
        said = f"Made earlier than this run, by make {command}: not all scores need be the same."
        assert said in (tmp_path / f"tables/{name}.md").read_text()
        assert f"<p>{said}</p>" in (tmp_path / "report.html").read_text()


def test_a_kept_result_names_the_day_of_its_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("scores.json")
    path.write_text("{}")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    when = {"GIT_COMMITTER_DATE": "2026-03-04T05:06:07Z", "PATH": os.environ["PATH"]}
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "kept"]):
        subprocess.run(["git", *arguments], check=True, env=when)
    assert ", by make protocols, committed 2026-03-04: " in kept.tell_origin("protocols", path)
    path.write_text("{ }")
    assert ", by make protocols: " in kept.tell_origin("protocols", path)


def test_what_there_is_nothing_of_has_no_part_and_no_table(report, tmp_path, monkeypatch):
    def list_parts():
        page = (tmp_path / "report.html").read_text()
        assert "<tbody></tbody>" not in page
        titles = re.findall(r"^<h2>(.*?)</h2>", page, re.M)
        assert re.findall(r'<a href="#.*?">(.*?)</a>', page) == titles
        return set(titles), {path.stem for path in (tmp_path / "tables").iterdir()}

    report()
    parts, made = list_parts()
    monkeypatch.setitem(FILES, "leaderboard.csv", FILES["leaderboard.csv"].split("\n")[0] + "\n")
    report(data=DATA | {"unreadable": {}})
    fewer_parts, fewer_made = list_parts()
    assert parts - fewer_parts == {"Stacks", "Images"}
    assert made - fewer_made == {"leaderboard"}


def test_the_page_asks_the_network_for_nothing(report, tmp_path):
    report()
    page = (tmp_path / "report.html").read_text()
    references = References()
    references.feed(page)
    outside = [place for place in references.fetched if not place.startswith(("data:", "#"))]
    assert outside == []
    own = page.replace(scripts.render_scripts(), "")
    named = {charts.SCHEMA}  # a specification names its language; nothing fetches it
    assert set(re.findall(r"https?://[^\s\"<]+", own)) <= named
    assert not re.search(r"@import|url\(|<script src|<iframe", own)
    assert len([image for image in references.images if "image/png" in image]) == 11
    assert len(page) < 3e6


def test_what_users_wrote_is_shown_and_never_run(report, tmp_path):
    report()
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "旅行 🎉" in page
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page)
    points = json.loads(found[1])["predicted_true"]["layer"][1]["data"]["values"]
    assert [point["title"] for point in points] == [*TITLES[:3], ""]


def test_what_reading_found_is_shown_and_reaches_for_nothing(report, tmp_path):
    report()
    page = (tmp_path / "report.html").read_text()
    (part,) = re.findall(r'<section id="data">.*?</section>', page, re.S)
    assert "&lt;i&gt;mine&lt;/i&gt;.csv" in part
    assert re.findall("<(?:img|a)[ >]", part) == []
    assert '<pre tabindex="0"><code>1 .. 2  ### 3' in part
    assert "<h3>Target</h3>" in part
    assert part.count("<h2>") == part.count("<table") == 1


def test_posts_have_small_pictures_where_they_can_be_read(report, tmp_path):
    report()
    rows = re.findall(r"<tr data-lists=.*?</tr>", (tmp_path / "report.html").read_text(), re.S)
    assert len(rows) == 4
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", "".join(rows))
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as image:
        assert max(image.size) <= shown_posts.THUMBNAIL_PIXELS
        assert image.getpixel((9, 9))[0] > 200
    assert len(pictures) == 1


def test_a_model_has_one_colour_on_the_whole_page(report, tmp_path):
    report()
    found = re.search(r'id="charts">(.*?)</script>', (tmp_path / "report.html").read_text())
    specs = json.loads(found[1])
    seen = {}
    for spec in specs.values():
        for part in [spec, *spec.get("layer", [])]:
            scale = part.get("encoding", {}).get("color", {}).get("scale", {})
            for name, colour in zip(scale.get("domain", []), scale.get("range", []), strict=False):
                seen.setdefault(name, set()).add(colour)
    assert {"fame", "dae"} <= set(seen)
    assert all(len(found) == 1 for found in seen.values())


def test_the_page_says_where_it_comes_from(report, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/train@dae.json").write_text('{"seconds": 12.34}')
    (tmp_path / "runs/train@deleted.json").write_text('{"seconds": 99.9}')
    report()
    page = (tmp_path / "report.html").read_text()
    assert "<dt>train@dae</dt><dd>12.3</dd>" in page
    assert "99.9" not in page
    assert "of these posts" in page  # the digest
    assert "<dt>not known</dt><dd>params.yaml is in no commit</dd>" in page


def test_the_page_does_not_grow_with_the_posts_and_says_so(report, tmp_path):
    report(posts=20_000)
    page = (tmp_path / "report.html").read_text()
    assert len(page) < 3e6
    points = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])["predicted_true"]
    assert len(points["layer"][1]["data"]["values"]) == 1000
    assert "1,000 of 20 held-out posts drawn." in page
    assert page.count("<tr data-lists=") <= 3 * shown_posts.LISTED
