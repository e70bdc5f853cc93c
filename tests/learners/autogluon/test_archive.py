import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.learners.autogluon.archive import pack, split, unpack


def zipped(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


def write(folder, contents):
    paths = {name: folder / name for name in contents}
    for name, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[name])
    return paths


def read_bytes(path):
    return path.read_bytes()


@given(st.binary() | st.dictionaries(st.text("ab/", min_size=1), st.binary()).map(zipped))
def test_pieces_make_the_file(content):
    assert b"".join(split(content)) == content


def test_what_several_files_share_lies_once_and_comes_back_everywhere(tmp_path):
    weights = bytes(range(256)) * 400
    contents = {
        "fold_1/model.ckpt": zipped({"data.pkl": b"1" * 7, "data/0": weights}),
        "fold_2/model.ckpt": zipped({"data.pkl": b"2" * 70, "data/0": weights}),  # shifted
        "predictor.pkl": b"pickle",
        "empty": b"",
    }
    paths = write(tmp_path / "source", contents)
    pack(paths, tmp_path / "archive.zip", read_bytes)
    assert (tmp_path / "archive.zip").stat().st_size < 1.1 * len(weights)
    unpack(tmp_path / "archive.zip", tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in contents} == contents


def test_a_files_bytes_are_those_that_were_read(tmp_path):
    paths = write(tmp_path / "source", {"a": b"place/x"})
    pack(paths, tmp_path / "archive.zip", lambda path: path.read_bytes().replace(b"place", b"_"))
    unpack(tmp_path / "archive.zip", tmp_path)
    assert (tmp_path / "a").read_bytes() == b"_/x"


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_same_files_are_the_same_archive(tmp_path, order):
    paths = write(tmp_path / "source", {"a": b"1", "b": b"2"})
    pack(paths, tmp_path / "first", read_bytes)
    pack({name: paths[name] for name in order}, tmp_path / "second", read_bytes)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
