import numpy as np
import pyarrow as pa
import pytest

from fame.features.blocks import Column
from fame.learners import table_files
from fame.posts.contract import CHALLENGE, HOLDOUT
from fame.runtime import files
from fame.runtime.errors import InputError

COLUMNS = [Column("b.kind", categorical=True), Column("b.c")]
FIT = {
    "post_id": ["1", "4"],
    "fold": pa.array([0, 1], pa.int8()),
    "popularity": [5.0, 6.5],
}
SCORE = {"post_id": ["2", "3", "5"], "split": [HOLDOUT, CHALLENGE, CHALLENGE]}


def write(folder, rows, first=0.0):
    folder.mkdir()
    count = len(rows["post_id"])
    values = first + np.arange(2.0 * count).reshape(count, 2)
    chunks = iter([values[:1], values[1:]])
    table_files.write_table(folder, pa.table(rows), COLUMNS, chunks, "float16")
    return values


def test_the_tables_come_back_as_written(tmp_path):
    values = write(tmp_path / "fit", FIT)
    table = table_files.read_fit_table(tmp_path / "fit")
    assert table.post_ids.tolist() == ["1", "4"]
    assert table.fold.tolist() == [0, 1]
    assert table.popularity.tolist() == [5, 6.5]
    assert table.columns == tuple(COLUMNS)
    assert (table.categorical, table.numeric) == ([0], [1])
    assert (table.values.tolist(), table.values.dtype) == (values.tolist(), np.float16)
    values = write(tmp_path / "score", SCORE)
    table = table_files.read_score_table(tmp_path / "score")
    assert table.post_ids.tolist() == ["2", "3", "5"]
    assert table.split.tolist() == [HOLDOUT, CHALLENGE, CHALLENGE]
    assert table.values.tolist() == values.tolist()
    assert not hasattr(table, "popularity")
    assert (table.texts, table.images) == ({}, {})


def test_the_same_table_is_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        write(tmp_path / name, FIT)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


@pytest.mark.parametrize("name", ["values.npy", "rows.parquet", "manifest.json"])
def test_a_table_that_is_not_whole_is_named(tmp_path, name):
    write(tmp_path / "fit", FIT)
    (tmp_path / "fit" / name).unlink()
    with pytest.raises(InputError, match=f"{name}: no such file"):
        table_files.read_fit_table(tmp_path / "fit")


@pytest.fixture
def out_of_fold(tmp_path):
    write(tmp_path / "fit", FIT)
    path = tmp_path / "out_of_fold.parquet"
    table = table_files.read_fit_table(tmp_path / "fit")
    table_files.write_out_of_fold(path, table, np.array([5.25, 6.75]))
    return path


@pytest.fixture
def score(tmp_path):
    write(tmp_path / "score", SCORE)
    return table_files.read_score_table(tmp_path / "score")


def test_predictions_of_both_tables_are_joined_in_the_order_of_the_ids(
    out_of_fold, score, tmp_path
):
    path = tmp_path / "p.parquet"
    table_files.join_predictions(path, out_of_fold, score, np.array([2.5, 3.5, 5.5]))
    assert files.read_table(path).to_pydict() == {
        "post_id": ["1", "2", "3", "4", "5"],
        "split": ["fit", HOLDOUT, CHALLENGE, "fit", CHALLENGE],
        "prediction": [5.25, 2.5, 3.5, 6.75, 5.5],
    }
    post_ids = files.read_table(path)["post_id"]
    assert table_files.read_predictions(path, post_ids).tolist() == [5.25, 2.5, 3.5, 6.75, 5.5]


def test_a_joined_prediction_that_is_not_finite_is_named(out_of_fold, score, tmp_path):
    path = tmp_path / "p.parquet"
    with pytest.raises(InputError, match=r"p\.parquet: the prediction for post 3 is not finite"):
        table_files.join_predictions(path, out_of_fold, score, np.array([2.5, np.inf, 5.5]))
    assert not path.exists()


def test_an_out_of_fold_prediction_that_is_not_finite_is_refused(tmp_path):
    write(tmp_path / "fit", FIT)
    table = table_files.read_fit_table(tmp_path / "fit")
    path = tmp_path / "o.parquet"
    with pytest.raises(InputError, match=r"o\.parquet: the prediction for post 4 is not finite"):
        table_files.write_out_of_fold(path, table, np.array([1, np.nan]))
    assert not path.exists()


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
