"""What passes between the stages. Artefacts are keyed by post id; rows never vanish or shift."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa

FIT, HOLDOUT, CHALLENGE = "fit", "holdout", "challenge"
SPLITS = (FIT, HOLDOUT, CHALLENGE)

USER_DESCRIPTION_WIDTH = 399
LOCATION_DESCRIPTION_WIDTH = 400

# One row a post. A missing value is null, never 0 or "". Times are UTC.
POSTS = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("split", pa.string(), nullable=False),  # fit, holdout or challenge
        pa.field("fold", pa.int8(), nullable=False),  # 0 .. folds-1 for fit rows, -1 elsewhere
        pa.field("popularity", pa.float64()),  # the label; null for challenge posts
        pa.field(
            "simulated_truth", pa.float64()
        ),  # noise-free label of a simulated post, else null
        pa.field("posted_at", pa.timestamp("s", tz="UTC")),
        pa.field("utc_offset_minutes", pa.float32()),  # the poster's time zone
        pa.field("title", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("media_type", pa.string()),
        pa.field("category", pa.string()),
        pa.field("subcategory", pa.string()),
        pa.field("concept", pa.string()),
        pa.field("longitude", pa.float64()),
        pa.field("latitude", pa.float64()),
        pa.field("geo_accuracy", pa.float32()),
        pa.field("photo_count", pa.float64()),
        pa.field("is_pro", pa.float32()),
        pa.field("can_buy_pro", pa.float32()),
        pa.field("first_upload_at", pa.timestamp("s", tz="UTC")),
        pa.field("first_taken_at", pa.timestamp("s", tz="UTC")),
        # The user's totals, crawled after the labels (user_additional).
        pa.field("profile_total_views", pa.float64()),
        pa.field("profile_total_tags", pa.float64()),
        pa.field("profile_total_geotagged", pa.float64()),
        pa.field("profile_total_faves", pa.float64()),
        pa.field("profile_total_in_group", pa.float64()),
        pa.field("profile_photo_count", pa.float64()),
        pa.field("profile_followers", pa.float64()),
        pa.field("profile_following", pa.float64()),
    ]
)
# The user's own numeric columns (source: table) follow the schema's columns under this prefix.
OWN_NUMBER_PREFIX = "own_"

TEXTS = pa.schema([POSTS.field("post_id"), POSTS.field("title"), POSTS.field("tags")])

# Where a post's image lies. `container` is "" for a plain file (then `member` is its path), else
# the path of the zip or tar archive that holds `member`. `digest` is of the file's bytes, so this
# table changes if and only if an image does.
IMAGES = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),  # located, or one of the kinds below
        pa.field("container", pa.string()),
        pa.field("member", pa.string()),
        pa.field("digest", pa.string()),
    ]
)

# Both, for a backbone that sees text and image together.
CONTENTS = pa.schema([*TEXTS, *(field for field in IMAGES if field.name != "post_id")])

DESCRIPTIONS = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("user_description", pa.list_(pa.float32(), USER_DESCRIPTION_WIDTH)),
        pa.field("location_description", pa.list_(pa.float32(), LOCATION_DESCRIPTION_WIDTH)),
    ]
)

LOCATED = "located"
# Status of a row of a feature block, per modality. Anything but OK is a masked (NaN) row.
OK = "ok"
NO_TEXT = "no_text"  # the post has none, or none with a known word
NO_IMAGE = "no_image"  # the source names none: not an error
# An image is named but cannot be read; these count against data.max_unreadable_fraction.
MISSING = "missing"
UNREADABLE = (MISSING, "empty", "truncated", "not_an_image", "bomb", "outside")


@dataclass(frozen=True)
class Posts:
    """What a source loads.

    Attributes:
        table: columns of POSTS except split and fold, then own numeric columns.
            ``split`` is present only where the source brings its own.
        images: IMAGES, one row a post, in any order.
        descriptions: batches of DESCRIPTIONS (form A of SMPD), read lazily; empty elsewhere.
    """

    table: pa.Table
    images: pa.Table
    descriptions: Iterable[pa.RecordBatch] = ()


@dataclass(frozen=True)
class Column:
    """A column of a feature block or table: ``block.name`` is unique in a table."""

    name: str
    categorical: bool = False


@dataclass(frozen=True)
class Block:
    """A feature block: one row a post.

    Attributes:
        post_ids: (n,) str.
        values: (n, d) float32, NaN where missing.
        columns: d names, readable and kept to the models; a categorical column holds ids > 0.
        status: modality -> (n,) str, OK or why the row is masked.
        fitted_on: digest of the ids that a fitted transform saw, None if nothing was fitted.
        notes: facts for the manifest (resolved weights, vocabulary sizes, ...), JSON-able.
    """

    post_ids: np.ndarray
    values: np.ndarray
    columns: tuple[Column, ...]
    status: dict[str, np.ndarray] = field(default_factory=dict)
    fitted_on: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A learner's input: chosen blocks side by side, rows keyed.

    Attributes:
        post_ids: (n,) str.
        values: (n, d) float32 or float16, memory-mapped, NaN where missing; categorical columns
            hold ids >= 0, 0 where missing.
        columns: d columns, named ``block.column``.
        split: (n,) str.
        fold: (n,) int8, -1 outside fit rows.
        popularity: (n,) float64, NaN outside fit rows: no learner ever sees a holdout label.
        texts: title and tags -> (n,) str, "" where missing; empty unless the table's blocks name
            ``texts``.
        images: status, container and member (see IMAGES) -> (n,) str, None where there is none;
            empty unless the table's blocks name ``images``.
    """

    post_ids: np.ndarray
    values: np.ndarray
    columns: tuple[Column, ...]
    split: np.ndarray
    fold: np.ndarray
    popularity: np.ndarray
    texts: dict[str, np.ndarray] = field(default_factory=dict)
    images: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def categorical(self) -> list[int]:
        """Positions of the categorical columns."""
        return [i for i, column in enumerate(self.columns) if column.categorical]

    @property
    def folds(self) -> list[int]:
        """The fold numbers, ascending."""
        return sorted(set(self.fold[self.fold >= 0].tolist()))

    def training_rows(self, fold: int) -> np.ndarray:
        """Positions of the fit rows outside ``fold``."""
        return np.flatnonzero((self.fold >= 0) & (self.fold != fold))

    def validation_rows(self, fold: int) -> np.ndarray:
        """Positions of the fit rows in ``fold``."""
        return np.flatnonzero(self.fold == fold)


class Source(ABC):
    """Raw data -> posts."""

    @abstractmethod
    def load(self, root: Path) -> Posts:
        """Read the posts under ``root``.

        Raises:
            InputError: with file, row or key, what was found and what is allowed.
        """


@dataclass(frozen=True)
class Pass:
    """What a model is shown of every post, and what that gives. Equal contents are shown once.

    Attributes:
        kind: the model's forward; passes of one kind share their items.
        text: "title", "tags" (joined by spaces), "" (the empty text, for every post) or None.
        image: whether it sees the image.
        gives: output of the forward -> modality of the block; each modality comes from one pass.
    """

    kind: str
    text: Literal["title", "tags", ""] | None
    image: bool
    gives: Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """One content as a model takes it; None where the kind's passes have no such input.

    Attributes:
        tokens: (t,) int, of `Backbone.tokenize`.
        pixels: an array of `Backbone.image_preparer`'s function.
    """

    tokens: np.ndarray | None
    pixels: np.ndarray | None


class Backbone(ABC):
    """A frozen extractor: deterministic, and a vector depends on its item alone.

    The engine decides which items are embedded when and keeps their vectors, so a backbone neither
    sees a post nor a repeated content. Making one is cheap: weights wait for `load`.
    """

    Params: ClassVar[type]  # its block of params.yaml, a subclass of fame.params.BackboneParams
    # The input that re-runs it: "texts", "images", "contents" (both), or "posts" (texts with their
    # split) where it fits on the fit rows.
    reads: ClassVar[str]
    passes: ClassVar[tuple[Pass, ...]]
    special_tokens: ClassVar[int] = 0  # around every text; a text without any other is NO_TEXT
    batch_size: int = 16  # items shown at once, of about one size

    def __new__(cls, params: Any, runtime: Any) -> Self:
        """Remember what it is made from, for `__reduce__`."""
        made = super().__new__(cls)
        made._made_from = params, runtime
        return made

    @abstractmethod
    def __init__(self, params: Any, runtime: Any) -> None:
        """From its block of params.yaml and the block runtime."""

    def __reduce__(self) -> tuple[type, tuple[Any, Any]]:
        """Another process gets one that is made anew: what was loaded stays where it is."""
        return type(self), self._made_from

    @abstractmethod
    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Modality -> its columns, in the order of the vectors; readable names."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What changes a vector (JSON-able) beside the code: weights' digests, dtype, sizes, ...

        Raises:
            InputError: weights cannot be had, or a parameter does not fit them.
        """

    def notes(self) -> dict[str, Any]:
        """Facts for the block's manifest: where the weights came from, their digest."""
        return {}

    def load(self) -> None:  # noqa: B027
        """Load what `tokenize` and `run` need. Called once, where there is something to embed."""

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Texts -> ids of their tokens, (t,) int each; cut where the model ends."""
        raise NotImplementedError

    def image_preparer(self) -> Callable[[bytes], np.ndarray]:
        """A function that worker processes import and call: bytes of a file -> pixels.

        It needs no weights and raises `fame.extraction.images.UnreadableImageError`.
        """
        raise NotImplementedError

    def items_at_once(self, kind: str) -> int:  # noqa: ARG002
        """Items of a batch."""
        return self.batch_size

    @abstractmethod
    def run(self, kind: str, items: list[Item]) -> dict[str, np.ndarray]:
        """The forward of a batch, called from several threads: output -> (n, width) float32."""

    def widths(self) -> dict[str, int]:
        """Modality -> width of what `run` gives for it; other than `columns` where it fits."""
        return {modality: len(columns) for modality, columns in self.columns().items()}

    def fit(self, modality: str, vectors: Iterator[np.ndarray]) -> None:  # noqa: B027
        """See the fit rows' vectors, in the order of their ids. Only called where it reads posts.

        Args:
            modality: of the block.
            vectors: chunks (m, width) float32 of `run`'s outputs, rows that are OK only.
        """

    def project(self, modality: str, vectors: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Vectors (n, width) -> the block's values (n, d), by what was fitted."""
        return vectors

    def save(self, folder: Path) -> None:  # noqa: B027
        """Write what was fitted into ``folder``. Most backbones have nothing to write."""


class Learner(ABC):
    """A table in, a prediction a post out. Its files are its library's own formats."""

    Params: ClassVar[type]  # its block of params.yaml, a subclass of fame.params.LearnerParams
    explained: ClassVar[bool] = True  # False: it predicts too slowly for the report to try blocks

    _kept: Path | None = None

    def keep_in(self, folder: Path) -> None:
        """Have `fit` keep in ``folder`` what it finishes, and take over what is there.

        That is what a killed `fit` left of the same table, parameters, code and versions. A kind
        that does not look there starts again.
        """
        self._kept = folder.absolute()

    @abstractmethod
    def fit(self, table: Table) -> None:
        """Fit models that each train on the fit rows outside a fold and stop on those in it."""

    @abstractmethod
    def predict(self, table: Table) -> np.ndarray:
        """(n,) float64: out of fold for fit rows, the mean of the folds' models for all others."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted models into ``folder`` (exists, empty)."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote; predictions are the same numbers."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Facts for the learner's JSON: ``folds`` with rows, best iteration, validation MAE."""

    @abstractmethod
    def curves(self) -> list[dict[str, Any]]:
        """Learning curves: rows of phase, fold, iteration, training_mae, validation_mae."""

    def fit_seconds(self) -> dict[str, float]:
        """Model -> seconds of the last ``fit``, for `runs/`: they change from run to run."""
        return {}

    def explain(self, table: Table, rows: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """(m, d) float64: what each column adds to each prediction, the mean of the folds' models.

        SHAP values, for kinds whose library has them exactly; None for the others.
        """
        return None
