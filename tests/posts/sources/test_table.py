"""The user's own posts: the same posts from every format, and one clear error for each mistake."""

import csv
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fame import params
from fame.params import ColumnParams, DataParams, TableParams
from fame.posts import schema
from fame.posts.contract import ASSIGNED, POSTS
from fame.posts.sources.table import TableFile
from fame.posts.sources.table_texts import WORDS
from fame.runtime.errors import InputError

NO_COLUMNS = {
    "user": None,
    "time": None,
    "time_format": None,
    "title": None,
    "tags": None,
    "categories": [],
    "numeric": [],
    "image": None,
    "split": None,
}
# Which a file of one's own does not need, but params.yaml has.
SAMPLE = params.load(Path(__file__).parents[3] / "params.yaml", kinds=False).data.sample
HEADER = "id,popularity,user,when,title,tags,kind,sort,price,picture"
ROWS = (
    '007,5.25,ann,2016-03-01T12:00:00Z,"Hello, world",a b  c,Food,Fruit,1.5,x/1.jpg',
    "1,,bob,1456790400,,,Food,,,",
    '12,3,ann,2016-03-01T14:00:00+02:00,שלום 🌅,"é",Urban,Tram,-2e3,2.png',
)
MAPPED = {
    "user": "user",
    "time": "when",
    "title": "title",
    "tags": "tags",
    "categories": ["kind", "sort"],
    "numeric": ["price"],
    "image": "picture",
}


def make_source(
    file: str = "posts.csv",
    images: str | None = None,
    separator: str | None = None,
    on_bad: str = "stop",
    max_bad_fraction: float = 0.05,
    encoding: str | None = None,
    **columns: object,
) -> TableFile:
    mapping = {"id": "id", "target": "popularity"} | NO_COLUMNS | columns
    table = TableParams(
        file=file,
        encoding=encoding,
        images=images,
        tag_separator=separator,
        columns=ColumnParams(**mapping),
    )
    data = DataParams(
        source="table",
        root="own",
        target_transform="none",
        on_bad=on_bad,
        max_bad_fraction=max_bad_fraction,
        max_unreadable_fraction=0.05,
        sample=SAMPLE,
        table=table,
    )
    return TableFile(data)


def write_csv(folder: Path, *rows: str, header: str = HEADER) -> None:
    text = "".join(f"{row}\n" for row in (header, *rows))
    (folder / "posts.csv").write_text(text, encoding="utf-8", newline="")


def write_pictures(folder: Path) -> None:
    (folder / "x").mkdir()
    (folder / "x" / "1.jpg").write_bytes(b"picture")


def load_column(folder: Path, column: str, values: list[object], **mapped: object) -> list[object]:
    """One mapped column of a JSONL file with the given values, as the posts table has it."""
    records = [{"id": str(i), "popularity": 1, "x": value} for i, value in enumerate(values)]
    lines = "\n".join(json.dumps(record) for record in records)
    (folder / "posts.jsonl").write_text(lines, encoding="utf-8")
    return make_source("posts.jsonl", **mapped).load(folder).table[column].to_pylist()


def test_reads_each_kind_of_column(tmp_path: Path) -> None:
    write_csv(tmp_path, *ROWS)
    write_pictures(tmp_path)
    posts = make_source(**MAPPED).load(tmp_path).table
    noon = datetime(2016, 3, 1, 12, tzinfo=UTC)
    assert posts["post_id"].to_pylist() == ["007", "1", "12"]
    assert posts["popularity"].to_pylist() == [5.25, None, 3.0]
    assert posts["user_id"].to_pylist() == ["ann", "bob", "ann"]
    assert posts["posted_at"].to_pylist() == [noon, datetime(2016, 3, 1, tzinfo=UTC), noon]
    assert posts["title"].to_pylist() == ["Hello, world", None, "שלום 🌅"]
    assert posts["tags"].to_pylist() == [["a", "b", "c"], [], ["é"]]
    assert posts["category"].to_pylist() == ["Food", "Food", "Urban"]
    assert posts["subcategory"].to_pylist() == ["Fruit", None, "Tram"]
    assert posts["concept"].to_pylist() == [None] * 3
    assert posts["own_price"].to_pylist() == [1.5, None, -2000.0]
    schema.validate(posts)


def test_id_and_target_are_enough(tmp_path: Path) -> None:
    write_csv(tmp_path, "a,1", "b,2", header="id,popularity")
    loaded = make_source().load(tmp_path)
    schema.validate(loaded.table)
    expected = [name for name in POSTS.names if name not in ASSIGNED]
    assert loaded.table.column_names == expected
    assert loaded.table["tags"].null_count == loaded.table["posted_at"].null_count == 2
    assert loaded.images["status"].to_pylist() == ["no_image"] * 2
    assert list(loaded.descriptions) == []


def test_csv_parquet_and_jsonl_give_the_same_posts(tmp_path: Path) -> None:
    write_csv(tmp_path, *ROWS)
    frame = pd.DataFrame(
        {
            "id": ["007", "1", "12"],
            "popularity": [5.25, None, 3.0],
            "user": ["ann", "bob", "ann"],
            "when": pd.to_datetime(
                ["2016-03-01 12:00:00", "2016-03-01 00:00:00", "2016-03-01 12:00:00"], utc=True
            ),
            "title": ["Hello, world", None, "שלום 🌅"],
            "tags": [["a", "b", "c"], [], ["é"]],
            "kind": ["Food", "Food", "Urban"],
            "sort": ["Fruit", None, "Tram"],
            "price": [1.5, None, -2000],
            "picture": ["x/1.jpg", None, "2.png"],
        }
    )
    frame.to_parquet(tmp_path / "posts.parquet")
    frame.to_json(
        tmp_path / "posts.jsonl", orient="records", lines=True, date_format="iso", date_unit="s"
    )
    write_pictures(tmp_path)
    expected = make_source(**MAPPED).load(tmp_path)
    for file in ("posts.parquet", "posts.jsonl"):
        found = make_source(file, **MAPPED).load(tmp_path)
        offset = "utc_offset_minutes"  # the CSV has a zone of its own, the others UTC
        assert found.table.drop_columns(offset).equals(expected.table.drop_columns(offset))
        assert found.images.equals(expected.images)


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (pa.array([1, 2]), ["1", "2"]),
        (pa.array([1.0, 2.5]), ["1", "2.5"]),
        (pa.array([b"a", b"b"]).cast(pa.large_string()), ["a", "b"]),
        (pa.array(["007", "1e3"]), ["007", "1e3"]),
        (pa.array([2**62, 1]), ["4611686018427387904", "1"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    ],
)
def test_ids_are_texts(tmp_path: Path, column: pa.Array, ids: list[str]) -> None:
    table = pa.table({"id": column, "popularity": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "posts.parquet")
    posts = make_source("posts.parquet").load(tmp_path).table
    assert posts["post_id"].to_pylist() == ids


def test_times_of_all_forms_are_utc(tmp_path: Path) -> None:
    values = [
        "2016-03-01T12:00:00Z",
        "2016-03-01 12:00",
        "2016-03-01T13:30:00.900+01:30",
        "20160301T120000",
        "1456833600",
        1456833600,
        1456833600.75,
        " 1456833600 ",
    ]
    found = load_column(tmp_path, "posted_at", values, time="x")
    assert found == [datetime(2016, 3, 1, 12, tzinfo=UTC)] * len(values)
    assert load_column(tmp_path, "posted_at", ["2016-03-01", 20160301, None, ""], time="x") == [
        *[datetime(2016, 3, 1, tzinfo=UTC)] * 2,
        None,
        None,
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Rome"])
def test_parquet_times_are_utc(tmp_path: Path, unit: str, zone: str | None) -> None:
    times = pa.array([1456833600, None], pa.timestamp("s")).cast(pa.timestamp(unit, zone))
    table = pa.table({"id": ["a", "b"], "popularity": [1, 2], "t": times})
    pq.write_table(table, tmp_path / "posts.parquet")
    found = make_source("posts.parquet", time="t").load(tmp_path).table["posted_at"].to_pylist()
    assert found == [datetime(2016, 3, 1, 12, tzinfo=UTC), None]


def test_parquet_dates_are_midnight_utc(tmp_path: Path) -> None:
    days = pa.array([16861], pa.date32())
    pq.write_table(
        pa.table({"id": ["a"], "popularity": [1], "t": days}), tmp_path / "posts.parquet"
    )
    found = make_source("posts.parquet", time="t").load(tmp_path).table["posted_at"].to_pylist()
    assert found == [datetime(2016, 3, 1, tzinfo=UTC)]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(), min_size=1).filter(lambda text: text.strip() not in ("", *WORDS)))
def test_any_text_survives(tmp_path: Path, text: str) -> None:
    written = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    with (tmp_path / "posts.csv").open("w", encoding="utf-8", newline="") as file:
        escaped = written.replace('"', '""')
        file.write(f'id,popularity,title\n1,2,"{escaped}"\n')
    assert make_source(title="title").load(tmp_path).table["title"].to_pylist() == [written]
    # json.loads joins a pair of surrogates that stand side by side to the character they mean.
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert load_column(tmp_path, "title", [text], title="x") == [paired]


def test_long_and_odd_texts_survive(tmp_path: Path) -> None:
    odd = [
        "x" * 200_000,
        "a\0b\x1b\x85\u2028c",
        "مرحبا",
        "👩‍👩‍👧‍👦",
        " spaces ",
        "line\r\nbreak",
    ]
    assert load_column(tmp_path, "title", odd, title="x") == odd
    frame = pd.DataFrame({"id": range(len(odd)), "popularity": 1, "title": odd})
    frame.to_csv(tmp_path / "posts.csv", index=False)
    assert make_source(title="title").load(tmp_path).table["title"].to_pylist() == odd


def test_lone_surrogates_become_the_replacement_character(tmp_path: Path) -> None:
    assert load_column(tmp_path, "title", ["a\ud800b"], title="x") == ["a\ufffdb"]
    assert load_column(tmp_path, "tags", [["\udc00"]], tags="x") == [["\ufffd"]]


def test_tags_are_split_by_the_separator(tmp_path: Path) -> None:
    table = make_source("posts.jsonl", separator=",", tags="x")
    (tmp_path / "posts.jsonl").write_text(
        '{"id": 1, "popularity": 2, "x": "new york, , sky"}\n\n'
        '{"id": 2, "popularity": 2, "x": [" a", "", null, 2016]}\n'
        '{"id": 3, "popularity": 2, "x": null}\n'
    )
    found = table.load(tmp_path).table["tags"].to_pylist()
    assert found == [["new york", "sky"], ["a", "2016"], []]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_bytes("\ufeffid,popularity\r\n1,2\r\n\r\n".encode())
    assert make_source().load(tmp_path).table["post_id"].to_pylist() == ["1"]


@pytest.mark.parametrize("images", [None, "pictures", "pictures.zip"])
def test_images_lie_in_the_root_a_folder_or_an_archive(tmp_path: Path, images: str | None) -> None:
    write_csv(tmp_path, "a,1,x/1.jpg", "b,2,gone.jpg", "c,3,", header="id,popularity,picture")
    content = b"picture"
    if images == "pictures.zip":
        with zipfile.ZipFile(tmp_path / images, "w") as archive:
            archive.writestr("x/1.jpg", content)
    else:
        folder = tmp_path / (images or "") / "x"
        folder.mkdir(parents=True)
        (folder / "1.jpg").write_bytes(content)
    found = make_source(images=images, image="picture").load(tmp_path).images
    assert found["status"].to_pylist() == ["located", "missing", "no_image"]
    assert found["post_id"].to_pylist() == ["a", "b", "c"]


def test_images_outside_the_root_are_never_opened(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    write_csv(root, "a,1,../secret.jpg", f"b,2,{tmp_path}/secret.jpg", header="id,popularity,p")
    found = make_source(image="p").load(root).images
    assert found["status"].to_pylist() == ["outside", "outside"]
    assert found["digest"].null_count == 2


@pytest.mark.parametrize(
    "write",
    [
        "{0}.jpg,{1}.jpg".format,
        "{0}.jpg | {1}.jpg".format,
        "['{0}.jpg', '{1}.jpg']".format,
        '["{0}.jpg"]'.format,
        "/home/me/pics/{0}.jpg".format,
        "C:\\pics\\{0}.jpg".format,
        "https://a.example/{0}.jpg?w=200".format,
        " {0}.jpeg ".format,
    ],
)
def test_the_first_image_of_a_post_is_found_however_it_is_listed(
    tmp_path: Path, write: Callable[..., str]
) -> None:
    pictures = tmp_path / "pics"
    pictures.mkdir()
    for name in ("é 1", "é 2"):
        (pictures / f"{name}.jpg").write_bytes(name.encode())
    rows = [[f"p{i}", str(i), write(f"é {i}", "é 9")] for i in (1, 2)]
    with (tmp_path / "posts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "popularity", "image"], *rows])
    posts = make_source(image="image", images="pics").load(tmp_path)
    assert posts.images["status"].to_pylist() == ["located", "located"]
    assert len(set(posts.images["member"].to_pylist())) == 2


def test_a_split_in_other_words(tmp_path: Path) -> None:
    write_csv(tmp_path, "a,1,Train", "b,2,val", "c,3,test", "d,,test", header="id,popularity,part")
    posts = make_source(split="part").load(tmp_path)
    assert posts.table["split"].to_pylist() == ["fit", "holdout", "holdout", "challenge"]
    notes = [(note.what, note.count) for note in posts.findings.notes]
    assert ("parts named otherwise, read as holdout", 2) in notes
    assert ("test posts without a label, read as challenge", 1) in notes


def test_only_a_test_post_without_a_label_is_to_be_predicted(tmp_path: Path) -> None:
    write_csv(tmp_path, "a,1,train", "b,2,test", "c,,val", header="id,popularity,part")
    with pytest.raises(InputError, match="fit or holdout posts have no value"):
        make_source(split="part").load(tmp_path)


def test_rows_of_totals_are_no_posts(tmp_path: Path) -> None:
    last = ("Sum,3", "Average,1.5", "Mean,1.5", "Total,3")
    write_csv(tmp_path, "Total,99", "a,1", "total,3", "b,2", *last, header="id,popularity")
    posts = make_source().load(tmp_path)
    assert posts.table["post_id"].to_pylist() == ["a", "total", "b"]
    notes = [(note.what, note.became, note.count) for note in posts.findings.notes]
    assert ("rows of totals", "left out", 5) in notes


def test_own_split_is_kept(tmp_path: Path) -> None:
    write_csv(tmp_path, "a,1,fit", "b,2,holdout", "c,,challenge", header="id,popularity,part")
    posts = make_source(split="part").load(tmp_path).table
    assert posts["split"].to_pylist() == ["fit", "holdout", "challenge"]
    schema.validate(posts)


def expect_error(folder: Path, *parts: str, file: str = "posts.csv", **columns: object) -> None:
    """Loading fails with one sentence that holds all ``parts``."""
    images = columns.pop("images", None)
    with pytest.raises(InputError) as caught:
        make_source(file, images, **columns).load(folder)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("rows", "columns", "parts"),
    [
        (
            ["a,1", "b,x"],
            {},
            ["posts.csv: popularity: cells that are no number: 1 of 2 (data row 2: 'x')"],
        ),
        (
            ["a,1", "b,inf"],
            {},
            ["infinite or too large numbers: 1 of 2 (data row 2: 'inf')", "a finite"],
        ),
        (
            ["a,1", "b,1e39"],
            {},
            ["too large numbers: 1 of 2 (data row 2: '1e39')", "at most 3.4e+38"],
        ),
        (["a,1_000"], {}, ["data row 1: '1_000'", "a number", "data.on_bad: mask accepts"]),
        (["a,1", "a,2"], {}, ["id: 1 row has the id", "'a' in data rows 1 and 2", "unique"]),
        (["a,1", ",2"], {}, ["id: rows without an id: 1 of 2 (data row 2: '')", "expected an id"]),
        (["a,1", "b"], {}, ["another number of cells", "data row 2: 'b'", "expected 2 cells"]),
        (["a,1", "b,1,2"], {}, ["data row 2: 'b,1,2'", "expected 2 cells"]),
        (['a,"1'], {}, ["a quote that does not close", "data row 1: 'a,\"1'"]),
        (
            ["a,1"],
            {"time": "id"},
            ["no time: 1 of 1 (data row 1: 'a')", "2016-03-01T12:00", "epoch seconds"],
        ),
        (["2016,1"], {"time": "id"}, ["data row 1: '2016'", "2016-03-01T12:00"]),
        (["a,1"], {"numeric": ["id"]}, ["id: cells that are no number: 1 of 1 (data row 1: 'a')"]),
        (["a,1"], {"split": "id"}, ["data row 1: 'a'", "fit, holdout, challenge"]),
        (["challenge,1"], {"split": "id"}, ["1 challenge posts have a value", "data row 1"]),
        (["holdout,"], {"split": "id"}, ["1 fit or holdout posts have no value", "a number"]),
        ([], {}, ["posts.csv: holds no post"]),
    ],
)
def test_bad_cells_are_named(
    tmp_path: Path, rows: list[str], columns: dict[str, object], parts: list[str]
) -> None:
    write_csv(tmp_path, *rows, header="id,popularity")
    expect_error(tmp_path, *parts, **columns)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "x"),
        ("target", "x"),
        ("user", "x"),
        ("time", "x"),
        ("title", "x"),
        ("tags", "x"),
        ("categories", ["id", "x"]),
        ("numeric", ["x"]),
        ("image", "x"),
        ("split", "x"),
    ],
)
@pytest.mark.parametrize("file", ["posts.csv", "posts.parquet", "posts.jsonl"])
def test_a_mapping_that_names_an_absent_column(
    tmp_path: Path, file: str, key: str, value: object
) -> None:
    frame = pd.DataFrame({"id": ["a"], "popularity": [1.0]})
    frame.to_csv(tmp_path / "posts.csv", index=False)
    frame.to_parquet(tmp_path / "posts.parquet")
    frame.to_json(tmp_path / "posts.jsonl", orient="records", lines=True)
    expect_error(
        tmp_path,
        f"params.yaml: data.table.columns.{key}: no column 'x' in {file}; "
        "its columns: id, popularity",
        file=file,
        **{key: value},
    )


def test_a_target_that_is_mapped_as_an_input_too(tmp_path: Path) -> None:
    write_csv(tmp_path, "a,1", header="id,popularity")
    for key, value in (("numeric", ["popularity"]), ("title", "popularity")):
        where = f"data.table.columns.{key}: 'popularity' is the target"
        expect_error(tmp_path, where, **{key: value})


def test_a_column_named_twice(tmp_path: Path) -> None:
    write_csv(tmp_path, "a,1,2", header="id,popularity,n")
    expect_error(tmp_path, "columns.numeric: 'n' is named twice", numeric=["n", "n"])
    write_csv(tmp_path, "a,1,2", header="id,popularity,id")
    expect_error(tmp_path, "posts.csv: column 'id' stands twice")
    twice = pa.table([["a"], [1.0], ["b"]], names=["id", "popularity", "id"])
    pq.write_table(twice, tmp_path / "posts.parquet")
    expect_error(tmp_path, "posts.parquet: column 'id' stands twice", file="posts.parquet")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    expect_error(tmp_path, "posts.csv: no such file", "data.table.file")
    expect_error(tmp_path, "data.table.file: '../posts.csv' leaves", file="../posts.csv")
    (tmp_path / "posts.csv").write_bytes(b"")
    expect_error(tmp_path, "posts.csv: is empty", "header")
    (tmp_path / "posts.csv").write_bytes("id,popularity\né,1\n".encode("latin-1"))
    expect_error(tmp_path, "posts.csv: not utf-8 at byte 14", encoding="utf-8")
    expect_error(tmp_path, "data.table.encoding: unknown encoding 'klingon'", encoding="klingon")
    for content in (b"\x1f\x8b no gzip", b"PK\x03\x04 no zip"):
        (tmp_path / "posts.csv").write_bytes(content)
        expect_error(tmp_path, "posts.csv: not a whole")
    (tmp_path / "posts.parquet").write_bytes(b"PAR1 no parquet PAR1")
    expect_error(tmp_path, "posts.parquet: not a readable Parquet file", file="posts.parquet")
    pq.write_table(pa.table({"id": ["a"], "popularity": [1]}), tmp_path / "whole.parquet")
    cut = (tmp_path / "whole.parquet").read_bytes()[:-20]
    (tmp_path / "posts.parquet").write_bytes(cut)
    expect_error(tmp_path, "posts.parquet: not a readable Parquet file", file="posts.parquet")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            '{"id": 1, "popularity": 2}\n\n{"id": 2,',
            ["lines that are no JSON object: 1 of 2", "line 3: "],
        ),
        (
            '{"id": 1, "popularity": 2}\n[1]\n',
            ["lines that are no JSON object: 1 of 2", "line 2: '[1]'", "an object"],
        ),
        ("[" * 100_000, ["not readable JSON"]),
        (
            '[{"id": 1, "popularity": 2}, 7]',
            ["records that are no JSON object: 1 of 2", "record 2: "],
        ),
        ('[{"id": 1, "popularity": 2}', ["line 1: not valid JSON at character 28"]),
        ('{"a": 1}', ["no column 'id'"]),
        ('{"id": 1,\n "popularity": 2}', ["holds a dict, expected an array of objects"]),
        ("\n", ["posts.jsonl: is empty"]),
        ('{"id": 1, "popularity": 2}\n\n{"id": 1, "popularity": 3}', ["'1' in lines 1 and 3"]),
        (
            '{"id": 1, "popularity": Infinity}',
            ["infinite or too large numbers: 1 of 1 (line 1: 'Infinity')", "a finite"],
        ),
        ('{"id": 1, "popularity": 1%s}' % ("0" * 400), ["popularity", "a finite number"]),
        ('{"id": 1, "popularity": {}}', ["line 1: '{}'", "a number"]),
        ('{"id": 1, "popularity": [1]}', ["line 1: '[\"1\"]'", "a number"]),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "posts.jsonl").write_text(text)
    expect_error(tmp_path, "posts.jsonl", *parts, file="posts.jsonl")


def test_images_that_are_nowhere(tmp_path: Path) -> None:
    write_csv(tmp_path, "a,1,b.jpg", header="id,popularity,p")
    expect_error(tmp_path, "data.table.images", "no folder", ".zip", images="gone", image="p")
    expect_error(tmp_path, "data.table.images: '/x' leaves data.root", images="/x", image="p")
    expect_error(tmp_path, "data.table.columns.image: is null", images="pictures")
    (tmp_path / "p.zip").write_bytes(b"no archive")
    expect_error(tmp_path, "p.zip: not a whole archive", images="p.zip", image="p")


def test_a_date_without_its_clock_is_midnight_and_is_noted(tmp_path: Path) -> None:
    rows = ("1,2,2025-03-01,14:05", "2,3,01.03.2025,", "3,4,,9:00", "4,5,2025-03-02 00:00,2:05 pm")
    write_csv(tmp_path, *rows, header="id,popularity,day,clock")
    posts = make_source(time=["day", "clock"]).load(tmp_path)
    assert posts.table["posted_at"].to_pylist() == [
        datetime(2025, 3, 1, 14, 5, tzinfo=UTC),
        datetime(2025, 3, 1, tzinfo=UTC),
        None,
        datetime(2025, 3, 2, 14, 5, tzinfo=UTC),
    ]
    said = [note.count for note in posts.findings.notes if "without a clock" in note.what]
    assert said == [1]


def test_an_id_of_no_content_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path, *ROWS)
    with pytest.raises(InputError, match=r"columns\.id: is null, and ids are made of none of user"):
        make_source(id=None, numeric=["price"]).load(tmp_path)
    posts = make_source(id=None, **MAPPED | {"image": None}).load(tmp_path)
    assert len({*posts.table["post_id"].to_pylist()}) == len(ROWS)
