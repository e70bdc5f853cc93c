"""Parameters that may grow with the training posts: one value, or one from so many posts on.

``num_leaves: {from_0: 8, from_5000: 15}`` is 8 below 5,000 training posts and 15 from there on. All
folds use the same: what counts are the training posts of all of them together.
"""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Discriminator, StringConstraints, Tag
from pydantic_core import PydanticCustomError

from fame.params import Strict

FIRST = "from_0"

T = TypeVar("T")
P = TypeVar("P", bound=Strict)
Start = Annotated[str, StringConstraints(pattern=r"^from_(0|[1-9][0-9]*)$")]


def _check_first(steps: dict[str, Any]) -> dict[str, Any]:
    if FIRST not in steps:
        raise PydanticCustomError("first", "must have a value from_0")
    return steps


def _tell(value: Any) -> str:
    return "[steps]" if isinstance(value, dict) else "[value]"


Growing = Annotated[
    Annotated[T, Tag("[value]")]
    | Annotated[dict[Start, T], AfterValidator(_check_first), Tag("[steps]")],
    Discriminator(_tell),
]


def settle(params: P, posts: int) -> P:
    """The parameters for so many training posts: each that grows has one value, nested ones too."""
    return params.model_copy(update=list_grown(params, posts))


def settled(value: T | dict[str, T]) -> T:
    """A parameter of what `settle` returned: it has one value."""
    assert not isinstance(value, dict)
    return value


def list_grown(params: Strict, posts: int) -> dict[str, Any]:
    """Only what `settle` changes: key -> its value for so many training posts."""
    grown = {}
    for name, value in params:
        if isinstance(value, Strict) and list_grown(value, posts):
            grown[name] = settle(value, posts)
        elif isinstance(value, dict) and FIRST in value:
            starts = [int(start.removeprefix("from_")) for start in value]
            grown[name] = value[f"from_{max(start for start in starts if start <= posts)}"]
    return grown
