"""Character n-grams of title and tags, weighted by TF-IDF and reduced by truncated SVD.

Title and tags are one text in lower case. Its terms are the n-grams inside a word, the spaces
around it included (scikit-learn's `char_wb`); a term's weight is (1 + ln count) * idf, where
idf = ln((1 + posts) / (1 + posts with the term)) + 1, and a text's weights have length 1. They see
what word vectors do not: hashtags, slang, emoji, endings, any language.

Counts are made word by word: the n-grams of a word are found once for all texts of a chunk that
hold it, so the time grows with the different words more than with the texts.
"""

import math
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from fame.features.blocks import Block, Column
from fame.features.encoders.contract import Encoder
from fame.features.encoders.texts import CHUNK_POSTS, join_texts
from fame.params import BackboneParams, Count, Seed
from fame.posts.contract import NO_TEXT, OK
from fame.runtime import arrays, files, ids
from fame.runtime.draws import draw

POWER_ITERATIONS = 4  # of the randomised SVD
# Singular values below this share of the largest are rounding, not directions.
RANK_TOLERANCE = 1e-5
TERMS, IDF, BASIS = "terms.json", "idf.npy", "basis.npy"


class CharNgrams(Encoder):
    """Columns ``text_00`` ...: coordinates along the right singular vectors.

    A post without text, or without a known term, is a masked row. Where the training posts span
    fewer directions than `components`, the columns beyond are NaN for every post.
    """

    class Params(BackboneParams):
        """Which terms there are, and what they are reduced to."""

        kind: Literal["char_ngrams"]
        shortest: Count
        longest: Count
        min_posts: Count
        max_terms: Count
        fit_posts: Count
        components: Count
        seed: Seed

    reads: ClassVar[str] = "posts"

    def __init__(self, params: Params, runtime: Any) -> None:  # noqa: ARG002
        self._params = params
        self._fitted_posts = 0
        self._terms: list[str] = []
        self._idf = np.empty(0, np.float32)  # (terms,)
        self._basis = np.empty((0, 0), np.float32)  # (terms, m), m <= components

    def fit(self, posts: pa.Table) -> None:
        """Choose the terms and find their singular vectors, on ``fit_posts`` posts at most."""
        texts = join_texts(posts.take(self._choose(posts["post_id"])))
        self._fitted_posts = len(texts)
        self._terms, posts_with_term = self._find_terms(texts)
        idf = [math.log((1 + len(texts)) / (1 + count)) + 1 for count in posts_with_term]
        self._idf = np.array(idf, np.float32)
        self._basis = self._find_basis(texts)

    def transform(self, posts: pa.Table) -> Block:
        """(n, components) float32 of any posts."""
        values = np.full((len(posts), self._params.components), np.nan, np.float32)
        known = np.zeros(len(posts), bool)
        for start in range(0, len(posts) if self._terms else 0, CHUNK_POSTS):
            part = slice(start, start + CHUNK_POSTS)
            weights = self._weigh(join_texts(posts.slice(start, CHUNK_POSTS)))
            known[part] = np.diff(weights.indptr) > 0
            values[part, : self._basis.shape[1]] = weights @ self._basis
        values[~known] = np.nan
        digits = len(str(self._params.components - 1))
        return Block(
            post_ids=arrays.to_strings(posts["post_id"]),
            values=values,
            columns=tuple(Column(f"text_{i:0{digits}d}") for i in range(self._params.components)),
            status={"text": np.where(known, OK, NO_TEXT).astype(object)},
            notes={"terms": len(self._terms), "fitted_posts": self._fitted_posts},
        )

    def save(self, folder: Path) -> None:
        """The terms, their idf (terms,) and the singular vectors (terms, m), both float32."""
        files.write_json(folder / TERMS, {"posts": self._fitted_posts, "terms": self._terms})
        arrays.write_array(folder / IDF, self._idf)
        arrays.write_array(folder / BASIS, self._basis)

    def load(self, folder: Path) -> None:
        """What ``save`` wrote."""
        content = files.read_json(folder / TERMS)
        self._fitted_posts, self._terms = content["posts"], content["terms"]
        self._idf = np.load(folder / IDF, allow_pickle=False)
        self._basis = np.load(folder / BASIS, allow_pickle=False)

    def _choose(self, post_ids: pa.ChunkedArray) -> pa.Array:
        """Positions of the posts that it is fitted on, in the order of their ids."""
        known = post_ids.to_pylist()
        order = ids.order(known)
        if len(order) > self._params.fit_posts:
            drawn = draw(known, self._params.seed)[order]
            chosen = np.argsort(drawn, kind="stable")[: self._params.fit_posts]
            order = order[np.sort(chosen)]
        return pa.array(order)

    def _find_terms(self, texts: list[str]) -> tuple[list[str], list[int]]:
        """The terms, sorted, and in how many texts each is."""
        words = sorted({word for text in texts for word in text.split()})
        if not words:
            return [], []
        vectorizer = self._make_vectorizer(None)
        of_words = vectorizer.fit_transform(words)
        terms = vectorizer.get_feature_names_out()
        found = np.zeros(len(terms), np.int64)
        place = {word: i for i, word in enumerate(words)}
        for start in range(0, len(texts), CHUNK_POSTS):
            counts = _spread(texts[start : start + CHUNK_POSTS], place) @ of_words
            found += np.bincount(counts.indices, minlength=len(terms))
        kept = np.flatnonzero(found >= self._params.min_posts)
        # The most frequent ones; of equal ones the first by text.
        kept = np.sort(kept[np.argsort(-found[kept], kind="stable")][: self._params.max_terms])
        return terms[kept].tolist(), found[kept].tolist()

    def _find_basis(self, texts: list[str]) -> np.ndarray:
        """(terms, m) float32; each direction's entry of largest size is positive."""
        if not self._terms:
            return np.empty((0, 0), np.float32)
        from scipy.sparse import vstack
        from sklearn.decomposition import TruncatedSVD
        from threadpoolctl import threadpool_limits

        starts = range(0, len(texts), CHUNK_POSTS)
        weights = vstack([self._weigh(texts[i : i + CHUNK_POSTS]) for i in starts], format="csr")
        size = max(1, min(self._params.components, *(side - 1 for side in weights.shape)))
        svd = TruncatedSVD(size, n_iter=POWER_ITERATIONS, random_state=self._params.seed)
        # With another number of threads the last digits would be others; posts that are all alike
        # have no variance for the explained share.
        with threadpool_limits(1), np.errstate(invalid="ignore"):
            svd.fit(weights)
        real = svd.singular_values_ > RANK_TOLERANCE * svd.singular_values_[0]
        return np.ascontiguousarray(svd.components_[real].T, np.float32)

    def _weigh(self, texts: list[str]) -> Any:
        """(n, terms) float32 sparse weights.

        Each step goes through a row's terms in their order, so a row is the same to the last bit
        whichever rows are beside it.
        """
        from sklearn.preprocessing import normalize

        place: dict[str, int] = {}
        for text in texts:
            for word in text.split():
                place.setdefault(word, len(place))
        weights = _spread(texts, place) @ self._make_vectorizer(self._terms).transform(list(place))
        weights.sort_indices()
        counts = weights.data.astype(np.int64)  # whole numbers: exact whatever was added first
        logarithm = [0.0, *(1 + math.log(i) for i in range(1, counts.max(initial=0) + 1))]
        weights.data = np.array(logarithm, np.float32)[counts] * self._idf[weights.indices]
        return normalize(weights, copy=False)

    def _make_vectorizer(self, terms: list[str] | None) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer

        lengths = (self._params.shortest, self._params.longest)
        return CountVectorizer(
            analyzer="char_wb",
            ngram_range=lengths,
            lowercase=False,
            vocabulary=terms,
            dtype=np.float32,
        )


def _spread(texts: list[str], place: dict[str, int]) -> Any:
    """(texts, words) sparse: how often each word is in each text; ``place`` is a word's column."""
    from scipy.sparse import csr_array

    split = [text.split() for text in texts]
    columns = np.fromiter((place[word] for words in split for word in words), np.int32)
    ends = np.cumsum([0, *(len(words) for words in split)])
    ones = np.ones(len(columns), np.float32)
    return csr_array((ones, columns, ends), shape=(len(texts), len(place)))
