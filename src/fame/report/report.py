"""Metrics, evaluation, plot data and posts -> figures, tables and one page that holds them."""

import argparse
import csv
from pathlib import Path
from typing import Any

from fame import params
from fame.fusion import fusion_file, wording
from fame.fusion.combination import Combination
from fame.fusion.known import find_known_authors
from fame.learners import table_files
from fame.posts.data_report import looks_like_counts
from fame.report import (
    charts,
    colours,
    figures,
    headline,
    kept,
    page,
    provenance,
    published_results,
    sections,
    shown_posts,
    tables,
)
from fame.report.results_page import render_results
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.readable import count
from fame.runtime.stage import run

INPUTS = (
    *("params", "posts", "images", "prediction", "fusion", "metrics", "data", "plots"),
    *("evaluation", "importance", "leakage"),
    *("leaderboard", "submission", "ablation", "protocols", "reading", "runs"),
)
OUTPUTS = ("figures", "tables", "results", "page")
ERRORS = ("category", "author", "posts_per_user", "time")


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in (*INPUTS, *OUTPUTS):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load(arguments.params)
    source = settings.data.source
    found = read_inputs(arguments, settings)
    held = read_posts(arguments, settings)
    found["points"] = shown_posts.list_points(held, settings.report.scatter_posts)
    found["posts"] = shown_posts.describe(held)
    found["provenance"] = provenance.describe(settings, arguments.params, arguments.runs)
    palette, label = colours.choose(list(settings.learners)), settings.data.name_label()
    made = tabulate(found, source)
    with figures.drawing(), files.replacing_folder(arguments.figures) as folder:
        drawn = draw(found, tables.describe_data(source), palette, label)
        for name, figure in drawn.items():
            figures.save(figure, folder / f"{name}.png")
    with files.replacing_folder(arguments.tables) as folder:
        for name, table in made.items():
            files.write_text(folder / f"{name}.md", table.markdown())
            files.write_text(folder / f"{name}.csv", table.csv())
    specs = specify(found, palette, label)
    content = {
        "data": tables.describe_data(source),
        "simulated": found["data"]["simulated"],
        "counts": headline.describe_counts(found["data"]),
        "lead": headline.write_lead(
            found["data"], found["evaluation"], settings.data, look_like_counts(arguments.posts)
        ),
        "cards": headline.make_cards(found["data"], found["evaluation"], source),
        "explanations": headline.explain(settings.data, found["evaluation"]["drawn"]),
    }
    parts = sections.compose(found, made, specs, arguments)
    shown = page.render(content, parts, specs)
    files.write_text(arguments.page, shown)
    results = render_results(found["metrics"], found["data"], source)
    files.write_text(arguments.results, results)
    counts = f"{count(len(drawn), 'figure')}, {count(len(made), 'table')}"
    print(f"report: {counts}, {len(shown) / 1e6:.1f} MB")


def read_inputs(arguments: argparse.Namespace, settings: params.Params) -> dict[str, Any]:
    """What the page shows, of the learners that params.yaml names and of no other file."""
    learners = list(settings.learners)
    found = {
        name: files.read_json(getattr(arguments, name))
        for name in ("metrics", "data", "evaluation", "leakage", "submission")
    }
    records = [files.read_json(arguments.importance / f"{name}.json") for name in learners]
    found["importance"] = [record for record in records if any(record["blocks"].values())]
    found["same_whatever"] = [
        record["learner"]
        for record in records
        if record["blocks"] and not any(record["blocks"].values())
    ]
    found["unexplained"] = [record["learner"] for record in records if not record["blocks"]]
    curves = read_csv(arguments.plots / "learning_curves.csv")
    found["curves"] = {name: [row for row in curves if row["learner"] == name] for name in learners}
    found["leaderboard"] = read_csv(arguments.leaderboard)
    for name in ("predicted_true", "calibration"):
        found[name] = read_csv(arguments.plots / f"{name}.csv")
    for name, file in (("ablation", "cells.json"), ("protocols", "scores.json")):
        path = getattr(arguments, name) / file
        digest = found["data"]["posts_digest"]
        found[name], found[f"{name}_notice"] = kept.read(name, path, settings, digest)
        found[f"{name}_origin"] = kept.tell_origin(name, path) if found[name] else ""
    if not found["ablation"] and not published_results.concerns(settings.data.source):
        found["ablation_notice"] = ""  # nobody waits for the paper's Table 3 of their own posts
    order_models(found, list(found["metrics"]["weights"]))
    found["learned"] = []
    if settings.fusion.mode == "learned":
        fusion = fusion_file.read(arguments.fusion)
        weights = {
            group: {name: shares[name] for name in learners}
            for group, shares in fusion["weights"].items()
        }
        lines = {group: tuple(line) for group, line in fusion["lines"].items()}
        learned = Combination(weights, lines)
        found["learned"] = wording.describe_learned(learned, settings.fusion.metric)
    return found


def order_models(found: dict[str, Any], learners: list[str]) -> None:
    """The fusion first, then learners as params.yaml has them, as in metrics.json.

    Records are files whose keys are sorted; in them other series, and learners since deleted, come
    last.
    """
    names = [colours.FUSED, *learners]

    def order(holder: dict[str, Any], key: str) -> None:
        models = holder[key]
        holder[key] = {name: models[name] for name in names if name in models} | models

    evaluation, protocols = found["evaluation"], found["protocols"] or {"protocols": {}}
    order(evaluation, "scores")
    order(evaluation["densities"], "series")
    for way in evaluation["fusions"].values():
        order(way, "weights")
    for protocol in protocols["protocols"].values():
        order(protocol, "scores")


def read_posts(arguments: argparse.Namespace, settings: params.Params) -> shown_posts.Held:
    """The held-out posts with FAME's predictions and their intervals."""
    posts, images = files.read_table(arguments.posts), files.read_table(arguments.images)
    predicted = table_files.read_predictions(arguments.prediction, posts["post_id"])
    known = find_known_authors(posts, arrays.to_strings(posts["split"]))
    fusion = fusion_file.read(arguments.fusion)
    share = max(settings.fusion.intervals)
    return shown_posts.select(posts, images, predicted, known, fusion, share)


def look_like_counts(posts: Path) -> bool:
    """Whether the labels, as they are learned, are raw counts."""
    return looks_like_counts(
        files.read_table(posts, ["popularity"])["popularity"].drop_null().to_numpy()
    )


def draw(found: dict[str, Any], data: str, palette: dict[str, str], label: str) -> dict[str, Any]:
    """File name -> figure; ``label`` names the unit of labels and predictions."""
    evaluation = found["evaluation"]
    drawn = {
        "intervals": figures.draw_intervals(evaluation["scores"], data, palette),
        "predicted_true": figures.draw_predicted(found["predicted_true"], data),
        "calibration": figures.draw_calibration(found["calibration"], data, palette),
    }
    if evaluation["densities"]["series"]:
        drawn["densities"] = figures.draw_densities(evaluation["densities"], data, palette, label)
    if found["importance"]:
        drawn["importance"] = figures.draw_importance(found["importance"], data)
    titles = {
        "category": "Error by category",
        "author": "Error by author",
        "posts_per_user": "Error by posts per user",
        "time": "Error over time",
    }
    for name, title in titles.items():
        if len(rows := evaluation["breakdown"][name]) > 1:  # one group is the whole holdout
            drawn[f"errors_{name}"] = figures.draw_errors(rows, title, data)
    for learner, rows in found["curves"].items():
        if rows:
            drawn[f"learning_curve_{learner}"] = figures.draw_learning_curve(rows, learner, data)
    if found["protocols"]:
        shown = f"STALE, {data}" if found["protocols_notice"] else data
        drawn["protocols"] = figures.draw_protocols(found["protocols"], shown, palette)
    return drawn


def specify(found: dict[str, Any], palette: dict[str, str], label: str) -> dict[str, charts.Spec]:
    """Name -> interactive figure; ``label`` names the unit of labels and predictions."""
    metrics, evaluation = found["metrics"], found["evaluation"]
    weights = metrics["weights"]
    specs = {
        "intervals": charts.draw_intervals(evaluation["scores"], "mae", palette),
        "intervals_src": charts.draw_intervals(evaluation["scores"], "src", palette),
        "predicted_true": charts.draw_points(found["points"]),
        "calibration": charts.draw_calibration(found["calibration"], palette),
        "weights": charts.draw_bars(weights, "weight", palette),
        "coverage": charts.draw_coverage(sections.list_coverage(found["data"])),
    }
    if evaluation["densities"]["series"]:
        specs["densities"] = charts.draw_densities(evaluation["densities"], palette, label)
    lost = {
        name.removeprefix("without_"): round(scores["mae"] - metrics["fame"]["mae"], 6)
        for name, scores in metrics.items()
        if name.startswith("without_")
    }
    if lost:
        specs["left_out"] = charts.draw_bars(lost, "MAE lost without it", palette)
    for name in ERRORS:
        if len(rows := evaluation["breakdown"][name]) > 1:
            specs[f"errors_{name}"] = charts.draw_errors(rows)
    for record in found["importance"]:
        unit = sections.METHODS[record["method"]]
        learner = record["learner"]
        specs[f"importance_{learner}"] = charts.draw_bars(record["blocks"], unit)
        specs[f"columns_{learner}"] = charts.draw_bars(record["columns"], unit)
    for learner, rows in found["curves"].items():
        for phase in dict.fromkeys(row["phase"] for row in rows):
            own = [row for row in rows if row["phase"] == phase]
            specs[f"learning_curve_{learner}__{phase}"] = charts.draw_curves(own)
    if found["protocols"]:
        specs["protocols"] = charts.draw_protocols(found["protocols"], palette)
    return specs


def tabulate(found: dict[str, Any], source: str) -> dict[str, tables.Table]:
    """File name -> table."""
    metrics, evaluation = found["metrics"], found["evaluation"]
    made = {
        "scores": tables.tabulate_scores(evaluation, metrics["weights"], source),
        "table_2": tables.tabulate_leave_one_out(metrics, source),
        "fusions": tables.tabulate_fusions(evaluation, source),
    }
    if evaluation["densities"]["series"]:
        made["figure_3"] = tables.tabulate_peaks(evaluation["densities"], source)
    if published_results.concerns(source):
        made["table_1"] = tables.tabulate_models(metrics, source)
    if found["leaderboard"]:
        made["leaderboard"] = tables.tabulate_leaderboard(found["leaderboard"], source)
    if found["ablation"]:
        table = tables.tabulate_feature_sets(found["ablation"], source)
        made["table_3"] = table.stale(found["ablation_notice"]).noted(found["ablation_origin"])
    if found["protocols"]:
        table = tables.tabulate_protocols(found["protocols"], source)
        made["protocols"] = table.stale(found["protocols_notice"]).noted(found["protocols_origin"])
    return made


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a small CSV file that a stage wrote."""
    text = files.read_text(path)
    if not text.endswith("\n"):
        raise InputError(f"{path}: its last line is cut off; {files.MAKE_AGAIN}")
    return list(csv.DictReader(text.splitlines()))


if __name__ == "__main__":
    run(main)
