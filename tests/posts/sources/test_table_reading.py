"""Real files: whatever their dialect, encoding and forms, each row is there and right, or named."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
import unicodedata
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fame.posts.findings import KEPT, LEFT_OUT, MASKED, MISSING, NOTICED, READ, REPLACED, Findings
from fame.posts.sources.table_files import read_cells
from fame.posts.sources.table_lists import read_tags
from fame.posts.sources.table_numbers import _SIGNS, PAIRS, read_numbers, weigh
from fame.posts.sources.table_texts import WORDS, read_ids, read_names, read_texts
from fame.posts.sources.table_times import read_times
from fame.runtime.errors import InputError

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LETTERS = st.characters(codec="cp1252", exclude_characters="\x00\x1a\ufeff")
TITLES = st.text(LETTERS, max_size=12)


def read(folder, content, name="posts.csv", encoding=None):
    (folder / name).write_bytes(content)
    return read_cells(folder / name, encoding)


def write_csv(rows, delimiter=",", quote='"', line_end="\n", quoting=csv.QUOTE_MINIMAL):
    file = io.StringIO(newline="")
    csv.writer(
        file, delimiter=delimiter, quotechar=quote, lineterminator=line_end, quoting=quoting
    ).writerows(rows)
    return file.getvalue()


def read_column(tmp_path, values, name="x"):
    """The column ``x`` of a CSV with these cells."""
    rows = [["id", name], *([str(i), value] for i, value in enumerate(values))]
    return read(tmp_path, write_csv(rows, quoting=csv.QUOTE_ALL).encode()).column(name)


def list_notes(column, became):
    return [(note.what, note.count) for note in column.findings.notes if note.became == became]


def list_bad(findings):
    """What would stop the run, as one sentence."""
    with pytest.raises(InputError) as caught:
        findings.settle("stop", 0)
    return str(caught.value)


@QUICK
@given(
    titles=st.lists(TITLES, min_size=3, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    packed=st.sampled_from(["", "gzip", "zip"]),
)
def test_every_cell_survives_every_dialect(
    tmp_path, titles, delimiter, line_end, quoting, encoding, packed
):
    rows = [[str(i), title, str(i * 3)] for i, title in enumerate(titles)]
    text = write_csv([["id", "title", "likes"], *rows], delimiter, '"', line_end, quoting)
    content = text.encode(encoding)
    if packed == "gzip":
        content = gzip.compress(content)
    elif packed:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("posts.csv", content)
        content = file.getvalue()
    cells = read(tmp_path, content)
    assert cells.names == ["id", "title", "likes"]
    assert cells.columns["id"].to_pylist() == [row[0] for row in rows]
    assert cells.columns["title"].to_pylist() == titles
    assert cells.columns["likes"].to_pylist() == [row[2] for row in rows]
    assert cells.numbers.tolist() == list(range(1, len(rows) + 1))
    cells.findings.settle("stop", 0)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "Été à la plage, naïve façade"),
        ("cp1252", "“Größe” – ein schöner Tag für €5"),
        ("cp1252", "El niño comió piñata mañana"),
        ("cp1251", "Привет мир, это моя первая запись"),
        ("cp1250", "Zażółć gęślą jaźń, dzień dobry przyjaciele, proszę o chwilę uwagi"),
        ("shift_jis", "今日は美味しいラーメンを食べました"),
        ("gb18030", "今天天气很好，我们去公园玩"),
        ("cp949", "오늘 날씨가 좋아서 산책을 했다"),
    ],
)
def test_encodings_are_found_and_said(tmp_path, encoding, text):
    rows = [["id", "title"], *([str(i), f"{text} {i}"] for i in range(40))]
    cells = read(tmp_path, write_csv(rows, ";").encode(encoding))
    assert cells.columns["title"].to_pylist() == [row[1] for row in rows[1:]]
    said = [note.what for note in cells.findings.notes]
    assert any(what.startswith("encoding ") for what in said)
    assert "cells divided by semicolon" in said


def test_a_named_encoding_is_used(tmp_path):
    cells = read(tmp_path, "id,t\n1,Ђ\n".encode("cp1251"), encoding="cp1251")
    assert cells.columns["t"].to_pylist() == ["Ђ"]


@pytest.mark.parametrize(
    ("encoding", "titles"),
    [
        ("cp1254", ["güneş batımı çok güzel", "İstanbul ışıkları", "şehir ve ağaç"]),
        ("iso8859_2", ["Zażółć gęślą jaźń", "piękny zachód słońca", "Łódź nocą świetnie"]),
        ("mac_roman", ["Été à la plage", "naïve café", "l’été “grand”", "señor niño"]),
        ("cp850", ["Été à la plage", "naïve café", "señor niño"]),
        ("cp1252", ["Veröffentlicht", "Schlagwörter", "Gefällt mir"]),
        ("cp1252", ["Gefällt mir"]),
        (
            "cp1252",
            ["Novità in arrivo", "un video con CapCut", "Perché la felicità è così semplice"],
        ),
        ("cp1252", ["Não sei", "coração", "três lições"]),
        ("cp1252", ["Så gör du", "Äntligen", "på ån"]),
        ("cp1252", ["Déjà la rentrée", "Merci à tous", "Le château de Versailles sous la neige"]),
        ("cp1252", ["Zoë in België", "Nieuwe video op YouTube", "Reünie", "Crème brûlée maken"]),
        ("cp1252", ["Buenos días a todos", "Así quedó mi habitación", "¡Feliz cumpleaños, mamá!"]),
        (
            "cp1250",
            ["Mój pies śpi cały dzień", "pączki", "Dziękuję", "YouTube i CapCut są świetne"],
        ),
        ("cp1257", ["Graži diena", "šaltibarščių", "Ačiū už žinutes", "visą vasarą"]),
        ("cp850", ["Så här gör du", "Äntligen på väg", "hälsningar från ån"]),
        (
            "euc_jp",
            ["美しい夕日です", "今日はとても天気がいい", "猫と犬の写真", "旅行"],
        ),
        ("big5", ["你好世界", "美麗的日落", "新的帖子發布了"]),
        ("cp874", ["สวัสดีชาวโลก", "พระอาทิตย์ตกที่สวยงาม", "โพสต์ใหม่"]),
    ],
)
def test_encodings_are_told_by_the_texts_alone(tmp_path, encoding, titles):
    """Ids and dates around them, and many rows alike, must not count."""
    rows = [[f"p{i}", "2022-01-01", f"{titles[i % len(titles)]} {i}"] for i in range(60)]
    cells = read(tmp_path, write_csv([["id", "date", "t"], *rows]).encode(encoding))
    assert cells.columns["t"].to_pylist() == [row[2] for row in rows]


def test_one_odd_letter_is_western_and_noticed(tmp_path):
    cells = read(tmp_path, "id,t\n1,plain\n2,one é only\n".encode("cp1252"))
    assert cells.columns["t"].to_pylist() == ["plain", "one é only"]
    assert list_notes(cells, NOTICED) == [("few letters to tell the encoding by", 0)]


def test_what_is_only_written_otherwise_is_said_to_lose_nothing(tmp_path):
    column = read_column(tmp_path, ["#sea #sun", "#sky", None])
    assert read_tags(column, None).to_pylist()[:2] == [["sea", "sun"], ["sky"]]
    (line,) = (note.describe("row") for note in column.findings.notes if note.became == KEPT)
    assert line.startswith("x: tags written with #, read without it: 2, nothing is lost (row 1: ")


@pytest.mark.parametrize("share", [2, 7])
def test_lines_of_another_encoding_are_read_and_counted(tmp_path, share):
    lines = [f"{i},größe {i}" for i in range(40)]
    others = range(0, 40, share)
    content = [line.encode("cp1252" if i in others else "utf-8") for i, line in enumerate(lines)]
    cells = read(tmp_path, b"id,t\n" + b"\n".join(content))
    assert cells.columns["t"].to_pylist() == [line.split(",")[1] for line in lines]
    what = "lines that are cp1252 in a file of utf-8, read as such"
    assert list_notes(cells, KEPT) == [(what, len(others))]


def test_texts_that_another_program_spoilt_are_noticed(tmp_path):
    column = read_column(tmp_path, ["cafÃ©", "donâ€™t", "Ã la carte", "café"])
    read_texts(column)
    assert [count for _, count in list_notes(column, NOTICED)] == [2]


def test_bytes_that_are_no_utf_8_are_counted_and_shown(tmp_path):
    content = "".join(f"{i},größe é {i}\n" for i in range(50)).encode()
    cells = read(tmp_path, b"id,t\n" + content + b"50,bad\xff\n")
    assert cells.columns["t"].to_pylist()[-1] == "bad\ufffd"
    note = next(note for note in cells.findings.notes if note.became == REPLACED)
    assert (note.count, note.examples[0][0]) == (1, 51)


@pytest.mark.parametrize("odd", ["", 'p9,"a "" quote" too'])
def test_rows_of_empty_cells_are_no_rows(tmp_path, odd):
    """Where rows are read by Arrow and where they are read line by line."""
    lines = ["id,x", ",", "p1,1", ", ", "p2,", odd, ",", ","]
    cells = read(tmp_path, "\n".join(lines).encode())
    assert cells.columns["id"].to_pylist() == ["p1", "p2"]
    assert cells.numbers.tolist() == [2, 4]
    [note] = [note for note in cells.findings.notes if note.what == "empty rows"]
    assert (note.became, note.count) == (LEFT_OUT, 4)


def test_excels_own_ways(tmp_path):
    cells = read(tmp_path, 'sep=;\r\nid;n\r\n="007";1\r\n="008";2\r\n'.encode("utf-16"))
    assert cells.columns["id"].to_pylist() == ["007", "008"]
    assert list_notes(cells, KEPT) == [("formulas of a text, read as the text", 2)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"id,t\n1,'a,b'\n2,'c,d'\n", ["a,b", "c,d"]),
        (b'id,t\n1,"a\\",b"\n2,"c"\n3,"x\\"y,z"\n', ['a",b', "c", 'x"y,z']),
        (b'id,t\n1,5" tall\n2,"a ""b"" c"\n', ['5" tall', 'a "b" c']),
        (b'id,t\r1,"a\rb"\r2,c\r', ["a\rb", "c"]),
        (b"'id','t'\n'1','a'\n'2','c'\n", ["a", "c"]),
        (b'"id","t"\n"1","a \\"b\\" "\n"2","c"\n', ['a "b" ', "c"]),
        (b'id, t\n1, a\n2, "c, d"\n', ["a", "c, d"]),
        (b"# by a program\n\nMy posts\nid,t\n1,a\n2,c\n", ["a", "c"]),
        (b"Report,,\n,,\nid,t,n\n1,a,3\n2,c,4\n", ["a", "c"]),
        (b"id,t,n\n1,a,3,\n2,c,4,\n", ["a", "c"]),
        (b'"id","t"\n"1",7,a\n"2",8,c\n', ["a", "c"]),
        (b"id,t\n1,a\n2,c\n\x1a", ["a", "c"]),
    ],
)
def test_quotes_and_line_ends_of_other_programs(tmp_path, content, expected):
    assert read(tmp_path, content).columns["t"].to_pylist() == expected


@QUICK
@given(data=st.data())
def test_broken_rows_are_named_and_cost_no_other(tmp_path, data):
    count = data.draw(st.integers(5, 30))
    titles = data.draw(st.lists(TITLES, min_size=count, max_size=count))
    broken = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3))
    lines, is_open = [], False
    for row, title in enumerate(titles):
        escaped = title.replace('"', '""').replace("\r", " ").replace("\n", " ")
        escaped = escaped.replace("\\", "/")  # beside an open quote it tells of another dialect
        line = f'{row},"{escaped}",7'
        if row in broken:
            kinds = [f"{row}", f"{row},a,b,c,d"]
            # Two without a whole row between them are one cell of several lines.
            kinds += [] if is_open else [f'{row},"{escaped.replace(",", " ")}']
            line = data.draw(st.sampled_from(kinds))
            is_open |= line.count('"') % 2 == 1
        else:
            is_open = False
        lines.append(line)
    cells = read(tmp_path, ("id,title,n\n" + "\n".join(lines) + "\n").encode())
    kept = [row for row in range(count) if row not in broken]
    if not kept:
        return
    assert cells.columns["id"].to_pylist() == [str(row) for row in kept]
    assert cells.numbers.tolist() == [row + 1 for row in kept]
    assert cells.columns["n"].to_pylist() == ["7"] * len(kept)
    cells.findings.settle("mask", 1)
    notes = [note for note in cells.findings.notes if note.became == LEFT_OUT]
    assert sum(note.count for note in notes) == len(broken)


@pytest.mark.parametrize("broken", [[0], [7], [19], [3, 9], [0, 19]])
@pytest.mark.parametrize("title", ["a title", ""])
def test_rows_with_an_open_quote_cost_no_other(tmp_path, broken, title):
    lines = [f'{i},"{title}",7' for i in range(20)]
    for row in broken:
        lines[row] = f'{row},"{title}'
    cells = read(tmp_path, ("id,title,n\n" + "\n".join(lines) + "\n").encode())
    assert cells.columns["id"].to_pylist() == [str(i) for i in range(20) if i not in broken]


def test_a_row_of_several_lines_with_a_cell_too_many_is_one(tmp_path):
    content = b'id,t,n\n1,"a\nb",7,8\n2,c,9\n3,d,9\n4,e,9\n'
    cells = read(tmp_path, content)
    assert cells.columns["id"].to_pylist() == ["2", "3", "4"]
    cells.findings.settle("mask", 1)
    assert [note.count for note in cells.findings.notes if note.became == LEFT_OUT] == [1]


def test_a_cell_longer_than_a_block_is_kept(tmp_path):
    cells = read(tmp_path, b"id,t\n1," + b"x" * 9_000_000 + b"\n2,y\n")
    assert [len(text) for text in cells.columns["t"].to_pylist()] == [9_000_000, 1]


JSON_VALUES = st.one_of(
    st.integers(-(10**30), 10**30), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)


@QUICK
@given(values=st.lists(JSON_VALUES, min_size=1, max_size=10), form=st.sampled_from("lac"))
def test_json_of_each_form_is_exact(tmp_path, values, form):
    records = [{"id": i, "deep": {"er": {"x": value}}} for i, value in enumerate(values)]
    if form == "l":
        text = "\n".join(json.dumps(record) for record in records)
    elif form == "a":
        text = json.dumps(records, indent=2, ensure_ascii=False)
    else:
        text = json.dumps({"data": records})
    cells = read(tmp_path, text.encode(), "posts.json")
    assert cells.columns["deep.er.x"].to_pylist() == [str(value) for value in values]


def test_json_of_columns_as_pandas_writes_it(tmp_path):
    frame = pd.DataFrame({"id": ["a", "b"], "n": [1, None]})
    cells = read(tmp_path, frame.to_json().encode(), "posts.json")
    assert cells.columns["id"].to_pylist() == ["a", "b"]
    assert cells.columns["n"].to_pylist() == ["1.0", None]


def test_parquet_types_of_all_kinds(tmp_path):
    table = pa.table(
        {
            "d": pa.array(["a", None, "a"]).dictionary_encode(),
            "m": pa.array([1, 2, None], pa.decimal128(20, 0)),
            "s": pa.array([{"a": 1, "b": {"c": "x"}}, None, {"a": 3, "b": None}]),
            "l": pa.array([["x", "y"], [], None], pa.large_list(pa.large_string())),
            "n": pa.array([[{"k": 1}], None, []]),
            "i": pa.array([2**62, 1, 2]),
        }
    )
    pq.write_table(table, tmp_path / "posts.parquet")
    cells = read_cells(tmp_path / "posts.parquet", None)
    found = {name: column.to_pylist() for name, column in cells.columns.items()}
    assert found == {
        "d": ["a", None, "a"],
        "m": ["1", "2", None],
        "s.a": [1, None, 3],
        "s.b.c": ["x", None, None],
        "l": [["x", "y"], [], None],
        "n": ['[{"k": 1}]', None, "[]"],
        "i": [2**62, 1, 2],
    }


@pytest.mark.parametrize("packed", [bz2.compress, lzma.compress])
def test_other_ways_to_pack(tmp_path, packed):
    assert read(tmp_path, packed(b"id,t\n1,a\n")).columns["t"].to_pylist() == ["a"]


def test_what_lies_beside_the_table_of_a_zip(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("posts/export.csv", "id,t\n1,a\n")
        archive.writestr("posts/readme.txt", "read me")
        archive.writestr("__MACOSX/posts/._export.csv", "x")
    assert read(tmp_path, file.getvalue()).columns["t"].to_pylist() == ["a"]
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("posts/second.csv", "id,t\n1,a\n")
    with pytest.raises(InputError, match=r"several files \(posts/export.csv, posts/second.csv\)"):
        read(tmp_path, file.getvalue())


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(99), "an old Excel"),
        (b"%PDF-1.4\n", "a PDF"),
        (b"<!DOCTYPE html>\n<table>", "HTML"),
        (np.random.default_rng(1).bytes(5000), "no text and no table"),
        (bytes(1000), "no text and no table"),
    ],
)
def test_files_that_hold_no_table_are_named(tmp_path, content, what):
    with pytest.raises(InputError, match=what):
        read(tmp_path, content)


def test_a_column_that_stands_twice_is_read_by_nobody(tmp_path):
    cells = read(tmp_path, b"id,x,x\n1,2,3\n")
    assert (cells.names, list(cells.columns)) == (["id", "x", "x"], ["id"])


RECORDS = [{"id": "1", "t": "a", "tags": ["x"]}, {"id": "2", "t": "b", "tags": ["y", "z"]}]


@pytest.mark.parametrize(
    "content",
    [
        {"meta": {"page": 1}, "data": RECORDS},
        {"data": {"posts": RECORDS}},
        {"ok": True, "items": RECORDS * 2},
        {"columns": ["id", "t", "tags"], "data": [list(r.values()) for r in RECORDS]},
        {"id": ["1", "2"], "t": ["a", "b"]},
        {"id": {"0": "1", "1": "2"}, "t": {"0": "a", "1": "b"}},
        {f"p{i}": RECORDS[i % 2] | {"id": str(i % 2 + 1)} for i in range(4)},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_json_wherever_its_records_are(tmp_path, content, indent):
    cells = read(tmp_path, json.dumps(content, indent=indent).encode(), "posts.json")
    assert cells.columns["id"].to_pylist()[:2] == ["1", "2"]
    assert cells.columns["t"].to_pylist()[:2] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        ",\n".join(map(json.dumps, RECORDS)),
        "\n".join(json.dumps(record, indent=1) for record in RECORDS),
        f"window.YTD.tweets.part0 = {json.dumps(RECORDS, indent=1)};\n",
    ],
)
def test_json_that_is_not_quite(tmp_path, text):
    assert read(tmp_path, text.encode("utf-16")).columns["id"].to_pylist() == ["1", "2"]


def test_json_of_several_arrays_is_refused(tmp_path):
    content = {"posts": RECORDS, "users": [{"a": 1}]}
    with pytest.raises(InputError, match=r"several arrays of objects \(posts, users\)"):
        read(tmp_path, json.dumps(content, indent=1).encode())


def test_an_object_of_tags_is_one_column(tmp_path):
    records = [{"id": 1, "tags": {"a": 1, "b": 2}}, {"id": 2, "tags": {"c": 3}, "other": {"d": 4}}]
    cells = read(tmp_path, "\n".join(map(json.dumps, records)).encode())
    assert cells.names == ["id", "tags", "other.d"]
    assert read_tags(cells.column("tags"), None).to_pylist() == [["a", "b"], ["c"]]


@pytest.mark.parametrize("name", ["labels", "Topics", "alltags", "hashtagNames", "entities.tags"])
@pytest.mark.parametrize(
    "value", [{"a": 1, "b": 0.5}, {"a": True, "b": True}, {"0": "a", "1": "b"}, {"c": None}]
)
def test_counted_and_listed_tags_are_one_column_under_every_name_of_tags(tmp_path, name, value):
    outer, _, inner = name.partition(".")
    records = [{"id": i, outer: {inner: value} if inner else value} for i in (1, 2)]
    cells = read(tmp_path, "\n".join(map(json.dumps, records)).encode())
    assert cells.names == ["id", name]
    tags = ["c"] if "c" in value else ["a", "b"]
    assert read_tags(cells.column(name), None).to_pylist() == [tags, tags]


@pytest.mark.parametrize(
    "value", [{"lang": "en", "mood": 0.5}, {"spam": False, "nsfw": True}, {"x": {"y": 1}}]
)
def test_other_objects_under_names_of_tags_are_columns(tmp_path, value):
    """Decided over the file, by most records: no column is there for some posts only."""
    records = [{"id": 1, "labels": value}, {"id": 2, "labels": value}, {"labels": {"spam": 1}}]
    cells = read(tmp_path, "\n".join(map(json.dumps, records)).encode())
    assert "labels" not in cells.names
    assert cells.columns["labels.spam"][2].as_py() == "1"


def test_one_odd_object_among_tags_is_a_bad_cell(tmp_path):
    records = [{"id": i, "tags": {f"tag{i}": 1}} for i in range(4)] + [{"tags": {"x": {"y": 1}}}]
    cells = read(tmp_path, "\n".join(map(json.dumps, records)).encode())
    assert cells.names == ["id", "tags"]
    assert read_tags(cells.column("tags"), None).to_pylist()[3:] == [["tag3"], []]
    assert "lists or objects without tags: 1 of 5" in list_bad(cells.findings)


def test_lists_of_lists_and_maps_of_a_parquet_file_are_tags(tmp_path):
    maps = pa.array([[("a", 1), ("b", 2)], [("c", 3)]], pa.map_(pa.string(), pa.int64()))
    columns = {"id": ["1", "2"], "tags": [[["a"], ["b"]], [["c"]]], "labels": maps}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    cells = read_cells(tmp_path / "x.parquet", None)
    for name in ("tags", "labels"):
        assert read_tags(cells.column(name), None).to_pylist() == [["a", "b"], ["c"]]


def test_names_that_meet_when_they_are_dotted_move_no_row(tmp_path):
    lines = [{"a": {"b": 1}, "a.b": 2}, {"a": {"b": 3}}, {"a.b": 4}]
    cells = read(tmp_path, "\n".join(map(json.dumps, lines)).encode())
    assert cells.columns["a.b"].to_pylist() == ["2", "3", "4"]


def write_workbook(path, sheets):
    with pd.ExcelWriter(path) as writer:
        for name, rows in sheets.items():
            pd.DataFrame(rows).to_excel(writer, sheet_name=name, header=False, index=False)


def test_a_workbook_with_a_cover_and_a_title_above_the_header(tmp_path):
    table = [["My posts", None, None], [None] * 3, ["id", None, "t"], [1, None, "a"], [None] * 3]
    write_workbook(tmp_path / "x.xlsx", {"Cover": [["Hello"]], "Data": [*table, [2, None, "b"]]})
    cells = read_cells(tmp_path / "x.xlsx", None)
    assert {name: column.to_pylist() for name, column in cells.columns.items()} == {
        "id": ["1", "2"],
        "t": ["a", "b"],
    }
    assert ("lines above the header", 1) in list_notes(cells, LEFT_OUT)
    assert ("the sheet 'Data', and none of 'Cover'", 0) in list_notes(cells, READ)


def test_sheets_behind_the_posts_are_not_read(tmp_path):
    write_workbook(tmp_path / "x.xlsx", {"Data": [["id", "t"], [1, "a"]], "Rest": [["x", 1]]})
    with (
        zipfile.ZipFile(tmp_path / "x.xlsx") as whole,
        zipfile.ZipFile(tmp_path / "broken.xlsx", "w") as broken,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            if name == "xl/worksheets/sheet2.xml":
                content = content.partition(b"<sheetData>")[0] + b"<sheetData><"
            broken.writestr(name, content)
    cells = read_cells(tmp_path / "broken.xlsx", None)
    assert cells.columns["t"].to_pylist() == ["a"]
    assert ("the sheet 'Data', and none of 'Rest'", 0) in list_notes(cells, READ)


def test_a_hidden_sheet_and_names_of_groups_are_no_table(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["x", "y"])
    book.active.append([1, 2])
    book.active.sheet_state = "hidden"
    sheet = book.create_sheet("Posts")
    for row in (["Report"], ["Post", None, None, "Counts"], ["id", "t", "u", "likes"]):
        sheet.append(row)
    sheet.append(["p1", "a", "b", 5])
    sheet.merge_cells("A2:C2")
    book.save(tmp_path / "x.xlsx")
    cells = read_cells(tmp_path / "x.xlsx", None)
    assert cells.names == ["id", "t", "u", "likes"]
    assert cells.columns["likes"].to_pylist() == ["5"]
    assert ("lines above the header", 2) in list_notes(cells, LEFT_OUT)
    assert ("the sheet 'Posts', and none of 'Sheet'", 0) in list_notes(cells, READ)


def test_names_of_groups_of_columns_stand_above_the_header(tmp_path):
    cells = read(tmp_path, b"Post,,,Counts\nid,t,u,likes\np1,a,b,5\np2,a,c,6\n")
    assert cells.names == ["id", "t", "u", "likes"]
    cells = read(tmp_path, b"id,,,likes\np1,a,b,5\np2,a,c,6\n")
    assert cells.names == ["id", "column 2", "column 3", "likes"]


def test_an_index_of_pandas_beside_one_column_has_a_header(tmp_path):
    cells = read(tmp_path, b",likes\n0,5\n1,7\n")
    assert cells.names == ["column 1", "likes"]
    assert cells.columns["likes"].to_pylist() == ["5", "7"]


def test_parquet_bytes_are_texts_or_hexadecimal(tmp_path):
    table = pa.table({"a": [b"p1", b"p2"], "b": pa.array([b"\xff\x00", None], pa.binary(2))})
    pq.write_table(table, tmp_path / "x.parquet")
    cells = read_cells(tmp_path / "x.parquet", None)
    assert cells.columns["a"].to_pylist() == ["p1", "p2"]
    assert cells.columns["b"].to_pylist() == ["ff00", None]


def test_a_workbook_is_read_as_it_looks(tmp_path):
    frame = pd.DataFrame({"id": ["007", "008"], "n": [1.5, None], "t": [datetime(2022, 1, 2)] * 2})
    frame.to_excel(tmp_path / "posts.xlsx", index=False)
    cells = read_cells(tmp_path / "posts.xlsx", None)
    assert cells.columns["id"].to_pylist() == ["007", "008"]
    assert cells.columns["n"].to_pylist() == ["1.5", None]
    assert cells.columns["t"].to_pylist() == ["2022-01-02T00:00:00"] * 2


# Forms of numbers: how a number is written, and the mark that its column has.
def group(number, mark):
    return f"{number:,}".replace(",", mark)


@QUICK
@given(
    numbers=st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=20),
    mark=st.sampled_from([",", " ", "\u00a0", "\u202f", "'", "’"]),
)
def test_separators_of_thousands_change_no_number(tmp_path, numbers, mark):
    column = read_column(tmp_path, [group(number, mark) for number in numbers])
    assert read_numbers(column, weigh(column).mark()).to_pylist() == numbers
    column.findings.settle("stop", 0)
    grouped = sum(abs(number) >= 1000 for number in numbers)
    assert sum(count for _, count in list_notes(column, KEPT)) == grouped


@QUICK
@given(
    cents=st.lists(st.integers(-(10**8), 10**8), min_size=3, max_size=20),
    decimal=st.sampled_from([",", "."]),
)
def test_the_mark_of_decimals_is_that_of_the_column(tmp_path, cents, decimal):
    group_mark = "." if decimal == "," else ","
    texts = [
        ("-" if n < 0 else "") + group(abs(n) // 100, group_mark) + decimal + f"{abs(n) % 100:02d}"
        for n in cents
    ]
    column = read_column(tmp_path, texts)
    found = read_numbers(column, weigh(column).mark()).to_pylist()
    assert found == pytest.approx([n / 100 for n in cents])
    column.findings.settle("stop", 0)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1,741", "2 300", "N/A", "12.5%", "1.2K", "-"], [1741, 2300, None, 0.125, 1200, None]),
        (["1,741", "3,4", "1.2K"], [1741, 3.4, 1200]),
        (["1.741.000", "3,5", "7"], [1_741_000, 3.5, 7]),
        (["1,23,456", "1,234.5"], [123_456, 1234.5]),
        (["True", "false", "yes", "No", ""], [1, 0, 1, 0, None]),
        (["$1,200.50", "€5", "5 €", "USD 7"], [1200.5, 5, 5, 7]),
        (["3M", "1.5b", "2k", "12"], [3e6, 1.5e9, 2e3, 12]),
        (["1:30", "01:00:01", "PT1M30S", "PT2H"], [90, 3601, 90, 7200]),
        (["−5", "+7", "1e3", "007"], [-5, 7, 1000, 7]),
        (["１２", "٣٤", "5"], [12, 34, 5]),
        (["10K+", "1.2万", "2억"], [1e4, 1.2e4, 2e8]),
        (["1,2 Mio.", "3 Tsd."], [1.2e6, 3e3]),
        (["R$ 1.200,50", "500円", "CHF 7", "Rs. 30", "12 zł"], [1200.5, 500, 7, 30, 12]),
        (["1.741", "12.250", "999"], [1741, 12_250, 999]),
        (["1.741", "12.250", "1741"], [1.741, 12.25, 1741]),
        (["1,741", "999"], [1741, 999]),
        (["nan", "None", "#N/A", "null", "?", "5"], [None] * 5 + [5]),
    ],
)
def test_numbers_as_people_write_them(tmp_path, texts, expected):
    column = read_column(tmp_path, texts)
    assert read_numbers(column, weigh(column).mark()).to_pylist() == expected
    column.findings.settle("stop", 0)


def test_every_currency_sign_is_one():
    signs = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) == "Sc"]
    assert re.findall(f"[{_SIGNS}]", "".join(map(chr, range(sys.maxunicode + 1)))) == signs


@pytest.mark.parametrize("pair", PAIRS)
def test_yes_and_no_of_a_language_are_1_and_0(tmp_path, pair):
    texts = [pair[0], pair[1].upper(), pair[0].title(), "", "nan"]
    column = read_column(tmp_path, texts)
    assert read_numbers(column, None).to_pylist() == [1, 0, 1, None, None]
    column.findings.settle("stop", 0)
    assert list_notes(column, READ) == [("true and false as 1 and 0", 3)]


@pytest.mark.parametrize("texts", [["ja", "en"], ["ja", "oui"], ["ja", "nein", "vielleicht"]])
def test_words_of_several_languages_are_no_numbers(tmp_path, texts):
    assert read_numbers(read_column(tmp_path, texts), None).null_count == len(texts)


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        (["1.741", "12.250"], "numbers whose dot is taken as decimals"),
        (["1,741", "12,250"], "numbers whose comma is taken as a thousands separator"),
        (["$5", "7 €"], "amounts in 2 currencies ($, €), none exchanged"),
    ],
)
def test_numbers_that_may_mean_another_are_noticed(tmp_path, texts, what):
    column = read_column(tmp_path, texts)
    read_numbers(column, weigh(column).mark())
    assert list_notes(column, NOTICED) == [(what, 2)]


@pytest.mark.parametrize("text", ["seven", "1_000", "0x10", "7 8", "1,2,3", "12 apples", "1.2.3"])
def test_what_is_no_number_is_named(tmp_path, text):
    column = read_column(tmp_path, ["1", text, "3"])
    assert read_numbers(column, None).to_pylist() == [1, None, 3]
    assert f"x: cells that are no number: 1 of 3 (data row 2: {text!r})" in list_bad(
        column.findings
    )


@QUICK
@given(data=st.data())
def test_broken_cells_are_masked_and_listed_and_the_others_right(tmp_path, data):
    numbers = data.draw(st.lists(st.integers(0, 10**6), min_size=5, max_size=40))
    rows = st.integers(0, len(numbers) - 1)
    broken = data.draw(
        st.dictionaries(rows, st.sampled_from(["x1", "inf", "1_0", "#!"]), max_size=4)
    )
    missing = data.draw(st.dictionaries(rows, st.sampled_from(["N/A", "nan", "-"]), max_size=4))
    texts = [broken.get(i, missing.get(i, str(n))) for i, n in enumerate(numbers)]
    column = read_column(tmp_path, texts)
    found = read_numbers(column, None).to_pylist()
    gone = set(broken) | set(missing)
    assert found == [None if i in gone else n for i, n in enumerate(numbers)]
    column.findings.settle("mask", 1)
    assert sum(count for _, count in list_notes(column, MASKED)) == len(broken)
    assert sum(count for _, count in list_notes(column, MISSING)) == len(set(missing) - set(broken))
    shown = [row for note in column.findings.notes for row, _ in note.examples]
    assert set(shown) <= {i + 1 for i in gone}


MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2035, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)
MONTHS = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
# Name, how a time is written, and the finest part that the form keeps.
FORMS = {
    "iso": lambda t: t.isoformat(),
    "iso with a space": lambda t: f"{t:%Y-%m-%d %H:%M:%S}",
    "iso with a fraction": lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.250",
    "seconds": lambda t: f"{t.replace(tzinfo=UTC).timestamp():.0f}",
    "milliseconds": lambda t: f"{t.replace(tzinfo=UTC).timestamp() * 1e3:.0f}",
    "microseconds": lambda t: f"{t.replace(tzinfo=UTC).timestamp() * 1e6:.0f}",
    "floats": lambda t: f"{t.replace(tzinfo=UTC).timestamp():.1f}",
    "compact": lambda t: f"{t:%Y%m%d%H%M%S}",
    "twitter": lambda t: f"{t:%a %b %d %H:%M:%S} +0000 {t:%Y}",
    "mail": lambda t: f"{t:%a, %d %b %Y %H:%M:%S} +0000",
    "words": lambda t: f"{t:%d %b %Y %H:%M:%S}",
    "english": lambda t: f"{t:%B %d, %Y at %I:%M:%S %p}",
    "year first": lambda t: f"{t:%Y/%m/%d %H:%M:%S}",
    "iso with a half of the day": lambda t: f"{t:%Y-%m-%d %I:%M:%S %p}",
    "dots": lambda t: f"{t:%d.%m.%Y %H:%M:%S}",
    "german": lambda t: f"{t:%d.%m.%Y um %H:%M:%S} Uhr",
    "chinese": lambda t: f"{t.year}年{t.month}月{t.day}日 {t.hour}时{t.minute}分{t.second}秒",
    "of a camera": lambda t: f"{t:%Y%m%d_%H%M%S}",
    "compact floats": lambda t: f"{t:%Y%m%d%H%M%S}.0",
    "grouped seconds": lambda t: f"{t.replace(tzinfo=UTC).timestamp():,.0f}",
    "french": lambda t: f"{t.day} {MONTHS[t.month - 1]} {t.year} {t:%H:%M:%S}",
}


@QUICK
@given(
    moments=st.lists(MOMENTS, min_size=1, max_size=8).filter(
        lambda ts: max(ts) - min(ts) < timedelta(days=3650)
    ),
    form=st.sampled_from(sorted(FORMS)),
)
def test_times_of_each_form_are_the_same(tmp_path, moments, form):
    column = read_column(tmp_path, [FORMS[form](moment) for moment in moments])
    found, _ = read_times(column, None)
    assert [moment.replace(tzinfo=None) for moment in found.to_pylist()] == moments
    column.findings.settle("stop", 0)


@QUICK
@given(moments=st.lists(MOMENTS, min_size=1, max_size=8), day_first=st.booleans())
def test_the_order_of_day_and_month_is_that_of_the_column(tmp_path, moments, day_first):
    form = "%d/%m/%Y %H:%M:%S" if day_first else "%m/%d/%Y %I:%M:%S %p"
    moments = [*moments, datetime(2020, 6, 25, 13, 5)]  # leaves no doubt
    moments = [m for m in moments if abs(m - moments[-1]) < timedelta(days=1500)]
    column = read_column(tmp_path, [f"{moment:{form}}" for moment in moments])
    found, _ = read_times(column, None)
    assert [moment.replace(tzinfo=None) for moment in found.to_pylist()] == moments
    said = f"dates with the {'day' if day_first else 'month'} first"
    assert (said, len(moments)) in list_notes(column, READ)


def test_dates_that_nothing_tells_are_asked_for(tmp_path):
    texts = ["03/04/2022", "05/06/2022"]
    column = read_column(tmp_path, texts)
    read_times(column, None)
    assert "data.table.columns.time_format: day first" in list_bad(column.findings)
    for time_format, month in (("day first", 4), ("month first", 3), ("%d/%m/%Y", 4)):
        found, _ = read_times(read_column(tmp_path, texts), time_format)
        assert found[0].as_py().month == month


def test_a_format_that_is_none_names_its_key(tmp_path):
    with pytest.raises(InputError, match=r"columns\.time_format: 'Q' is a bad directive"):
        read_times(read_column(tmp_path, ["03/04/2022"]), "%Q")


def test_iso_dates_with_words_behind_them(tmp_path):
    column = read_column(tmp_path, ["2022-02-03 1:53 PM", "2022-02-03 12:53:00 CET", "2022-13-01"])
    found, offset = read_times(column, None)
    assert found.to_pylist() == [
        datetime(2022, 2, 3, 13, 53, tzinfo=UTC),
        datetime(2022, 2, 3, 11, 53, tzinfo=UTC),
        None,
    ]
    assert offset.to_pylist() == [None, 60.0, None]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["31/01/2022 - 13:05:06", "02/03/2022 - 01:00:00"], ["01-31 13:05:06", "03-02 01:00"]),
        (["31.01.2022 um 13:05 Uhr", "02.03.2022 1:00 Uhr"], ["01-31 13:05", "03-02 01:00"]),
        (["31/01/2022 13h05", "02/03/2022 1h00"], ["01-31 13:05", "03-02 01:00"]),
        (["1/31/2022 1:05pm", "3/2/2022 1 a.m."], ["01-31 13:05", "03-02 01:00"]),
        (["22/01/30", "22/01/31", "22/03/02"], ["01-30", "01-31", "03-02"]),
        (["2022年1月31日 13:05", "2022年3月2日 1时0分"], ["01-31 13:05", "03-02 01:00"]),
        (["2022년 1월 31일", "2022년 3월 2일"], ["01-31", "03-02"]),
        (["2022-01-31\u00a013:05", "'2022-03-02 01:00"], ["01-31 13:05", "03-02 01:00"]),
        (["31. Januar 2022", "2. März 2022"], ["01-31", "03-02"]),
        (["31 janvier 2022 13:05", "2 août 2022 1:00"], ["01-31 13:05", "08-02 01:00"]),
        (["31 de enero de 2022", "2 de agosto de 2022"], ["01-31", "08-02"]),
        (["20220131_130506", "20220302_010000"], ["01-31 13:05:06", "03-02 01:00"]),
        (["202201311305.0", "202203020100.0"], ["01-31 13:05", "03-02 01:00"]),
        (["20220131.0", "20220302.0"], ["01-31", "03-02"]),
        (["20220131130506789"] * 2, ["01-31 13:05:06"] * 2),
        (["1,643,634,306", "1.643.634.306"], ["01-31 13:05:06"] * 2),
        (["44592,5", "44622,25"], ["01-31 12:00", "03-02 06:00"]),
        (["2022-01", "2022-03"], ["01-01", "03-01"]),
    ],
)
def test_times_as_other_programs_and_languages_write_them(tmp_path, texts, expected):
    column = read_column(tmp_path, texts)
    found, _ = read_times(column, None)
    assert found.to_pylist() == [
        datetime.fromisoformat(f"2022-{text}").replace(tzinfo=UTC) for text in expected
    ]
    column.findings.settle("stop", 0)


MONTHLY = [(f"{year:02d}", f"{month:02d}") for year in range(15, 25) for month in range(1, 13)]


@pytest.mark.parametrize(
    ("form", "time_format", "day"),
    [
        ("01.{month}.{year}", None, 1),
        ("01/{month}/{year}", "day first", 1),
        ("{month}/01/{year}", "month first", 1),
        ("{month}/15/{year}", None, 15),
        ("15/{month}/{year}", None, 15),
        ("15-{month}-{year}", None, 15),
    ],
)
def test_two_digits_of_a_year_at_the_end_are_a_year(tmp_path, form, time_format, day):
    column = read_column(tmp_path, [form.format(year=y, month=m) for y, m in MONTHLY])
    found, _ = read_times(column, time_format)
    expected = [datetime(2000 + int(y), int(m), day, tzinfo=UTC) for y, m in MONTHLY]
    assert found.to_pylist() == expected


@pytest.mark.parametrize("day", ["15", "01"])
def test_days_that_could_be_years_are_asked_for(tmp_path, day):
    """The same day of a month over twenty years, or days of a few years."""
    column = read_column(tmp_path, [f"{day}/{1 + y % 12:02d}/{y:02d}" for y in range(4, 23)])
    found, _ = read_times(column, None)
    assert column.findings.is_refused
    assert found.null_count == 19


def test_an_order_of_two_digits_that_could_be_either_is_asked_for(tmp_path):
    column = read_column(tmp_path, [f"01/{month}/{year}" for year, month in MONTHLY])
    found, _ = read_times(column, None)
    assert column.findings.is_refused
    assert found.null_count == len(MONTHLY)


@pytest.mark.parametrize("text", ["03/04 2022", "on 03/04/2022 or so", "2.02202E+11", "25122022"])
def test_an_order_is_never_guessed_cell_by_cell(tmp_path, text):
    column = read_column(tmp_path, [text])
    assert read_times(column, None)[0].to_pylist() == [None]
    assert "cells that are no time" in list_bad(column.findings)


def test_the_name_of_a_zone_behind_its_offset_is_left(tmp_path):
    column = read_column(tmp_path, ["2022-01-31T13:05:00+01:00[Europe/Paris]"])
    times, offsets = read_times(column, None)
    assert times.to_pylist() == [datetime(2022, 1, 31, 12, 5, tzinfo=UTC)]
    assert offsets.to_pylist() == [60]


@pytest.mark.parametrize("cells", [["1643634306"], pa.array([datetime(2022, 1, 31, tzinfo=UTC)])])
def test_epoch_numbers_and_utc_tell_nothing_of_the_posters_clock(tmp_path, cells):
    pq.write_table(pa.table({"x": cells}), tmp_path / "posts.parquet")
    column = read_cells(tmp_path / "posts.parquet", None).column("x")
    assert read_times(column, None)[1].to_pylist() == [None]
    notes = [what for what, _ in list_notes(column, READ)]
    assert "times in UTC, the poster's clock is not known" in notes


def test_lists_of_tags_are_shown_by_ones_that_hold_tags(tmp_path):
    column = read_column(tmp_path, ["[]", "['']", "['a', 'b']", "[]"])
    assert read_tags(column, None).to_pylist() == [[], [], ["a", "b"], []]
    (note,) = [note for note in column.findings.notes if note.what == "tags written as lists"]
    assert (note.count, note.examples) == (4, ((3, "\"['a', 'b']\""),))
    column = read_column(tmp_path, ["[]", "[ ]"])
    read_tags(column, None)
    assert [note.examples[0] for note in column.findings.notes if note.count] == [(1, "'[]'")]


@pytest.mark.parametrize(
    ("texts", "mark", "what"),
    [
        (["1,234,567"], ".", "numbers with thousands separators"),
        (["1.5", "1,25"], ".", "numbers with decimal commas, in a column that also has points"),
        (["1,5", "1.25"], ",", "numbers with decimal points, in a column that also has commas"),
    ],
)
def test_how_numbers_are_written_is_named(tmp_path, texts, mark, what):
    column = read_column(tmp_path, texts)
    read_numbers(column, mark)
    assert (what, 1) in list_notes(column, KEPT)


def test_compact_digits_are_never_epoch_seconds(tmp_path):
    column = read_column(tmp_path, ["202202021253", "202201011556", "202112312359"])
    found, _ = read_times(column, None)
    assert found[0].as_py() == datetime(2022, 2, 2, 12, 53, tzinfo=UTC)
    assert ("times as digits, %Y%m%d%H%M", 3) in list_notes(column, READ)
    (note,) = [note for note in column.findings.notes if note.what.startswith("times as digits")]
    assert note.examples[0] == (1, "'202202021253'")


@QUICK
@given(
    moments=st.lists(MOMENTS, min_size=2, max_size=8).filter(
        lambda ts: max(ts) - min(ts) < timedelta(days=3000)
    ),
    data=st.data(),
)
def test_the_offset_of_a_zone_is_the_posters_clock(tmp_path, moments, data):
    minutes = data.draw(
        st.lists(
            st.sampled_from([-480, -210, 60, 330, 540]),
            min_size=len(moments),
            max_size=len(moments),
        )
    )
    zones = [f"{'-' if m < 0 else '+'}{abs(m) // 60:02d}:{abs(m) % 60:02d}" for m in minutes]
    style = data.draw(st.sampled_from(["{}", " {}"]))
    texts = [t.isoformat() + style.format(z) for t, z in zip(moments, zones, strict=True)]
    column = read_column(tmp_path, texts)
    found, offset = read_times(column, None)
    assert offset.to_pylist() == minutes
    local = [t + timedelta(minutes=m) for t, m in zip(found.to_pylist(), minutes, strict=True)]
    assert [moment.replace(tzinfo=None) for moment in local] == moments


ZONED = {
    "words": "%d %B %Y %H:%M:%S",
    "iso": "%Y-%m-%d %H:%M:%S",
    "half of the day": "%B %d, %Y at %I:%M:%S %p",
    "day first": "25/%m/%Y %H:%M:%S",
}


@QUICK
@given(
    moment=MOMENTS.map(lambda moment: moment.replace(day=25)),
    form=st.sampled_from(sorted(ZONED)),
    name=st.sampled_from(["GMT", "UTC", "utc", " GMT ", "(GMT"]),
    hours=st.integers(0, 14),
    minutes=st.sampled_from(["", ":00", "00"]),
    sign=st.sampled_from("+-−"),
)
def test_an_offset_behind_gmt_is_east_of_it(tmp_path, moment, form, name, hours, minutes, sign):
    shown = f"{hours:02d}{minutes}" if minutes else str(hours)
    bracket = ")" if "(" in name else ""
    text = f"{moment:{ZONED[form]}} {name}{sign}{shown}{bracket}"
    found, _ = read_times(read_column(tmp_path, [text]), None)
    east = timedelta(hours=hours if sign == "+" else -hours)
    assert [time.replace(tzinfo=None) for time in found.to_pylist()] == [moment - east]


@pytest.mark.parametrize(
    ("text", "hour", "offset"),
    [
        ("Sat Mar 05 2022 10:00:00 GMT+0200 (Central European Time)", 8, 120),
        ("Sat Mar 5 10:00:00 GMT+2 2022", 8, 120),
        ("2022-03-05 10:00+2", 8, 120),
        ("2022-03-05 10:00 -3", 13, -180),
        ("5 March 2022 10:00 -0300", 13, -180),
        ("5 March 2022 10:00 EST", 15, -300),
        ("5 March 2022 10:00 GMT", 10, None),
        ("10:00 05-Mar-2022", 10, None),
    ],
)
def test_zones_behind_and_within_dates(tmp_path, text, hour, offset):
    found, offsets = read_times(read_column(tmp_path, [text]), None)
    assert found.to_pylist() == [datetime(2022, 3, 5, hour, tzinfo=UTC)]
    assert offsets.to_pylist() == [offset]


@pytest.mark.parametrize(
    "text",
    [
        "5 March 2022 GMT+2",
        "5 March 2022 10:00 CET+1",
        "5 March 2022 10:00 Etc/GMT+2",
        "5 March 2022 10:00 GMT+25",
        "2022-03-05 10:00 +25:00",
        "2022-03-05 10:00 +15:00",
        "2022-03-05T10:30:00-20:00",
        "2022-03-05 10:30-15",
        "5 March 2022 10:00 +1500",
    ],
)
def test_a_zone_that_could_be_another_is_no_time(tmp_path, text):
    column = read_column(tmp_path, [text])
    assert read_times(column, None)[0].to_pylist() == [None]
    assert "cells that are no time" in list_bad(column.findings)


@QUICK
@given(
    moments=st.lists(MOMENTS.filter(lambda t: t.year < 2033), min_size=2, max_size=9).filter(
        lambda ts: max(ts) - min(ts) < timedelta(days=3650)
    ),
    data=st.data(),
)
def test_each_epoch_number_is_read_by_its_own_magnitude(tmp_path, moments, data):
    units = st.sampled_from([1, 10**3, 10**6, 10**9])
    chosen = data.draw(st.lists(units, min_size=len(moments), max_size=len(moments)))
    seconds = [int(moment.replace(tzinfo=UTC).timestamp()) for moment in moments]
    column = read_column(tmp_path, [str(s * u) for s, u in zip(seconds, chosen, strict=True)])
    found, _ = read_times(column, None)
    assert [moment.replace(tzinfo=None) for moment in found.to_pylist()] == moments
    column.findings.settle("stop", 0)
    noticed = [what for what, _ in list_notes(column, NOTICED)]
    several = len(set(chosen))
    assert len(noticed) == (several > 1)
    assert several == 1 or noticed[0].startswith(f"epoch numbers in {several} units")


def test_epoch_seconds_that_look_like_a_calendars_digits_are_none(tmp_path):
    column = read_column(tmp_path, ["1609459200", "1914022300"])
    found, _ = read_times(column, None)
    assert [time.year for time in found.to_pylist()] == [2021, 2030]


@pytest.mark.parametrize("text", ["44592", "0", "-1646474400", "16464744000"])
def test_a_number_of_no_magnitude_among_epoch_seconds_is_no_time(tmp_path, text):
    column = read_column(tmp_path, ["1646474400", text, "1646474401", text])
    assert read_times(column, None)[0].is_null().to_pylist() == [False, True, False, True]
    assert "cells that are no time: 2 of 4" in list_bad(column.findings)


@pytest.mark.parametrize("far", ["8377-01-01", "1512-01-05T10:00", "1970-01-01", "2099-01-01"])
def test_a_time_far_from_all_others_is_masked_and_named(tmp_path, far):
    texts = [f"2016-03-{day:02d}" for day in range(1, 29)]
    texts[4] = far
    column = read_column(tmp_path, texts)
    found, _ = read_times(column, None)
    assert found.is_null().to_pylist() == [row == 4 for row in range(28)]
    column.findings.settle("mask", 0.05)
    assert list_notes(column, MASKED) == [("times far from all others", 1)]


@pytest.mark.parametrize("text", ["soon", "May", "2016", "12:30", "2016-02-30", "32/01/2016"])
def test_what_is_no_time_is_named(tmp_path, text):
    column = read_column(tmp_path, ["2016-03-01", text])
    assert read_times(column, None)[0].to_pylist()[1] is None
    assert f"cells that are no time: 1 of 2 (data row 2: {text!r})" in list_bad(column.findings)


def test_times_in_several_forms_are_read_and_noticed(tmp_path):
    column = read_column(tmp_path, ["2016-03-01", "1456790400", "Mar 1, 2016"])
    found, _ = read_times(column, None)
    assert found.to_pylist() == [datetime(2016, 3, 1, tzinfo=UTC)] * 3
    assert list_notes(column, NOTICED) == [("times in 3 forms: numbers, ISO 8601, other dates", 0)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5e17, 2.0]),
        pa.array([2.0**53, 1.0]),
        pa.array([2.0**24, 1.0], pa.float32()),
        pa.array(["1.2345678901234568e+17", "7"]),
        pa.array(["1.23457E+17", "7"]),
        pa.array(["1,23457E+17", "7"]),
        pa.array(["1.23457e17", "7"]),
        pa.array(["12345678901234568.0", "7"]),
        pa.array(["123456789012345000", "223456789012346000", "323456789012347000"]),
    ],
)
def test_ids_that_lost_digits_are_refused(tmp_path, values):
    pq.write_table(pa.table({"x": values}), tmp_path / "posts.parquet")
    column = read_cells(tmp_path / "posts.parquet", None).column("x")
    read_ids(column, "ids")
    assert "write them as text" in list_bad(column.findings)


@pytest.mark.parametrize(
    "ids", [["007", "0008"], ["4e3161045473", "0e14"], [str(2**80), str(2**80 + 1)], ["1.0", "b"]]
)
def test_ids_are_kept_exactly(tmp_path, ids):
    column = read_column(tmp_path, ids)
    assert read_ids(column, "ids").to_pylist() == ids
    column.findings.settle("stop", 0)
    assert column.findings.notes == []


@pytest.mark.parametrize("word", WORDS)
def test_words_for_missing_are_missing_and_counted(tmp_path, word):
    column = read_column(tmp_path, ["ann", word, f" {word}", "", "nancy"])
    assert read_names(column).to_pylist() == ["ann", None, None, None, "nancy"]
    assert list_notes(column, MISSING) == [("words for a missing value", 2)]


@pytest.mark.parametrize(
    "word",
    [
        *("-", "?", "unknown", "[deleted]", "none", "nil", "NIL", "n.a.", "N.A.", "k.A.", "k. A."),
        *("anonymous", "Anonymous", "(none)", "(unknown)", "[removed]", "unbekannt", "inconnu"),
    ],
)
def test_nobody_is_no_author(tmp_path, word):
    column = read_column(tmp_path, ["ann", word])
    assert read_ids(column, "authors").to_pylist() == ["ann", None]
    assert list_notes(column, MISSING) == [("words for a missing value", 1)]
    assert read_names(read_column(tmp_path, ["ann", word])).to_pylist() == ["ann", word]


@pytest.mark.parametrize("name", ["nile", "anonymous_7", "nobody", "none of us", "k.a.te", "-x-"])
def test_names_that_look_like_nobody_are_authors(tmp_path, name):
    column = read_column(tmp_path, ["ann", name])
    assert read_ids(column, "authors").to_pylist() == ["ann", name]


def test_items_that_are_no_text_are_no_tags(tmp_path):
    column = read_column(tmp_path, ["['a', nan]", '["b", null]', "['c', None, '']", '["it\'s"]'])
    assert read_tags(column, None).to_pylist() == [["a"], ["b"], ["c"], ["it's"]]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('{"sunset": 1, "beach": 2}', ["sunset", "beach"]),
        ("{'sunset': 0.5, 'beach': None}", ["sunset", "beach"]),
        ('{"id": "7", "name": "2024"}', ["2024"]),
        ('{"tag": "1", "sea": "1"}', ["tag", "sea"]),
        ('{"name": 3, "love": 2}', ["name", "love"]),
        ('[{"text": "sunset"}, {"text": "2016", "indices": [0, 5]}]', ["sunset", "2016"]),
        ('[{"name": "365"}, {"tag": "1984", "count": 5}]', ["365", "1984"]),
        (
            '[{"name": "sunset"}, {"tag": "beach"}, {"id": "7", "x": "sea"}]',
            ["sunset", "beach", "sea"],
        ),
        ('{"0": "sunset", "1": "beach"}', ["sunset", "beach"]),
        ("{}", []),
        ('[["sunset", "beach"], ["sea"], []]', ["sunset", "beach", "sea"]),
        ('[["sunset", 3], ["beach", "5"], "sea"]', ["sunset", "beach", "sea"]),
        ("[('sunset', 0.5), ('1984', 2)]", ["sunset", "1984"]),
        ('[[{"name": "sunset"}, null], ["beach"]]', ["sunset", "beach"]),
    ],
)
def test_objects_of_tags_give_their_names(tmp_path, text, tags):
    column = read_column(tmp_path, [text, "['a']"])
    assert read_tags(column, None).to_pylist() == [tags, ["a"]]
    column.findings.settle("stop", 0)


@pytest.mark.parametrize(
    "text",
    ['[[["a"], 1]]', '{"a": {"b": 1}}', '[{"name": "sun', '{"sunset": 1, "be', '[{"a": []}]'],
)
def test_objects_that_name_no_tag_are_bad(tmp_path, text):
    column = read_column(tmp_path, ["['a']", text])
    assert read_tags(column, None).to_pylist() == [["a"], []]
    assert "lists or objects without tags: 1 of 2 (data row 2: " in list_bad(column.findings)


TAGS = [["new york", "sky"], [], ["été", "a-b"], ["one"], ["x", "y z", "q"]]


@pytest.mark.parametrize(
    "write",
    [
        str,
        json.dumps,
        lambda tags: str(np.array(tags, dtype=object)) if tags else "[]",
        lambda tags: ",".join(tags),
        lambda tags: ", ".join(tags),
        lambda tags: "|".join(tags),
        lambda tags: "; ".join(tags),
        lambda tags: "、".join(tags),
        lambda tags: "，".join(tags),
        lambda tags: " · ".join(tags),
        lambda tags: "·".join(tags),
        lambda tags: " • ".join(tags),
        lambda tags: " / ".join(tags),
        lambda tags: str(tuple(tags)),
        lambda tags: "{" + ",".join(f"'{tag}'" for tag in tags) + "}",
        lambda tags: "{" + ",".join(f'"{tag}"' if " " in tag else tag for tag in tags) + "}",
        lambda tags: "|".join(f'"{tag}"' for tag in tags),
        lambda tags: ", ".join(f"'{tag}'" for tag in tags),
        lambda tags: json.dumps([{"id": 7, "hashtagName": tag} for tag in tags]),
        lambda tags: str(tags)[:-1] if tags else "",
        lambda tags: json.dumps([{"text": tag} for tag in tags]),
    ],
)
def test_tags_as_programs_write_them(tmp_path, write):
    column = read_column(tmp_path, [write(tags) for tags in TAGS])
    assert read_tags(column, None).to_pylist() == TAGS
    assert sum("tags" in what for what, _ in list_notes(column, READ)) == 1


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["AC/DC", "rock/pop"], [["AC/DC"], ["rock/pop"]]),
        (["a / b, c", "d, e"], [["a / b", "c"], ["d", "e"]]),
        (["col·lecció", "il·lusió"], [["col·lecció"], ["il·lusió"]]),
    ],
)
def test_slashes_and_dots_within_tags_divide_none(tmp_path, texts, expected):
    assert read_tags(read_column(tmp_path, texts), None).to_pylist() == expected


def test_hashtags_and_no_break_spaces_divide_tags(tmp_path):
    column = read_column(tmp_path, ["#a #b", "#c#d", "", "#e, #f"])
    assert read_tags(column, None).to_pylist() == [["a", "b"], ["c", "d"], [], ["e", "f"]]
    column = read_column(tmp_path, ["＃a ＃b", "#c\u200b#d\u200b"])
    assert read_tags(column, None).to_pylist() == [["a", "b"], ["c", "d"]]
    column = read_column(tmp_path, ["a\u00a0b", "c d"])
    assert read_tags(column, None).to_pylist() == [["a", "b"], ["c", "d"]]


def test_a_separator_that_looks_wrong_is_noticed(tmp_path):
    column = read_column(tmp_path, ["a,b", "c,d", "e"])
    assert read_tags(column, " ").to_pylist() == [["a,b"], ["c,d"], ["e"]]
    assert list_notes(column, NOTICED) == [("tags that look divided by ',', not by ' '", 2)]


def test_all_problems_are_said_at_once_with_their_switch():
    findings = Findings(Path("posts.csv"))
    findings.bad("a", "cells that are no number", "a number", 3, 40, [(2, "x"), (3, "y")])
    findings.bad("b", "cells that are no time", "a time", 1, 40, [(9, "z")])
    findings.refuse("id: twice")
    with pytest.raises(InputError) as caught:
        findings.settle("mask", 0.05)
    assert str(caught.value).splitlines() == [
        "posts.csv: 2 problems:",
        "  posts.csv: id: twice",
        "  posts.csv: a: cells that are no number: 3 of 40 (data row 2: 'x', data row 3: 'y'), "
        "expected a number; data.max_bad_fraction is 0.05",
    ]
    assert [note.column for note in findings.notes] == ["b"]


def test_tags_of_several_words_that_mostly_stand_alone_are_whole(tmp_path):
    column = read_column(tmp_path, ["Spring sale", "Spring sale", "Brand, Spring sale", "Brand"])
    sale = "Spring sale"
    assert read_tags(column, None).to_pylist() == [[sale], [sale], ["Brand", sale], ["Brand"]]
    column = read_column(tmp_path, ["red sea", "old cat", "a b", "sun sky", "one two", "x, y"])
    assert read_tags(column, None).to_pylist()[:2] == [["red", "sea"], ["old", "cat"]]


@pytest.mark.parametrize("name", ["Date (GMT)", "created_utc", "UTC"])
def test_a_column_whose_name_says_utc_is_in_utc(tmp_path, name):
    column = read_column(tmp_path, ["2025-03-01 14:05", "2025-03-02 9:00"], name)
    read_times(column, None)
    said = "times in UTC, as the column's name says; the poster's clock is not known"
    assert (said, 0) in list_notes(column, READ)


@pytest.mark.parametrize("name", ["Date (GMT+2)", "UTC -5", "outcome", "date"])
def test_other_names_say_no_utc(tmp_path, name):
    column = read_column(tmp_path, ["2025-03-01 14:05", "2025-03-02 9:00"], name)
    read_times(column, None)
    assert ("times without a zone, taken as the poster's clock", 0) in list_notes(column, READ)


@pytest.mark.parametrize(("clock", "noted"), [("", True), (" 00:00", True), (" 00:05", False)])
def test_days_without_a_clock_are_noted(tmp_path, clock, noted):
    days = [f"2025-03-{day:02d}" for day in range(1, 15)]
    column = read_column(tmp_path, [*days, f"2025-03-20{clock}"])
    read_times(column, None)
    found = [what for what, _ in list_notes(column, NOTICED) if "days without a clock" in what]
    assert bool(found) == noted


def test_parts_of_an_export_are_no_records(tmp_path):
    parts = {
        "Profile": {"map": {"name": "me"}},
        "Activity": {"likes": {"list": [{"date": "1"}]}},
        "Video": {"videos": {"list": [{"Likes": "3"}]}},
    }
    with pytest.raises(InputError, match=r"several arrays .*Video\.videos\.list\), expected one: "):
        read(tmp_path, json.dumps(parts).encode())
    records = {"p1": {"title": "a", "tags": [{"name": "x"}]}, "p2": {"title": "b", "tags": []}}
    assert read(tmp_path, json.dumps(records).encode()).columns["id"].to_pylist() == ["p1", "p2"]


def test_a_file_packed_by_zstd_is_read_and_one_cut_off_is_refused(tmp_path):
    content = pa.Codec("zstd").compress(b"id,x\n1,a\n2,b\n", asbytes=True)
    assert read(tmp_path, content).columns["x"].to_pylist() == ["a", "b"]
    with pytest.raises(InputError, match="not a whole zstd file"):
        read(tmp_path, content[:-4])


def test_the_word_for_no_tags_is_missing(tmp_path):
    column = read_column(tmp_path, ["[none]", '"a"|"b c"'])
    assert read_tags(column, None).to_pylist() == [[], ["a", "b c"]]


def test_texts_with_html_are_noted_and_kept(tmp_path):
    texts = ["<p>A cat</p>", "one<BR/>two", "I <3 you, a<b>c", "5 < 7 > 3"]
    column = read_column(tmp_path, texts)
    assert read_texts(column).to_pylist() == texts
    assert list_notes(column, NOTICED) == [("texts with HTML in them, kept as they are", 2)]
