"""Values of posts that come as mappings: which kinds are read, and as what."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from os import PathLike
from typing import Any
from uuid import UUID

import numpy as np

from fame.runtime.errors import InputError

BYTES = (bytes, bytearray, memoryview)
SCALARS = (str, int, float, Decimal, UUID)


def list_records(records: Iterable[Any]) -> Iterator[Mapping[Any, Any]]:
    """The mappings, one a post."""
    wanted = "expected a frame or a list of mappings, one a post"
    if isinstance(records, (str, Mapping, *BYTES)) or not isinstance(records, Iterable):
        raise InputError(f"posts: is of the type {type(records).__name__}, {wanted}")
    for place, record in enumerate(records):
        if not isinstance(record, Mapping):
            kind = type(record).__name__
            raise InputError(f"posts: post {place + 1} is of the type {kind}, {wanted}")
        yield record


def _is_scalar(value: Any) -> bool:
    return isinstance(value, SCALARS)


def _are_tags(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, (list, tuple, dict)) and not any(isinstance(v, BYTES) for v in value)


def _is_picture(value: Any) -> bool:
    several = isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)
    return several or isinstance(value, (str, PathLike, *BYTES))


# Key -> whether a value is of a kind that is read, and what is allowed; "" for all other columns.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "": (_is_scalar, "text, a number or a time"),
    "tags": (_are_tags, 'a list of texts, like ["sunset", "sea"]'),
    "image": (_is_picture, "the bytes of the picture's file, or its path"),
}


def is_there(value: Any) -> bool:
    """Whether a cell holds anything."""
    return value is not None and value != ""


def to_plain(value: Any) -> Any:
    """JSON-able, but for bytes: missing values are none, numbers are Python's."""
    if isinstance(value, BYTES):
        return bytes(value)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (float, Decimal)) and value != value:
        return None
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value
