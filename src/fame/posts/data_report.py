"""What the posts are, in numbers: facts for the report, a page of text, and about ten lines."""

import unicodedata
from collections import Counter
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, UnidentifiedImageError
from scipy.stats import rankdata

from fame.posts.archives import ImageReader
from fame.posts.contract import (
    CHALLENGE,
    FIT,
    HOLDOUT,
    LOCATED,
    NO_IMAGE,
    OWN_NUMBER_PREFIX,
    SPLITS,
)
from fame.posts.findings import READ, Finding, Findings
from fame.runtime import arrays
from fame.runtime.readable import count, show_value

BINS = 10
DIGITS = 9  # of a number and of a logarithm, so that a count of millions comes back whole
SHOWN_NOTES = 5
SAMPLED_TITLES = 5_000
SAMPLED_IMAGES = 200
OUTLIER_SPREADS = 5  # median absolute deviations (as standard deviations) from the median
LEAK_CORRELATION = 0.9
RARE = 0.05  # a share of negative values that says "not known" rather than "no count"
_DEVIATION = 1.4826  # of a normal distribution, in median absolute deviations
_INPUTS = {
    "title": "titles",
    "tags": "tags",
    "posted_at": "times",
    "user_id": "authors",
    "category": "categories",
    "longitude": "places",
    "photo_count": "accounts",
    "profile_total_views": "profiles",
}
RAW_COUNTS = "target looks like raw counts: data.target_transform: log2p1 learns better"


def describe(
    posts: pa.Table, images: pa.Table, findings: Findings, transform: str
) -> dict[str, Any]:
    """Facts about the posts that ingest wrote, JSON-able and the same for the same posts.

    Args:
        posts: POSTS and own columns.
        images: IMAGES of the same posts.
        findings: of the reading.
        transform: of the target, which the posts have behind them.
    """
    target = posts["popularity"].drop_null().to_numpy()
    return {
        "source": {"path": findings.path.as_posix(), "unit": findings.unit, **findings.facts},
        "rows": len(posts),
        "split": _count_parts(posts),
        "authors": _describe_authors(posts),
        "times": _describe_times(posts),
        "target": _describe_target(target, transform),
        "columns": {name: _describe_column(posts[name]) for name in posts.column_names},
        "leaks_suspected": _find_leaks(posts),
        "texts": _describe_texts(posts["title"]),
        "images": _describe_images(images),
        "absent": [words for name, words in _INPUTS.items() if _is_absent(posts[name])]
        + (["images"] if _is_without_images(images) else []),
        "findings": findings.to_json(),
    }


def _count_parts(posts: pa.Table) -> dict[str, int]:
    parts = Counter(arrays.to_strings(posts["split"]))
    return {part: parts[part] for part in SPLITS}


def _is_absent(cells: pa.ChunkedArray) -> bool:
    if pa.types.is_list(cells.type):
        return not pc.any(pc.greater(pc.list_value_length(cells), 0)).as_py()
    return cells.null_count == len(cells)


def _is_without_images(images: pa.Table) -> bool:
    return bool(pc.all(pc.equal(images["status"], NO_IMAGE)).as_py())


def _describe_authors(posts: pa.Table) -> dict[str, Any]:
    known = posts["user_id"].drop_null()
    counts = sorted(pc.value_counts(known).field("counts").to_pylist(), reverse=True)
    return {"count": len(counts), "most_posts": counts[:5], "unknown": len(posts) - len(known)}


def _describe_times(posts: pa.Table) -> dict[str, Any]:
    known = pc.min_max(posts["posted_at"]).as_py()
    offsets = posts["utc_offset_minutes"]
    return {
        "first": known["min"] and known["min"].isoformat(),
        "last": known["max"] and known["max"].isoformat(),
        "unknown": posts["posted_at"].null_count,
        "with_zone": len(offsets) - offsets.null_count,
    }


def _describe_target(target: np.ndarray, transform: str) -> dict[str, Any]:
    """Of the labels as the models learn them."""
    counts, edges = np.histogram(target, BINS)
    return {
        "transform": transform,
        "labelled": len(target),
        "quantiles": [
            round(float(q), DIGITS) for q in np.quantile(target, [0, 0.25, 0.5, 0.75, 1])
        ],
        "mean": round(float(target.mean()), 4),
        "zeros": int((target == 0).sum()),
        "outliers": int(_find_outliers(target, transform).sum()),
        "histogram": {
            "counts": counts.tolist(),
            "edges": [round(float(edge), DIGITS) for edge in edges],
        },
        "looks_like_counts": looks_like_counts(target),
    }


def _find_outliers(target: np.ndarray, transform: str) -> np.ndarray:
    """(n,) bool: far from the others, of a heavy tail in its logarithms too.

    Of counts a third lies far from the middle as they are, and none is out of the ordinary.
    """
    far = _are_far(target)
    if transform == "none" and target.min() >= 0:
        far &= _are_far(np.log1p(target))
    return far


def _are_far(values: np.ndarray) -> np.ndarray:
    distance = np.abs(values - np.median(values))
    spread = _DEVIATION * np.median(distance)
    return distance > OUTLIER_SPREADS * spread if spread else np.zeros(len(values), bool)


def looks_like_counts(values: np.ndarray) -> bool:
    """Whether numbers are raw counts: whole, not negative, and the large ones far from the rest.

    Up to 100 they may be marks or shares, so that there only a heavy tail tells, and up to 20
    logarithms.
    """
    if len(values) < 3 or (values < 0).mean() > RARE or (values != np.floor(values)).any():
        return False
    top = values.max()
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    if top > 20 and (top > 10 * middle or values.mean() > 1.5 * middle):
        return True
    return bool(top > 100 and high - middle > 1.5 * (middle - low))


def _describe_column(cells: pa.ChunkedArray) -> dict[str, Any]:
    kind = cells.type
    facts: dict[str, Any] = {
        "type": "list" if pa.types.is_list(kind) else str(kind),
        "missing": round(cells.null_count / len(cells), 4),
    }
    if cells.null_count == len(cells):
        return facts
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        span = pc.min_max(cells).as_py()
        facts["range"] = [float(f"{span[end]:.{DIGITS}g}") for end in ("min", "max")]
    elif pa.types.is_string(kind):
        facts["distinct"] = pc.count_distinct(cells).as_py()
    return facts


def _find_leaks(posts: pa.Table) -> list[dict[str, Any]]:
    """Own numbers that order the posts as the target does."""
    target = posts["popularity"].to_numpy()
    found = []
    for name in posts.column_names:
        if name.startswith(OWN_NUMBER_PREFIX):
            correlation = correlate(posts[name].to_numpy(), target)
            if abs(correlation) >= LEAK_CORRELATION:
                column = name.removeprefix(OWN_NUMBER_PREFIX)
                found.append({"column": column, "correlation": round(correlation, 3)})
    return found


def correlate(values: np.ndarray, target: np.ndarray) -> float:
    """Spearman's correlation over the posts that have both; 0 where it is not defined."""
    known = ~(np.isnan(values) | np.isnan(target))
    if known.sum() < 3:
        return 0.0
    first, second = rankdata(values[known]), rankdata(target[known])
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _describe_texts(titles: pa.ChunkedArray) -> dict[str, Any]:
    known = titles.drop_null()
    if not len(known):
        return {"count": 0}
    lengths = pc.utf8_length(known).to_numpy()
    scripts: Counter[str] = Counter()
    for title in known[:SAMPLED_TITLES].to_pylist():
        scripts[_find_script(title)] += 1
    return {
        "count": len(known),
        "characters": [int(q) for q in np.quantile(lengths, [0, 0.5, 1])],
        "duplicates": len(known) - pc.count_distinct(known).as_py(),
        "scripts": dict(sorted(scripts.items())),
    }


def _find_script(text: str) -> str:
    """The script of most letters: latin, cyrillic, cjk, ...; "none" without letters."""
    letters = [unicodedata.name(c, "none").split()[0] for c in text[:100] if c.isalpha()]
    return Counter(letters).most_common(1)[0][0].lower() if letters else "none"


def _describe_images(images: pa.Table) -> dict[str, Any]:
    kinds = Counter(arrays.to_strings(images["status"]))
    located = images.filter(pc.equal(images["status"], LOCATED))
    facts: dict[str, Any] = {"status": dict(sorted(kinds.items()))}
    if len(located):
        facts["duplicates"] = len(located) - pc.count_distinct(located["digest"]).as_py()
        facts["sample"] = _measure_images(located[:SAMPLED_IMAGES])
    return facts


def _measure_images(located: pa.Table) -> dict[str, Any]:
    """Sizes and formats of some images by their headers; nothing is decoded."""
    formats: Counter[str] = Counter()
    widths: list[int] = []
    heights: list[int] = []
    with ImageReader() as reader:
        for row in located.to_pylist():
            try:
                with Image.open(_open(reader, row)) as image:
                    formats[str(image.format)] += 1
                    widths.append(image.width)
                    heights.append(image.height)
            except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
                formats["not an image"] += 1
    facts: dict[str, Any] = {"formats": dict(sorted(formats.items()))}
    if widths:
        facts["widths"] = [min(widths), max(widths)]
        facts["heights"] = [min(heights), max(heights)]
    return facts


def _open(reader: ImageReader, row: dict[str, Any]) -> Any:
    return BytesIO(reader.read(row["container"], row["member"]))


def summarise(facts: dict[str, Any], label: str) -> list[str]:
    """About ten lines for the terminal."""
    parts, target, times = facts["split"], facts["target"], facts["times"]
    kinds = facts["images"]["status"]
    lines = [
        f"ingest ({label}): {count(facts['rows'], 'post')}, "
        + ", ".join(f"{parts[part]} {part}" for part in SPLITS)
        + "; images: "
        + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    ]
    low, _, middle, _, high = (_restore(q, target["transform"]) for q in target["quantiles"])
    lines.append(f"  target: {low} to {high}, median {middle}; zeros: {target['zeros']}")
    if target["transform"] != "none":
        lines[-1] += f"; learned as log2(x + 1): {target['transform']}"
    elif target["looks_like_counts"]:
        lines.append(f"  {RAW_COUNTS}")
    if times["first"]:
        lines.append(f"  posted: {times['first'][:10]} to {times['last'][:10]}")
    if facts["authors"]["count"]:
        lines.append(f"  authors: {facts['authors']['count']}")
    if facts["absent"]:
        lines.append(f"  without: {', '.join(facts['absent'])}")
    lines += [
        f"  looks like a leak: {leak['column']} (correlation {leak['correlation']})"
        for leak in facts["leaks_suspected"]
    ]
    notes = sorted(facts["findings"], key=lambda note: note["became"] == READ)
    lines += [f"  {_line(note, facts)}" for note in notes[:SHOWN_NOTES]]
    if len(notes) > SHOWN_NOTES:
        lines.append(f"  findings beyond these, in reports/data.md: {len(notes) - SHOWN_NOTES}")
    return lines


def _restore(value: float, transform: str) -> str:
    """A target as the user wrote it."""
    return f"{2**value - 1:,.0f}" if transform == "log2p1" else show_value(value)


def _line(note: dict[str, Any], facts: dict[str, Any]) -> str:
    return Finding(**note).describe(facts["source"]["unit"])


def render(facts: dict[str, Any]) -> str:
    """The page: Markdown."""
    sections = [
        ("# Data", _render_posts(facts)),
        ("## Reading", _render_findings(facts)),
        ("## Target", _render_target(facts["target"])),
        ("## Columns", _render_columns(facts["columns"])),
        ("## Texts and images", _render_contents(facts)),
    ]
    return "\n".join(f"{title}\n\n{body}\n" for title, body in sections)


def _render_posts(facts: dict[str, Any]) -> str:
    authors, times, parts = facts["authors"], facts["times"], facts["split"]
    most = ", ".join(map(str, authors["most_posts"])) or "none"
    posted = f"{times['first'] or 'unknown'} to {times['last'] or 'unknown'}"
    rows = [
        ("file", facts["source"]["path"]),
        ("posts", f"{facts['rows']:,}"),
        ("split", ", ".join(f"{parts[part]:,} {part}" for part in (FIT, HOLDOUT, CHALLENGE))),
        (
            "authors",
            f"{authors['count']:,}; most posts: {most}; unknown: {authors['unknown']:,}",
        ),
        (
            "posted",
            f"{posted}; unknown: {times['unknown']:,}; with a zone: {times['with_zone']:,}",
        ),
        ("without", ", ".join(facts["absent"]) or "nothing is absent"),
    ]
    rows += [
        (
            "leak suspected",
            f"{leak['column']}: rank correlation with the target {leak['correlation']}",
        )
        for leak in facts["leaks_suspected"]
    ]
    return "| | |\n|---|---|\n" + "\n".join(f"| {key} | {_escape(text)} |" for key, text in rows)


def _render_findings(facts: dict[str, Any]) -> str:
    lines = [f"- {_escape(_line(note, facts))}" for note in facts["findings"]]
    return "\n".join(lines) or "Nothing was changed, masked or left out."


def _render_target(target: dict[str, Any]) -> str:
    names = ("lowest", "first quartile", "median", "third quartile", "highest")
    transform = target["transform"]
    values = [_restore(q, transform) for q in target["quantiles"]]
    numbers = ", ".join(f"{n} {value}" for n, value in zip(names, values, strict=True))
    lines = [
        f"{count(target['labelled'], 'labelled post')}: {numbers}; zeros: {target['zeros']:,}; "
        f"far from the others: {target['outliers']:,}."
    ]
    if transform != "none":
        lines.append(f"It is learned as log2(x + 1) ({transform}), in which the bars are as wide.")
    if target["transform"] == "none" and target["looks_like_counts"]:
        lines.append(
            "These look like raw counts, whose largest decide every mean: "
            "`data.target_transform: log2p1` learns log2(x + 1)."
        )
    counts, edges = target["histogram"]["counts"], target["histogram"]["edges"]
    widest = max(counts)
    bars = [
        f"{_restore(low, transform):>12} .. {_restore(high, transform):<12} "
        f"{'#' * round(40 * count / widest):<40} {count:,}"
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return "\n\n".join(lines) + "\n\n```\n" + "\n".join(bars) + "\n```"


def _render_columns(columns: dict[str, Any]) -> str:
    rows = []
    for name, column in columns.items():
        if column["missing"] == 1:
            continue
        held = f"{column['distinct']:,} distinct" if "distinct" in column else ""
        if "range" in column:
            held = " to ".join(show_value(end) for end in column["range"])
        rows.append(f"| {_escape(name)} | {column['type']} | {column['missing']:.1%} | {held} |")
    return "| column | type | missing | holds |\n|---|---|---|---|\n" + "\n".join(rows)


def _render_contents(facts: dict[str, Any]) -> str:
    texts, images = facts["texts"], facts["images"]
    lines = [f"- titles: {texts['count']:,}"]
    if texts["count"]:
        low, middle, high = texts["characters"]
        scripts = ", ".join(f"{name} {count:,}" for name, count in texts["scripts"].items())
        lines[0] += (
            f", {low} to {high:,} characters (median {middle}), "
            f"{_repeat('title', texts['duplicates'])}; scripts: {scripts}"
        )
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in images["status"].items())
    lines.append(f"- images: {kinds}")
    if "sample" in images:
        formats = ", ".join(f"{n} {name}" for name, n in images["sample"]["formats"].items())
        lines.append(f"- {_repeat('image', images['duplicates'])}; the first ones: {formats}")
        if "widths" in images["sample"]:
            width, height = (_join_span(images["sample"][key]) for key in ("widths", "heights"))
            lines[-1] += f", {width} pixels wide, {height} high"
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _repeat(what: str, count: int) -> str:
    return f"1 {what} repeats another" if count == 1 else f"{count:,} {what}s repeat another"


def _join_span(span: list[int]) -> str:
    low, high = span
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
