"""The report's figures: data in, a matplotlib figure out. Small enough to be read on a phone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fame.report import colours, fonts
from fame.report.sections import METHODS
from fame.runtime.readable import LARGE, count, show_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (5.0, 3.4)  # inches of a panel
DPI = 130
# Fixed metadata: the same data draws the same bytes.
METADATA = {"Software": None}
WIDE_TICKS = 5  # of an axis whose numbers are long
LONGEST_NAME = 32  # characters of a category's name; the rest is cut
MAIN, SECOND, GREY = colours.MAIN, colours.SECOND, colours.LABELS

Rows = list[dict[str, Any]]
Palette = dict[str, str]  # model -> colour


@contextmanager
def drawing() -> Iterator[None]:
    """All figures are made and saved in here: with fonts for every script."""
    import matplotlib

    with matplotlib.rc_context({"font.family": fonts.list_families()}):
        yield


def save(figure: "Figure", path: Path) -> None:
    """A PNG, the same bytes for the same figure."""
    _write_out_millions(figure)
    figure.savefig(path, metadata=METADATA)


def _write_out_millions(figure: "Figure") -> None:
    """Thousands separators at large ticks: a 3 with a small 1e6 in the corner is read as 3."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter, StrMethodFormatter

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            is_large = max(np.abs(axis.get_view_interval())) >= LARGE
            if is_large and isinstance(axis.get_major_formatter(), ScalarFormatter):
                axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
                axis.set_major_locator(MaxNLocator(WIDE_TICKS))


def plain(name: str) -> str:
    """A name that users gave as it is, on one line: a dollar sign starts no formula."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if len(shown) > LONGEST_NAME:
        shown = shown[: LONGEST_NAME - 1] + "…"
    return shown.replace("$", r"\$")


def draw_densities(densities: dict[str, Any], data: str, palette: Palette, label: str) -> "Figure":
    """Densities per learner with a mark at each peak (FAME, Figure 3); ``label``: their unit."""
    figure, axes = _new_figure()
    for name, series in densities["series"].items():
        emphasised = name == "fame"
        own = name.startswith("labels")
        style = {"color": palette.get(name, "black"), "linestyle": ":" if own else "-"}
        line = axes.plot(
            densities["grid"],
            series["density"],
            label=f"{name}: {show_number(series['peak'], 2)}",
            linewidth=2.4 if emphasised else 1.3,
            **style,
        )[0]
        top = max(series["density"])
        axes.plot([series["peak"]], [top], marker="v", markersize=6, color=line.get_color())
    axes.set(xlabel=plain(label), ylabel="density", title=f"Densities and peaks ({data})")
    if densities["series"]:
        axes.legend(frameon=False, fontsize=8, title="peak at", title_fontsize=8)
    return figure


def draw_predicted(rows: Rows, data: str) -> "Figure":
    """Fused prediction against label, one point a holdout post."""
    figure, axes = _new_figure()
    true = [float(row["true"]) for row in rows]
    axes.scatter(true, [float(row["predicted"]) for row in rows], s=8, alpha=0.45, color=MAIN)
    axes.plot([min(true), max(true)], [min(true), max(true)], color="black", linewidth=1)
    title = f"{count(len(rows), 'held-out post')} ({data})"
    axes.set(xlabel="label", ylabel="fused prediction", title=title)
    return figure


def draw_calibration(rows: Rows, data: str, palette: Palette) -> "Figure":
    """Mean label against mean prediction of each tenth of the holdout."""
    figure, axes = _new_figure()
    for model in dict.fromkeys(row["model"] for row in rows):
        points = [row for row in rows if row["model"] == model]
        x = [float(row["predicted"]) for row in points]
        y = [float(row["true"]) for row in points]
        width = 2.4 if model == "fame" else 1
        axes.plot(
            x, y, marker="o", markersize=3.5, label=model, linewidth=width, color=palette[model]
        )
    ends = axes.get_xlim()
    axes.plot(ends, ends, color="black", linewidth=1, linestyle=":")
    axes.set(
        xlabel="mean prediction of a tenth", ylabel="mean label", title=f"Calibration ({data})"
    )
    axes.legend(frameon=False, fontsize=8)
    return figure


def draw_errors(rows: Rows, title: str, data: str) -> "Figure":
    """MAE of each group of posts, with the number of posts and the mean error."""
    figure, axes = _new_figure(height=max(2.2, 0.27 * len(rows) + 1))
    places = range(len(rows))
    axes.barh(places, [row["mae"] for row in rows], color=MAIN, label="MAE")
    axes.plot([row["bias"] for row in rows], places, "o", color=SECOND, label="mean error")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(places, [f"{plain(row['name'])} ({row['posts']})" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set(title=f"{title} ({data})")
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    return figure


def draw_importance(records: list[dict[str, Any]], data: str) -> "Figure":
    """A panel a learner, each block a bar."""
    most = max(len(record["blocks"]) for record in records)
    figure, panels = _new_figure(len(records), height=(0.28 * most + 0.95) * len(records))
    for axes, record in zip(_listed(panels), records, strict=True):
        blocks = sorted(record["blocks"].items(), key=lambda item: (item[1], item[0]))
        axes.barh([name for name, _ in blocks], [value for _, value in blocks], color=MAIN)
        axes.set_title(f"{record['learner']}: {METHODS[record['method']]}", fontsize=10)
        axes.tick_params(axis="y", labelsize=8)
    figure.suptitle(f"Importance of feature blocks ({data})", fontsize=10)
    return figure


def draw_learning_curve(rows: Rows, learner: str, data: str) -> "Figure":
    """Validation MAE of each fold; a panel a phase."""
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    figure, panels = _new_figure(len(phases), height=SIZE[1] * (0.5 + 0.5 * len(phases)))
    for axes, phase in zip(_listed(panels), phases, strict=True):
        for fold in sorted({int(row["fold"]) for row in rows}):
            points = [row for row in rows if row["phase"] == phase and int(row["fold"]) == fold]
            x = [int(row["iteration"]) for row in points]
            style = {"marker": "o"} if len(x) == 1 else {}
            y = [float(row["validation_mae"]) for row in points]
            axes.plot(x, y, label=f"fold {fold}", linewidth=1.2, **style)
        axes.set(xlabel=f"{phase}: iteration", ylabel="validation MAE")
    _listed(panels)[0].set_title(f"{learner} ({data})")
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def draw_intervals(scores: dict[str, dict[str, Any]], data: str, palette: Palette) -> "Figure":
    """MAE of each model with its interval."""
    figure, axes = _new_figure(height=0.32 * len(scores) + 1.2)
    for place, (name, found) in enumerate(scores.items()):
        axes.plot(found["mae_interval"], [place, place], color=GREY, linewidth=3)
        axes.plot([found["mae"]], [place], "o", color=palette[name])
    axes.set_yticks(range(len(scores)), list(scores))
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set(xlabel="MAE (lower is better)", title=f"MAE and its interval ({data})")
    return figure


def draw_protocols(protocols: dict[str, Any], data: str, palette: Palette) -> "Figure":
    """MAE of each model under each protocol."""
    figure, axes = _new_figure()
    found = protocols["protocols"]
    names = list(next(iter(found.values()))["scores"])
    for number, name in enumerate(names):
        shift = (number - (len(names) - 1) / 2) * 0.12
        scores = [found[protocol]["scores"][name] for protocol in found]
        places = [place + shift for place in range(len(found))]
        low = [score["mae"] - score["mae_interval"][0] for score in scores]
        high = [score["mae_interval"][1] - score["mae"] for score in scores]
        y = [score["mae"] for score in scores]
        color = palette.get(name, colours.LABELS)  # of a learner that was deleted since
        # A percentile interval need not hold its score.
        error = [[max(0, value) for value in low], [max(0, value) for value in high]]
        axes.errorbar(places, y, yerr=error, fmt="o", markersize=4, label=name, color=color)
    axes.set_xticks(range(len(found)), list(found))
    axes.set(ylabel="MAE", title=f"Split protocols ({data})")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _listed(panels: Any) -> list[Any]:
    return list(panels) if hasattr(panels, "__len__") else [panels]


def _new_figure(panels: int = 1, height: float = SIZE[1]) -> tuple["Figure", Any]:
    """Panels one below the other: side by side they would be too small on a phone."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE[0], height), layout="constrained", dpi=DPI)
    return figure, figure.subplots(panels, 1)
