import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.features import block_files
from fame.features.contract import Block, Column
from fame.learners import table_files
from fame.runtime import arrays, files
from fame.runtime.errors import InputError


def make_block():
    return Block(
        post_ids=np.array(["1", "2"], dtype=object),
        values=np.array([[1, np.nan], [3, 4]], np.float32),
        columns=(Column("kind", True), Column("size")),
        status={"image": np.array(["ok", "missing"], dtype=object)},
        fitted_on="abc",
        notes={"vocabulary": ["x"]},
    )


def test_a_block_comes_back_as_written(tmp_path):
    block_files.write_block(tmp_path, make_block())
    block, expected = block_files.read_block(tmp_path), make_block()
    np.testing.assert_array_equal(block.values, expected.values)
    assert block.post_ids.tolist() == ["1", "2"]
    assert block.columns == expected.columns
    assert block.status["image"].tolist() == ["ok", "missing"]
    assert (block.fitted_on, block.notes) == ("abc", {"vocabulary": ["x"]})


def test_the_same_block_is_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        block_files.write_block(tmp_path / name, make_block())
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_a_table_never_holds_a_label_outside_the_fit_rows(tmp_path):
    rows = pa.table(
        {
            "post_id": ["1", "2", "3"],
            "split": ["fit", "holdout", "challenge"],
            "fold": pa.array([0, -1, -1], pa.int8()),
            "popularity": [5.0, 6.0, None],
        }
    )
    chunks = [np.ones((2, 1), np.float16), np.zeros((1, 1), np.float16)]
    fit = np.array([True, False, False])
    table_files.write_feature_table(
        tmp_path, rows, fit, [Column("b.c")], iter(chunks), (3, 1), "float16"
    )
    table = table_files.read_feature_table(tmp_path)
    np.testing.assert_array_equal(table.popularity, [5, np.nan, np.nan])
    assert table.values.tolist() == [[1], [1], [0]]
    assert table.values.dtype == np.float16
    assert table.fold.tolist() == [0, -1, -1]


def test_what_fails_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half():
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


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


def test_what_fails_half_way_leaves_the_old_folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()

    def write_half():
        with files.replacing_folder(path) as temporary:
            (temporary / "half").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert [file.name for file in path.iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


WRITERS = {
    "json": lambda path: files.write_json(path, ["a" * 9999]),
    "text": lambda path: files.write_text(path, "a" * 9999),
    "table": lambda path: files.write_table(
        path, pa.table({"a": np.random.default_rng(0).random(9999)})
    ),
    "batches": lambda path: files.write_batches(path, BATCH.schema, [BATCH]),
    "folder": lambda path: write_folder(path),
    "copy": lambda path: copy_into_folder(path),
}
BATCH = pa.record_batch({"a": list(range(9999))})


def write_folder(path):
    with files.replacing_folder(path) as folder:
        values = [np.ones((9999, 2), np.float32)]
        arrays.write_values(folder / "values.npy", values, (9999, 2), "float32")


def copy_into_folder(path):
    with files.replacing_folder(path) as folder:
        shutil.copyfile(__file__, folder / "copy")


@pytest.mark.parametrize("name", WRITERS)
def test_a_write_that_fails_names_the_file_and_leaves_the_old_one(tmp_path, name):
    path = tmp_path / "out"
    path.mkdir() if name in ("folder", "copy") else path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            WRITERS[name](path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.errno == errno.EFBIG
    assert raised.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() or path.read_text() == "old"


def test_what_a_killed_process_left_goes_and_a_running_ones_stays(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    for process in (dead.stdout.decode().strip(), os.getppid()):
        (tmp_path / f".folder.{process}.tmp").mkdir()
        (tmp_path / f".folder.{process}.tmp" / "half").touch()
    with files.replacing_folder(tmp_path / "folder"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"folder", f".folder.{os.getppid()}.tmp"}


def test_predictions_of_other_posts_are_refused(tmp_path):
    path = tmp_path / "p.parquet"
    rows = pa.table({"post_id": ["1", "2"], "split": ["fit", "fit"]})
    table_files.write_predictions(path, rows, np.array([1.0, 2.0]))
    assert table_files.read_predictions(path, pa.chunked_array([["1", "2"]])).tolist() == [1, 2]
    with pytest.raises(InputError, match=r"p\.parquet: its post ids are not those of the posts"):
        table_files.read_predictions(path, pa.chunked_array([["2", "1"]]))


def test_a_prediction_that_is_not_finite_is_refused(tmp_path):
    path = tmp_path / "p.parquet"
    rows = pa.table({"post_id": ["1", "2"], "split": ["fit", "fit"]})
    with pytest.raises(InputError, match="prediction for post 2 is not finite"):
        table_files.write_predictions(path, rows, np.array([1, np.nan]))
    assert not path.exists()


@pytest.mark.parametrize("read", [files.read_json, files.read_table, files.digest_file])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(InputError, match=r"gone: no such file; run `dvc repro`"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("values.npy", b"\x93NUMPY\x01\x00", "not a readable array"),
        ("values.npy", b"", "not a readable array"),
        ("rows.parquet", b"PAR1 cut", "not a readable Parquet file"),
        ("manifest.json", b'{"columns": ["a"', "not valid JSON"),
    ],
)
def test_a_damaged_artefact_is_named(tmp_path, file, damage, message):
    block_files.write_block(tmp_path, make_block())
    (tmp_path / file).write_bytes(damage)
    with pytest.raises(InputError, match=f"{file}: {message}"):
        block_files.read_block(tmp_path)


def test_values_of_another_shape_are_refused(tmp_path):
    block_files.write_block(tmp_path, make_block())
    np.save(tmp_path / "values.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match=r"shape \(3, 2\), expected \(2, 2\)"):
        block_files.read_block(tmp_path)


def test_an_array_of_objects_is_never_unpickled(tmp_path):
    block_files.write_block(tmp_path, make_block())
    np.save(tmp_path / "values.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"values\.npy: not a readable array"):
        block_files.read_block(tmp_path)


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
