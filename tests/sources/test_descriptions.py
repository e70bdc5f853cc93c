import json

import numpy as np
import pyarrow as pa
import pytest

from fame.core.contracts import DESCRIPTIONS
from fame.errors import InputError
from fame.sources import descriptions
from fame.sources.descriptions import Descriptions, Places

WIDTHS = (399, 400)


@pytest.fixture
def write_places(tmp_path):
    """Write pairs of texts one behind the other, and say where they stand."""

    def write(pairs, users=None):
        path = tmp_path / "train_user_data.json"
        content, spans = b"", {key: [] for key in descriptions.WIDTHS}
        for pair in pairs:
            for key, text in zip(spans, pair, strict=True):
                raw = json.dumps(text)[1:-1].encode() if text is not None else b""
                content += b"  "
                spans[key].append((len(content), len(raw)) if raw else (0, 0))
                content += raw
        path.write_bytes(content)
        post_ids = pa.array([str(i) for i in range(len(pairs))])
        user_ids = pa.array(users or [None] * len(pairs), pa.string())
        return Places(
            path, post_ids, user_ids, {key: np.array(at, np.int64) for key, at in spans.items()}
        )

    return write


def read(*places):
    return pa.Table.from_batches(list(Descriptions(list(places))), DESCRIPTIONS)


def check(column, vectors):
    for found, expected in zip(column.to_pylist(), vectors, strict=True):
        np.testing.assert_array_equal(np.float32(found), expected)


@pytest.mark.parametrize("remembered", [3, 10_000])
@pytest.mark.parametrize(
    "name_users",
    [
        lambda users: [f"{user}@N75" for user in users],
        lambda users: [f"{user % 2}@N75" for user in users],  # whose texts change
        lambda users: [None if user == 3 else f"{user}@N75" for user in users],
    ],
)
def test_many_posts_of_few_users_get_their_vectors(
    write_places, describe_vector, monkeypatch, remembered, name_users
):
    monkeypatch.setattr(descriptions, "BATCH_ROWS", 7)
    monkeypatch.setattr(descriptions, "REMEMBERED_TEXTS", remembered)
    users = np.random.default_rng(1).integers(0, 9, 100).tolist()
    known = {
        user: [describe_vector(width, 10 * user + width) for width in WIDTHS] for user in range(9)
    }
    pairs = [[text for text, _ in known[user]] for user in users]
    table = read(write_places(pairs, name_users(users)))
    assert table["post_id"].to_pylist() == [str(i) for i in range(100)]
    check(table["user_description"], [known[user][0][1] for user in users])
    check(table["location_description"], [known[user][1][1] for user in users])


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
        ("0.5," * 397 + "0.5", None, "user_description is '398 numbers', expected 399 numbers"),
        ("0.5," * 399 + "0.5", None, "'400 numbers', expected 399 numbers"),
        ("0.5," * 398 + "0.5,0", None, "'400 numbers', expected 399 numbers"),
        ("0.5," * 398 + "half", None, "user_description is 'half', expected numbers"),
        ("I like birds, mostly", None, "'2 numbers', expected 399"),
        (None, "0.5," * 398 + "0.5", "location_description is '399 numbers', expected 400"),
        (None, "0.5," * 400 + "0.5", "location_description is '401 numbers', expected 400"),
        (None, "0.5," * 399 + "0.5 and junk", "0.5andjunk"),
    ],
)
def test_another_text_names_file_and_record(write_places, describe_vector, user, place, problem):
    good = tuple(describe_vector(width, 1)[0] for width in WIDTHS)
    with pytest.raises(InputError, match=r"train_user_data\.json: record 3: ") as error:
        read(write_places([good, good, (user, place), good]))
    assert problem in str(error.value)


def test_bytes_that_are_no_text_name_file_and_record(write_places):
    places = write_places([("0.5,half", None)])
    places.path.write_bytes(places.path.read_bytes().replace(b"half", b"h\xff\xfef"))
    with pytest.raises(InputError, match="record 1: user_description is '2 numbers'"):
        read(places)


def test_spaces_between_the_numbers_do_no_harm(write_places, describe_vector):
    text, vector = describe_vector(399, 4)
    check(read(write_places([(text.replace(",", ", "), None)]))["user_description"], [vector])
