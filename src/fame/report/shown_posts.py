"""The held-out posts that the page shows: points of a figure, best, worst and surprises."""

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fame.features import images
from fame.fusion import intervals
from fame.posts.archives import ImageReader
from fame.posts.contract import HOLDOUT, LOCATED
from fame.runtime import arrays

LISTED = 20  # posts a list
THUMBNAIL_PIXELS = 88
LONGEST_TITLE, LONGEST_TAGS = 140, 160  # characters
LONGEST_POINT_TITLE = 60


@dataclass(frozen=True)
class Held:
    """Held-out posts, a row each: (n,) arrays beside n rows of a table."""

    posts: pa.Table
    images: pa.Table
    label: np.ndarray
    predicted: np.ndarray
    known: np.ndarray
    low: np.ndarray  # ends of the widest interval
    high: np.ndarray


def select(
    posts: pa.Table,
    located: pa.Table,
    predicted: np.ndarray,
    known: np.ndarray,
    fusion: dict[str, Any],
    share: float,
) -> Held:
    """The holdout of all posts; ``fusion`` is models/fusion.json."""
    rows = np.flatnonzero(arrays.to_strings(posts["split"]) == HOLDOUT)
    low, high = intervals.find_ends(
        predicted[rows], known[rows], fusion["intervals"], share, fusion["reach"]
    )
    return Held(
        posts.take(rows),
        located.take(rows),
        arrays.to_numbers(posts["popularity"])[rows],
        predicted[rows],
        known[rows],
        low,
        high,
    )


def list_points(held: Held, most: int) -> list[dict[str, Any]]:
    """A point a post, ``most`` of them at most, evenly over the holdout."""
    rows = np.unique(np.linspace(0, len(held.label) - 1, most).astype(int))
    return [
        {
            "label": _shorten(held.label[row]),
            "predicted": _shorten(held.predicted[row]),
            "post": held.posts["post_id"][row].as_py(),
            "title": cut(held.posts["title"][row].as_py(), LONGEST_POINT_TITLE),
            "category": held.posts["category"][row].as_py() or "none",
        }
        for row in rows.tolist()
    ]


def choose(held: Held) -> dict[int, list[str]]:
    """Row -> the lists that it is on, the lists one after the other.

    Surprises: where the place among all labels is furthest from that among all predictions.
    """
    error = np.abs(held.label - held.predicted)
    gap = np.abs(_place(held.label) - _place(held.predicted))
    lists = {"worst": np.argsort(-error, kind="stable"), "best": np.argsort(error, kind="stable")}
    lists["surprise"] = np.argsort(-gap, kind="stable")
    found: dict[int, list[str]] = {}
    for name, order in lists.items():
        for row in order[:LISTED].tolist():
            found.setdefault(row, []).append(name)
    return found


def describe(held: Held) -> list[dict[str, Any]]:
    """What the page's table shows of the chosen posts, text as users wrote it."""
    described = []
    decimals = count_decimals(held.label)
    with ImageReader() as reader:
        for row, names in choose(held).items():
            names_shown = ("post_id", "title", "tags", "user_id")
            post = {name: held.posts[name][row].as_py() for name in names_shown}
            label, predicted = float(held.label[row]), float(held.predicted[row])
            low, high = float(held.low[row]), float(held.high[row])
            group = "known" if held.known[row] else "new"
            numbers = {"label": label, "predicted": predicted, "low": low, "high": high}
            described.append(
                {
                    "lists": names,
                    "id": post["post_id"],
                    "title": cut(post["title"], LONGEST_TITLE),
                    "tags": cut(", ".join(post["tags"] or []), LONGEST_TAGS),
                    "category": held.posts["category"][row].as_py() or "",
                    "author": "none" if post["user_id"] is None else group,
                    **numbers,
                    "shown": {name: f"{value:,.{decimals}f}" for name, value in numbers.items()}
                    | {"error": f"{predicted - label:+,.{decimals}f}"},
                    "outside": not low <= label <= high,
                    "image": make_thumbnail(reader, held.images.slice(row, 1)),
                }
            )
    return described


def count_decimals(label: np.ndarray) -> int:
    """Decimals that tell (n,) labels apart to about four digits of the range that they span."""
    span = float(np.ptp(label)) or 1.0
    return max(0, 3 - math.floor(math.log10(span)))


def make_thumbnail(reader: ImageReader, row: pa.Table) -> str:
    """A data address of a small JPEG; empty where the image cannot be read."""
    if row["status"][0].as_py() != LOCATED:
        return ""
    container, member = row["container"][0].as_py(), row["member"][0].as_py()
    try:
        picture = images.decode(reader.read(container, member), THUMBNAIL_PIXELS)
    except (images.UnreadableImageError, OSError):
        return ""
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def cut(text: str | None, most: int) -> str:
    """A text on one line, its end cut away if it is long."""
    line = " ".join((text or "").split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _place(values: np.ndarray) -> np.ndarray:
    """(n,) place of each value among all, from 0."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")


def _shorten(value: float) -> float:
    return float(f"{value:.5g}")
