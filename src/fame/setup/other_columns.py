"""The columns that are none of a post's parts: numbers, categories, and what has to stay out."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.data_report import correlate
from fame.setup.column_words import (
    ACCOUNT,
    CATEGORIES,
    FOLLOWERS,
    ID_WORDS,
    LATER,
    MORE_TIMES,
    OF_POSTS,
    OUTCOMES,
    ROW_NUMBERS,
    TIMES,
    TITLES,
    USERS,
    WRITTEN_BY_OTHERS,
    list_outcomes,
)
from fame.setup.id_and_time import CLOCK, is_other_time, may_be_clock
from fame.setup.looks import FEW, Look

MAX_CATEGORY_SHARE = 0.2  # distinct values, as a share of the posts
MAX_CATEGORIES = 1000
UNNAMED = re.compile(r"(column|unnamed|level|index_level)(_\d+)+$|index$")
NO_FOLLOWERS = 0.05  # share of posts by accounts without any
LEAK = 0.95  # rank correlation with the target of what was counted with it
NO_PART = "a text that is no title, tags or category"
NUMBERED = ("no", "nr")  # last words of names of ids
DAYS_OR_NOT = ("tag", "data")  # a day or a date in one language, another thing in English
OBJECTS = r"^\s*\[?\s*\{"


@dataclass
class Rest:
    """What became of the columns that are left.

    Attributes:
        numeric, categories: as in data.table.columns, categories from coarse to fine.
        reasons: column -> what it is to be and why.
        left_out: column -> why it is nothing.
    """

    numeric: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def sort_rest(
    free: dict[str, Look], looks: dict[str, Look], count: int, columns: dict[str, Any]
) -> Rest:
    """Numbers, categories, and what is left out.

    Args:
        free: the columns in question.
        looks: all columns of the file.
        count: of its rows.
        columns: data.table.columns, as far as they are chosen.
    """
    target = looks[columns["target"]].numbers if columns["target"] in looks else None
    user = looks.get(columns["user"])
    # Who exports times of watching has the posts of one account, their own.
    watched = any({"watch", "watched"} & set(look.words) for look in looks.values())
    is_own = watched and columns["user"] is None
    rest = Rest()
    for name, look in free.items():
        why = _find_reason_to_leave(look, target, count, columns, is_own)
        if why:
            rest.left_out[name] = why
        elif look.numbers is not None and not _is_code(look, count):
            rest.numeric.append(name)
            rest.reasons[name] = "a number, taken as known when the post is written"
        elif _is_category(look, count):
            if user is not None and _are_one_to_one(look, user):
                rest.left_out[name] = "another one for each author: it says who the author is"
                continue
            rest.categories.append(name)
            mostly = ", most of them numbers" if look.is_mostly_numbers else ""
            texts = "one text" if look.distinct == 1 else f"{look.distinct:,} different texts"
            rest.reasons[name] = f"a category of {texts}{mostly}"
        else:
            rest.left_out[name] = _describe_text(look, count, columns)
    rest.categories.sort(key=lambda name: (looks[name].distinct, name))
    return rest


def _describe_text(look: Look, count: int, columns: dict[str, Any]) -> str:
    """Why a text is nothing."""
    if look.name in USERS and look.distinct == count:
        return "no two posts have the same author"
    if is_other_time(look):
        return "its name says another time than that of posting"
    if look.words[-1] in TITLES and columns["title"] is not None:
        return "another column is the title (--title)"
    return NO_PART


def _is_more_of_a_time(look: Look) -> bool:
    """Whether it is a number of seconds or days, or clocks under a name of them, all of a time."""
    words = set(look.words)
    if look.numbers is not None and words & MORE_TIMES:
        return True
    clocks = pc.sum(pc.match_substring_regex(pc.utf8_trim_whitespace(look.texts), CLOCK)).as_py()
    return may_be_clock(look) and (clocks or 0) >= (1 - FEW) * look.filled


def _are_one_to_one(look: Look, user: Look) -> bool:
    """Whether a category names the author once more: who is hidden there is known here."""
    if look.distinct != user.distinct or look.distinct < 2:
        return False
    pairs = pa.table({"one": look.texts, "other": user.texts}).filter(pc.is_valid(pc.field("one")))
    return len(pairs.group_by(["one", "other"]).aggregate([])) == look.distinct


def _is_code(look: Look, count: int) -> bool:
    """Whether its numbers are the codes of few kinds: the id of a category."""
    few = look.distinct <= max(2, MAX_CATEGORY_SHARE * count)
    return few and look.words[-1] == "id" and bool(set(look.words) & CATEGORIES)


def _find_reason_to_leave(
    look: Look, target: np.ndarray | None, count: int, columns: dict[str, Any], is_own: bool
) -> str | None:
    if not look.filled:
        return "it is empty"
    if look.distinct == 1 and look.filled == count:
        return "all cells are the same"
    if columns["time"] is None and look.name in TIMES and _may_be_times(look):
        return "its name says a time, but its cells are in no form that is known; --time-format"
    words = set(look.words)
    if words & LATER:
        return "written after the post is out: a leak"
    if columns["time"] is not None and _is_more_of_a_time(look):
        return "another form of a time; that of posting is another column (--time)"
    if look.numbers is None:
        holds_objects = pc.any(pc.match_substring_regex(look.texts, OBJECTS)).as_py()
        if words & WRITTEN_BY_OTHERS or (holds_objects and words & OUTCOMES):
            return "written by others after the post is out: a leak"
        return "it holds objects, which are no category" if holds_objects else None
    if list_outcomes(look.words) and (words & OF_POSTS or not words & ACCOUNT):
        return "counted after the post is out, like the target: a leak"
    if words & FOLLOWERS and (
        is_own
        or np.nanmin(look.numbers) < 0
        or (
            columns["user"] is None
            and np.mean(look.numbers[~np.isnan(look.numbers)] == 0) > NO_FOLLOWERS
        )
    ):
        return "followers that the post brought: a leak"
    if target is not None:
        correlation = correlate(look.numbers, target)
        if abs(correlation) >= LEAK:
            return f"orders the posts as the target does (correlation {correlation:.2f}): a leak"
    if look.words[0] in ROW_NUMBERS and look.distinct == count:
        return "it numbers the rows"
    if UNNAMED.match(look.name):
        return "a number without a name"
    if _is_id(look, look.numbers) and not _is_code(look, count):
        return "an id, no quantity"
    return None


def _may_be_times(look: Look) -> bool:
    """Whether a column named as a time can be one: under other names any text may be."""
    digits = pc.sum(pc.match_substring_regex(look.texts, r"\d")).as_py() or 0
    return look.name not in DAYS_OR_NOT or 2 * digits >= look.filled


def _is_id(look: Look, numbers: np.ndarray) -> bool:
    """Whether its name says that its numbers are ids, and they are not those of few kinds."""
    if look.words[-1] in ID_WORDS or look.words[-2:] == ("id", "str"):
        return True
    if look.words[0] in ID_WORDS:  # `id_verified` is yes or no
        return bool(np.nanmin(numbers) < 0 or np.nanmax(numbers) > 1)
    if look.words[-1] not in NUMBERED or look.words[-2:] == ("yes", "no"):
        return False
    # `season_no` is a quantity, but the number of an account, which repeats, is none.
    is_account = (ACCOUNT | set(USERS)) & set(look.words)
    return bool(is_account) or look.distinct >= (1 - FEW) * look.filled


def _is_category(look: Look, count: int) -> bool:
    most = min(MAX_CATEGORIES, max(2, MAX_CATEGORY_SHARE * count))
    lengths = pc.max(pc.utf8_length(look.texts)).as_py()
    limit = count / 2 if set(look.words) & CATEGORIES else most
    return look.distinct <= max(2, min(limit, MAX_CATEGORIES)) and lengths <= 100
