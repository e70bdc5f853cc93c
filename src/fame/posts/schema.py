"""The schema that every source's posts must satisfy, whatever file they came from."""

from collections.abc import Sequence

import pandera.pandas as pa_schema
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.contract import (
    ASSIGNED,
    CATEGORY_PREFIX,
    CHALLENGE,
    OWN_NUMBER_PREFIX,
    POSTS,
    SPLITS,
)
from fame.runtime.errors import InputError

_FINITE = pa_schema.Check.in_range(
    float("-inf"), float("inf"), include_min=False, include_max=False, error="a finite number"
)
_NOT_NEGATIVE = pa_schema.Check.ge(0, error="a number >= 0")
_FILLED = pa_schema.Check.str_length(min_value=1, error="an id of at least one character")
_FLAG = pa_schema.Check.isin([0.0, 1.0], error="0 or 1")


def _column(*checks: pa_schema.Check, nullable: bool = True, unique: bool = False) -> object:
    return pa_schema.Column(checks=list(checks), nullable=nullable, unique=unique, coerce=False)


_RANGES = {
    "longitude": pa_schema.Check.in_range(-180, 180, error="degrees in -180 .. 180"),
    "latitude": pa_schema.Check.in_range(-90, 90, error="degrees in -90 .. 90"),
    "utc_offset_minutes": pa_schema.Check.in_range(-840, 840, error="minutes in -840 .. 840"),
    "geo_accuracy": pa_schema.Check.in_range(0, 16, error="an accuracy level in 0 .. 16"),
    "is_pro": _FLAG,
    "can_buy_pro": _FLAG,
}


def _build(columns: Sequence[str]) -> pa_schema.DataFrameSchema:
    schema = {
        "post_id": _column(_FILLED, nullable=False, unique=True),
        "popularity": _column(_FINITE),
    }
    if "split" in columns:
        allowed = pa_schema.Check.isin(SPLITS, error=f"one of {', '.join(SPLITS)}")
        schema["split"] = _column(allowed, nullable=False)
    for name in columns:
        if name in _RANGES:
            schema[name] = _column(_RANGES[name])
        elif name.startswith("profile_") or name == "photo_count":
            schema[name] = _column(_FINITE, _NOT_NEGATIVE)
        elif name.startswith(OWN_NUMBER_PREFIX):
            schema[name] = _column(_FINITE)
    return pa_schema.DataFrameSchema(schema)


def validate(posts: pa.Table) -> None:
    """Check types, ranges, unique ids, and that labels stand exactly where they must.

    Raises:
        InputError: names the post, the column, what was found and what is allowed.
    """
    _check_types(posts)
    if not len(posts):
        raise InputError("the source holds no post; expected at least one")
    schema = _build(posts.column_names)
    try:
        schema.validate(posts.select(list(schema.columns)).to_pandas(), lazy=True)
    except pa_schema.errors.SchemaErrors as errors:
        problems = [_explain(error, posts) for error in errors.schema_errors]
        raise InputError("; ".join(problems)) from None
    _check_labels(posts)


def _check_types(posts: pa.Table) -> None:
    expected = {field.name: field.type for field in POSTS if field.name not in ASSIGNED}
    for name in posts.column_names:
        if name.startswith(OWN_NUMBER_PREFIX):
            expected[name] = pa.float64()
        elif name.startswith(CATEGORY_PREFIX) or name == "split":
            expected[name] = pa.string()
    found = dict(zip(posts.column_names, posts.schema.types, strict=True))
    if found != expected:
        wrong = sorted(
            set(expected) ^ set(found)
            or {name for name in expected if expected[name] != found[name]}
        )
        raise InputError(f"posts: columns {', '.join(wrong)} are not those of the posts table")


def _explain(error: pa_schema.errors.SchemaError, posts: pa.Table) -> str:
    column = error.schema.name
    first = error.failure_cases.iloc[0]
    row, found = int(first["index"]), first["failure_case"]
    post_id = posts["post_id"][row].as_py()
    if error.check == "field_uniqueness":
        count = posts["post_id"].to_pylist().count(post_id)
        return f"posts: post_id {post_id!r} stands in {count} posts; ids are unique"
    place = f"posts: post {post_id!r}: {column}"
    allowed = "a value" if error.check == "not_nullable" else error.check.error
    found = found.item() if hasattr(found, "item") else found
    return f"{place} is {found!r}, allowed: {allowed}"


def _check_labels(posts: pa.Table) -> None:
    """With a split of its own a source must label fit and holdout posts, and only those."""
    labels = posts["popularity"]
    if labels.null_count == len(labels):
        raise InputError(
            "posts: no post has a label: the target is empty in all; some are needed to train on"
        )
    if "split" not in posts.column_names:
        return
    is_challenge = pc.equal(posts["split"], CHALLENGE)
    row = pc.index(pc.xor(is_challenge, pc.is_null(labels)), True).as_py()
    if row < 0:
        return
    post_id, split, label = (posts[n][row].as_py() for n in ("post_id", "split", "popularity"))
    found = "no label" if label is None else f"label {label}"
    allowed = "none" if split == CHALLENGE else "a number"
    raise InputError(f"posts: post {post_id!r} of split {split} has {found}, allowed: {allowed}")
