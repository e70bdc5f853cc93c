import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fame.posts.contract import DESCRIPTIONS
from fame.posts.findings import MASKED, Findings
from fame.posts.sources import descriptions
from fame.posts.sources.descriptions import Descriptions, DistinctTexts, Places
from fame.runtime.errors import InputError

WIDTHS = (399, 400)


@pytest.fixture
def write_places(tmp_path):
    """Write pairs of texts one behind the other, and say where they stand."""

    def write(pairs):
        path = tmp_path / "train_user_data.json"
        content = b""
        distinct = {key: DistinctTexts() for key in descriptions.WIDTHS}
        numbers = {key: [] for key in distinct}
        for pair in pairs:
            for key, text in zip(distinct, pair, strict=True):
                content += b"  "
                raw = None if text is None else json.dumps(text)[1:-1].encode()
                number = None if raw is None else distinct[key].number(raw, len(content))
                numbers[key].append(None if number is None else f"#{number}")
                content += raw or b""
        path.write_bytes(content)
        texts = {
            key: distinct[key].place(pa.chunked_array([numbers[key]], pa.string()), None)
            for key in distinct
        }
        return Places(path, pa.array([str(i) for i in range(len(pairs))]), texts)

    return write


def read(*places, findings=None, on_bad="stop", max_bad_fraction=0.5):
    findings = findings or Findings(Path("smpd"), "record")
    batches = Descriptions(list(places), findings, on_bad, max_bad_fraction)
    return pa.Table.from_batches(list(batches), DESCRIPTIONS)


def check(column, vectors):
    for found, expected in zip(column.to_pylist(), vectors, strict=True):
        np.testing.assert_array_equal(np.float32(found), expected)


@pytest.mark.parametrize("remembered", [0, 3, 10_000])
@pytest.mark.parametrize("users", [1, 9, 500])
def test_posts_of_few_or_many_users_get_their_vectors(
    write_places, describe_vector, monkeypatch, remembered, users
):
    monkeypatch.setattr(descriptions, "BATCH_ROWS", 7)
    monkeypatch.setattr(descriptions, "REMEMBERED_TEXTS", remembered)
    posters = np.random.default_rng(1).integers(0, users, 100).tolist()
    known = {
        user: [describe_vector(width, 10 * user + width) for width in WIDTHS] for user in posters
    }
    table = read(write_places([[text for text, _ in known[user]] for user in posters]))
    assert table["post_id"].to_pylist() == [str(i) for i in range(100)]
    check(table["user_description"], [known[user][0][1] for user in posters])
    check(table["location_description"], [known[user][1][1] for user in posters])


def test_equal_texts_are_parsed_once(write_places, describe_vector):
    pairs = [[describe_vector(width, 1)[0] for width in WIDTHS]] * 100
    for texts in write_places(pairs).texts.values():
        assert len(texts.spans) == 1
        assert texts.codes.tolist() == [0] * 100


@pytest.mark.parametrize(
    "junk", ["", ",0", ",]", ",,", "]", "\n\n", ', "', "\u00e9\u00e9", ",\u00e9"]
)
def test_two_characters_of_junk_behind_a_location_are_dropped(write_places, describe_vector, junk):
    (user, user_vector), (place, place_vector) = (describe_vector(width, 1) for width in WIDTHS)
    table = read(write_places([(user, place + junk), (None, ""), ("None", None)]))
    check(table["user_description"].slice(0, 1), [user_vector])
    check(table["location_description"].slice(0, 1), [place_vector])
    for name in ("user_description", "location_description"):
        assert table[name].to_pylist()[1:] == [None, None]


@pytest.mark.parametrize(
    ("user", "place", "problem"),
    [
        ("0.5," * 397 + "0.5", None, "record 3: '398 numbers'), expected 399 numbers"),
        ("0.5," * 399 + "0.5", None, "'400 numbers'), expected 399 numbers"),
        ("0.5," * 398 + "0.5,0", None, "'400 numbers'), expected 399 numbers"),
        ("0.5," * 398 + "half", None, "user_description: texts without their numbers: 1 of 4"),
        ("0.5," * 398 + "half", None, "record 3: 'half'"),
        ("I like birds, mostly", None, "'2 numbers'), expected 399"),
        (None, "0.5," * 398 + "0.5", "location_description: texts without their numbers: 1 of 4"),
        (None, "0.5," * 400 + "0.5", "'401 numbers'), expected 400"),
        (None, "0.5," * 399 + "0.5 and junk", "0.5andjunk"),
    ],
)
def test_another_text_is_masked_or_stops_the_run(
    write_places, describe_vector, user, place, problem
):
    good = tuple(describe_vector(width, 1)[0] for width in WIDTHS)
    places = write_places([good, good, (user or good[0], place or good[1]), good])
    with pytest.raises(InputError, match=r"train_user_data\.json") as error:
        read(places)
    assert problem in str(error.value)
    findings = Findings(Path("smpd"), "record")
    table = read(places, findings=findings, on_bad="mask")
    key, other = ("user_description", "location_description")[:: 1 if user else -1]
    assert table[key].is_null().to_pylist() == [False, False, True, False]
    assert table[other].null_count == 0
    assert [(note.became, note.count) for note in findings.notes] == [(MASKED, 1)]
    with pytest.raises(InputError, match=r"data.max_bad_fraction is 0\.2"):
        read(places, on_bad="mask", max_bad_fraction=0.2)


def test_bytes_that_are_no_text_name_file_and_record(write_places):
    places = write_places([("0.5,half", None)])
    places.path.write_bytes(places.path.read_bytes().replace(b"half", b"h\xff\xfef"))
    with pytest.raises(InputError, match=r"user_description: .*record 1: '2 numbers'"):
        read(places)


def test_spaces_between_the_numbers_do_no_harm(write_places, describe_vector):
    text, vector = describe_vector(399, 4)
    check(read(write_places([(text.replace(",", ", "), None)]))["user_description"], [vector])
