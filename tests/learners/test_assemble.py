import numpy as np
import pyarrow as pa
import pytest

from fame.features import block_files
from fame.features.contract import Block, Column
from fame.learners import table_files
from fame.posts.contract import IMAGES
from fame.runtime import files
from fame.runtime.errors import InputError

IDS = np.array(["1", "2", "3", "4"], dtype=object)


@pytest.fixture
def assemble(run_stage, tmp_path, make_posts, write_params):
    posts = make_posts(
        post_id=IDS.tolist(),
        split=["fit", "fit", "holdout", "challenge"],
        fold=[0, 1, -1, -1],
        popularity=[5.0, 6.0, 7.0, None],
        title=["Rain", None, "Dog", ""],
        tags=[["a", "b c"], [], None, ["d"]],
    )
    files.write_table(tmp_path / "posts.parquet", posts)
    files.write_table(tmp_path / "images.parquet", locate(IDS.tolist()))

    def call(blocks, dtype="float32"):
        write_params(**{"tables.trees": {"blocks": list(blocks), "dtype": dtype}})
        for name, values in blocks.items():
            if name in ("texts", "images"):
                continue
            values = np.asarray(values, np.float32)
            columns = tuple(Column(f"c{i}") for i in range(values.shape[1]))
            folder = tmp_path / "features" / name
            folder.mkdir(parents=True)
            block_files.write_block(folder, Block(IDS, values, columns))
        paths = ["--posts", "posts.parquet", "--images", "images.parquet"]
        paths += ["--features", "features", "--output", "table"]
        run_stage("learners.assemble", "trees", *paths)
        return table_files.read_feature_table(tmp_path / "table")

    return call


def test_blocks_stand_side_by_side_and_labels_stay_behind(assemble):
    table = assemble({"meta": [[1], [2], [3], [4]], "glove": [[5, 6]] * 4})
    assert [column.name for column in table.columns] == ["meta.c0", "glove.c0", "glove.c1"]
    assert table.values.tolist() == [[1, 5, 6], [2, 5, 6], [3, 5, 6], [4, 5, 6]]
    assert table.split.tolist() == ["fit", "fit", "holdout", "challenge"]
    np.testing.assert_array_equal(table.popularity, [5, 6, np.nan, np.nan])


def test_a_block_without_any_value_is_dropped_and_said(assemble, capsys):
    table = assemble({"meta": [[1]] * 4, "minilm": [[np.nan] * 3] * 4})
    assert [column.name for column in table.columns] == ["meta.c0"]
    assert "table trees: 3 columns of minilm have no value" in capsys.readouterr().out


def test_a_table_without_any_value_is_refused(assemble, tmp_path):
    with pytest.raises(InputError, match=r"tables\.trees\.blocks: minilm hold no value"):
        assemble({"minilm": [[np.nan]] * 4})
    assert not (tmp_path / "table").exists()


def test_an_overflow_leaves_no_table(assemble, tmp_path):
    with pytest.raises(InputError, match=r"meta\.c0: 100000 does not fit into float16"):
        assemble({"meta": [[1e5]] * 4}, "float16")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "table"))] == []


def test_texts_stand_beside_the_columns_where_a_table_names_them(assemble, tmp_path, capsys):
    table = assemble({"meta": [[1], [2], [3], [4]], "texts": None})
    assert [column.name for column in table.columns] == ["meta.c0"]
    assert table.texts["title"].tolist() == ["Rain", "", "Dog", ""]
    assert table.texts["tags"].tolist() == ["a b c", "", "", "d"]
    assert "4 posts, 1 columns, title and tags, float32" in capsys.readouterr().out
    other = files.read_table(tmp_path / "table" / table_files.TEXTS).slice(1)
    files.write_table(tmp_path / "table" / table_files.TEXTS, other)
    with pytest.raises(InputError, match=r"texts\.parquet: its post ids are not those"):
        table_files.read_feature_table(tmp_path / "table")


def locate(post_ids):
    rows = [
        ("located", "", "a.jpg", "d1"),
        ("no_image", None, None, None),
        ("truncated", None, None, None),
        ("located", "b.zip", "b/c.jpg", "d2"),
    ]
    columns = dict(zip(IMAGES.names[1:], zip(*rows, strict=True), strict=True))
    return pa.table({"post_id": post_ids} | columns, schema=IMAGES)


def test_images_stand_beside_the_columns_where_a_table_names_them(assemble, tmp_path, capsys):
    table = assemble({"meta": [[1], [2], [3], [4]], "images": None})
    assert {name: values.tolist() for name, values in table.images.items()} == {
        "status": ["located", "no_image", "truncated", "located"],
        "container": ["", None, None, "b.zip"],
        "member": ["a.jpg", None, None, "b/c.jpg"],
    }
    assert table.texts == {}
    assert "4 posts, 1 columns, images, float32" in capsys.readouterr().out
    # The digests: another image is another table.
    assert files.read_table(tmp_path / "table" / table_files.IMAGES) == locate(IDS.tolist())
    with pytest.raises(InputError, match="images: their post ids are not those of the posts"):
        table_files.write_images(tmp_path, locate(IDS[::-1].tolist()), pa.chunked_array([IDS]))


def test_a_table_without_texts_and_images_has_no_file_for_them(assemble, tmp_path):
    table = assemble({"meta": [[1]] * 4})
    assert (table.texts, table.images) == ({}, {})
    files = ["manifest.json", "rows.parquet", "values.npy"]
    assert sorted(path.name for path in (tmp_path / "table").iterdir()) == files
