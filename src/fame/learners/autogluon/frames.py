"""Rows of a table as AutoGluon takes them, and the folder that it works in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.autogluon.networks import link_checkpoints, place_images
from fame.learners.autogluon.params import Params
from fame.learners.contract import Table
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

PREDICTOR = "predictor.zip"
IMAGE = "image"
LARGEST = 1e25  # of a number, of either sign


def check_inputs(table: Table, params: Params) -> None:
    """Refuse a table without what the multimodal model reads.

    Raises:
        InputError: names the block that its table lacks.
    """
    named = params.image_checkpoint is not None
    for missing, what, block in (
        (params.reads_texts and not table.texts, "title and tags", "texts"),
        (named and not table.images, "images for multimodal.image_checkpoint", "images"),
    ):
        if missing:
            raise InputError(
                f"table: a learner of kind autogluon needs {what}; add {block} to the blocks "
                "of its table in params.yaml"
            )


def open_folder(params: Params) -> tempfile.TemporaryDirectory:
    """A temporary folder that AutoGluon works in, as long as the predictor is used."""
    folder = tempfile.TemporaryDirectory(prefix="fame_autogluon_")
    if params.reads_texts:
        link_checkpoints(params.multimodal, Path(folder.name))
    return folder


@contextmanager
def open_frame(table: Table, rows: np.ndarray, params: Params) -> Iterator[tuple[DataFrame, int]]:
    """The rows with their images, which lie there until the end; how many have none."""
    frame, without = make_frame(table, rows, params), 0
    with tempfile.TemporaryDirectory(prefix="fame_images_") as folder:
        if params.image_checkpoint is not None:
            frame[IMAGE], without = place_images(table.images, rows, Path(folder))
        yield frame, without


def make_frame(table: Table, rows: np.ndarray, params: Params) -> DataFrame:
    """Rows of a table as AutoGluon takes them: numbers, categories as categories, texts if read.

    Numbers are bounded by LARGEST: AutoGluon's network divides them by their deviation in float32,
    and what became infinite there gave any prediction.
    """
    import pandas as pd

    numbers = table.numeric
    values = table.read(rows, numbers)
    np.clip(values, -LARGEST, LARGEST, out=values)
    frame = pd.DataFrame(values, columns=[table.columns[i].name for i in numbers])
    for place in table.categorical:
        ids = table.read(rows, [place])[:, 0].astype(np.int64)
        frame[table.columns[place].name] = pd.Categorical(ids.astype(str))
    for name, texts in table.texts.items() if params.reads_texts else ():
        frame[name] = texts[rows]
    return frame
