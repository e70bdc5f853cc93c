import errno
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from fame.runtime import arrays, files
from fame.runtime.errors import InputError


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
        shutil.copyfile(files.__file__, folder / "copy")


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


@pytest.mark.parametrize("read", [files.read_json, files.read_table, files.digest_file])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(InputError, match=r"gone: no such file; run `dvc repro`"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (files.read_json, "not valid JSON"),
        (files.read_table, "not a readable Parquet file"),
        (files.read_batches, "not a readable Arrow file"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, read, message):
    (tmp_path / "damaged").write_bytes(b'PAR1 {"cut')
    with pytest.raises(InputError, match=f"damaged: {message}: .*; run `dvc repro`"):
        read(tmp_path / "damaged")
