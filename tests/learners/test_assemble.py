from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fame.features import block_files
from fame.features.blocks import Block, Column
from fame.learners import table_files
from fame.learners.contract import FitTable, ScoreTable
from fame.learners.recipes import Recipe
from fame.posts.contract import IMAGES
from fame.runtime import files
from fame.runtime.errors import InputError

IDS = np.array(["1", "2", "3", "4"], dtype=object)
POSTS = {
    "post_id": IDS.tolist(),
    "split": ["fit", "fit", "holdout", "challenge"],
    "fold": [0, 1, -1, -1],
    "popularity": [5.0, 6.0, 7.0, None],
    "title": ["Rain", None, "Dog", ""],
    "tags": [["a", "b c"], [], None, ["d"]],
}
PLACES = {
    "1": ("located", "", "a.jpg", "d1"),
    "2": ("no_image", None, None, None),
    "3": ("truncated", None, None, None),
    "4": ("located", "b.zip", "b/c.jpg", "d2"),
}
OUTPUTS = ("fit", "score", "recipe")


@dataclass
class Tables:
    """What the stage wrote."""

    fit: FitTable
    score: ScoreTable
    recipe: Recipe


def locate(post_ids):
    rows = [PLACES.get(post_id, ("no_image", None, None, None)) for post_id in post_ids]
    columns = dict(zip(IMAGES.names[1:], zip(*rows, strict=True), strict=True))
    return pa.table({"post_id": list(post_ids)} | columns, schema=IMAGES)


@pytest.fixture
def assemble(run_stage, tmp_path, make_posts, write_params):
    """Run the stage: block -> its values, a row for each of the ``posts`` (columns of POSTS)."""

    def call(blocks, dtype="float32", posts=POSTS):
        write_params(**{"tables.trees": {"blocks": list(blocks), "reduce": None, "dtype": dtype}})
        files.write_table(tmp_path / "posts.parquet", make_posts(**posts))
        files.write_table(tmp_path / "images.parquet", locate(posts["post_id"]))
        for name, values in blocks.items():
            if name in ("texts", "images"):
                continue
            values = np.asarray(values, np.float32)
            columns = tuple(Column(f"c{i}") for i in range(values.shape[1]))
            post_ids = np.array(posts["post_id"], dtype=object)
            with files.replacing_folder(tmp_path / "features" / name) as folder:
                block_files.write_block(folder, Block(post_ids, values, columns))
        paths = ["--posts", "posts.parquet", "--images", "images.parquet"]
        paths += ["--features", "features"]
        paths += [part for name in OUTPUTS for part in (f"--{name}", name)]
        run_stage("learners.assemble", "trees", *paths)
        return Tables(
            table_files.read_fit_table(tmp_path / "fit"),
            table_files.read_score_table(tmp_path / "score"),
            Recipe.load(tmp_path / "recipe"),
        )

    return call


def read_bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def test_blocks_stand_side_by_side_and_labels_stay_behind(assemble, tmp_path):
    tables = assemble({"meta": [[1], [2], [3], [4]], "glove": [[5, 6]] * 4})
    names = ["meta.c0", "glove.c0", "glove.c1"]
    for table in (tables.fit, tables.score, tables.recipe):
        assert [column.name for column in table.columns] == names
    assert tables.fit.post_ids.tolist() == ["1", "2"]
    assert tables.fit.values.tolist() == [[1, 5, 6], [2, 5, 6]]
    assert tables.fit.fold.tolist() == [0, 1]
    assert tables.fit.popularity.tolist() == [5, 6]
    assert tables.score.post_ids.tolist() == ["3", "4"]
    assert tables.score.values.tolist() == [[3, 5, 6], [4, 5, 6]]
    assert tables.score.split.tolist() == ["holdout", "challenge"]
    rows = files.read_table(tmp_path / "score" / block_files.ROWS)
    assert rows.column_names == ["post_id", "split"]  # and no label
    rows = files.read_table(tmp_path / "fit" / block_files.ROWS)
    assert rows.column_names == ["post_id", "fold", "popularity"]


def make_source(others, sign=1):
    """Columns of POSTS and values of a block: two training posts among ``others``.

    Posts are ordered by their ids, of which those of the others count times ``sign``.
    """
    parts = {"1": ("fit", 5.0, "Rain", 1.5), "2": ("fit", 6.0, None, 2.5)} | others
    post_ids = sorted(parts, key=lambda post_id: int(post_id) * (sign if post_id in others else 1))
    split, label, title, values = zip(*(parts[post_id] for post_id in post_ids), strict=True)
    columns = {
        "post_id": post_ids,
        "split": list(split),
        "fold": [{"1": 0, "2": 1}.get(post_id, -1) for post_id in post_ids],
        "popularity": list(label),
        "title": list(title),
        "tags": [[post_id] for post_id in post_ids],
    }
    return columns, [[value, np.nan if value > 0 else 1] for value in values]


VALUES = st.floats(-9, 9)
CHALLENGE_POSTS = st.tuples(st.just("challenge"), st.none(), st.sampled_from(["Dog", None]), VALUES)
HOLDOUT_POSTS = st.tuples(st.just("holdout"), st.floats(0, 9), st.just("Cat"), VALUES)
OTHERS = st.dictionaries(
    st.sampled_from(["0", "10", "15", "3", "4"]), CHALLENGE_POSTS | HOLDOUT_POSTS
)
ALL_BLOCKS = ("meta", "texts", "images")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(OTHERS, st.sampled_from([1, -1]))
def test_other_posts_change_no_byte_of_the_training_posts_table(assemble, others, sign):
    """Added, removed, changed, before and behind: of what is learned from, nothing is another."""
    posts, values = make_source({})
    assemble(dict.fromkeys(ALL_BLOCKS, values), posts=posts)
    fit, recipe = read_bytes("fit"), read_bytes("recipe")
    posts, values = make_source(others, sign)
    tables = assemble(dict.fromkeys(ALL_BLOCKS, values), posts=posts)
    assert {"texts.parquet", "images.parquet"} < set(fit)
    assert read_bytes("fit") == fit
    assert read_bytes("recipe") == recipe
    assert set(tables.score.post_ids) == set(others)


def test_a_training_post_that_is_another_is_another_table(assemble):
    """The counterpart of the test for equal bytes: it would see a difference."""
    posts, values = make_source({})
    assemble({"meta": values, "texts": None}, posts=posts)
    before = read_bytes("fit")
    for name, changed in (("popularity", [5.0, 6.5]), ("title", ["Rain", "Sun"])):
        assemble({"meta": values, "texts": None}, posts=posts | {name: changed})
        assert read_bytes("fit") != before
    values[0][0] += 1
    assemble({"meta": values, "texts": None}, posts=posts)
    assert read_bytes("fit") != before


def test_a_block_without_any_value_is_dropped_and_said(assemble, capsys):
    tables = assemble({"meta": [[1]] * 4, "minilm": [[np.nan] * 3] * 4})
    assert [column.name for column in tables.fit.columns] == ["meta.c0"]
    said = "table trees: without all 3 columns of minilm, empty in all training posts"
    assert said in capsys.readouterr().out


def test_a_column_with_values_of_other_posts_alone_is_dropped(assemble, capsys):
    tables = assemble({"meta": [[1, np.nan], [2, np.nan], [3, 4], [5, 6]]})
    for table in (tables.fit, tables.score):
        assert [column.name for column in table.columns] == ["meta.c0"]
    assert "table trees: without 1 of the 2 columns of meta" in capsys.readouterr().out


def test_a_table_without_any_value_has_no_column(assemble, capsys):
    """It is refused where a learner reads it; params.yaml may have tables that none does."""
    tables = assemble({"minilm": [[np.nan]] * 4})
    assert tables.fit.columns == tables.score.columns == ()
    assert tables.fit.values.shape == (len(tables.fit.post_ids), 0)
    assert "0 columns" in capsys.readouterr().out


def test_an_overflow_leaves_no_table(assemble, tmp_path):
    with pytest.raises(InputError, match=r"meta\.c0: 100000 does not fit into float16"):
        assemble({"meta": [[1e5]] * 4}, "float16")
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "fit", "score"))]
    assert left == []


def test_texts_stand_beside_the_columns_where_a_table_names_them(assemble, tmp_path, capsys):
    tables = assemble({"meta": [[1], [2], [3], [4]], "texts": None})
    assert [column.name for column in tables.fit.columns] == ["meta.c0"]
    assert tables.fit.texts["title"].tolist() == ["Rain", ""]
    assert tables.fit.texts["tags"].tolist() == ["a b c", ""]
    assert tables.score.texts["title"].tolist() == ["Dog", ""]
    assert tables.score.texts["tags"].tolist() == ["", "d"]
    last = "table trees: 2 training posts, 2 others, 1 column, title and tags, float32"
    assert last in capsys.readouterr().out
    for name, read in (
        ("fit", table_files.read_fit_table),
        ("score", table_files.read_score_table),
    ):
        path = tmp_path / name / table_files.TEXTS
        files.write_table(path, files.read_table(path).slice(1))
        with pytest.raises(InputError, match=r"texts\.parquet: its post ids are not those"):
            read(tmp_path / name)


def test_images_stand_beside_the_columns_where_a_table_names_them(assemble, tmp_path, capsys):
    tables = assemble({"meta": [[1], [2], [3], [4]], "images": None})
    assert {name: values.tolist() for name, values in tables.fit.images.items()} == {
        "status": ["located", "no_image"],
        "container": ["", None],
        "member": ["a.jpg", None],
    }
    assert {name: values.tolist() for name, values in tables.score.images.items()} == {
        "status": ["truncated", "located"],
        "container": [None, "b.zip"],
        "member": [None, "b/c.jpg"],
    }
    assert tables.fit.texts == tables.score.texts == {}
    assert "2 others, 1 column, images, float32" in capsys.readouterr().out
    # The digests: another image is another table.
    for name, own in (("fit", IDS[:2]), ("score", IDS[2:])):
        found = files.read_table(tmp_path / name / table_files.IMAGES)
        assert found == locate(own.tolist())
    with pytest.raises(InputError, match="images: their post ids are not those of the posts"):
        table_files.write_images(tmp_path, locate(IDS[::-1].tolist()), pa.chunked_array([IDS]))


def test_a_table_without_texts_and_images_has_no_file_for_them(assemble):
    tables = assemble({"meta": [[1]] * 4})
    for name, table in (("fit", tables.fit), ("score", tables.score)):
        assert (table.texts, table.images) == ({}, {})
        assert list(read_bytes(name)) == ["manifest.json", "rows.parquet", "values.npy"]
    assert list(read_bytes("recipe")) == ["recipe.json"]
