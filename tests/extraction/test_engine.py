import zipfile

import numpy as np
import pyarrow as pa
import pytest

from fame.core import ids
from fame.core.contracts import (
    IMAGES,
    LOCATED,
    NO_IMAGE,
    NO_TEXT,
    OK,
    Backbone,
    Block,
    Column,
    Vectors,
)
from fame.errors import InputError
from fame.extraction import engine


class Lengths(Backbone):
    """Length of the title and number of tags; remembers what it was shown."""

    reads = "posts"

    def __init__(self):
        self.fitted = []
        self.batches = []

    def columns(self):
        return {"title": (Column("length"), Column("double")), "tags": (Column("count"),)}

    def fit(self, batches):
        self.fitted = [post_id for batch in batches for post_id in batch.post_ids]

    def embed(self, batch):
        self.batches.append(len(batch.post_ids))
        lengths = np.array([[len(t or "")] * 2 for t in batch.titles], np.float32) * [1, 2]
        lengths[[t is None for t in batch.titles]] = np.nan
        status = [NO_TEXT if title is None else OK for title in batch.titles]
        counts = np.array([[len(tags)] for tags in batch.tags], np.float32)
        return {"tags": Vectors(counts, [OK] * len(counts)), "title": Vectors(lengths, status)}

    def notes(self):
        return {"batches": len(self.batches)}


class Contents(Backbone):
    """The first byte of the image file."""

    reads = "images"

    def columns(self):
        return {"image": (Column("byte"),)}

    def embed(self, batch):
        values = [[np.nan if image is None else image[0]] for image in batch.images]
        status = [OK if kind == LOCATED else kind for kind in batch.image_status]
        return {"image": Vectors(np.array(values, np.float32), status)}


def make_texts(count=20):
    return pa.table(
        {
            "post_id": [f"p{i}" for i in range(count)],
            "title": pa.array([None if i == 3 else "x" * i for i in range(count)], pa.string()),
            "tags": pa.array(
                [None if i == 5 else ["t"] * (i % 4) for i in range(count)], pa.list_(pa.string())
            ),
        }
    )


def make_images(rows):
    columns = zip(*[(f"p{i}", *row, None) for i, row in enumerate(rows)], strict=True)
    return pa.table(dict(zip(IMAGES.names, columns, strict=True)), schema=IMAGES)


def make_block(status):
    return Block(
        post_ids=np.array([f"p{i}" for i in range(len(status))], dtype=object),
        values=np.zeros((len(status), 1), np.float32),
        columns=(Column("byte"),),
        status={"image": np.array(status, dtype=object)},
    )


def test_rows_keep_their_order_over_batches(monkeypatch):
    monkeypatch.setattr(engine, "POSTS_AT_ONCE", 7)
    backbone = Lengths()
    block = engine.extract(backbone, make_texts())
    assert backbone.batches == [7, 7, 6]
    assert block.post_ids.tolist() == [f"p{i}" for i in range(20)]
    assert [column.name for column in block.columns] == ["length", "double", "count"]
    expected = [[i, 2 * i, i % 4] for i in range(20)]
    expected[3][:2] = [np.nan] * 2
    expected[5][2] = 0
    np.testing.assert_array_equal(block.values, expected)
    assert block.status["title"][3] == NO_TEXT
    assert block.notes == {"batches": 3}
    assert block.fitted_on is None
    assert backbone.fitted == []


def test_only_fit_rows_are_fitted_on(monkeypatch):
    monkeypatch.setattr(engine, "POSTS_AT_ONCE", 3)
    split = ["fit", "holdout", "challenge", "fit"] * 5
    table = make_texts().append_column("split", pa.array(split))
    backbone = Lengths()
    block = engine.extract(backbone, table)
    fit = [f"p{i}" for i in range(20) if split[i] == "fit"]
    assert backbone.fitted == fit
    assert block.fitted_on == ids.digest(fit)
    assert len(block.values) == 20


def test_images_are_read_where_they_lie(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"A")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("train/b.jpg", b"B")
    container = str(tmp_path / "images.zip")
    table = make_images(
        [
            (LOCATED, container, "train/b.jpg"),
            (NO_IMAGE, None, None),
            (LOCATED, "", str(tmp_path / "a.jpg")),
            ("outside", None, None),
            (LOCATED, "", str(tmp_path / "gone.jpg")),
            (LOCATED, container, "train/gone.jpg"),
            (LOCATED, str(tmp_path / "gone.zip"), "b.jpg"),
            (LOCATED, "", str(tmp_path)),
        ]
    )
    block = engine.extract(Contents(), table)
    assert block.status["image"].tolist() == [
        OK,
        NO_IMAGE,
        OK,
        "outside",
        "missing",
        "missing",
        "missing",
        "missing",
    ]
    np.testing.assert_array_equal(block.values[:3, 0], [ord("B"), np.nan, ord("A")])
    assert np.isnan(block.values[3:]).all()


def test_an_archive_that_is_not_whole_is_an_error(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"PK\x03\x04 cut off")
    table = make_images([(LOCATED, str(tmp_path / "images.zip"), "b.jpg")])
    with pytest.raises(InputError, match=r"images\.zip"):
        engine.extract(Contents(), table)


def test_no_posts_are_no_rows():
    block = engine.extract(Lengths(), make_texts(0))
    assert block.values.shape == (0, 3)
    assert block.status["title"].tolist() == []


def test_status_is_counted_by_modality():
    assert engine.count_status(make_block([OK, "bomb", OK, NO_IMAGE])) == {
        "image": {OK: 2, "bomb": 1, NO_IMAGE: 1}
    }


def test_unreadable_images_are_described_by_kind():
    status = make_block(["truncated", "bomb", OK, "truncated", NO_IMAGE]).status["image"]
    assert engine.describe_unreadable(status) == "3 unreadable (1 bomb, 2 truncated)"
    assert engine.describe_unreadable(np.array([OK, NO_IMAGE])) == "0 unreadable"


def test_posts_without_an_image_do_not_count():
    status = ["missing"] + [OK] * 9 + [NO_IMAGE] * 90
    engine.check_readable(make_block(status), 0.1, "images.parquet")
    with pytest.raises(InputError, match="of 10 images 1 unreadable"):
        engine.check_readable(make_block(status), 0.099, "images.parquet")


def test_too_many_unreadable_images_name_kinds_and_posts():
    status = [OK] + ["missing"] * 11 + ["bomb"]
    with pytest.raises(
        InputError,
        match=r"^images.parquet: of 13 images 12 unreadable \(1 bomb, 11 missing\), above "
        r"data.max_unreadable_fraction 0.5; first posts: p1, p2, .*, p10$",
    ):
        engine.check_readable(make_block(status), 0.5, "images.parquet")


def test_nothing_to_read_is_no_error():
    engine.check_readable(make_block([NO_IMAGE] * 3), 0, "images.parquet")
    engine.check_readable(make_block([]), 0, "images.parquet")
