"""Which column is the id and which the time of posting: by name, else by cells beyond doubt."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.findings import Column
from fame.posts.sources.images import IMAGE_SUFFIXES
from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_lists import TAGS
from fame.posts.sources.table_texts import to_texts
from fame.posts.sources.table_times import join_clock, read_times
from fame.setup.column_words import (
    ACCOUNT,
    ADDRESSES,
    CATEGORIES,
    CLOCKS,
    ID_WORDS,
    IDS,
    IMAGES,
    LATER,
    OTHER_TIME_STEMS,
    OTHER_TIMES,
    OUTCOMES,
    ROW_NUMBERS,
    SPLITS,
    TARGETS,
    TIME_WORDS,
    TIMES,
    TITLES,
    USER_WORDS,
    USERS,
    list_outcomes,
)
from fame.setup.looks import BY_NAME, FEW, Choice, Look, by_name, by_words

IMAGE_ENDS = "|".join(map(re.escape, IMAGE_SUFFIXES))
NO_REPEATS = "no two are the same"
# A date that is no ratio, no version: with a clock, a month's name, or a year of four digits.
CLEAR_TIME = (
    r"\d:\d\d|\pL{3}|^\d{4}-\d\d|^\d{4}/\d|^\d{4}\.\d\d\.\d\d|^\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{4}"
    r"|[年년]"
)
# A clock alone, 14:05 or 2:05 PM or 14h05, behind the day that spreadsheets put before it.
CLOCK = (
    r"(?i)^(?:1899-12-3[01][T ]|1900-01-0[01][T ])?([01]?\d|2[0-3])\s?[:.h]\s?[0-5]\d"
    r"([:.][0-5]\d(\.\d+)?)?\s*([ap]\.?\s?m\.?|uhr)?(\s*(z|utc|gmt|[+-]\d\d:?\d\d))?$"
)
CLOCK_IN_TIME = r"(?i)\d\s?[:h]\s?\d\d.*[1-9]|[1-9]\s?[:h]\s?\d\d|\d{9}"  # but for midnight
ID_DIGITS = 6  # of one length, from which numbers that differ are ids, whatever they are
TIME_DIGITS = 8  # from which they may be days or seconds


def choose_id(free: dict[str, Look], cells: Cells) -> Choice:
    """By name, few cells apart, else by a word of its name or an address, no cell apart.

    An address is told by its name, or by its cells where one column alone holds addresses.

    Rows that repeat another in all that is read are left out of the posts, however many they are.
    """
    count, rows = len(cells.numbers), _count_rows(free, cells)
    for name in by_name(free, IDS):
        look = free[name]
        if look.filled >= (1 - FEW) * count and look.distinct >= (1 - FEW) * rows:
            return name, f"{BY_NAME}; {_describe_repeats(look)}"
    named = [name for name, look in free.items() if ID_WORDS & set(look.words)]
    addresses = [name for name, look in free.items() if _are_addresses(look)]
    addresses = by_words(free, ADDRESSES, ()) + addresses * (len(addresses) == 1)
    for name in (*named, *addresses):
        if free[name].filled == count and free[name].distinct == rows:
            return name, _describe_repeats(free[name])
    return None


def _are_addresses(look: Look) -> bool:
    """Whether all of its cells are addresses, but for those of files of images."""
    texts = pc.utf8_trim_whitespace(look.texts)
    found = pc.match_substring_regex(texts, r"(?i)^(https?://|www\.)\S+$")
    is_image = pc.match_substring_regex(texts, rf"(?i)({IMAGE_ENDS})(\?.*)?$")
    return bool(
        look.name not in IMAGES
        and (pc.sum(found).as_py() or 0) == look.filled > 0
        and not pc.any(is_image).as_py()
    )


def _describe_repeats(look: Look) -> str:
    repeats = look.filled - look.distinct
    verb = "repeats" if repeats == 1 else "repeat"
    return f"{repeats:,} of {look.filled:,} rows {verb} an earlier one" if repeats else NO_REPEATS


def _count_rows(free: dict[str, Look], cells: Cells) -> int:
    """Different rows, but for what is never read, as it comes after the post."""
    unread = {
        name
        for name, look in free.items()
        if (LATER & set(look.words) or list_outcomes(look.words)) and not ACCOUNT & set(look.words)
    }
    return _count_different(cells, [name for name in cells.columns if name not in unread])


def can_make_ids(cells: Cells, names: list[str]) -> bool:
    """Whether these columns, of the content of posts, tell nearly all different rows apart."""
    different = _count_different(cells, list(cells.columns))
    return bool(names) and _count_different(cells, names) >= (1 - FEW) * different


def _count_different(cells: Cells, names: list[str]) -> int:
    columns = [to_texts(cells.columns[name]) for name in names]
    if not columns:
        return len(cells.numbers)
    rows = pa.table(columns, names=[str(place) for place in range(len(columns))])
    return len(rows.group_by(rows.column_names).aggregate([]))


def choose_first(free: dict[str, Look], cells: Cells) -> Choice:
    """The first column, if no two of its cells are the same and it can be nothing else."""
    first = next(iter(cells.columns), None)
    if first not in free or free[first].filled < len(cells.numbers):
        return None
    if free[first].distinct < _count_rows(free, cells):
        return None
    look = free[first]
    texts = pc.utf8_trim_whitespace(look.texts)
    is_digits = _are_id_digits(texts)
    if _says_other(look, is_digits or _are_codes(texts)):
        return None
    if look.is_mostly_numbers and not is_digits:
        return None
    if pc.any(pc.match_substring_regex(texts, r"[\s\p{Z}]")).as_py():
        return None
    longest = pc.max(pc.utf8_length(texts)).as_py()
    if (not is_digits or longest >= TIME_DIGITS) and _holds_times(cells.column(first), look):
        return None
    return first, f"the first column; {_describe_repeats(look)}"


def choose_row_numbers(free: dict[str, Look], cells: Cells) -> Choice:
    """The first column, if it counts from 0 or 1: it says nothing of a post, but no two are one."""
    first = next(iter(cells.columns), None)
    if first not in free or free[first].name in (*TIMES, *USERS):
        return None
    texts = pc.utf8_trim_whitespace(free[first].texts)
    for start in (0, 1):
        if texts.to_pylist() == [str(start + row) for row in range(len(texts))]:
            return first, "it numbers the rows, and nothing else is an id"
    return None


def _are_id_digits(texts: pa.ChunkedArray) -> bool:
    """Digits of one length that are many, begin with zeros, or are counted up one by one."""
    lengths = pc.utf8_length(texts)
    length = pc.max(lengths).as_py()
    if pc.min(lengths).as_py() != length or not pc.all(pc.ascii_is_decimal(texts)).as_py():
        return False
    if length >= ID_DIGITS or pc.any(pc.starts_with(texts, "0")).as_py():
        return True
    numbers = texts.cast(pa.int64())
    return bool(pc.max(numbers).as_py() - pc.min(numbers).as_py() == len(texts) - 1)


def _are_codes(texts: pa.ChunkedArray) -> bool:
    """Letters and digits of one length: titles of one length are sentences."""
    lengths = pc.min_max(pc.utf8_length(texts)).as_py()
    are_words = pc.all(pc.match_substring_regex(texts, r"^[\w-]+$")).as_py()
    has_digits = pc.any(pc.match_substring_regex(texts, r"\d")).as_py()
    return bool(are_words and has_digits and lengths["min"] == lengths["max"] >= ID_DIGITS)


def _says_other(look: Look, is_code: bool) -> bool:
    """Whether its name says that it is something else; a title of codes is none."""
    words = set(look.words)
    taken = ACCOUNT | OUTCOMES | LATER | TIME_WORDS | USER_WORDS | set(ROW_NUMBERS)
    named = (*TIMES, *USERS, *TAGS, *TARGETS, *SPLITS)
    if words & taken or look.name in named:
        return True
    is_file = look.name in IMAGES
    return not is_code and not is_file and look.words[-1] in (*TITLES, *CATEGORIES)


def choose_time(
    free: dict[str, Look], cells: Cells, time_format: str | None, refusals: list[str]
) -> Choice:
    """By name, else the only column whose cells are clearly times of posts.

    Where the user has to say which number is the day, that is added to ``refusals``.
    """
    for name in _list_named_times(free, len(cells.numbers)):
        trial = cells.column(name).trial()
        times, _ = read_times(trial, time_format)
        if trial.findings.is_refused:
            refusals.append(
                f"{name}: days and months cannot be told apart; say --time-format "
                "'day first', 'month first', or a format like '%d/%m/%Y %H:%M'"
            )
            return name, f"{BY_NAME}; the order of day and month is not known"
        known = len(times) - times.null_count
        if known and known >= (1 - FEW) * free[name].filled:
            return name, f"{BY_NAME}; {known:,} cells are times"
    found = [name for name, look in free.items() if _may_be_posting(look, len(cells.numbers))]
    found = [name for name in found if _holds_times(cells.column(name), free[name], time_format)]
    return (found[0], "its cells are times") if len(found) == 1 else None


def find_clock(
    free: dict[str, Look], cells: Cells, date: str, time_format: str | None
) -> tuple[str, bool] | None:
    """The column of clocks beside one of dates without any; whether both together are times."""
    if pc.any(pc.match_substring_regex(to_texts(cells.columns[date]), CLOCK_IN_TIME)).as_py():
        return None
    for name, look in free.items():
        texts = pc.utf8_trim_whitespace(look.texts)
        clocks = pc.sum(pc.match_substring_regex(texts, CLOCK)).as_py() or 0
        if may_be_clock(look) and clocks and clocks >= (1 - FEW) * look.filled:
            trial = join_clock(cells.column(date).trial(), cells.column(name).trial())
            times, _ = read_times(trial, time_format)
            known = len(times) - times.null_count
            return name, trial.findings.is_refused or known >= (1 - FEW) * len(times)
    return None


def may_be_clock(look: Look) -> bool:
    """Whether its name is one of a clock: no length of a video, no time of watching."""
    others = OUTCOMES | ACCOUNT | LATER | {"zone", "timezone", "video"}
    return (
        bool(CLOCKS & set(look.words)) and not others & set(look.words) and not is_other_time(look)
    )


def _list_named_times(free: dict[str, Look], count: int) -> list[str]:
    """Names of times of posting, then those with a word for a time, if nearly all posts have one.

    None is of an account, which was opened some time.
    """
    exact = by_name(free, TIMES)
    named = [
        name
        for name in by_words(free, TIME_WORDS, TIMES)
        if not ACCOUNT & set(free[name].words)
        and (name in exact or _is_of_posting(free[name], count))
    ]
    # Beside a time that varies, one that does not is that of the export.
    return [name for name in named if free[name].distinct > 1] or named


def _is_of_posting(look: Look, count: int) -> bool:
    return not is_other_time(look) and look.filled >= (1 - FEW) * count


def is_other_time(look: Look) -> bool:
    """Whether its name says a time, but not that of posting: of birth, of delivery."""
    words = set(look.words)
    return bool(words & OTHER_TIMES) or any(w.startswith(OTHER_TIME_STEMS) for w in words)


def _may_be_posting(look: Look, count: int) -> bool:
    """Whether nearly all posts have a cell that is clearly a time, under a name of nothing else."""
    others = ACCOUNT | LATER | OUTCOMES | CATEGORIES | ID_WORDS
    named = (*IDS, *USERS, *TITLES, *TAGS, *IMAGES)
    if others & set(look.words) or look.name in named or not _is_of_posting(look, count):
        return False
    if look.numbers is not None or look.distinct < 2:
        return False
    clear = pc.sum(pc.match_substring_regex(pc.utf8_trim_whitespace(look.texts), CLEAR_TIME))
    return (clear.as_py() or 0) >= (1 - FEW) * look.filled


def _holds_times(column: Column, look: Look, time_format: str | None = None) -> bool:
    """Whether nearly all cells are times, and in one way."""
    trial = column.trial()
    times, _ = read_times(trial, time_format)
    known = len(times) - times.null_count
    return not trial.findings.is_refused and known >= (1 - FEW) * look.filled
