"""The report's tables, as Markdown, CSV and rows of the page."""

import csv
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any

from fame.fusion.results import describe_idle
from fame.report import published_results
from fame.runtime.readable import count, show_number


@dataclass(frozen=True)
class Table:
    """Text cells under a title; ``note`` says what must be known to read them."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""

    def stale(self, notice: str) -> "Table":
        """The same, called stale where there is a notice."""
        if not notice:
            return self
        note = f"{notice} {self.note}".strip()
        return replace(self, title=f"STALE: {self.title}", note=note)

    def noted(self, note: str) -> "Table":
        """The same with one more sentence under it."""
        return replace(self, note=f"{self.note} {note}".strip())

    def markdown(self) -> str:
        """Title, table, note."""
        head = f"| {' | '.join(self.columns)} |\n|{'---|' * len(self.columns)}\n"
        body = "".join(f"| {' | '.join(row)} |\n" for row in self.rows)
        return f"### {self.title}\n\n{head}{body}" + (f"\n{self.note}\n" if self.note else "")

    def csv(self) -> str:
        """Header and rows."""
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()


def show(scores: Any) -> list[str]:
    """SRC and MAE, from a record or a published pair; dashes where there are none."""
    if not scores:
        return ["-", "-"]
    pair = (scores["src"], scores["mae"]) if isinstance(scores, dict) else scores
    return [show_number(value) for value in pair]


def describe_data(source: str) -> str:
    """What a title calls the data."""
    names = {"sample": "simulated sample", "smpd": "SMPD, holdout", "table": "own posts, holdout"}
    return names[source]


def entitle(number: str, title: str, source: str) -> str:
    """A title with the data; the paper's number only where the data are there for the paper."""
    named = f"{number}: {title}" if published_results.concerns(source) else title.capitalize()
    return f"{named} ({describe_data(source)})"


def tabulate_scores(evaluation: dict[str, Any], weights: dict[str, float], source: str) -> Table:
    """Each learner and the fusion with their intervals."""
    rows = []
    for name, scores in evaluation["scores"].items():
        shown = show(scores)
        ranges = [
            " to ".join(show_number(bound) for bound in scores[f"{metric}_interval"])
            for metric in ("src", "mae")
        ]
        weight = f"{weights[name]:.3f}" if name in weights else "-"
        label = "FAME (fused)" if name == "fame" else name
        rows.append([label, weight, shown[0], ranges[0], shown[1], ranges[1]])
    share = f"{evaluation['confidence']:.0%}"
    return Table(
        f"Scores with confidence intervals ({describe_data(source)})",
        ["model", "weight", "SRC", f"SRC, {share}", "MAE", f"MAE, {share}"],
        rows,
        f"Intervals: {count(evaluation['resamples'], 'bootstrap resample')} of the holdout's "
        f"{evaluation['drawn']}.",
    )


def tabulate_models(metrics: dict[str, Any], source: str) -> Table:
    """Table 1: what is published, and FAME here."""
    rows = [
        [name, "SMPD test, published", *show(pair)]
        for name, pair in published_results.MODELS.items()
    ]
    rows.append(["FAME, this run", describe_data(source), *show(metrics["fame"])])
    note = "" if source == "smpd" else "This run is of other data: not comparable with the others."
    if source == "smpd":
        note = "Test labels are not public: this run is scored on its own holdout."
    return Table(
        entitle("Table 1", "published results and this run", source),
        ["model", "data", "SRC", "MAE"],
        rows,
        note,
    )


def tabulate_leave_one_out(metrics: dict[str, Any], source: str) -> Table:
    """Table 2: the fusion without each learner, its weight shared among the others."""
    names = [name for name in metrics if name.startswith("without_")]
    rows = []
    for name in ["fame", *names]:
        label = "FAME, all learners" if name == "fame" else name.replace("_", " ", 1)
        row = [label, *show(metrics[name])]
        row += [show_number(metrics[name]["mae"] - metrics["fame"]["mae"], sign=True)]
        if source == "smpd":
            row += show(published_results.FUSIONS.get(name))
        rows.append(row)
    columns = ["fusion", "SRC", "MAE", "MAE against FAME"]
    return Table(
        entitle("Table 2", "leave one learner out", source),
        columns + (["SRC, published", "MAE, published"] if source == "smpd" else []),
        rows,
        describe_idle(metrics["weights"]),
    )


def tabulate_feature_sets(ablation: dict[str, Any], source: str) -> Table:
    """Table 3: a row a set of blocks, SRC / MAE of each learner."""
    learners = list(dict.fromkeys(cell["learner"] for cell in ablation["cells"]))
    cells = {(cell["row"], cell["learner"]): cell for cell in ablation["cells"]}
    rows, stand_ins = [], False
    for row in dict.fromkeys(cell["row"] for cell in ablation["cells"]):
        blocks = next(cell["blocks"] for cell in ablation["cells"] if cell["row"] == row)
        shown = [" + ".join(blocks)]
        for learner in learners:
            shown.append(" / ".join(show(cells[row, learner])) if (row, learner) in cells else "-")
            if source == "smpd":
                pair = published_results.FEATURE_SETS.get(row, {}).get(learner)
                shown.append(" / ".join(show(pair)) if pair else "-")
        named = row.replace("image_stats", "image-stats").split("_")
        paper = [name.replace("-", "_") for name in named]
        stand_ins |= set(paper) != set(blocks)
        rows.append([" + ".join(paper), *shown])
    columns = ["row of the paper", "blocks here"]
    for learner in learners:
        columns.append(f"{learner}, SRC / MAE")
        if source == "smpd":
            columns.append(f"{learner}, published")
    note = "Where the blocks differ from the paper's row, others stand in for backbones not here."
    title = entitle("Table 3", "feature sets", source)
    return Table(title, columns, rows, note if stand_ins else "")


def tabulate_peaks(densities: dict[str, Any], source: str) -> Table:
    """Figure 3's peaks, by the density estimate that draws it."""
    part = "posts without a label" if densities["part"] == "challenge" else "the holdout"
    rows = []
    for name, series in densities["series"].items():
        row = [name, show_number(series["peak"], 2)]
        rows.append(row + ([published_results.PEAKS.get(name, "-")] if source == "smpd" else []))
    return Table(
        entitle("Figure 3", "peaks of the predicted densities", source),
        ["series", "peak at"] + (["published"] if source == "smpd" else []),
        rows,
        f"Predictions for {part}.",
    )


def tabulate_fusions(evaluation: dict[str, Any], source: str) -> Table:
    """Ways to fuse beside each other."""
    labels = {
        "mean": "plain mean",
        "fixed": "weights of params.yaml",
        "learned_mae": "ensemble selection, best MAE",
        "learned_src": "ensemble selection, best SRC",
    }
    rows = []
    for way, found in evaluation["fusions"].items():
        shares = ", ".join(f"{name} {weight:.3f}" for name, weight in found["weights"].items())
        rows.append([labels[way], shares, *show(found["out_of_fold"]), *show(found["holdout"])])
    return Table(
        f"Ways to fuse ({describe_data(source)})",
        ["weights", "of each learner", "SRC, fit", "MAE, fit", "SRC, holdout", "MAE, holdout"],
        rows,
        "Fit: out-of-fold predictions of the training posts; selected weights are nested there, "
        "each fold fused by weights selected on the other folds. The weights shown use all of "
        "them. fusion.mode: learned goes further: it draws them towards even ones, tells known "
        "and new authors apart and adds a line, each where that helps out of fold.",
    )


def tabulate_protocols(protocols: dict[str, Any], source: str) -> Table:
    """Every learner and the fusion under each split protocol."""
    rows = []
    for protocol, found in protocols["protocols"].items():
        for name, scores in found["scores"].items():
            row = [protocol, "FAME" if name == "fame" else name]
            for metric in ("src", "mae"):
                low, high = (show_number(bound, 3) for bound in scores[f"{metric}_interval"])
                row.append(f"{show_number(scores[metric])} ({low} to {high})")
            rows.append(row)
    share = f"{protocols['confidence']:.0%} interval"
    return Table(
        f"Split protocols ({describe_data(source)})",
        ["protocol", "model", f"SRC ({share})", f"MAE ({share})"],
        rows,
        "Each protocol holds out other posts. Under random and chronological, users are on both "
        f"sides; under user, none is.{_describe_drawn(protocols['protocols'])}",
    )


def _describe_drawn(protocols: dict[str, Any]) -> str:
    """What the intervals' bootstrap drew, by protocol; older results say nothing of it."""
    drawn: dict[str, list[str]] = {}
    for protocol, found in protocols.items():
        if "drawn" in found:
            drawn.setdefault(found["drawn"], []).append(protocol)
    units = ", ".join(f"{unit} ({', '.join(names)})" for unit, names in drawn.items())
    return f" Intervals: bootstrap resamples of the holdout's {units}." if units else ""


def tabulate_leaderboard(rows: list[dict[str, str]], source: str) -> Table:
    """The models inside the learners that are stacks."""
    columns = ["learner", "layer", "model", "MAE, out of fold", "seconds of training"]
    keys = ("learner", "layer", "model", "validation_mae", "fit_seconds")
    cells = [[row[key] or "-" for key in keys] for row in rows]
    for row in cells:
        row[3] = show_number(float(row[3])) if row[3] != "-" else row[3]
    return Table(f"Models of the stacks ({describe_data(source)})", columns, cells)
