"""The id and the time of posting are told by names and cells, and left out where in doubt."""

from datetime import datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fame.posts.sources.table_files import read_cells
from fame.setup.mapping import propose
from fame.setup.rows import keep_posts

COUNT = 40
ROWS = range(COUNT)
START = datetime(2023, 1, 31, 8, 15)
TIMES = [f"{START + timedelta(hours=31 * i):%Y-%m-%d %H:%M}" for i in ROWS]
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def propose_for(folder, columns, **options):
    frame = pd.DataFrame({"likes": [i * 17 % 39 for i in ROWS]})
    for place, (name, cells) in enumerate(columns.items()):
        frame.insert(place, name, cells)
    frame.to_csv(folder / "posts.csv", index=False)
    time_format = options.get("time_format")
    cells = keep_posts(read_cells(folder / "posts.csv", None))
    return propose(cells, {}, None, time_format)


def propose_time(folder, name, cells, **options):
    return propose_for(folder, {"id": [f"p{i}" for i in ROWS], name: cells}, **options)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("size", [100 + 7 * i for i in ROWS]),
        ("weight", [10_000 + 3 * i for i in ROWS]),
        ("amount", [f"{1 + i / 10}K" for i in ROWS]),
        ("share", [f"{i}%" for i in ROWS]),
        ("length", [f"1:{i:02d}" for i in ROWS]),
        ("Titel", [f"wort{i}" for i in ROWS]),
        ("post title", [f"word{i}" for i in ROWS]),
        ("hashtag", [f"tag{i}" for i in ROWS]),
        ("author", [f"name{i}" for i in ROWS]),
        ("user", [100_000 + i for i in ROWS]),
        ("created", [f"{i:06d}" for i in ROWS]),
        ("index", [1000 + i for i in ROWS]),
        ("views", [100_000 + 7 * i for i in ROWS]),
        ("city", [f"town{i}" for i in ROWS]),
        ("x", [f"word {i}" for i in ROWS]),
        ("x", [f"word\u00a0{i}" for i in ROWS]),
        ("x", [f"word\u3000{i}" for i in ROWS]),
        ("x", [text.replace(" ", "T") for text in TIMES]),
        ("x", [1_646_474_400 + 1000 * i for i in ROWS]),
        ("x", [f"{START + timedelta(days=i):%Y%m%d}" for i in ROWS]),
        ("x", [f"{START + timedelta(days=i):%d.%m.%Y}" for i in ROWS]),
        ("x", [f"word{i // 2}" for i in ROWS]),
    ],
)
def test_a_first_column_that_could_be_another_thing_is_no_id(tmp_path, name, cells):
    mapping = propose_for(tmp_path, {name: cells})
    assert mapping.columns["id"] is None
    if not (mapping.columns["time"] or mapping.columns["title"]):  # of which ids are made
        assert "no column is the id beyond doubt; name one" in mapping.refusals[0]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Beitrag", [f"{i:04d}" for i in ROWS]),
        ("nr", [1001 + i for i in ROWS]),
        ("x", [30_001 + i for i in ROWS]),
        ("x", [120_000 + 31 * i for i in ROWS]),
        ("x", [9_000_000_000 + 31 * i for i in ROWS]),
        ("x", [10**17 + 7 * i for i in ROWS]),
        ("x", [f"p-{i:03d}" for i in ROWS]),
        ("x", [f"4e31610454{i:02d}" for i in ROWS]),
        ("Post", [f"B{i}" for i in ROWS]),
        ("video", [f"dQw4w9WgX{i:02d}" for i in ROWS]),
        ("file name", [f"img_{i}.jpg" for i in ROWS]),
        ("order", [f"A-{i}" for i in ROWS]),
    ],
)
def test_a_first_column_that_is_nothing_else_is_the_id(tmp_path, name, cells):
    mapping = propose_for(tmp_path, {name: cells})
    assert (mapping.columns["id"], mapping.refusals) == (name, [])
    assert mapping.reasons[name].endswith("the first column; no two are the same)")


@pytest.mark.parametrize(
    ("name", "cells"),
    [("", ROWS), ("nr", [i + 1 for i in ROWS]), ("index", ROWS)],
)
def test_numbers_of_the_rows_are_the_id_where_nothing_else_is(tmp_path, name, cells):
    mapping = propose_for(tmp_path, {name: cells})
    shown = name or "column 1"
    assert (mapping.columns["id"], mapping.refusals) == (shown, [])
    assert "it numbers the rows, and nothing else is an id" in mapping.reasons[shown]
    mapping = propose_for(tmp_path, {name: cells, "id": [f"p{i}" for i in ROWS]})
    assert mapping.columns["id"] == "id"


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__", "index"])
def test_an_index_that_repeats_is_no_number(tmp_path, name):
    ids = [f"p{i}" for i in ROWS]
    mapping = propose_for(tmp_path, {name: [i % 20 for i in ROWS], "id": ids})
    assert mapping.columns["numeric"] == []
    assert mapping.left_out == {name or "column 1": "a number without a name"}


def test_a_first_column_of_codes_beside_a_total_is_the_id(tmp_path):
    cells = ["Total", *(f"dQw4w9WgX{i:02d}" for i in ROWS[1:])]
    assert propose_for(tmp_path, {"Content": cells}).columns["id"] == "Content"


ADDRESSES = [f"https://example.org/p/{i}" for i in ROWS]


@pytest.mark.parametrize("name", ["Permalink", "Beitragslink", "Enlace permanente", "Verknüpfung"])
@pytest.mark.parametrize("has_totals", [False, True])
@pytest.mark.parametrize("has_repeat", [False, True])
def test_an_address_is_the_id_whatever_rows_are_no_posts(tmp_path, name, has_totals, has_repeat):
    rows = [f"{TIMES[i]};{ADDRESSES[i]};{i % 7}" for i in ROWS]
    rows += rows[8:9] * has_repeat + ["Summe;;120", ";;"] * has_totals
    (tmp_path / "posts.csv").write_text("\n".join((f"Datum;{name};Likes", *rows)))
    mapping = propose(keep_posts(read_cells(tmp_path / "posts.csv", None)), {}, None, None)
    assert (mapping.columns["id"], mapping.refusals) == (name, [])
    said = "1 of 41 rows repeats an earlier one" if has_repeat else "no two are the same"
    assert mapping.reasons[name] == f"the id ({said})"


@pytest.mark.parametrize(
    "columns",
    [
        {"x": ADDRESSES, "y": [f"{address}/more" for address in ADDRESSES]},
        {"Bild": ADDRESSES},
        {"x": [f"{address}.jpg?size=3" for address in ADDRESSES]},
        {"x": [*ADDRESSES[1:], ""]},
        {"x": [*ADDRESSES[1:], ADDRESSES[1]]},
        {"x": [f"see {address}" for address in ADDRESSES]},
    ],
)
def test_other_addresses_are_no_ids(tmp_path, columns):
    mapping = propose_for(tmp_path, {"When": TIMES, **columns})
    assert mapping.columns["id"] is None


def test_a_time_that_varies_is_that_of_posting_beside_one_of_the_export(tmp_path):
    columns = {"id": [f"p{i}" for i in ROWS], "Time": ["2024-06-01"] * COUNT, "Post time": TIMES}
    mapping = propose_for(tmp_path, columns)
    assert mapping.columns["time"] == "Post time"
    assert mapping.left_out == {"Time": "all cells are the same"}


def test_rows_that_repeat_others_are_said_and_cost_no_id(tmp_path):
    ids = [f"p{i % 20}" for i in ROWS]
    (tmp_path / "posts.csv").write_text(
        "id,likes,comments,crawled_at\n"
        + "".join(f"{p},{p[1:]},{i},2022-01-{i // 2 + 1}\n" for i, p in enumerate(ids))
    )
    mapping = propose(read_cells(tmp_path / "posts.csv", None), {}, None, None)
    assert mapping.reasons["id"] == "the id (by its name; 20 of 40 rows repeat an earlier one)"
    assert propose_for(tmp_path, {"id": ids}).columns["id"] is None
    others = {"id": ids, "shortcode": [f"s{i}" for i in ROWS]}
    assert propose_for(tmp_path, others).columns["id"] == "shortcode"


def test_a_file_of_what_comes_later_alone_has_no_id(tmp_path):
    (tmp_path / "posts.csv").write_text("updated,crawled\n1,2\n3,4\n")
    mapping = propose(read_cells(tmp_path / "posts.csv", None), {}, None, None)
    assert mapping.columns["id"] is None


@pytest.mark.parametrize("name", ["id", "Kennung"])
def test_an_id_is_told_whatever_rows_repeat(tmp_path, name):
    rows = "".join(f"p{i % 30:03d},{i % 30}\n" for i in ROWS)
    (tmp_path / "posts.csv").write_text(f"{name},likes\n{rows}")
    mapping = propose(read_cells(tmp_path / "posts.csv", None), {}, None, None)
    assert mapping.columns["id"] == name
    assert "10 of 40 rows repeat an earlier one" in mapping.reasons[name]


OTHER_TIMES = (
    "birthday, birth_date, Geburtstag, date de naissance, fecha de nacimiento, release, "
    "release_date, last_post, dernière mise à jour, mis à jour, Aktualisiert am, geändert, "
    "Änderungsdatum, actualizado, updated, update_time, crawl time, expires, expiry date, "
    "Ablaufdatum, date joined, signup_date, deleted at, event date, time of event, "
    "delivery_date, Lieferdatum, trending_date, version, app version, user created, title, "
    "text, channel_opened, tipo, comments at"
)


@pytest.mark.parametrize("name", OTHER_TIMES.split(", "))
def test_a_time_of_another_name_is_not_that_of_posting(tmp_path, name):
    assert propose_time(tmp_path, name, TIMES).columns["time"] is None


@pytest.mark.parametrize(
    "name",
    [
        *("ganz neu", "wann", "Zeit", "Veröffentlichungsdatum", "fecha de publicación", "x"),
        *("posted on", "first_published", "Zeitstempel des Beitrags", "data pubblicazione"),
    ],
)
def test_a_time_that_no_other_name_has_is_that_of_posting(tmp_path, name):
    mapping = propose_time(tmp_path, name, TIMES)
    assert (mapping.columns["time"], mapping.left_out) == (name, {})


@pytest.mark.parametrize(
    "cells",
    [
        [*TIMES[:20], *[""] * 20],
        [*TIMES[:36], *["soon"] * 4],
        [f"16/9/{20 + i % 3}" for i in ROWS],
        [f"{1 + i % 9}.{1 + i % 12}.2{i % 5}" for i in ROWS],
        [f"2022.{1 + i % 12}.{1 + i % 9}" for i in ROWS],
        ["2023-01-01"] * COUNT,
        [f"a day like {text}" for text in TIMES],
    ],
)
def test_cells_that_may_be_no_times_of_posts_are_none(tmp_path, cells):
    assert propose_time(tmp_path, "x", cells).columns["time"] is None


@pytest.mark.parametrize(
    "form",
    [
        *("%d.%m.%Y", "%d/%m/%Y %H:%M", "%Y.%m.%d", "%Y/%m/%d", "%Y-%m-%dT%H:%M:%SZ", "%d %B %Y"),
        *("%b %d, %Y", "%Y年%m月%d日", "%Y년 %m월 %d일", "%d. %B %Y", "%a %b %d %H:%M:%S +0000 %Y"),
    ],
)
def test_times_of_each_form_are_times_of_posts(tmp_path, form):
    cells = [f"{START + timedelta(days=31 * i):{form}}" for i in ROWS]
    assert propose_time(tmp_path, "x", cells).columns["time"] == "x"


def test_a_word_for_a_time_needs_nearly_all_posts_and_a_name_does_not(tmp_path):
    some = [*TIMES[:20], *[""] * 20]
    assert propose_time(tmp_path, "my posted", some).columns["time"] is None
    assert propose_time(tmp_path, "published_at", some).columns["time"] == "published_at"


def test_a_format_that_is_said_tells_the_time_of_any_name(tmp_path):
    cells = [f"{1 + i % 12:02d}/{1 + i % 12:02d}/2022" for i in ROWS]
    cells[0] = "03/04/2022"
    assert propose_time(tmp_path, "x", cells).columns["time"] is None
    mapping = propose_time(tmp_path, "x", cells, time_format="day first")
    assert (mapping.columns["time"], mapping.refusals) == ("x", [])


def test_why_another_time_is_left_out_is_said(tmp_path):
    mapping = propose_time(tmp_path, "birth_date", TIMES)
    assert mapping.left_out == {"birth_date": "its name says another time than that of posting"}


@QUICK
@given(
    numbers=st.lists(
        st.floats(0, 1e6).map(lambda x: round(x, 2)), min_size=COUNT, max_size=COUNT, unique=True
    )
)
def test_quantities_are_never_ids(tmp_path, numbers):
    numbers[0] = 0.5
    assert propose_for(tmp_path, {"x": numbers}).columns["id"] is None


DAYS = [f"2023-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in ROWS]
CLOCKS = [f"{i % 24:02d}:{i % 60:02d}" for i in ROWS]


@pytest.mark.parametrize(
    ("dates", "clocks"),
    [
        (DAYS, CLOCKS),
        (DAYS, [f"{1 + i % 12}:{i % 60:02d} {'AM' if i % 2 else 'PM'}" for i in ROWS]),
        (DAYS, [f"{i % 24}h{i % 60:02d}" for i in ROWS]),
        (DAYS, [f"{clock} Uhr" for clock in CLOCKS]),
        (DAYS, [*CLOCKS[:-1], ""]),
        ([f"{day} 00:00:00" for day in DAYS], [f"1900-01-01T{clock}:30" for clock in CLOCKS]),
        ([".".join(reversed(day.split("-"))) for day in DAYS], CLOCKS),
        ([f"{datetime.fromisoformat(day):%B %d, %Y}" for day in DAYS], CLOCKS),
    ],
)
@pytest.mark.parametrize("names", [("Date", "Time"), ("Datum", "Uhrzeit"), ("post date", "hour")])
def test_a_date_and_a_clock_in_two_columns_are_one_time(tmp_path, names, dates, clocks):
    texts = [f"{i} words of a title" for i in ROWS]
    columns = {"id": [f"p{i}" for i in ROWS], names[0]: dates, names[1]: clocks, "title": texts}
    mapping = propose_for(tmp_path, columns)
    assert mapping.columns["time"] == list(names)
    assert mapping.reasons[names[1]] == f"the clock of {names[0]}"
    assert names[1] not in mapping.left_out


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("video time", CLOCKS),
        ("watch time", CLOCKS),
        ("start time", CLOCKS),
        ("length", CLOCKS),
        ("hour", [str(i % 24) for i in ROWS]),
    ],
)
def test_other_clocks_belong_to_no_date(tmp_path, name, cells):
    mapping = propose_for(tmp_path, {"id": [f"p{i}" for i in ROWS], "date": DAYS, name: cells})
    assert mapping.columns["time"] == "date"


def test_a_time_that_is_whole_takes_no_clock(tmp_path):
    mapping = propose_for(tmp_path, {"id": [f"p{i}" for i in ROWS], "date": TIMES, "time": CLOCKS})
    assert mapping.columns["time"] == "date"


def test_a_clock_that_does_not_go_with_its_dates_says_what_does(tmp_path):
    dates = [f"{day[8:]}|{day[5:7]}|{day[:4]}" for day in DAYS]
    columns = {"id": [f"p{i}" for i in ROWS], "date": dates, "time": CLOCKS}
    mapping = propose_for(tmp_path, columns, time_format="%d|%m|%Y")
    assert mapping.columns["time"] == "date"
    assert "--time-format names one" in mapping.left_out["time"]
    mapping = propose_for(tmp_path, columns, time_format="%d|%m|%Y %H:%M")
    assert mapping.refusals


def test_posts_without_an_id_have_those_of_their_content(tmp_path):
    columns = {"Text": [f"a title of {i}" for i in ROWS], "When": TIMES}
    mapping = propose_for(tmp_path, columns)
    assert mapping.columns["id"] is None
    assert mapping.refusals == []


@pytest.mark.parametrize(
    "columns",
    [
        {"Text": ["a title of three"] * 20 + ["another of them"] * 20},
        {"size": [1 + i % 7 for i in ROWS]},
        {"post_id": [f"p{i % 12}" for i in ROWS], "When": TIMES},
    ],
)
def test_where_contents_or_ids_repeat_an_id_is_asked_for(tmp_path, columns):
    mapping = propose_for(tmp_path, columns)
    assert mapping.columns["id"] is None
    assert "--id COLUMN" in mapping.refusals[0]
