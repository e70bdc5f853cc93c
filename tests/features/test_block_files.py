import numpy as np
import pytest

from fame.features import block_files
from fame.features.blocks import Block, Column
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
