"""The challenge's files as columns of POSTS: what a value can be, and masked where it cannot."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.findings import Column, Findings
from fame.posts.sources import values
from fame.posts.sources.profiles import ALIAS
from fame.posts.sources.smpd_files import Records
from fame.posts.sources.table_times import find_far

# Column of POSTS -> key, the span that its values can have, and that in words.
_PLACES: dict[str, tuple[str, tuple[float, float], str]] = {
    "longitude": ("Longitude", (-180, 180), "degrees in -180 .. 180"),
    "latitude": ("Latitude", (-90, 90), "degrees in -90 .. 90"),
    "geo_accuracy": ("Geoaccuracy", (0, 16), "an accuracy level in 0 .. 16"),
}


def _type_text(records: Records, _findings: Findings) -> dict[str, pa.ChunkedArray]:
    return {
        "title": values.drop_missing(records.texts["Title"], ("",)),
        "tags": values.split_words(records.texts["Alltags"]),
        "media_type": values.drop_missing(records.texts["Mediatype"]),
    }


def _type_category(records: Records, _findings: Findings) -> dict[str, pa.ChunkedArray]:
    return {
        key.lower(): values.drop_missing(records.texts[key])
        for key in ("Category", "Subcategory", "Concept")
    }


def _type_place(records: Records, findings: Findings) -> dict[str, pa.ChunkedArray]:
    """No location is written as accuracy 0 with coordinates 0 or none."""
    located = {
        name: values.to_numbers(records.texts[key], records.origin(key), findings, span, allowed)
        for name, (key, span, allowed) in _PLACES.items()
    }
    is_zero = [pc.equal(pc.fill_null(column, 0), 0) for column in located.values()]
    is_nowhere = pc.and_(pc.and_(*is_zero[:2]), is_zero[2])
    nothing = pa.scalar(None, pa.float64())
    located = {name: pc.if_else(is_nowhere, nothing, column) for name, column in located.items()}
    return {"posted_at": _type_times_of_posts(records, findings)} | located


def _type_times_of_posts(records: Records, findings: Findings) -> pa.ChunkedArray:
    """Negative times and those far from all others are masked."""
    texts, origin = records.texts["Postdate"], records.origin("Postdate")
    times = values.to_times(texts, origin, findings, (1, values.LATEST_SECOND))
    seconds = pc.cast(pc.cast(times, pa.int64()), pa.float64()).to_numpy()
    far = find_far(seconds)
    if not far.any():
        return times
    column = Column(f"{origin.path.name} Postdate", texts, np.arange(1, len(texts) + 1), findings)
    column.bad("times far from all others", "a time among the others", far)
    return pc.if_else(pa.array(far), pa.scalar(None, times.type), times)


def _type_additional(records: Records, _findings: Findings) -> dict[str, pa.ChunkedArray]:
    return {ALIAS: records.texts["Pathalias"]}


def type_user(records: Records, findings: Findings, latest: int) -> dict[str, pa.ChunkedArray]:
    """The account's columns; ``latest`` is the second that none of its times is later than."""
    counts = partial(values.to_numbers, span=(0, np.inf), allowed="a count")
    types: dict[
        str, tuple[str, Callable[[pa.ChunkedArray, values.Origin, Findings], pa.ChunkedArray]]
    ] = {
        "photo_count": ("photo_count", counts),
        "is_pro": ("ispro", values.to_flags),
        "can_buy_pro": ("canbuypro", values.to_flags),
        "utc_offset_minutes": ("timezone_offset", values.to_offset_minutes),
        "first_upload_at": ("photo_firstdate", partial(values.to_times, span=(0, latest))),
        # Photos are older than their files: a time before 1970 is one.
        "first_taken_at": (
            "photo_firstdatetaken",
            partial(values.to_times, span=(-values.LATEST_SECOND, latest)),
        ),
    }
    return {
        name: convert(records.texts[key], records.origin(key), findings)
        for name, (key, convert) in types.items()
    }


# Role of a file with ids -> its columns.
TYPES = {
    "text": _type_text,
    "category": _type_category,
    "place": _type_place,
    "additional": _type_additional,
}
