import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fame.runtime import arrays
from fame.runtime.errors import InputError


def find_resident(name):
    """Kilobytes of this process's maps of a file that are in memory."""
    maps = Path("/proc/self/smaps").read_text().split("VmFlags")
    return sum(int(re.search(r"^Rss:\s+(\d+)", one, re.M)[1]) for one in maps if name in one)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_that_were_read_are_not_kept_in_memory(dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "BYTES_AT_ONCE", 2**18)
    expected = np.random.default_rng(0).normal(size=(1000, 1000)).astype(dtype)
    np.save(tmp_path / "mapped.npy", expected)
    values = np.load(tmp_path / "mapped.npy", mmap_mode="r")
    assert values.sum(dtype=float) == expected.sum(dtype=float)
    assert find_resident("mapped.npy") >= values.nbytes // 1024  # it can tell
    rows = np.random.default_rng(1).permutation(1000)
    for columns in (slice(None), [7, 3], []):
        read = arrays.read_rows(values, rows, columns)
        np.testing.assert_array_equal(read, expected[rows][:, columns])
        assert read.dtype == dtype
        assert find_resident("mapped.npy") == 0
    assert arrays.read_rows(values, rows, dtype="float64").dtype == np.float64


ROWS = st.integers(1, 600)
WIDTHS = st.sampled_from([1, 2, 3, 7, 20, 50, 64, 300])


@settings(max_examples=60, deadline=None)
@given(ROWS, WIDTHS, WIDTHS, st.integers(0, 2**16), st.sampled_from(["float32", "float64"]))
def test_a_rows_product_does_not_depend_on_the_rows_beside_it(count, width, columns, seed, dtype):
    """Nor on its position: neither alone, nor in another order, nor behind others."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(count, width)).astype(dtype)
    matrix = draw.normal(size=(width, columns))
    product = arrays.multiply_rows(values, matrix)
    assert (product.shape, product.dtype) == ((count, columns), np.float64)
    np.testing.assert_allclose(product, values.astype(float) @ matrix, rtol=1e-9, atol=1e-9)
    order = draw.permutation(count)
    assert arrays.multiply_rows(values[order], matrix).tobytes() == product[order].tobytes()
    row = int(draw.integers(count))
    assert arrays.multiply_rows(values[[row]], matrix).tobytes() == product[row].tobytes()
    behind = np.vstack([draw.normal(size=(int(draw.integers(300)), width)).astype(dtype), values])
    assert arrays.multiply_rows(behind, matrix)[-count:].tobytes() == product.tobytes()


@settings(max_examples=30, deadline=None)
@given(ROWS, WIDTHS, WIDTHS, st.integers(0, 2**16))
def test_how_the_matrix_lies_in_memory_does_not_change_a_product(count, width, columns, seed):
    """One that is read from a file lies by rows, one that was made may be another's transpose."""
    draw = np.random.default_rng(seed)
    values, matrix = draw.normal(size=(count, width)), draw.normal(size=(width, columns))
    by_rows, by_columns = (
        arrays.multiply_rows(values, lay(matrix))
        for lay in (np.ascontiguousarray, np.asfortranarray)
    )
    assert by_rows.tobytes() == by_columns.tobytes()


def test_no_row_and_a_value_that_is_missing():
    assert arrays.multiply_rows(np.empty((0, 3)), np.ones((3, 2))).shape == (0, 2)
    values = np.array([[1, 2], [np.nan, 2], [3, 4]])
    product = arrays.multiply_rows(values, np.ones((2, 1)))
    np.testing.assert_array_equal(product, [[3], [np.nan], [7]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_chunks_are_written_as_one_array(tmp_path, dtype):
    values = np.arange(12.0).reshape(6, 2)
    chunks = [values[:4], np.asfortranarray(values[4:])]
    arrays.write_values(tmp_path / "a.npy", iter(chunks), (6, 2), dtype)
    read = arrays.read_values(tmp_path / "a.npy", 6, 2)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)
    arrays.write_values(tmp_path / "b.npy", [values], (6, 2), dtype)
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()
    np.testing.assert_array_equal(arrays.read_array(tmp_path / "a.npy"), values)


def test_an_array_that_finds_no_room_says_why():
    with pytest.raises(OSError, match="No space left on device"):
        arrays.write_array(Path("/dev/full"), np.zeros((9, 1000), np.float32))


def test_an_array_is_written_as_numpy_does(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays.write_array(tmp_path / "ours.npy", values)
    np.save(tmp_path / "theirs.npy", values)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_an_array_that_lies_by_columns_is_written_by_rows(tmp_path):
    values = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    arrays.write_array(tmp_path / "a.npy", values)
    read = arrays.read_array(tmp_path / "a.npy")
    np.testing.assert_array_equal(read, values)
    assert read.flags.c_contiguous


@pytest.mark.parametrize("read", [arrays.read_array, lambda path: arrays.read_values(path, 1, 1)])
def test_an_array_that_is_not_there_or_not_readable_is_named(tmp_path, read):
    with pytest.raises(InputError, match=r"a\.npy: no such file; run `dvc repro`"):
        read(tmp_path / "a.npy")
    for content in (b"", b"\x93NUMPY\x01\x00"):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npy: not a readable array: .*; run `dvc repro`"):
            read(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy: not a readable array"):
        read(tmp_path / "a.npy")


def chunk(parts, kind, first):
    """A column in chunks, of which each starts in the middle of its memory."""
    return pa.chunked_array([pa.array(part, kind)[first:] for part in parts], kind)


FIRST = st.integers(0, 2)


@given(st.lists(st.lists(st.none() | st.floats(allow_nan=False), max_size=20), max_size=3), FIRST)
def test_numbers_are_those_of_the_column(parts, first):
    column = chunk(parts, pa.float64(), first)
    expected = np.array(column.to_pylist(), dtype=np.float64)
    np.testing.assert_array_equal(arrays.to_numbers(column), expected)


@given(st.lists(st.lists(st.none() | st.integers(-9, 9), max_size=20), max_size=3), FIRST)
def test_whole_numbers_are_numbers_too(parts, first):
    column = chunk(parts, pa.int8(), first)
    expected = np.array(column.to_pylist(), dtype=np.float64)
    np.testing.assert_array_equal(arrays.to_numbers(column), expected)


@given(st.lists(st.lists(st.none() | st.text(max_size=2), max_size=20), max_size=3), FIRST)
def test_texts_are_those_of_the_column(parts, first):
    column = chunk(parts, pa.string(), first)
    for stored in (column, column.dictionary_encode()):
        texts = arrays.to_strings(stored)
        assert texts.dtype == object
        assert texts.tolist() == column.to_pylist()
