"""Which column of a file is what: a proposal from names and contents, with its reasons."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.params import ColumnParams
from fame.posts.contract import SPLITS as SPLIT_WORDS
from fame.posts.data_report import looks_like_counts
from fame.posts.findings import shorten
from fame.posts.sources.images import count_found, is_image
from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_ids import list_content
from fame.posts.sources.table_lists import TAGS, read_paths
from fame.posts.sources.table_texts import NOBODY, PARTS, to_texts
from fame.setup.column_words import (
    ACCOUNT,
    CATEGORIES,
    COUNTING,
    ID_WORDS,
    IDS,
    IMAGES,
    LATER,
    OUTCOMES,
    SPLITS,
    TARGETS,
    TIME_WORDS,
    TIMES,
    TITLES,
    USER_WORDS,
    USERS,
    list_outcomes,
)
from fame.setup.id_and_time import (
    can_make_ids,
    choose_first,
    choose_id,
    choose_row_numbers,
    choose_time,
    find_clock,
)
from fame.setup.looks import BY_NAME, FEW, Choice, Look, by_name, by_words, look_at
from fame.setup.other_columns import NO_PART, sort_rest

# What each key of data.table.columns is, in words.
NAMES = {
    **{"target": "the target, which is predicted", "id": "the id", "time": "the time of posting"},
    **{"user": "the author", "split": "the part", "tags": "the tags", "image": "the picture"},
    **{"title": "the title", "categories": "a category", "numeric": "a number"},
}


# References (#12) and colours (#f00, #ff0000, and with an opacity); #add alone may be a tag.
NO_TAGS = r"(?i)^\s*(#(\d+|[\da-f]{3}|[\da-f]{6}|[\da-f]{8})\b[\s,;]*)+$"


@dataclass
class Mapping:
    """A proposal for data.table.columns.

    Attributes:
        columns: the block's keys.
        reasons: column -> what it is to be and why.
        left_out: column -> why it is none of them.
        counts: whether the target looks like raw counts.
        negatives: values below 0, where the target would look so but for them; else 0.
        refusals: what has to be said by the user first.
        likely_titles: columns of sentences that are left out where none is the title.
    """

    columns: dict[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    counts: bool = False
    negatives: int = 0
    refusals: list[str] = field(default_factory=list)
    likely_titles: list[str] = field(default_factory=list)


def propose(
    cells: Cells, given: dict[str, Any], images: Path | None, time_format: str | None
) -> Mapping:
    """Say what each column is.

    Args:
        cells: all columns of the file, and the rows that may be posts.
        given: keys of data.table.columns -> column, as the user named them.
        images: where images lie, if there are any.
        time_format: as data.table.columns.time_format.
    """
    looks = {name: look_at(cells.column(name)) for name in cells.columns}
    mapping = Mapping({"categories": [], "numeric": [], "time_format": time_format})
    count = len(cells.numbers)
    free = {name: look for name, look in looks.items() if name not in _list_given(given)}
    for key, value in given.items():
        mapping.columns[key] = value
        for name in value if isinstance(value, list) else [value]:
            mapping.reasons[name] = f"{NAMES.get(key, key)}, as you say"
    choices: tuple[tuple[str, Callable[[], Choice]], ...] = (
        ("target", lambda: _choose_target(free)),
        ("id", lambda: choose_id(free, cells)),
        ("time", lambda: choose_time(free, cells, time_format, mapping.refusals)),
        ("user", lambda: _choose_user(free, count)),
        ("split", lambda: _choose_split(free)),
        ("tags", lambda: _choose_tags(free, "title" in given)),
        ("id", lambda: choose_first(free, cells)),
        ("image", lambda: _choose_image(free, cells, mapping.columns["id"], images)),
        ("title", lambda: _choose_title(free)),
        ("id", lambda: choose_row_numbers(free, cells)),
    )
    for key, choose in choices:
        if mapping.columns.get(key) is None:
            found = choose()
            mapping.columns[key] = found[0] if found else None
            if found:
                before = mapping.reasons.get(found[0])
                reason = f"{NAMES[key]} ({found[1]})"
                mapping.reasons[found[0]] = f"{before}, and {reason}" if before else reason
                free.pop(found[0], None)  # the id may name the pictures too
    if isinstance(mapping.columns["time"], str) and "time" not in given:
        _add_clock(free, cells, mapping)
    target = looks.get(mapping.columns["target"])
    if target is not None and target.numbers is not None:
        numbers = target.numbers[~np.isnan(target.numbers)]
        mapping.counts = looks_like_counts(numbers)
        if not mapping.counts and looks_like_counts(numbers[numbers >= 0]):
            mapping.negatives = int((numbers < 0).sum())
    rest = sort_rest(free, looks, count, mapping.columns)
    mapping.columns["numeric"] += rest.numeric
    mapping.columns["categories"] += rest.categories
    mapping.reasons |= rest.reasons
    mapping.left_out |= rest.left_out
    if mapping.columns["title"] is None:
        texts = [name for name, why in rest.left_out.items() if why == NO_PART]
        mapping.likely_titles = [name for name in texts if _holds_sentences(looks[name])]
    for name in dict.fromkeys(cells.names):
        if name not in cells.columns:
            mapping.left_out[name] = "several columns have this name"
    if time_format and mapping.columns["time"] is None:
        mapping.refusals.append(
            f"no column holds times like --time-format {time_format!r}; allowed: 'day first', "
            "'month first', or a format like '%d/%m/%Y %H:%M'"
        )
    mapping.refusals += _list_missing(mapping, looks, cells)
    return mapping


def _add_clock(free: dict[str, Look], cells: Cells, mapping: Mapping) -> None:
    """Dates and clocks in two columns are one time."""
    date, time_format = mapping.columns["time"], mapping.columns["time_format"]
    found = find_clock(free, cells, date, time_format)
    if found is None:
        return
    name, are_times = found
    free.pop(name)
    if are_times:
        mapping.columns["time"] = [date, name]
        mapping.reasons[name] = f"the clock of {date}"
    else:
        mapping.left_out[name] = (
            f"a clock, but {date!r} and it together are in no form that is known; "
            "--time-format names one, like '%d/%m/%Y %H:%M'"
        )


def _list_missing(mapping: Mapping, looks: dict[str, Look], cells: Cells) -> list[str]:
    """What is asked for where no column is the id and none can be made, or none is the target."""
    asked, count = [], len(cells.numbers)
    if mapping.columns["id"] is None and not _can_make_ids(mapping, looks, cells):
        unique = [n for n, why in mapping.left_out.items() if not why.endswith("leak")]
        unique = [n for n in unique if n in looks and looks[n].distinct == count]
        repeated = by_name(looks, IDS)[:1]
        problem = "no column is the id beyond doubt"
        if repeated:
            look = looks[repeated[0]]
            problem = f"{repeated[0]} is no id: {look.distinct:,} different cells in {count:,} rows"
        which = f", one of {', '.join(unique)}," if unique else ""
        asked.append(
            f"{problem}; name one in which no two posts have the same: --id COLUMN{which} "
            "or add one that numbers the posts"
        )
    name = mapping.columns["target"]
    if name is None or (looks[name].filled and not looks[name].is_mostly_numbers):
        taken = _list_given({key: mapping.columns[key] for key in ("id", "time", "user")})
        numbers = [
            n
            for n, look in looks.items()
            if look.numbers is not None and look.distinct > 1 and n not in taken
        ]
        problem = "no column is the target beyond doubt"
        if name is not None:
            texts = pc.unique(looks[name].texts).drop_null()[:2].to_pylist()
            problem = f"{name} is no target: it holds texts ({', '.join(map(shorten, texts))})"
        which = f", one of {', '.join(numbers)}" if numbers else "; no other column holds numbers"
        asked.append(f"{problem}; name the number to predict: --target COLUMN{which}")
    return asked


def _can_make_ids(mapping: Mapping, looks: dict[str, Look], cells: Cells) -> bool:
    """Whether posts differ in their content; if an id repeats, rows are no posts but, say, days."""
    if by_name(looks, IDS) or not (mapping.columns["time"] or mapping.columns["title"]):
        return False
    return can_make_ids(cells, list_content(ColumnParams(**mapping.columns | {"target": ""})))


def _list_given(given: dict[str, Any]) -> set[str]:
    return {n for value in given.values() for n in (value if isinstance(value, list) else [value])}


def _choose_target(free: dict[str, Look]) -> Choice:
    plain = {n: "_".join(w for w in look.words if w not in COUNTING) for n, look in free.items()}
    named = by_name(free, TARGETS)
    named += [name for wanted in TARGETS for name in free if plain[name] == wanted]
    for name in named:
        numbers = free[name].numbers
        if numbers is not None and np.nanmin(numbers) < np.nanmax(numbers):
            return name, BY_NAME
    outcomes = [name for name, look in free.items() if _is_outcome(look)]
    if len(outcomes) == 1:
        return outcomes[0], "no other column is counted after the post is out"
    return (named[0], BY_NAME) if named else None


def _is_outcome(look: Look) -> bool:
    """Whether it is counted after the post is out, and no number of an id, a time, an account."""
    if look.numbers is None or look.distinct < 2 or not list_outcomes(look.words):
        return False
    taken = ACCOUNT | TIME_WORDS | CATEGORIES | LATER | set(SPLITS) | ID_WORDS | {"uid"}
    return not taken & set(look.words) and look.name not in (*IDS, *TIMES, *USERS)


def _choose_user(free: dict[str, Look], count: int) -> Choice:
    for name in by_words(free, USER_WORDS, USERS):
        look = free[name]
        if not look.filled:
            continue
        is_name = look.numbers is None or look.words[-1] in ("id", "uid")
        if (is_name and 1 < look.distinct < count) or look.name in USERS[:8]:
            authors = _count_authors(look)
            number = "one" if authors == 1 else f"{authors:,} different ones"
            return name, f"{BY_NAME}; {number}"
    return None


def _count_authors(look: Look) -> int:
    """Different ones, without the words for nobody."""
    names = pc.unique(pc.utf8_trim_whitespace(look.texts).drop_null())
    return int(pc.sum(pc.invert(pc.is_in(names, value_set=pa.array(["", *NOBODY])))).as_py() or 0)


def _choose_split(free: dict[str, Look]) -> Choice:
    allowed = pa.array([*SPLIT_WORDS, *(word for words in PARTS.values() for word in words)])
    for name in by_name(free, SPLITS):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(free[name].texts))
        if pc.all(pc.is_in(words, value_set=allowed)).as_py():
            return name, "its cells say which posts are held out"
    return None


def _choose_tags(free: dict[str, Look], has_title: bool) -> Choice:
    for name in by_name(free, TAGS):
        if free[name].numbers is None and free[name].filled:
            return name, BY_NAME
    found = [name for name, look in free.items() if _are_hashtags(look)]
    if not has_title and len(found) == 1 and by_name({found[0]: free[found[0]]}, TITLES):
        others = {name: look for name, look in free.items() if name != found[0]}
        if _choose_title(others) is None:
            return None  # a caption may be hashtags alone
    return (found[0], "its cells are hashtags") if len(found) == 1 else None


def _are_hashtags(look: Look) -> bool:
    """Whether nearly all of its cells are hashtags and nothing else, most of them words."""
    tags = pc.match_substring_regex(look.texts, r"^\s*(#[\w\pL]+[\s,;]*)+$")
    if (pc.sum(tags).as_py() or 0) <= (1 - FEW) * look.filled:
        return False
    others = pc.match_substring_regex(look.texts, NO_TAGS)
    return 2 * (pc.sum(others).as_py() or 0) < look.filled


def _choose_image(
    free: dict[str, Look], cells: Cells, post_id: str | None, images: Path | None
) -> Choice:
    if images is None:
        return None
    known = by_name(free, IMAGES)
    for name in dict.fromkeys([*known, *free]):
        listed = read_paths(cells.column(name).trial()).drop_null().to_pylist()
        named = sum(is_image(path.partition("?")[0]) for path in listed)
        if name in known and 2 * named < len(listed):
            named = count_found(listed, images)[0]
        if listed and 2 * named >= len(listed):
            return name, "its cells are names of image files"
    if post_id in cells.columns:
        listed = to_texts(cells.columns[post_id]).to_pylist()
        if 2 * count_found(listed, images)[0] >= len(listed):
            return post_id, "the image files have its cells as names"
    return None


def _choose_title(free: dict[str, Look]) -> Choice:
    """By its name, and a fuller one before one that half as many posts have; else by a word of it.

    Else the only column of sentences.
    """
    known = by_name(free, TITLES)
    texts = {n: look for n, look in free.items() if look.numbers is None and look.distinct > 1}
    most = max((texts[name].filled for name in known if name in texts), default=0)
    for name in known:
        if name in texts and 2 * texts[name].filled >= most:
            return name, BY_NAME
    sentences = [name for name, look in texts.items() if _are_sentences(look)]
    for place in (-1, 0):  # `post text`, `texte de la publication`
        for name in sentences:
            if texts[name].words[place] in TITLES:
                return name, BY_NAME
    return (sentences[0], "no other column holds sentences") if len(sentences) == 1 else None


def _are_sentences(look: Look) -> bool:
    """Whether most of its cells are several words, few the same, under a name of nothing else."""
    others = ACCOUNT | OUTCOMES | LATER | CATEGORIES | USER_WORDS
    if others & set(look.words) or 2 * look.distinct < look.filled:
        return False
    return _holds_sentences(look)


def _holds_sentences(look: Look) -> bool:
    """Whether most of its cells are several words."""
    spaced = pc.match_substring_regex(look.texts, r"^[^\[{].*\S\s+\S+\s+\S")
    return 2 * (pc.sum(spaced).as_py() or 0) > look.filled
