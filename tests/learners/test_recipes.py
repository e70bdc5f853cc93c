import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.features import block_files
from fame.features.blocks import Block, Column
from fame.learners import recipes
from fame.learners.recipes import Recipe, decide
from fame.runtime import arrays
from fame.runtime.errors import InputError


def make_block(post_ids, values, categorical=()):
    values = np.asarray(values, np.float32)
    names = [f"c{i}" for i in range(values.shape[1])]
    columns = tuple(Column(name, i in categorical) for i, name in enumerate(names))
    return Block(make_ids(post_ids), values, columns)


def make_ids(post_ids):
    return np.array(list(post_ids), dtype=object)


POSTS, FIT = make_ids("abc"), make_ids("ab")


def join(recipe, blocks, post_ids=POSTS):
    return np.concatenate(list(recipe.join(blocks, post_ids)))


def test_rows_are_joined_by_id_and_not_by_position():
    blocks = {
        "x": make_block("cab", [[3], [1], [2]]),
        "y": make_block("abc", [[10], [20], [30]]),
    }
    recipe = decide(blocks, FIT, "float32")
    assert [column.name for column in recipe.columns] == ["x.c0", "y.c0"]
    assert join(recipe, blocks).tolist() == [[1, 10], [2, 20], [3, 30]]


def test_any_posts_become_rows_of_the_same_table():
    """In whatever order, as often as asked for, and posts that came later."""
    blocks = {"x": make_block("cabd", [[3], [1], [2], [4]])}
    recipe = decide(blocks, FIT, "float32")
    assert join(recipe, blocks, make_ids("dbba")).tolist() == [[4], [2], [2], [1]]
    assert list(recipe.join(blocks, make_ids(""))) == []
    later = {"x": make_block("ef", [[5], [6]])}
    assert join(recipe, later, make_ids("fe")).tolist() == [[6], [5]]


def test_columns_without_a_value_for_a_training_post_are_dropped():
    nan = np.nan
    blocks = {"x": make_block("abc", [[nan, 1, nan], [nan, nan, nan], [5, 2, nan]])}
    recipe = decide(blocks, FIT, "float32")
    assert [column.name for column in recipe.columns] == ["x.c1"]
    assert recipe.kept == {"x": [1]}
    np.testing.assert_array_equal(join(recipe, blocks), [[1], [nan], [2]])


@given(st.lists(st.booleans(), min_size=8, max_size=8), st.permutations("cd"))
def test_columns_are_decided_on_the_training_posts_alone(known, order):
    values = np.where(known, 1.0, np.nan).reshape(4, 2)
    training = make_block("ab", values[:2])
    others = np.argsort(order)  # their rows in this order, or without one of them
    everyone = make_block(["b", *order, "a"], values[[1, *(2 + others), 0]])
    recipe = decide({"x": training}, FIT, "float32")
    assert decide({"x": everyone}, FIT, "float32") == recipe
    assert decide({"x": make_block("acb", values[[0, 2, 1]])}, FIT, "float32") == recipe


def test_a_missing_category_has_id_zero():
    blocks = {"x": make_block("abc", [[4], [np.nan], [2]], {0})}
    recipe = decide(blocks, FIT, "float32")
    assert recipe.columns[0].categorical
    assert join(recipe, blocks).tolist() == [[4], [0], [2]]


@pytest.mark.parametrize("post_ids", ["ab", "abd", "abb", "abbc"])
def test_a_block_that_lacks_a_post_or_has_one_twice_is_refused(post_ids):
    recipe = decide({"x": make_block("abc", np.ones((3, 1)))}, FIT, "float32")
    blocks = {"x": make_block(post_ids, np.ones((len(post_ids), 1)))}
    with pytest.raises(InputError, match="block x: its post ids are not those of the posts"):
        join(recipe, blocks)


@pytest.mark.parametrize("post_ids", ["a", "ac", "aab"])
def test_a_block_that_lacks_a_training_post_or_has_one_twice_is_refused(post_ids):
    block = make_block(post_ids, np.ones((len(post_ids), 1)))
    with pytest.raises(InputError, match="block x: its post ids are not those of the posts"):
        decide({"x": block}, FIT, "float32")


def test_a_value_too_large_for_float16_is_refused():
    blocks = {"x": make_block("abc", [[1], [70_000], [3]])}
    assert join(decide(blocks, FIT, "float32"), blocks).dtype == np.float32
    with pytest.raises(InputError, match=r"column x\.c0: 70000 does not fit into float16"):
        join(decide(blocks, FIT, "float16"), blocks)


def test_a_recipe_comes_back_as_saved(tmp_path):
    blocks = {
        "second": make_block("abc", [[np.nan, 1, 2]] * 3, {2}),
        "first": make_block("abc", [[7.5]] * 3),
    }
    recipe = decide(blocks, FIT, "float16")
    recipe.save(tmp_path)
    loaded = Recipe.load(tmp_path)
    assert loaded == recipe
    assert [column.name for column in loaded.columns] == ["second.c1", "second.c2", "first.c0"]
    assert list(loaded.kept) == ["second", "first"]  # the order of the columns
    assert join(loaded, blocks).tobytes() == join(recipe, blocks).tobytes()
    assert join(loaded, blocks).dtype == np.float16
    before = (tmp_path / recipes.RECIPE).read_bytes()
    loaded.save(tmp_path)
    assert (tmp_path / recipes.RECIPE).read_bytes() == before


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"recipe\.json: no such file"):
        Recipe.load(tmp_path)


def test_chunks_do_not_show(monkeypatch):
    generator = np.random.default_rng(3)
    post_ids = make_ids(map(str, range(50)))
    block = make_block(generator.permutation(post_ids), generator.normal(size=(50, 4)))
    block.values[:40, 2] = np.nan  # a column that only a later chunk has a value of
    blocks = {"x": block}
    recipe = decide(blocks, post_ids, "float32")
    whole = join(recipe, blocks, post_ids)
    monkeypatch.setattr(recipes, "ROWS_PER_CHUNK", 7)
    assert decide(blocks, post_ids, "float32") == recipe
    assert [len(chunk) for chunk in recipe.join(blocks, post_ids)] == [7] * 7 + [1]
    np.testing.assert_array_equal(join(recipe, blocks, post_ids), whole)


def test_blocks_on_disk_are_read_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "ROWS_PER_CHUNK", 16)
    post_ids = make_ids(map(str, range(50)))
    expected = make_block(post_ids[::-1], np.random.default_rng(3).normal(size=(50, 4)))
    block_files.write_block(tmp_path, expected)
    blocks, pieces = {"x": block_files.read_block(tmp_path)}, []
    recipe = decide(blocks, post_ids, "float32")
    read_rows = arrays.read_rows
    monkeypatch.setattr(
        arrays, "read_rows", lambda *asked: pieces.append(asked) or read_rows(*asked)
    )
    np.testing.assert_array_equal(join(recipe, blocks, post_ids), expected.values[::-1])
    assert [len(rows) for _, rows, _ in pieces] == [16, 16, 16, 2]
