"""Posts to score are read as the run's own were: ids of the content, a date beside a clock."""

from pathlib import Path

import pytest

from fame import params
from fame.serving.drafts import DraftReader

COLUMNS = [("post_id", "string"), ("user_id", "string"), ("posted_at", "timestamp[s, tz=UTC]")]
COLUMNS += [("title", "string"), ("popularity", "double")]
MAPPED = {"id": None, "target": "Likes", "time": ["Date", "Clock"], "title": "Text"}
HEADER = "Date,Clock,Text,Likes\n"
ROWS = ("2025-03-01,14:05,One,\n", "2025-03-02,9:30,Two,\n")


@pytest.fixture(scope="module")
def reader():
    return make_reader({})


def make_reader(mapped):
    data = params.load(Path(__file__).parents[2] / "params.yaml", kinds=False).data
    table = data.table.model_dump()
    table["columns"] |= MAPPED | mapped
    return DraftReader(
        data.model_validate(data.model_dump() | {"source": "table", "root": "own", "table": table}),
        COLUMNS,
    )


def read(reader, folder, text):
    (folder / "drafts.csv").write_text(text)
    return reader.read_file(folder / "drafts.csv").posts.to_pylist()


def test_ids_and_times_are_made_as_in_the_run(reader, tmp_path):
    one, two = read(reader, tmp_path, HEADER + "".join(ROWS))
    assert [str(post["posted_at"]) for post in (one, two)] == [
        "2025-03-01 14:05:00+00:00",
        "2025-03-02 09:30:00+00:00",
    ]
    assert read(reader, tmp_path, HEADER + "".join(ROWS[::-1])) == [two, one]


def test_an_id_and_a_whole_time_of_a_draft_are_taken(reader, tmp_path):
    [post] = read(reader, tmp_path, "id,time,Text\nmine,2025-03-01 14:05,One\n")
    assert (post["post_id"], post["posted_at"].hour) == ("mine", 14)
    record = {"id": "own", "time": "2025-03-01T14:05", "Text": "One"}
    drafts = reader.read_records([record, {"Text": "Two"}], tmp_path)
    assert drafts.posts["post_id"].to_pylist() == ["own", "row-2"]
    assert drafts.posts["posted_at"][0].as_py() == post["posted_at"]


def test_a_picture_has_its_mapped_name_or_the_short_one(tmp_path, picture):
    reader = make_reader({"image": "Photo"})
    (tmp_path / "pictures").mkdir()
    for name in ("Photo", "image"):
        drafts = reader.read_records([{"Text": "One", name: picture}], tmp_path / "pictures")
        assert drafts.images["status"].to_pylist() == ["located"]
        assert drafts.doubts == []


def test_a_column_that_the_run_did_not_have_is_told(reader, tmp_path):
    drafts = reader.read_records([{"Text": "One", "image": b"x", "Date": "2025-03-01"}], tmp_path)
    assert drafts.doubts == [
        "not used, as the models know no such columns: image, Date; "
        "known: id, Date and Clock (time), Text (title)"
    ]
    assert not reader.knows("image")
    assert reader.knows("time")


def test_a_time_in_iso_is_read_whatever_the_runs_file_wrote(tmp_path):
    reader = make_reader({"time": "When", "time_format": "%d.%m.%Y %H Uhr %M"})
    alike = make_reader({"time": "When", "time_format": "%Y-%m-%d %Hh%M"})
    for reads, when in (
        (reader, "01.03.2025 14 Uhr 05"),
        (reader, "2025-03-01T14:05"),
        (alike, "2025-03-01 14h05"),
        (alike, "2025-03-01T14:05"),
    ):
        [post] = reads.read_records([{"When": when, "Text": "One"}], tmp_path).posts.to_pylist()
        assert str(post["posted_at"]) == "2025-03-01 14:05:00+00:00"


def test_posts_without_contents_are_named_by_their_rows(reader, tmp_path):
    [post] = read(reader, tmp_path, "x,y\n1,2\n")
    assert post["post_id"] == "row-1"
