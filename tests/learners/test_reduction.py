import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fame import params
from fame.features import block_files
from fame.features.blocks import Block, Column
from fame.learners import recipes, reduction, table_files
from fame.learners.recipes import Recipe, decide
from fame.posts.contract import IMAGES
from fame.runtime import files
from fame.runtime.errors import InputError

NAMES = [*(f"title_{i}" for i in range(6)), *(f"tags_{i}" for i in range(5)), "mode"]
COUNT, FIT = 80, 60


def make_ids(count):
    return np.array([f"{i:03d}" for i in range(count)], dtype=object)


@pytest.fixture(scope="module")
def block():
    draw = np.random.default_rng(4)
    title = draw.normal(size=(COUNT, 2)) @ draw.normal(size=(2, 6)) + 5
    title += 0.01 * draw.normal(size=title.shape)
    tags = draw.normal(size=(COUNT, 5))
    tags[::7] = np.nan
    values = np.column_stack([title, tags, draw.integers(0, 3, COUNT)]).astype(np.float32)
    columns = tuple(Column(name, name == "mode") for name in NAMES)
    return Block(make_ids(COUNT), values, columns)


@pytest.fixture(scope="module")
def recipe(block):
    return decide({"wide": block}, make_ids(FIT), "float32", {"wide": 3})


def join(recipe, block, post_ids):
    return np.concatenate(list(recipe.join({"wide": block}, post_ids)))


def test_each_modality_becomes_components_and_categories_stay(recipe):
    names = [f"wide.{part}_pca_{i}" for part in ("title", "tags") for i in range(3)]
    assert [column.name for column in recipe.columns] == ["wide.mode", *names]
    assert [column.categorical for column in recipe.columns] == [True, *[False] * 6]
    assert recipe.count_used("wide") == len(NAMES)


def test_they_are_the_principal_components_of_the_training_posts(recipe, block):
    from sklearn.decomposition import PCA

    found = join(recipe, block, block.post_ids)
    known = ~np.isnan(block.values).any(axis=1)
    for columns, part in ((slice(0, 6), slice(1, 4)), (slice(6, 11), slice(4, 7))):
        values = block.values[:, columns].astype(np.float64)
        training = values[:FIT] if part.start == 1 else values[:FIT][known[:FIT]]
        expected = PCA(3).fit(training).transform(values[known])
        signs = np.sign((expected * found[known, part]).sum(axis=0))
        np.testing.assert_allclose(found[known, part], expected * signs, atol=1e-5)
    variance = np.nanvar(found[:FIT, 1:4], axis=0)
    assert (np.diff(variance) < 0).all()


def test_a_components_largest_entry_is_positive(recipe):
    for own in recipe.reductions["wide"]:
        assert (own.basis[np.arange(3), np.abs(own.basis).argmax(axis=1)] > 0).all()


def test_missing_rows_are_missing_in_their_modality_alone(recipe, block):
    found = join(recipe, block, block.post_ids)
    missing = np.isnan(block.values[:, 6])
    assert np.isnan(found[missing, 4:]).all()
    assert np.isfinite(found[~missing]).all()
    assert np.isfinite(found[:, :4]).all()


def test_saved_and_loaded_it_gives_the_same_bytes(recipe, block, tmp_path):
    recipe.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npy"}
    loaded = Recipe.load(tmp_path)
    assert loaded.columns == recipe.columns
    assert loaded.count_used("wide") == recipe.count_used("wide")
    expected = join(recipe, block, block.post_ids)
    assert join(loaded, block, block.post_ids).tobytes() == expected.tobytes()


def test_without_reductions_a_recipe_is_as_it_was(block, tmp_path):
    decide({"wide": block}, make_ids(FIT), "float32").save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [recipes.RECIPE]
    assert set(files.read_json(tmp_path / recipes.RECIPE)) == {"kept", "columns", "dtype"}


@given(st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_a_row_does_not_depend_on_the_rows_beside_it(recipe, block, rows):
    whole = join(recipe, block, block.post_ids)
    assert join(recipe, block, block.post_ids[rows]).tobytes() == whole[rows].tobytes()


def test_posts_beside_the_training_posts_change_nothing(recipe, block):
    own = np.random.default_rng(0).permutation(FIT)
    alone = Block(block.post_ids[own], block.values[own], block.columns)
    other = decide({"wide": alone}, make_ids(FIT), "float32", {"wide": 3})
    expected = join(recipe, block, make_ids(FIT))
    assert join(other, alone, make_ids(FIT)).tobytes() == expected.tobytes()


def test_chunks_do_not_show_but_in_the_last_digits(recipe, block, monkeypatch):
    monkeypatch.setattr(reduction, "ROWS_PER_CHUNK", 7)
    other = decide({"wide": block}, make_ids(FIT), "float32", {"wide": 3})
    for first, second in zip(recipe.reductions["wide"], other.reductions["wide"], strict=True):
        np.testing.assert_allclose(first.basis, second.basis, atol=1e-9)


@pytest.mark.parametrize("training", [1, 3])
def test_few_training_posts_have_few_components(block, training):
    recipe = decide({"wide": block}, make_ids(10)[1 : 1 + training], "float32", {"wide": 4})
    assert len(recipe.columns) == 1 + 2 * (training - 1)
    assert np.isfinite(join(recipe, block, make_ids(10)[1:5])).all()


def test_one_modality_needs_no_name():
    values = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    columns = tuple(Column(f"image_{i:02d}") for i in range(12))
    block = Block(make_ids(30), values, columns)
    recipe = decide({"wide": block}, make_ids(30), "float16", {"wide": 11})
    assert recipe.columns[0].name == "wide.pca_00"
    assert len(recipe.columns) == 11
    assert join(recipe, block, make_ids(4)).dtype == np.float16


def test_columns_without_a_value_in_training_have_no_part(block):
    values = block.values.copy()
    values[:FIT, 2] = np.nan
    holed = Block(block.post_ids, values, block.columns)
    recipe = decide({"wide": holed}, make_ids(FIT), "float32", {"wide": 3})
    assert recipe.reductions["wide"][0].places == [0, 1, 3, 4, 5]
    assert np.isfinite(join(recipe, holed, make_ids(COUNT))[:, 1:4]).all()


def test_a_block_on_disk_is_reduced_where_the_table_says_so(
    run_stage, write_params, make_posts, block, tmp_path
):
    split = ["fit"] * FIT + ["holdout"] * (COUNT - FIT)
    fold = [i % 2 if i < FIT else -1 for i in range(COUNT)]
    ids = block.post_ids.tolist()
    posts = make_posts(post_id=ids, split=split, fold=fold, popularity=[1.0] * COUNT)
    files.write_table(tmp_path / "posts.parquet", posts)
    files.write_table(tmp_path / "images.parquet", IMAGES.empty_table())
    (tmp_path / "features/minilm").mkdir(parents=True)
    block_files.write_block(tmp_path / "features/minilm", block)
    table = {"blocks": ["minilm"], "dtype": "float32", "reduce": {"minilm": 2}}
    write_params(**{"tables.trees": table})
    paths = {"posts": "posts.parquet", "images": "images.parquet", "features": "features"}
    paths |= {"fit": "fit", "score": "score", "recipe": "recipe"}
    run_stage("learners.assemble", "trees", *(f"--{k}={v}" for k, v in paths.items()))
    found = table_files.read_fit_table(tmp_path / "fit")
    assert [column.name for column in found.columns][1:3] == [
        "minilm.title_pca_0",
        "minilm.title_pca_1",
    ]
    recipe = Recipe.load(tmp_path / "recipe")
    expected = np.concatenate(list(recipe.join({"minilm": block}, block.post_ids)))
    assert found.values.tobytes() == expected[:FIT].tobytes()
    score = table_files.read_score_table(tmp_path / "score")
    assert score.values.tobytes() == expected[FIT:].tobytes()


@pytest.mark.parametrize(
    ("reduce", "message"),
    [
        ({"glove": 5}, r"tables\.trees\.reduce: 'glove' is no block of numbers of this table"),
        ({"texts": 5}, r"'texts' is no block of numbers of this table; allowed: minilm$"),
        ({"minilm": 0}, r"tables\.trees\.reduce\.minilm: must be greater than or equal to 1"),
    ],
)
def test_only_blocks_of_numbers_of_the_table_are_reduced(write_params, tmp_path, reduce, message):
    blocks = {"blocks": ["minilm", "texts"], "dtype": "float32", "reduce": reduce}
    write_params(**{"tables.trees": blocks})
    with pytest.raises(InputError, match=message):
        params.load(tmp_path / "params.yaml")
