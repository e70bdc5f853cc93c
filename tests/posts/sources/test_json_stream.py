import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.posts.sources.json_stream import read_columns, read_records
from fame.runtime.errors import InputError

TEXTS = st.text(st.one_of(st.sampled_from('{}[],:"\\'), st.characters(exclude_categories=["Cs"])))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXTS)
RECORDS = st.lists(st.dictionaries(TEXTS, SCALARS, max_size=4), max_size=8)


def read_all(path, block_bytes=7, **kwargs):
    chunks = read_records(path, block_bytes=block_bytes, **kwargs)
    return [record for chunk in chunks for record in chunk]


def write_without_surrogates(content):
    text = json.dumps(content, ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(records=RECORDS, block_bytes=st.integers(1, 40), indent=st.sampled_from([None, 1]))
def test_blocks_of_any_size_give_the_records(tmp_path_factory, records, block_bytes, indent):
    path = tmp_path_factory.mktemp("json") / "records.json"
    path.write_text(json.dumps(records, indent=indent, ensure_ascii=block_bytes % 2 == 0), "utf-8")
    assert read_all(path, block_bytes) == records


@given(
    columns=st.dictionaries(TEXTS, st.lists(SCALARS, max_size=6), max_size=4),
    block_bytes=st.integers(1, 40),
)
def test_columns_come_in_pieces_of_their_rows(tmp_path_factory, columns, block_bytes):
    path = tmp_path_factory.mktemp("json") / "columns.json"
    content = {
        field: {str(row): value for row, value in enumerate(values)}
        for field, values in columns.items()
    }
    path.write_text(json.dumps(content), "utf-8")
    wanted = sorted(columns)[1:]
    found = {}
    for field, values in read_columns(path, wanted, block_bytes=block_bytes):
        found[field] = found.get(field, []) + values
    assert found == {field: columns[field] for field in wanted}


@given(
    texts=st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=6),
    block_bytes=st.integers(1, 60),
)
def test_strings_set_aside_are_numbered_where_they_stand(tmp_path_factory, texts, block_bytes):
    path = tmp_path_factory.mktemp("json") / "records.json"
    records = [{"a": '"long": "', "long": text, "b": {"long": 1}, "c": "long"} for text in texts]
    path.write_text(json.dumps(records), "utf-8")
    content = path.read_bytes()
    places = []

    def number(text, offset):
        assert content[offset : offset + len(text)] == text
        assert content[offset - 1] == content[offset + len(text)] == ord('"')
        places.append(json.loads(b'"%b"' % text))
        return len(places)

    found = read_all(path, block_bytes, set_aside={"long": number})
    for record, text in zip(found, texts, strict=True):
        if text is not None:
            record["long"] = places[int(record["long"].removeprefix("#")) - 1]
    assert found == records


@pytest.mark.parametrize("block_bytes", [3, 1 << 20])
def test_lone_surrogates_and_raw_control_characters_do_not_stop_the_read(tmp_path, block_bytes):
    path = tmp_path / "records.json"
    path.write_text(r'[{"a": "x\ud83d}"}, {"a": "\ud83d\ude00\ude00"}, {"a": "tab	raw"}]')
    assert read_all(path, block_bytes) == [
        {"a": "x\ufffd}"},
        {"a": "\U0001f600\ufffd"},
        {"a": "tab\traw"},
    ]


def test_a_byte_order_mark_and_nan_are_read(tmp_path):
    path = tmp_path / "records.json"
    path.write_bytes(b'\xef\xbb\xbf [{"a": NaN}] \n')
    value = read_all(path)[0]["a"]
    assert value != value


@given(records=RECORDS, block_bytes=st.integers(1, 40), data=st.data())
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path_factory, records, block_bytes, data):
    text = json.dumps(records).encode()
    path = tmp_path_factory.mktemp("json") / "records.json"
    path.write_bytes(text[: data.draw(st.integers(0, len(text) - 1))])
    with pytest.raises(InputError, match=r"records\.json"):
        read_all(path, block_bytes)


@given(records=RECORDS, data=st.data())
def test_a_damaged_byte_is_read_as_json_reads_it_or_refused(tmp_path_factory, records, data):
    text = bytearray(json.dumps(records).encode())
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 127))
    path = tmp_path_factory.mktemp("json") / "records.json"
    path.write_bytes(text)
    try:
        found = read_all(path)
    except InputError:
        return
    assert write_without_surrogates(found) == write_without_surrogates(
        json.loads(text, strict=False)
    )


@pytest.mark.parametrize("block_bytes", [2, 1 << 20])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a list of records"),
        ('{"a": 1}', "expected a list of records"),
        ("[", "cut off"),
        ('[{"a": "1"}, {"a": "2"}, {"a": "3', "cut off after 2 whole records"),
        ('[{"a": 1}, {"a": 2}', "cut off.*after record 2"),
        ('[{"a": 1}, ', "cut off after 1 whole records"),
        ('[{"a": 1} {"a": 2}]', "without commas|expected a comma"),
        ('[{"a": 1}, {"a": tru}, {"a": 3}]', "record 2 is not valid JSON"),
        ('[{"a": 1}, 7]', "cut off after 1|record 2 is no object"),
        ('[{"a": 1}, 7, {"b": 2}]', "record 2 is no object|not valid JSON"),
        ('[{"a": 1}] []', "goes on after its end"),
    ],
)
def test_what_is_no_list_of_records_is_refused(tmp_path, text, problem, block_bytes):
    path = tmp_path / "records.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem) as error:
        read_all(path, block_bytes)
    assert "records.json" in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "expected an object of columns"),
        ('{"a": {"0": 1}', "cut off"),
        ('{"a": {"0": 1, "1": "x', "cut off in column 'a'"),
        ('{"a": {"0": 1, "2": 3}}', "found '2'"),
        ('{"a": {"0": tru}}', "not valid JSON in column 'a'"),
        ('{"a": [1]}', "expected an object of rows under 'a'"),
    ],
)
def test_what_is_no_object_of_columns_is_refused(tmp_path, text, problem):
    path = tmp_path / "columns.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        list(read_columns(path, ("a",), block_bytes=4))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.json: no such file"):
        read_all(tmp_path / "nothing.json")
