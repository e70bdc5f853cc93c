"""What FAME is compared with in `accuracy.py`; all see the columns that the user has."""

import logging
import tempfile
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from fame.features.backbones.glove import PackagedWords, split_words
from fame.posts.contract import CATEGORY_PREFIX, FIT, HOLDOUT, OWN_NUMBER_PREFIX

SEED = 7
MIN_TEXTS = 10  # training posts with a title (or tags); with fewer there is nothing to fit
TEXTS = ("title", "tags")
CATEGORIES = ("category", "subcategory", "concept")


class View(NamedTuple):
    """Posts as a user has them.

    Attributes:
        columns: the user's columns: numbers, categories, texts, time, author.
        numbers, categories: names of columns.
        label: (n,) float64.
        fold: (n,) int8 of training posts, -1 elsewhere.
        fit, held_out: (n,) bool.
    """

    columns: pd.DataFrame
    numbers: list[str]
    categories: list[str]
    label: np.ndarray
    fold: np.ndarray
    fit: np.ndarray
    held_out: np.ndarray


def read(posts: pa.Table) -> View:
    """From the pipeline's posts; columns that are empty throughout are left out."""
    frame = posts.to_pandas()
    numbers = [name for name in frame if name.startswith(OWN_NUMBER_PREFIX)]
    categories = [name for name in frame if name.startswith(CATEGORY_PREFIX) or name in CATEGORIES]
    frame["tags"] = [" ".join(tags) if tags is not None else "" for tags in frame["tags"]]
    frame["title"] = frame["title"].fillna("")
    kept = [*numbers, *categories, *TEXTS, "posted_at", "user_id"]
    kept = [name for name in kept if frame[name].notna().any()]
    columns = frame[kept].copy()
    if "posted_at" in columns:
        columns["posted_at"] = columns["posted_at"].dt.tz_localize(None)
    return View(
        columns=columns,
        numbers=[name for name in numbers if name in kept],
        categories=[name for name in categories if name in kept],
        label=frame["popularity"].to_numpy(float),
        fold=frame["fold"].to_numpy(),
        fit=(frame["split"] == FIT).to_numpy(),
        held_out=(frame["split"] == HOLDOUT).to_numpy(),
    )


def predict_median(view: View) -> np.ndarray:
    return np.full(view.held_out.sum(), np.median(view.label[view.fit]))


def predict_lightgbm(view: View, threads: int) -> np.ndarray:
    """LightGBM as it comes, on the numbers."""
    import lightgbm

    values = view.columns[view.numbers].to_numpy(float)
    settings = {"verbosity": -1, "seed": SEED, "num_threads": threads}
    model = lightgbm.train(settings, lightgbm.Dataset(values[view.fit], view.label[view.fit]))
    return np.asarray(model.predict(values[view.held_out]))


def predict_hyfea(view: View, threads: int) -> np.ndarray:
    """HyFea: numbers, categories, lengths, time, texts as TF-IDF -> SVD 20 and as mean GloVe.

    CatBoost of depth 8 on five folds by author, each stopped on its fold; their mean.
    """
    from catboost import CatBoostRegressor, Pool

    frame = describe_posts(view)
    categorical = [name for name in view.categories if name in frame]

    def pool(rows: np.ndarray) -> Pool:
        return Pool(frame[rows], view.label[rows], cat_features=categorical)

    predictions = []
    for fold in sorted(set(view.fold[view.fit])):
        model = CatBoostRegressor(
            **{"iterations": 1000, "depth": 8, "learning_rate": 0.08, "rsm": 0.3},
            **{"eval_metric": "MAE", "random_seed": SEED, "thread_count": threads},
            **{"allow_writing_files": False, "verbose": False},
        )
        inside = view.fit & (view.fold == fold)
        model.fit(pool(view.fit & ~inside), eval_set=pool(inside), early_stopping_rounds=40)
        predictions.append(model.predict(pool(view.held_out)))
    return np.mean(predictions, axis=0)


def describe_posts(view: View) -> pd.DataFrame:
    """HyFea's columns of all posts."""
    columns = view.columns
    parts = [columns[view.numbers], columns[view.categories].fillna("").astype(str)]
    if "posted_at" in columns:
        times = columns["posted_at"].dt
        parts.append(pd.DataFrame({"hour": times.hour, "weekday": times.weekday}))
    for name in TEXTS:
        text = columns[name]
        lengths = {"characters": text.str.len(), "words": text.str.split().str.len()}
        parts.append(pd.DataFrame(lengths).add_prefix(f"{name}_"))
        if (text[view.fit] != "").sum() >= MIN_TEXTS:
            parts += [reduce_words(text, view.fit, name), average_words(text, name)]
    return pd.concat(parts, axis=1)


def reduce_words(text: pd.Series, fit: np.ndarray, name: str) -> pd.DataFrame:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(min_df=2).fit(text[fit])
    counts = words.transform(text)
    width = min(20, counts.shape[1] - 1)
    reduced = TruncatedSVD(width, random_state=SEED).fit(counts[np.flatnonzero(fit)])
    return pd.DataFrame(reduced.transform(counts)).add_prefix(f"{name}_svd_")


def average_words(text: pd.Series, name: str) -> pd.DataFrame:
    words = PackagedWords()
    means = np.zeros((len(text), words.width), np.float32)
    for mean, post in zip(means, text, strict=True):
        found = words.find(split_words(post))
        if (found >= 0).any():
            mean[:] = words.read(found[found >= 0]).mean(axis=0)
    return pd.DataFrame(means).add_prefix(f"{name}_glove_")


def predict_autogluon(view: View, seconds: int, threads: int) -> np.ndarray:
    """AutoGluon medium_quality on the columns as they are, the author's id as a category."""
    from autogluon.tabular import TabularPredictor

    logging.getLogger("autogluon").setLevel(logging.ERROR)
    frame = view.columns.copy()
    if "user_id" in frame:
        frame["user_id"] = frame["user_id"].astype("category")
    train = frame[view.fit].assign(popularity=view.label[view.fit])
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor(
            "popularity", eval_metric="mean_absolute_error", path=folder, verbosity=0
        ).fit(train, presets="medium_quality", time_limit=seconds, num_cpus=threads)
        return predictor.predict(frame[view.held_out]).to_numpy(float)
