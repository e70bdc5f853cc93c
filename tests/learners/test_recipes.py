import numpy as np
import pytest

from fame.features import block_files
from fame.features.contract import Block, Column
from fame.learners import blocks
from fame.runtime import arrays
from fame.runtime.errors import InputError


def make_block(post_ids, values, categorical=()):
    values = np.asarray(values, np.float32)
    names = [f"c{i}" for i in range(values.shape[1])]
    columns = tuple(Column(name, i in categorical) for i, name in enumerate(names))
    return Block(np.array(list(post_ids), dtype=object), values, columns)


POSTS = np.array(["a", "b", "c"], dtype=object)
FIT = np.array([True, True, False])


def join(parts, dtype="float32"):
    return np.concatenate(list(blocks.join(parts, dtype)))


def test_rows_are_joined_by_id_and_not_by_position():
    first = blocks.select("x", make_block("cab", [[3], [1], [2]]), POSTS, FIT)
    second = blocks.select("y", make_block("abc", [[10], [20], [30]]), POSTS, FIT)
    assert join([first, second]).tolist() == [[1, 10], [2, 20], [3, 30]]
    assert [column.name for column in (*first.columns, *second.columns)] == ["x.c0", "y.c0"]


def test_columns_without_a_value_for_a_fit_post_are_dropped():
    nan = np.nan
    block = make_block("abc", [[nan, 1, nan], [nan, nan, nan], [5, 2, nan]])
    part = blocks.select("x", block, POSTS, FIT)
    assert [column.name for column in part.columns] == ["x.c1"]
    assert part.dropped == 2
    np.testing.assert_array_equal(join([part]), [[1], [nan], [2]])


def test_a_missing_category_has_id_zero():
    part = blocks.select("x", make_block("abc", [[4], [np.nan], [2]], {0}), POSTS, FIT)
    assert part.columns[0].categorical
    assert join([part]).tolist() == [[4], [0], [2]]


@pytest.mark.parametrize("post_ids", ["ab", "abd", "abcd", "abb", "abbc"])
def test_other_ids_than_the_posts_are_refused(post_ids):
    block = make_block(post_ids, np.ones((len(post_ids), 1)))
    with pytest.raises(InputError, match="block x: its post ids are not those of the posts"):
        blocks.select("x", block, POSTS, FIT)


def test_a_value_too_large_for_float16_is_refused():
    part = blocks.select("x", make_block("abc", [[1], [70_000], [3]]), POSTS, FIT)
    assert join([part]).dtype == np.float32
    with pytest.raises(InputError, match=r"column x\.c0: 70000 does not fit into float16"):
        join([part], "float16")


def test_chunks_do_not_show(monkeypatch):
    generator = np.random.default_rng(3)
    post_ids = np.array([str(i) for i in range(50)], dtype=object)
    block = make_block(generator.permutation(post_ids), generator.normal(size=(50, 4)))
    whole = join([blocks.select("x", block, post_ids, np.ones(50, bool))])
    monkeypatch.setattr(blocks, "ROWS_PER_CHUNK", 7)
    pieces = join([blocks.select("x", block, post_ids, np.ones(50, bool))])
    np.testing.assert_array_equal(whole, pieces)


def test_blocks_on_disk_are_read_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS_PER_CHUNK", 16)
    post_ids = np.array([str(i) for i in range(50)], dtype=object)
    expected = make_block(post_ids[::-1], np.random.default_rng(3).normal(size=(50, 4)))
    block_files.write_block(tmp_path, expected)
    block, pieces = block_files.read_block(tmp_path), []
    part = blocks.select("x", block, post_ids, np.ones(50, bool))
    read_rows = arrays.read_rows
    monkeypatch.setattr(
        arrays, "read_rows", lambda *asked: pieces.append(asked) or read_rows(*asked)
    )
    np.testing.assert_array_equal(join([part]), expected.values[::-1])
    assert [len(rows) for _, rows, _ in pieces] == [16, 16, 16, 2]
