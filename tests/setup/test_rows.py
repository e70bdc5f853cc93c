"""Rows of totals are no posts, before it is known what the columns are."""

import pandas as pd
import pytest

from fame.posts.sources.table_files import read_cells
from fame.setup.rows import keep_posts

POSTS = ("05.01.2024;https://x/1;a day at sea;1.234", "06.01.2024;https://x/2;Total;17")
EMPTY = ";;;"


def keep(folder, *rows):
    """The numbers of the rows that are kept."""
    (folder / "posts.csv").write_text("\n".join(("Datum;Link;Text;Likes", *rows)) + "\n")
    return keep_posts(read_cells(folder / "posts.csv", None)).numbers.tolist()


@pytest.mark.parametrize(
    "row",
    [
        *(
            "Summe;;;1.251",
            ";;Total:;1251",
            "Insgesamt;-;n/a;1,2 Tsd.",
            "Toplam;;;",
            ";Razem;120 posts;12 %",
        ),
        *("MOYENNE;;;$625.50", "Average;;0:03:12;625"),
    ],
)
def test_totals_are_left_out_at_the_end_and_in_the_first_row(tmp_path, row):
    assert keep(tmp_path, *POSTS, row, row) == [1, 2]
    assert keep(tmp_path, row, *POSTS) == [2, 3]
    assert keep(tmp_path, POSTS[0], row, POSTS[1]) == [1, 2, 3]


def test_empty_rows_hide_no_totals(tmp_path):
    assert keep(tmp_path, EMPTY, POSTS[0], EMPTY, POSTS[1], "Summe;;;1.251", EMPTY, EMPTY) == [2, 4]


@pytest.mark.parametrize("row", [POSTS[1], "Gesamtwerk;;;3", "07.01.2024;;Summe;3", ";;;3"])
def test_a_post_whose_title_is_such_a_word_stays(tmp_path, row):
    assert keep(tmp_path, *POSTS, row) == [1, 2, 3]


def test_rows_of_typed_cells_are_told_too(tmp_path):
    frame = pd.DataFrame(
        {
            "what": ["a day", "at sea", "Total"],
            "when": pd.to_datetime(["2024-01-05", None, None]),
            "likes": [3.0, None, 3.0],
        }
    )
    frame.to_parquet(tmp_path / "posts.parquet")
    assert keep_posts(read_cells(tmp_path / "posts.parquet", None)).numbers.tolist() == [1, 2]


def test_where_all_rows_look_like_totals_none_is_known_to_be_one(tmp_path):
    """As in a file of the posts of an author called so, whose times are seconds."""
    assert keep(tmp_path, *(f"{1456833600 + i};{i};Total;{i}" for i in range(3))) == [1, 2, 3]


def test_names_of_pictures_are_no_quantities(tmp_path):
    assert keep(tmp_path, *POSTS, "1456833600;1.jpg;Total;3") == [1, 2, 3]
    assert keep(tmp_path, *POSTS, "1456833600;pic12.png;Total;3") == [1, 2, 3]
