from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.posts.sources import values
from fame.posts.sources.values import Origin
from fame.runtime.errors import InputError

ORIGIN = Origin(Path("file.json"), "key")
TEXTS = st.text(st.one_of(st.just(" "), st.characters(exclude_categories=["Cs"])))


def column(*texts):
    middle = len(texts) // 2
    return pa.chunked_array([texts[:middle], texts[middle:]], pa.string())


def test_numbers_are_read_and_missing_stays_missing():
    found = values.to_numbers(column("7", " -2.5 ", "1e3", "", "None", None, "nan"), ORIGIN)
    assert found.to_pylist() == [7.0, -2.5, 1000.0, None, None, None, None]


@pytest.mark.parametrize("text", ["seven", "1_000", "0x10", "1,5", "7 8"])
def test_what_is_no_number_is_named(text):
    with pytest.raises(InputError, match=r"file\.json: record 3: key is '.*', expected a .*number"):
        values.to_numbers(column("1", None, text, "bad too"), ORIGIN)


def test_infinity_is_no_number():
    with pytest.raises(InputError, match="record 2: key is 'infinity', expected a finite number"):
        values.to_numbers(column("1", "infinity"), ORIGIN)


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_the_same_after_reading(number):
    assert values.to_numbers(column(repr(number)), ORIGIN).to_pylist() == [number]


def test_times_are_epoch_seconds_or_dates():
    texts = ("1430000000", "-86400", "1430000000.9", "2004-11-09 08:06:40", "None", None)
    assert values.to_times(column(*texts), ORIGIN).to_pylist() == [
        datetime.fromtimestamp(1_430_000_000, UTC),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime.fromtimestamp(1_430_000_000, UTC),
        datetime(2004, 11, 9, 8, 6, 40, tzinfo=UTC),
        None,
        None,
    ]


def test_a_date_of_no_calendar_is_missing():
    assert values.to_times(column("0000-00-00 00:00:00"), ORIGIN).to_pylist() == [None]


@pytest.mark.parametrize("text", ["2004-11-09", "2004-11-09T08:06:40", "9e18", "yesterday"])
def test_another_form_of_time_is_refused(text):
    with pytest.raises(InputError, match="record 1: key is"):
        values.to_times(column(text), ORIGIN)


def test_offsets_are_minutes_east():
    texts = ("+01:00", "-09:30", "05:45", "-18000", "0", "", "None", None)
    expected = [60.0, -570.0, 345.0, -300.0, 0.0, None, None, None]
    assert values.to_offset_minutes(column(*texts), ORIGIN).to_pylist() == expected


@pytest.mark.parametrize("text", ["CET", "+1:x", "1:2:3", "+15:00"])
def test_another_form_of_offset_is_refused(text):
    with pytest.raises(InputError, match=r"record 2: key is .*an offset like"):
        values.to_offset_minutes(column("0", text), ORIGIN)


def test_flags_are_zero_or_one():
    texts = ("0", "1", "1.0", "True", "None", None)
    assert values.to_flags(column(*texts), ORIGIN).to_pylist() == [0, 1, 1, 1, None, None]
    with pytest.raises(InputError, match="record 1: key is '2', expected 0 or 1"):
        values.to_flags(column("2", "yes"), ORIGIN)


def test_scalars_become_texts():
    found = values.to_strings(["a", 7, 7.0, 0.5, True, None, float("nan"), 2**70], ORIGIN)
    assert found.to_pylist() == ["a", "7", "7", "0.5", "1", None, None, str(2**70)]
    with pytest.raises(InputError, match=r"record 12: key is \{'a': 1\}, expected a text"):
        values.to_strings(["x", {"a": 1}], ORIGIN, first_row=10)


@given(texts=st.lists(st.one_of(st.none(), TEXTS), max_size=8))
def test_words_are_what_stands_between_spaces(texts):
    found = values.split_words(column(*texts)).to_pylist()
    assert found == [
        None if text is None else [word for word in text.split(" ") if word] for text in texts
    ]


def test_a_long_value_is_shortened_in_the_message():
    assert len(str(ORIGIN.error(0, "x" * 10_000, "less"))) < 120
