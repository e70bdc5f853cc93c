import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fame.learners.growth import Growing, list_grown, settle
from fame.params import Count, Strict


class Inner(Strict):
    depth: Growing[Count]


class Outer(Strict):
    leaves: Growing[Count]
    share: Growing[float]
    inner: Inner
    names: dict[str, int]


OUTER = {"leaves": 3, "share": 0.5, "inner": {"depth": 4}, "names": {"from_where": 1}}


def make(**changes):
    return Outer.model_validate(OUTER | changes)


def test_one_value_holds_for_any_number_of_posts():
    assert settle(make(), 1) == settle(make(), 10**6) == make()
    assert list_grown(make(), 500) == {}


@pytest.mark.parametrize(
    ("posts", "leaves"), [(0, 3), (1999, 3), (2000, 8), (9999, 8), (10000, 31), (10**7, 31)]
)
def test_a_step_holds_from_its_number_of_posts_on_whatever_the_order(posts, leaves):
    steps = {"from_10000": 31, "from_0": 3, "from_2000": 8}
    assert settle(make(leaves=steps), posts).leaves == leaves
    assert list_grown(make(leaves=steps), posts) == {"leaves": leaves}


def test_nested_parameters_grow_too():
    grown = settle(make(inner={"depth": {"from_0": 4, "from_50": 6}}), 60)
    assert grown.inner.depth == 6
    assert grown.leaves == 3


@given(st.dictionaries(st.integers(1, 10**6), st.integers(1, 99)), st.integers(0, 2 * 10**6))
def test_what_is_settled_is_settled_for_good(steps, posts):
    named = {f"from_{start}": value for start, value in (steps | {0: 7}).items()}
    once = settle(make(leaves=named), posts)
    assert once.leaves == max((start, value) for start, value in (steps | {0: 7}).items()
                              if start <= posts)[1]  # fmt: skip
    assert settle(once, posts + 1) == once


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"from_10": 3}, "must have a value from_0"),
        ({"from_0": 0}, "greater than or equal to 1"),
        ({"from_0": 3, "from_x": 3}, "should match pattern"),
        ({"from_0": 3, "from_007": 3}, "should match pattern"),
        (0, "greater than or equal to 1"),
        ("3", "valid integer"),
        ([3], "valid integer"),
    ],
)
def test_wrong_steps_are_refused(found, told):
    with pytest.raises(ValidationError, match=told):
        make(leaves=found)
