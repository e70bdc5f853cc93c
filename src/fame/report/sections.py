"""The parts of the page, in their order, with the tables that are in no file."""

import argparse
from typing import Any

from fame.fusion.intervals import GROUPS
from fame.report import page, tables
from fame.report.page import Section

METHODS = {
    "shap": "mean |SHAP|",
    "paths": "mean |change on the paths|",
    "permutation": "MAE lost when exchanged",
}
INTERVAL = "interval_"


def compose(
    found: dict[str, Any],
    made: dict[str, tables.Table],
    charts: dict[str, Any],
    arguments: argparse.Namespace,
) -> list[Section]:
    """The page's sections but the empty ones; ``charts`` are the interactive figures by name."""

    def show(*names: str) -> list[dict[str, Any]]:
        shown = [page.embed(arguments.figures, name, charts) for name in names]
        return [figure for figure in shown if figure["chart"] or figure["uri"]]

    def start(prefix: str) -> list[dict[str, Any]]:
        return show(*(name for name in charts if name.startswith(prefix)))

    def table(*names: str) -> list[tables.Table]:
        return [made[name] for name in names if name in made]

    def notice(name: str) -> list[str]:
        return [found[f"{name}_notice"]] if found[f"{name}_notice"] else []

    curves = show(*(f"learning_curve_{learner}" for learner in found["curves"]))
    sections = [
        Section(
            "Headline",
            tables=table("scores", "table_1"),
            figures=show("intervals", "intervals_src"),
        ),
        Section(
            "Predictions",
            [f"{len(found['points'])} of {found['data']['posts_holdout']} held-out posts drawn."],
            figures=show("predicted_true", "calibration", "densities"),
            tables=table("figure_3"),
        ),
        Section("Errors", figures=start("errors_")),
        Section(
            "Posts",
            [
                "Held-out posts that were predicted worst and best, and surprises: those whose "
                "place among all labels is furthest from that among all predictions."
            ],
            posts=found["posts"],
        ),
        Section("Intervals", figures=show("coverage")),
        Section(
            "Fusion",
            [f"{line[0].upper()}{line[1:]}." for line in found["learned"]],
            tables=table("table_2", "fusions"),
            figures=show("weights", "left_out"),
        ),
        Section(
            "Importance",
            _tell_unexplained(found),
            figures=[*start("importance_"), *start("columns_"), *show("importance")],
        ),
        Section("Learning curves", figures=[*start("learning_curve_"), *curves]),
        Section("Stacks", tables=table("leaderboard")),
        Section("Feature sets", notice("ablation"), table("table_3")),
        Section("Protocols", notice("protocols"), table("protocols"), show("protocols")),
        Section("Leakage gates", tables=[tabulate_gates(found["leakage"])]),
        Section("Data", markdown=arguments.reading.read_text(encoding="utf-8")),
        Section("Images", tables=tabulate_images(found["data"])),
        Section("Submission", [describe_submission(found["submission"])]),
        Section(
            "Provenance",
            ["The exact command, in a checkout with these parameters (Python 3.11): make repro"],
            facts={"Data": describe_data(found["data"])} | found["provenance"],
            codes={"params.yaml": arguments.params.read_text(encoding="utf-8")},
        ),
    ]
    return [section for section in sections if not section.is_empty]


def list_coverage(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a share that intervals are to cover and what they cover: all, known, new authors."""
    rows = []
    for name in data:
        if name.startswith(INTERVAL):
            asked = name.removeprefix(INTERVAL)
            for authors in ("all", *GROUPS):
                key = "coverage" if authors == "all" else f"coverage_{authors}"
                if key in data[name]:
                    row = {"asked": f"{asked}%", "authors": authors, "share": float(asked) / 100}
                    rows.append(row | {"coverage": data[name][key]})
    return rows


def describe_data(data: dict[str, Any]) -> page.Pairs:
    """Counts and the digest of the labelled posts."""
    counts = [(name.replace("_", " "), str(data[name])) for name in data if _counts(name)]
    return [("digest of the labelled posts", data["posts_digest"]), *counts]


def describe_submission(submission: dict[str, Any]) -> str:
    """How many posts were written, and their scores."""
    if not submission["posts"]:
        return "There are no challenge posts."
    return (
        f"{submission['posts']} posts, each once, all finite; scores "
        f"{submission['lowest']:.2f} to {submission['highest']:.2f}, mean {submission['mean']:.2f}."
    )


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


def tabulate_images(data: dict[str, Any]) -> list[tables.Table]:
    """A table of unreadable images by backbone and kind; none where no backbone reads images."""
    kinds = sorted({kind for counts in data["unreadable"].values() for kind in counts})
    rows = [
        [name, *(str(counts[kind]) for kind in kinds)]
        for name, counts in data["unreadable"].items()
    ]
    title = "Images that could not be read"
    return [tables.Table(title, ["backbone", *kinds], rows)] if rows else []


def _tell_unexplained(found: dict[str, Any]) -> list[str]:
    names = ", ".join(found["unexplained"])
    return [f"Not measured for {names}: it predicts too slowly."] if names else []


def _counts(name: str) -> bool:
    return name.startswith(("posts_", "users_")) and name != "posts_digest"


def _flatten(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
