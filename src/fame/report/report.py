"""Metrics, evaluation and plot data -> figures, tables and one page that holds them."""

import argparse
import csv
from pathlib import Path
from typing import Any

from fame import params
from fame.report import figures, kept, page, tables
from fame.report.page import Section, embed
from fame.report.results_page import render_results
from fame.runtime import files
from fame.runtime.errors import InputError
from fame.runtime.stage import run

INPUTS = (
    *("params", "metrics", "data", "plots", "evaluation", "importance", "leakage"),
    *("leaderboard", "submission", "ablation", "protocols"),
)
OUTPUTS = ("figures", "tables", "results", "page")


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in (*INPUTS, *OUTPUTS):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load(arguments.params)
    source = settings.data.source
    found = read_inputs(arguments, settings)
    made = tabulate(found, source)
    with figures.drawing(), files.replacing_folder(arguments.figures) as folder:
        drawn = draw(found, tables.describe_data(source))
        for name, figure in drawn.items():
            figures.save(figure, folder / f"{name}.png")
    with files.replacing_folder(arguments.tables) as folder:
        for name, table in made.items():
            files.write_text(folder / f"{name}.md", table.markdown())
            files.write_text(folder / f"{name}.csv", table.csv())
    sections = compose(found, made, set(drawn), arguments)
    shown = page.render(tables.describe_data(source), found["data"], found["evaluation"], sections)
    files.write_text(arguments.page, shown)
    files.write_text(arguments.results, render_results(found["metrics"], found["data"]))
    print(
        f"report: {arguments.page} ({len(shown) / 1e6:.1f} MB), {len(drawn)} figures in "
        f"{arguments.figures}, {len(made)} tables in {arguments.tables}"
    )


def read_inputs(arguments: argparse.Namespace, settings: params.Params) -> dict[str, Any]:
    """What the page shows, of the learners that params.yaml names and of no other file."""
    learners = list(settings.learners)
    found = {
        name: files.read_json(getattr(arguments, name))
        for name in ("metrics", "data", "evaluation", "leakage", "submission")
    }
    records = [files.read_json(arguments.importance / f"{name}.json") for name in learners]
    found["importance"] = [record for record in records if record["blocks"]]
    curves = read_csv(arguments.plots / "learning_curves.csv")
    found["curves"] = {name: [row for row in curves if row["learner"] == name] for name in learners}
    found["leaderboard"] = read_csv(arguments.leaderboard)
    for name in ("predicted_true", "calibration"):
        found[name] = read_csv(arguments.plots / f"{name}.csv")
    for name, file in (("ablation", "cells.json"), ("protocols", "scores.json")):
        path = getattr(arguments, name) / file
        digest = found["data"]["posts_digest"]
        found[name], found[f"{name}_notice"] = kept.read(name, path, settings, digest)
    return found


def draw(found: dict[str, Any], data: str) -> dict[str, Any]:
    """File name -> figure."""
    evaluation = found["evaluation"]
    names = tables.order_models(evaluation["scores"], found["metrics"]["weights"])
    drawn = {
        "densities": figures.draw_densities(evaluation["densities"], data),
        "intervals": figures.draw_intervals(evaluation["scores"], names, data),
        "predicted_true": figures.draw_predicted(found["predicted_true"], data),
        "calibration": figures.draw_calibration(found["calibration"], data),
    }
    if not evaluation["densities"]["series"]:
        del drawn["densities"]
    if found["importance"]:
        drawn["importance"] = figures.draw_importance(found["importance"], data)
    titles = {
        "category": "Error by category",
        "posts_per_user": "Error by posts per user",
        "time": "Error over time",
    }
    for name, title in titles.items():
        if evaluation["breakdown"][name]:
            drawn[f"errors_{name}"] = figures.draw_errors(
                evaluation["breakdown"][name], title, data
            )
    for learner, rows in found["curves"].items():
        if rows:
            drawn[f"learning_curve_{learner}"] = figures.draw_learning_curve(rows, learner, data)
    if found["protocols"]:
        shown = f"STALE, {data}" if found["protocols_notice"] else data
        drawn["protocols"] = figures.draw_protocols(found["protocols"], shown)
    return drawn


def tabulate(found: dict[str, Any], source: str) -> dict[str, tables.Table]:
    """File name -> table."""
    metrics, evaluation = found["metrics"], found["evaluation"]
    made = {
        "scores": tables.tabulate_scores(evaluation, metrics["weights"], source),
        "table_1": tables.tabulate_models(metrics, source),
        "table_2": tables.tabulate_leave_one_out(metrics, source),
        "figure_3": tables.tabulate_peaks(evaluation["densities"], source),
        "fusions": tables.tabulate_fusions(evaluation, source),
    }
    if found["leaderboard"]:
        made["leaderboard"] = tables.tabulate_leaderboard(found["leaderboard"], source)
    if found["ablation"]:
        table = tables.tabulate_feature_sets(found["ablation"], source)
        made["table_3"] = table.stale(found["ablation_notice"])
    if found["protocols"]:
        table = tables.tabulate_protocols(found["protocols"], source)
        made["protocols"] = table.stale(found["protocols_notice"])
    return made


def compose(
    found: dict[str, Any],
    made: dict[str, tables.Table],
    drawn: set[str],
    arguments: argparse.Namespace,
) -> list[Section]:
    """The page's sections."""

    def show(*names: str) -> list[dict[str, str]]:
        return [embed(arguments.figures, name) for name in names if name in drawn]

    def table(*names: str) -> list[tables.Table]:
        return [made[name] for name in names if name in made]

    curves = [f"learning_curve_{learner}" for learner in found["curves"]]
    errors = [f"errors_{name}" for name in ("category", "posts_per_user", "time")]
    submission = found["submission"]
    sent = (
        f"{submission['posts']} posts, each once, all finite; scores "
        f"{submission['lowest']:.2f} to {submission['highest']:.2f}, mean {submission['mean']:.2f}."
        if submission["posts"]
        else "There are no challenge posts."
    )
    return [
        Section("Headline", tables=table("scores", "table_1"), figures=show("intervals")),
        Section("Leave one out", tables=table("table_2")),
        Section(
            "Feature sets",
            [found["ablation_notice"]] if found["ablation_notice"] else [],
            table("table_3"),
        ),
        Section("Densities", tables=table("figure_3"), figures=show("densities")),
        Section("Fusion", tables=table("fusions")),
        Section("Stacks", tables=table("leaderboard")),
        Section(
            "Protocols",
            [found["protocols_notice"]] if found["protocols_notice"] else [],
            table("protocols"),
            show("protocols"),
        ),
        Section("Predictions", figures=show("predicted_true", "calibration")),
        Section("Errors", figures=show(*errors)),
        Section("Importance", figures=show("importance")),
        Section("Learning curves", figures=show(*curves)),
        Section("Leakage gates", tables=[tabulate_gates(found["leakage"])]),
        Section("Images", tables=[tabulate_images(found["data"])]),
        Section("Submission", [sent]),
        Section(
            "How it was made",
            ["The exact command, in a checkout with these parameters (Python 3.11):"],
            codes=[
                "make repro",
                page.list_versions(),
                arguments.params.read_text(encoding="utf-8"),
            ],
        ),
    ]


def tabulate_gates(leakage: dict[str, Any]) -> tables.Table:
    """Each gate and what it looked at."""
    rows = []
    for name, gate in leakage["gates"].items():
        facts = {key: value for key, value in gate.items() if key not in ("passed", "leaks")}
        shown = ", ".join(
            f"{key.replace('_', ' ')} {_flatten(value)}" for key, value in facts.items()
        )
        rows.append([name.replace("_", " "), "passed" if gate["passed"] else "LEAK", shown])
    return tables.Table("What was checked for leaks", ["gate", "result", "looked at"], rows)


def tabulate_images(data: dict[str, Any]) -> tables.Table:
    """Unreadable images by backbone and kind."""
    kinds = sorted({kind for counts in data["unreadable"].values() for kind in counts})
    rows = [
        [name, *(str(counts[kind]) for kind in kinds)]
        for name, counts in data["unreadable"].items()
    ]
    return tables.Table("Images that could not be read", ["backbone", *kinds], rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a small CSV file that a stage wrote."""
    text = files.read_text(path)
    if not text.endswith("\n"):
        raise InputError(f"{path}: its last line is cut off; {files.MAKE_AGAIN}")
    return list(csv.DictReader(text.splitlines()))


def _flatten(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    run(main)
