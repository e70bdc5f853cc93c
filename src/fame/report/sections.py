"""The parts of the page, in their order, with the tables that are in no file."""

import argparse
from typing import Any

from fame.fusion.intervals import GROUPS
from fame.posts.contract import CHALLENGE, HOLDOUT
from fame.report import page, tables
from fame.report.page import Section
from fame.runtime.readable import count, show_number

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
        return [text for text in (found[f"{name}_notice"], found[f"{name}_origin"]) if text]

    curves = show(*(f"learning_curve_{learner}" for learner in found["curves"]))
    sections = [
        Section(
            "Headline",
            tables=table("scores", "table_1"),
            figures=show("intervals", "intervals_src"),
        ),
        Section(
            "Predictions",
            [
                f"{len(found['points']):,} of "
                f"{count(found['data']['posts_holdout'], 'held-out post')} drawn.",
                *_tell_of_densities(found["evaluation"]["densities"]),
            ],
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
            _tell_without_importance(found),
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
            # One group is the whole holdout, and no group where posts have no author.
            is_apart = all(f"coverage_{group}" in data[name] for group in GROUPS)
            for authors in ("all", *GROUPS):
                key = "coverage" if authors == "all" else f"coverage_{authors}"
                if key in data[name] and (authors == "all" or is_apart):
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
    low, high, mean = (show_number(submission[key], 2) for key in ("lowest", "highest", "mean"))
    posts = count(submission["posts"], "post")
    return f"{posts}, each once, all finite; scores {low} to {high}, mean {mean}."


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


def _tell_without_importance(found: dict[str, Any]) -> list[str]:
    texts = []
    if names := ", ".join(found["unexplained"]):
        texts.append(f"Not measured for {names}: it predicts too slowly.")
    if names := ", ".join(found["same_whatever"]):
        texts.append(f"No block counts for {names}: nothing in them changes a prediction.")
    return texts


def _tell_of_densities(densities: dict[str, Any]) -> list[str]:
    """Why there is no density, or one of the holdout in place of the posts without a label."""
    challenge, holdout = densities["posts"][CHALLENGE], densities["posts"][HOLDOUT]
    if densities["part"] and not densities["series"]:
        return ["All predictions are the same, so there is no density of them."]
    if densities["part"] == CHALLENGE:
        return []
    few = f"{count(challenge, 'post')} without a label"
    if densities["part"] == HOLDOUT:
        return [f"{few}, too few for a density: it is of the holdout."] if challenge else []
    return [f"{count(holdout, 'held-out post')} and {few}, too few to draw a density of."]


def _counts(name: str) -> bool:
    return name.startswith(("posts_", "users_")) and name != "posts_digest"


def _flatten(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
