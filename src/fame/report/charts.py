"""The page's interactive figures: data in, a Vega-Lite specification out.

Colours of text and axes are the page's business, so that they follow light, dark and print.
"""

from typing import Any

from fame.report import colours

Spec = dict[str, Any]
Rows = list[dict[str, Any]]
HEIGHT, BAR = 260, 19  # pixels of a figure, and of a bar in one of bars
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, nothing that is fetched
ERRORS = "MAE (bar), mean error (point)"


def draw_densities(densities: dict[str, Any], palette: dict[str, str], label: str) -> Spec:
    """Densities per model over the label's unit, which ``label`` names."""
    rows = [
        {"model": name, "value": x, "density": y}
        for name, series in densities["series"].items()
        for x, y in zip(densities["grid"], series["density"], strict=True)
    ]
    others = {name: colours.LABELS for name in densities["series"] if name not in palette}
    return _figure(
        rows,
        {"type": "line", "strokeWidth": 2},
        x=_number("value", label),
        y=_number("density"),
        color=_models(palette | others, rows),
        tooltip=_tell("model", "value", "density"),
    )


def draw_points(points: Rows) -> Spec:
    """Prediction against label; the post under the pointer."""
    values = [point[key] for point in points for key in ("label", "predicted")]
    ends = [{"label": end, "predicted": end} for end in (min(values), max(values))]
    line = {
        "data": {"values": ends},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "currentColor"},
        "encoding": {"x": _number("label", zero=False), "y": _number("predicted", zero=False)},
    }
    dots = {
        "data": {"values": points},
        "mark": {"type": "circle", "size": 30, "opacity": 0.5, "color": colours.FAME},
        "encoding": {
            "x": _number("label", zero=False),
            "y": _number("predicted", zero=False),
            "tooltip": _tell("title", "category", "label", "predicted", "post"),
        },
    }
    return _frame({"layer": [line, dots]})


def draw_calibration(rows: Rows, palette: dict[str, str]) -> Spec:
    """Mean label against mean prediction of each tenth of the holdout."""
    points = [
        {"model": row["model"], "predicted": float(row["predicted"]), "label": float(row["true"])}
        for row in rows
    ]
    values = [point[key] for point in points for key in ("label", "predicted")]
    ends = [{"label": end, "predicted": end} for end in (min(values), max(values))]
    line = {
        "data": {"values": ends},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "currentColor"},
        "encoding": {
            "x": _number("predicted", "mean prediction of a tenth", zero=False),
            "y": _number("label", "mean label", zero=False),
        },
    }
    curves = {
        "data": {"values": points},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": _number("predicted", "mean prediction of a tenth", zero=False),
            "y": _number("label", "mean label", zero=False),
            "color": _models(palette, points),
            "tooltip": _tell("model", "predicted", "label"),
        },
    }
    return _frame({"layer": [line, curves]})


def draw_errors(rows: Rows) -> Spec:
    """MAE of each group as a bar, its mean error as a point."""
    data = [{"group": f"{row['name']} ({row['posts']})"} | row for row in rows]
    y = {"field": "group", "type": "nominal", "sort": None, "title": None}
    bars: dict[str, Any] = {
        "mark": {"type": "bar", "color": colours.MAIN},
        "encoding": {"y": y, "x": _number("mae", ERRORS)},
    }
    points: dict[str, Any] = {
        "mark": {"type": "point", "filled": True, "size": 50, "color": colours.SECOND},
        "encoding": {"y": y, "x": _number("bias", ERRORS)},
    }
    layer = [bars, points]
    for part in layer:
        part["encoding"]["tooltip"] = _tell("name", "posts", "mae", "bias")
    return _frame({"data": {"values": data}, "layer": layer}, BAR * len(rows) + 30)


def draw_bars(values: dict[str, float], unit: str, palette: dict[str, str] | None = None) -> Spec:
    """A bar a name, the longest first."""
    order = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    rows = [{"name": name, "value": value} for name, value in order]
    colour: Spec = {"value": colours.MAIN}
    if palette:
        colour = _models(palette, rows, "name") | {"legend": None}
    return _figure(
        rows,
        {"type": "bar"},
        BAR * len(rows) + 30,
        y={"field": "name", "type": "nominal", "sort": None, "title": None},
        x=_number("value", unit),
        color=colour,
        tooltip=_tell("name", "value"),
    )


def draw_curves(rows: Rows) -> Spec:
    """Validation MAE of each fold by iteration; of one phase of one learner."""
    data = [
        {
            "fold": int(row["fold"]),
            "iteration": int(row["iteration"]),
            "mae": float(row["validation_mae"]),
        }
        for row in rows
    ]
    single = max(row["iteration"] for row in data) == min(row["iteration"] for row in data)
    return _figure(
        data,
        {"type": "line", "point": single, "strokeWidth": 1.5},
        x=_number("iteration", zero=False) | {"axis": {"tickMinStep": 1, "format": "d"}},
        y=_number("mae", "validation MAE", zero=False),
        color={"field": "fold", "type": "nominal", "scale": {"range": list(colours.LEARNERS)}},
        tooltip=_tell("fold", "iteration", "mae"),
    )


def draw_intervals(scores: dict[str, dict[str, Any]], metric: str, palette: dict[str, str]) -> Spec:
    """A metric of each model with its interval."""
    rows = [
        {
            "model": name,
            metric: found[metric],
            "low": found[f"{metric}_interval"][0],
            "high": found[f"{metric}_interval"][1],
        }
        for name, found in scores.items()
    ]
    better = "higher is better" if metric == "src" else "lower is better"
    return _ranges(rows, "model", metric, f"{metric.upper()} ({better})", palette)


def draw_protocols(protocols: dict[str, Any], palette: dict[str, str]) -> Spec:
    """MAE of the fusion under each protocol, with its interval."""
    rows = []
    for protocol, found in protocols["protocols"].items():
        fame = found["scores"]["fame"]
        low, high = fame["mae_interval"]
        rows.append({"protocol": protocol, "mae": fame["mae"], "low": low, "high": high})
    one = dict.fromkeys((row["protocol"] for row in rows), palette["fame"])
    return _ranges(rows, "protocol", "mae", "MAE of FAME (lower is better)", one)


def draw_coverage(rows: Rows) -> Spec:
    """The share of labels inside the intervals beside the share that was asked for."""
    for row in rows:
        row["group"] = f"{row['asked']}, {row['authors']}"
    y = {"field": "group", "type": "nominal", "sort": None, "title": None}
    share = {"domain": [0, 1]}
    x = {"field": "coverage", "type": "quantitative", "title": "share inside", "scale": share}
    mark = {"type": "bar", "color": colours.MAIN}
    bars: dict[str, Any] = {"mark": mark, "encoding": {"y": y, "x": x}}
    marks: dict[str, Any] = {
        "mark": {"type": "tick", "thickness": 3, "color": colours.SECOND},
        "encoding": {"y": y, "x": x | {"field": "share"}},
    }
    for part in (bars, marks):
        part["encoding"]["tooltip"] = _tell("group", "share", "coverage")
    return _frame({"data": {"values": rows}, "layer": [bars, marks]}, BAR * len(rows) + 30)


def _ranges(rows: Rows, name: str, value: str, title: str, palette: dict[str, str]) -> Spec:
    y = {"field": name, "type": "nominal", "sort": None, "title": None}
    scale = {"zero": False}
    colour = _models(palette, rows, name) | {"legend": None}
    x = {"field": "low", "type": "quantitative", "title": title, "scale": scale}
    rule = {
        "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5},
        "encoding": {"y": y, "x": x, "x2": {"field": "high"}, "color": colour},
    }
    point = {
        "mark": {"type": "point", "filled": True, "size": 80},
        "encoding": {"y": y, "x": x | {"field": value}, "color": colour},
    }
    for part in (rule, point):
        part["encoding"]["tooltip"] = _tell(name, value, "low", "high")
    return _frame({"data": {"values": rows}, "layer": [rule, point]}, 26 * len(rows) + 30)


def _models(palette: dict[str, str], rows: Rows, field: str = "model") -> Spec:
    present = list(dict.fromkeys(row[field] for row in rows))
    scale = {"domain": present, "range": [palette.get(name, colours.LABELS) for name in present]}
    return {"field": field, "type": "nominal", "scale": scale, "title": None}


def _number(field: str, title: str | None = None, zero: bool = True) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title or field,
        "scale": {"zero": zero, "nice": zero},
    }


def _tell(*fields: str) -> list[Spec]:
    return [{"field": field} for field in fields]


def _figure(rows: Rows, mark: Spec, height: int = HEIGHT, **encoding: Any) -> Spec:
    return _frame({"data": {"values": rows}, "mark": mark, "encoding": encoding}, height)


def _frame(content: Spec, height: int = HEIGHT) -> Spec:
    """Width as wide as the page lets it be."""
    size = {
        "width": "container",
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
    }
    return {"$schema": SCHEMA} | size | content
