"""Posts of files without ids have ids of their content, whatever stands beside them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.params import ColumnParams
from fame.posts.findings import LEFT_OUT, NOTICED, Findings
from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_ids import TOTALS, take_posts
from fame.runtime.errors import InputError

NAMES = ("Who", "When", "Text", "Likes")
ROWS = [("ann", "2025-03-01", f"post {i}", str(i)) for i in range(6)]
COLUMNS = ColumnParams.model_validate(
    {
        "id": None,
        "target": "Likes",
        "user": "Who",
        "time": "When",
        "title": "Text",
        **dict.fromkeys(("time_format", "tags", "image", "split")),
        "categories": [],
        "numeric": [],
    }
)


def take(rows, columns=COLUMNS):
    """The ids, and the findings."""
    arrays = [
        pa.chunked_array([pa.array(column, pa.string())]) for column in zip(*rows, strict=True)
    ]
    findings = Findings(Path("posts.csv"))
    numbers = np.arange(1, len(rows) + 1)
    cells = Cells(list(NAMES), numbers, dict(zip(NAMES, arrays, strict=True)), findings)
    kept, ids = take_posts(cells, columns)
    assert len(kept.numbers) == len(ids)
    return ids.to_pylist(), findings


def list_counts(findings, became):
    return [note.count for note in findings.notes if note.became == became]


@given(st.permutations(ROWS), st.lists(st.tuples(*[st.text("ab ", max_size=3)] * 4), max_size=4))
def test_ids_do_not_depend_on_the_order_or_on_other_rows(rows, others):
    alone = dict(zip(ROWS, take(ROWS)[0], strict=True))
    ids, _ = take([*rows, *others])
    assert ids[: len(rows)] == [alone[row] for row in rows]
    assert len(set(ids)) == len(ids)


def test_a_label_that_comes_later_changes_no_id():
    later = [(*row[:3], "") for row in ROWS]
    assert take(later)[0] == take(ROWS)[0]


def test_rows_of_one_content_are_told_apart_in_every_order():
    alike = [("ann", "2025-03-01", "same", likes) for likes in ("3", "10", "3", "7")]
    ids, findings = take(alike)
    assert list_counts(findings, LEFT_OUT) == [1]  # the third repeats the first
    assert list_counts(findings, NOTICED) == [3]
    own = dict(zip(("3", "10", "7"), ids, strict=True))
    assert sorted(name.removeprefix(own["10"]) for name in ids) == ["", "-2", "-3"]
    turned, _ = take(alike[::-1])
    assert dict(zip(("7", "3", "10"), turned, strict=True)) == own


@pytest.mark.parametrize("word", TOTALS[::7])
def test_a_row_of_totals_is_no_post_but_a_title_like_one_is(word):
    ids, findings = take([*ROWS, (None, "", word, "15")])
    assert len(ids) == len(ROWS)
    assert list_counts(findings, LEFT_OUT) == [1]
    ids, findings = take([*ROWS, ("ann", "2025-03-02", word, "15")])
    assert (len(ids), list_counts(findings, LEFT_OUT)) == (7, [])


def test_a_row_without_content_is_bad():
    ids, findings = take([*ROWS, ("", " ", None, "15")])
    assert len(ids) == len(ROWS)
    with pytest.raises(InputError, match="rows without any of Who, When, Text: 1 of 7"):
        findings.settle("stop", 0)


def test_an_id_that_is_a_column_is_kept_and_named_where_it_is_empty():
    columns = COLUMNS.model_copy(update={"id": "Text"})
    ids, findings = take([*ROWS, ("ann", "2025-03-02", "", "1")], columns)
    assert ids == [row[2] for row in ROWS]
    with pytest.raises(InputError, match="Text: rows without an id"):
        findings.settle("stop", 0)


@pytest.mark.parametrize("post_id", [None, "Text"])
def test_totals_without_an_id_are_left_out_and_not_bad(post_id):
    columns = COLUMNS.model_copy(update={"id": post_id})
    ids, findings = take([*ROWS, ("Summe", "", "", "15")], columns)
    assert len(ids) == len(ROWS)
    findings.settle("stop", 0)
    assert list_counts(findings, LEFT_OUT) == [1]


@pytest.mark.parametrize("row", [("Total", "2025-03-02", "", "1"), ("2025-03-02", "", "", "Sum")])
def test_a_post_without_an_id_by_an_author_called_total_is_bad(row):
    columns = COLUMNS.model_copy(update={"id": "Text"})
    ids, findings = take([*ROWS, row], columns)
    assert len(ids) == len(ROWS)
    with pytest.raises(InputError, match="Text: rows without an id: 1 of 7"):
        findings.settle("stop", 0)


def test_categories_are_content_and_numbers_are_none():
    """A message on two networks is two posts; an account that grew between exports is none."""
    rows = [("ann", "2025-03-01", "same", likes) for likes in ("3", "4")]
    one, _ = take(rows)
    other, findings = take(rows, COLUMNS.model_copy(update={"categories": ["Likes"]}))
    assert one[1] == f"{one[0]}-2"
    assert len({*other, *one}) == 4
    assert not list_counts(findings, NOTICED)
