import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from fame.posts.contract import ASSIGNED, DESCRIPTIONS, IMAGES, POSTS
from fame.posts.findings import MASKED
from fame.posts.sources import smpd
from fame.posts.sources.smpd import Smpd
from fame.runtime.errors import InputError


class Allowed:
    """What the source reads of data: every bad value may be masked."""

    on_bad, max_bad_fraction = "mask", 1.0


class Nothing(Allowed):
    on_bad = "stop"


def load(folder, allowed=Allowed):
    return Smpd(allowed).load(folder.root)


def without_images(posts):
    return posts.table.drop_columns(["can_buy_pro"]).combine_chunks()


@pytest.fixture
def folder(smpd_folder):
    return smpd_folder().write()


def test_a_post_becomes_a_row_with_the_columns_of_posts(folder):
    folder.write_profiles()
    posts = load(folder)
    expected = [field for field in POSTS if field.name not in ASSIGNED]
    assert posts.table.schema == pa.schema(expected)
    rows = posts.table.to_pylist()
    assert [row["post_id"] for row in rows] == [
        *map(str, folder.ids["train"]),
        *map(str, folder.ids["test"]),
    ]
    assert rows[0] == {
        "post_id": "101",
        "user_id": "9@N75",
        "popularity": 4.01,
        "simulated_truth": None,
        "posted_at": datetime.fromtimestamp(1_430_000_101, UTC),
        "utc_offset_minutes": None,
        "title": "Sunset at the beach",
        "tags": ["sea", "sun"],
        "media_type": "photo",
        "category": "Whether&Season",
        "subcategory": "Hot, dry",
        "concept": "sun0",
        "longitude": 13.5,
        "latitude": -52.25,
        "geo_accuracy": 16.0,
        "photo_count": 102.0,
        "is_pro": 0.0,
        "can_buy_pro": 0.0,
        "first_upload_at": datetime.fromtimestamp(1_200_000_002, UTC),
        "first_taken_at": None,
        **{name: None for name in posts.table.column_names if name.startswith("profile_")},
    }
    assert [row["popularity"] for row in rows[6:]] == [None] * 3
    assert [row["utc_offset_minutes"] for row in rows[:3]] == [None, 60.0, -570.0]
    assert rows[1]["first_taken_at"] == datetime(2004, 11, 9, 8, 6, 40, tzinfo=UTC)
    assert rows[2]["first_taken_at"] == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_texts_survive_and_empty_ones_are_missing(folder):
    rows = load(folder).table.to_pylist()
    texts = [record["Title"] or None for record in folder.records("train")["text"]]
    assert [row["title"] for row in rows[:6]] == texts
    assert [row["tags"] for row in rows[:6]] == [
        ["sea", "sun"],
        [],
        ["one"],
        ["spaced", "tags"],
        ["ümläut", "日本語"],
        ["a,b", "\u00a0c"],
    ]


def test_a_lone_surrogate_is_replaced(folder):
    path = folder.path("train", "text")
    content = path.read_text(encoding="utf-8").replace(
        "Sunset", "\\ud83dSun\\ude00set \\ud83d\\ude00"
    )
    path.write_text(content, encoding="utf-8")
    assert load(folder).table["title"][0].as_py() == "\ufffdSun\ufffdset \U0001f600 at the beach"


def test_no_location_is_missing_not_zero(folder):
    rows = load(folder).table.select(["longitude", "latitude", "geo_accuracy"]).to_pylist()
    assert [row["longitude"] for row in rows] == [13.5, None] * 4 + [13.5]
    assert [row["latitude"] for row in rows] == [-52.25, None] * 4 + [-52.25]
    assert [row["geo_accuracy"] for row in rows] == [16.0, None] * 4 + [16.0]


def test_profiles_are_joined_by_alias_and_the_first_row_of_an_alias_counts(folder):
    folder.write_profiles(".csv")
    table = load(folder).table
    assert table["profile_total_views"].to_pylist() == [
        0.0 if row % 2 and post_id % 3 == 1 else None
        for ids in folder.ids.values()
        for row, post_id in enumerate(ids)
    ]
    assert set(table["profile_following"].drop_null().to_pylist()) == {7.0}
    (folder.root / "user_additional.csv").unlink()
    folder.write_profiles(".txt")
    assert load(folder).table.equals(table)


@pytest.mark.parametrize("form", ["A", "B"])
@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_all_releases_load_to_the_same_posts(smpd_folder, form, earlier, nested):
    reference = smpd_folder("reference").write()
    reference.write_profiles()
    other = smpd_folder("other", form=form, earlier=earlier, nested=nested).write()
    other.write_profiles(".txt")
    expected, found = load(reference), load(other)
    assert without_images(found).equals(without_images(expected))
    assert found.images.equals(expected.images)
    assert found.table["can_buy_pro"].null_count == (9 if form == "B" else 0)


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("folder", ""), ("folder", "images/"), ("zip", ""), ("tar", "images/"), ("tar.gz", "./")],
)
def test_images_lie_in_a_folder_or_an_archive_and_posts_are_the_same(
    smpd_folder, kind, prefix, earlier
):
    bare = smpd_folder("bare").write()
    folder = smpd_folder(earlier=earlier).write()
    folder.write_images(kind, prefix)
    posts, expected = load(folder), load(bare)
    assert posts.table.equals(expected.table)
    assert set(expected.images["status"].to_pylist()) == {"no_image"}
    assert posts.images.schema == IMAGES
    kinds = {row["post_id"]: row["status"] for row in posts.images.to_pylist()}
    assert kinds.pop("102") == "missing"
    assert kinds.pop("201") == "empty"
    assert set(kinds.values()) == {"located"}
    assert len(set(posts.images["digest"].to_pylist())) == 8


def test_a_path_out_of_the_folder_is_counted_and_never_opened(folder):
    folder.write_images("folder")
    path = folder.path("train", "images")
    lines = path.read_text().splitlines()
    lines[0], lines[2], lines[3] = "../../secret.jpg", "/etc/passwd", ""
    path.write_text("\n".join(lines) + "\n")
    assert load(folder).images["status"].to_pylist()[:5] == [
        "outside",
        "missing",
        "outside",
        "no_image",
        "located",
    ]


def test_descriptions_are_read_when_they_are_asked_for(folder, describe_vector):
    batches = list(load(folder).descriptions)
    table = pa.Table.from_batches(batches)
    assert table.schema == DESCRIPTIONS
    assert table["post_id"].to_pylist() == load(folder).table["post_id"].to_pylist()
    for row in table.to_pylist():
        user = int(row["post_id"]) % 3
        expected = describe_vector(399, user)[1]
        np.testing.assert_array_equal(np.float32(row["user_description"]), expected)
        if user == 1:
            expected = describe_vector(400, user)[1]
            np.testing.assert_array_equal(np.float32(row["location_description"]), expected)
        else:
            assert row["location_description"] is None


@pytest.mark.parametrize("form", ["A", "B"])
def test_large_user_data_are_read_in_a_process_of_their_own(smpd_folder, monkeypatch, form):
    folder = smpd_folder(form=form).write()
    expected = load(folder)
    monkeypatch.setattr(smpd, "OWN_PROCESS_BYTES", 0)
    found = load(folder)
    assert found.table.equals(expected.table)
    assert list(found.descriptions) == list(expected.descriptions)
    folder.path("test", "user").write_text("[{")
    with pytest.raises(InputError, match=r"test_user_data\.json: cut off"):
        load(folder)


def test_form_b_has_no_description_vectors(smpd_folder):
    assert list(load(smpd_folder(form="B").write()).descriptions) == []


def test_a_wrong_count_of_numbers_masks_that_vector(folder, replace_records):
    def shorten(records):
        records[1]["user_description"] = "0.5,0.25"

    replace_records(folder.path("test", "user"), shorten)
    posts = load(folder, Nothing)
    with pytest.raises(InputError, match=r"test_user_data\.json user.*record 2: '2 numbers'.*399"):
        list(posts.descriptions)
    posts = load(folder)
    rows = pa.Table.from_batches(list(posts.descriptions))["user_description"]
    assert rows.is_null().to_pylist() == [row == 7 for row in range(9)]


def test_the_test_part_is_optional(smpd_folder):
    posts = load(smpd_folder().write(parts=["train"]))
    assert len(posts.table) == len(posts.images) == 6


@pytest.mark.parametrize("form", ["A", "B"])
def test_a_part_without_posts_is_read(smpd_folder, form):
    folder = smpd_folder(form=form).write()
    folder.form = "A"
    folder.ids["test"] = []
    folder.write(parts=["test"])
    posts = load(folder)
    assert len(posts.table) == len(posts.images) == 6
    assert sum(map(len, posts.descriptions)) == (6 if form == "A" else 0)


def test_test_labels_are_read_where_they_are(folder):
    folder.path("test", "labels").write_text("1.5\n2.5\n3.5\n")
    assert load(folder).table["popularity"].to_pylist()[6:] == [1.5, 2.5, 3.5]


def test_numeric_ids_are_the_same_as_texts(folder, replace_records):
    expected = load(folder).table

    def count(records):
        for record in records:
            record["Pid"] = int(record["Pid"])

    replace_records(folder.path("train", "category"), count)
    replace_records(folder.path("test", "text"), count)
    assert load(folder).table.equals(expected)


@pytest.mark.parametrize("role", ["text", "category", "additional"])
def test_a_file_in_another_order_is_joined_by_pid(folder, replace_records, role):
    expected = load(folder).table
    replace_records(folder.path("train", role), lambda records: records[::-1])
    assert load(folder).table.combine_chunks().equals(expected.combine_chunks())


def test_orders_that_differ_without_an_ascending_one_are_refused(folder, replace_records):
    for role, shift in (("text", 1), ("category", 2), ("place", 3), ("additional", 4)):
        replace_records(
            folder.path("train", role), lambda records, by=shift: records[by:] + records[:by]
        )
    with pytest.raises(InputError, match="cannot be joined by position"):
        load(folder)


def delete_file(role):
    return lambda folder, _: folder.path("train", role).unlink()


def change(role, edit, part="train"):
    def damage(folder, replace):
        replace(folder.path(part, role), edit)

    return damage


def set_value(row, key, value):
    def edit(records):
        records[row][key] = value

    return edit


def write_text(role, text):
    return lambda folder, _: folder.path("train", role).write_text(text)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (delete_file("category"), r"smpd: no file train_category\.json"),
        (delete_file("user"), r"no file train_user_data\.json or train_userdata\.json"),
        (delete_file("labels"), r"no file train_label\.txt"),
        (write_text("text", '[{"Pid": "101", "Ui'), r"train_text\.json: cut off after 0 whole"),
        (write_text("labels", "1.5\n" * 5), r"train_label\.txt: 5 lines, expected 6.*train_text"),
        (write_text("labels", "1.5\n" * 2 + "high\n" + "2\n" * 3), "line 3: the label is 'high'"),
        (write_text("labels", "1.5\nnan\n" + "2\n" * 4), "line 2: the label is 'nan'"),
        (write_text("labels", "1.5\n-inf\n" + "2\n" * 4), "line 2: the label is '-inf'"),
        (write_text("labels", "1.5\n\n" + "2\n" * 4), "line 2: the label is None"),
        (write_text("images", "train/1/1.jpg\n"), r"train_img_filepath\.txt: 1 lines, expected 6"),
        (change("text", lambda r: r[:-1]), r"category\.json: 6 records, expected 5 as in train_te"),
        (change("user", lambda r: r[:-1]), r"user_data\.json: 5 records, expected 6"),
        (change("text", set_value(4, "Pid", "101")), "records 1 and 5 both have Pid '101'"),
        (change("place", set_value(4, "Pid", "101")), "records 1 and 5 both have Pid '101'"),
        (change("text", set_value(4, "Pid", None)), r"text\.json: record 5: Pid is None, expected"),
        (change("text", set_value(4, "Pid", "")), r"text\.json: record 5: Pid is ''"),
        (change("text", set_value(4, "Pid", [1])), r"text\.json: record 5: Pid is \[1\]"),
        (change("place", set_value(3, "Pid", "999")), "has Pid '999', expected '104' as in record"),
        (
            change("place", set_value(3, "Uid", "1@N1")),
            "Pid '104' has Uid '1@N1', expected '9@N75'",
        ),
        (
            change("user", set_value(4, "user_description", [0.5] * 399)),
            r"record 5: .*expected a text",
        ),
        (
            change("user", set_value(4, "location_description", 7)),
            r"record 5: .*is '7', expected a t",
        ),
        (change("user", lambda r: [{"a": i} for i, _ in enumerate(r)]), "no record has the key"),
        (change("text", lambda r: {"Pid": len(r)}), "expected a list of records"),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_place(folder, replace_records, damage, problem):
    damage(folder, replace_records)
    with pytest.raises(InputError, match=problem) as error:
        load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("role", "row", "key", "value", "column"),
    [
        ("place", 2, "Postdate", "May", "posted_at"),
        ("place", 2, "Postdate", "1e30", "posted_at"),
        ("place", 2, "Postdate", "-5", "posted_at"),
        ("place", 2, "Postdate", "4102444800", "posted_at"),
        ("place", 2, "Latitude", "inf", "latitude"),
        ("place", 2, "Latitude", "91", "latitude"),
        ("place", 2, "Longitude", "-181", "longitude"),
        ("place", 2, "Longitude", "east", "longitude"),
        ("place", 2, "Geoaccuracy", "17", "geo_accuracy"),
        ("user", 1, "ispro", "2", "is_pro"),
        ("user", 1, "photo_count", "-3", "photo_count"),
        ("user", 1, "timezone_offset", "CET", "utc_offset_minutes"),
        ("user", 1, "timezone_offset", "+25:00", "utc_offset_minutes"),
        ("user", 1, "photo_firstdate", "-20", "first_upload_at"),
        ("user", 1, "photo_firstdate", "soon", "first_upload_at"),
        ("user", 1, "photo_firstdatetaken", "4102444800", "first_taken_at"),
        ("user", 1, "photo_firstdatetaken", "2099-01-01 00:00:00", "first_taken_at"),
    ],
)
def test_a_value_that_cannot_be_masks_itself_alone(
    folder, replace_records, role, row, key, value, column
):
    expected = load(folder).table.to_pylist()
    replace_records(folder.path("train", role), set_value(row, key, value))
    posts = load(folder)
    assert expected[row][column] is not None or value == "CET"
    expected[row][column] = None
    assert posts.table.to_pylist() == expected
    masked = [note for note in posts.findings.notes if note.became == MASKED]
    assert [(note.count, note.examples) for note in masked] == [(1, ((row + 1, repr(value)),))]
    with pytest.raises(InputError, match=rf"{key}: .*: 1 of .*record {row + 1}: .*on_bad: mask"):
        load(folder, Nothing)


@pytest.mark.parametrize(
    ("values", "minutes"),
    [
        (["1", "-9", None, "5.5", "0", "14"], [60, -540, None, 330, 0, 840]),
        (["60", "-570", "0", "1", None, "7"], [60, -570, 0, 1, None, 7]),
        (["3600", "-34200", "0", "10", None, "59"], [60, -570, 0, 0, None, 1]),
        (["3600", "+02:00", "0", "0", "0", "0"], [60, 120, 0, 0, 0, 0]),
    ],
)
def test_offsets_as_numbers_have_the_unit_that_the_whole_file_shows(
    folder, replace_records, values, minutes
):
    def change(records):
        for record, value in zip(records, values, strict=True):
            record["timezone_offset"] = value

    replace_records(folder.path("train", "user"), change)
    assert load(folder).table["utc_offset_minutes"].to_pylist()[:6] == minutes


@pytest.mark.parametrize("name", ["train_all_json", "metadata/of train", "."])
def test_files_lie_in_whatever_folder(smpd_folder, name):
    expected = load(smpd_folder("reference").write())
    folder = smpd_folder("other", nested=False).write()
    target = folder.root / name
    target.mkdir(parents=True, exist_ok=True)
    for path in list(folder.root.glob("train_*.*")):
        path.rename(target / path.name)
    assert load(folder).table.equals(expected.table)


def test_a_post_in_both_parts_is_refused(smpd_folder):
    folder = smpd_folder()
    folder.ids["test"][1] = 102
    with pytest.raises(InputError, match=r"record 2: Pid '102' is also record 2 of train_text"):
        load(folder.write())


@pytest.mark.parametrize("line", ["train/9@N75/104.jpg", "https://flickr.com/photos/9@N75/104"])
def test_an_image_path_of_another_post_is_refused(folder, line):
    path = folder.path("train", "images")
    lines = path.read_text().splitlines()
    lines[0] = line
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"line 1: the path is .*104.*expected one of .*/101"):
        load(folder)


def test_form_b_columns_of_different_lengths_are_refused(smpd_folder, replace_records):
    folder = smpd_folder(form="B").write()

    def shorten(columns):
        del columns["ispro"]["5"]

    replace_records(folder.path("train", "user"), shorten)
    with pytest.raises(InputError, match=r"user_data\.json: 5 rows in 'ispro', but 6"):
        load(folder)


def test_images_without_their_list_are_refused(folder):
    folder.write_images("zip")
    folder.path("test", "images").unlink()
    with pytest.raises(InputError, match=r"no list of their paths; expected .*img_filepath\.txt"):
        load(folder)


def test_the_same_file_twice_is_refused(folder):
    (folder.root / "train_tags.json").write_text(json.dumps([]))
    with pytest.raises(InputError, match=r"train_tags\.json: the same data lies in .*train_text"):
        load(folder)


def test_a_missing_folder_is_named(smpd_folder):
    with pytest.raises(InputError, match="smpd: no such folder"):
        load(smpd_folder())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (",Pathalias,totalViews\n0,alias1,5\n", "totalTags.*expected columns Pathalias"),
        ("", "expected columns Pathalias"),
    ],
)
def test_profiles_without_a_column_are_refused(folder, text, problem):
    (folder.root / "user_additional.csv").write_text(text)
    with pytest.raises(InputError, match=problem):
        load(folder)


def test_a_total_that_is_no_number_masks_itself(folder):
    folder.write_profiles()
    path = folder.root / "user_additional.csv"
    path.write_text(path.read_text().replace("0,alias1,0,1", "0,alias1,many,1"))
    posts = load(folder)
    assert posts.table["profile_total_views"].null_count == 9
    assert 1.0 in posts.table["profile_total_tags"].to_pylist()
    with pytest.raises(
        InputError, match=r"user_additional\.csv totalViews: .*: 1 of .*record 1: 'many'"
    ):
        load(folder, Nothing)


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
@pytest.mark.parametrize("form", [".csv", ".txt"])
def test_profiles_are_told_by_their_content(folder, suffix, form):
    folder.write_profiles(form)
    expected = load(folder).table
    written = folder.root / f"user_additional{form}"
    target = folder.root / "more" / f"user_additional{suffix}"
    target.parent.mkdir()
    written.rename(target)
    assert load(folder).table.equals(expected)
