"""`from fame import Predictor`: the popularity of posts that are not published yet."""

import json
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from fame.features.meta import CATEGORIES, VOCABULARIES
from fame.fusion import intervals
from fame.params import RuntimeParams
from fame.posts.contract import CATEGORY_PREFIX, NO_IMAGE
from fame.runtime import files
from fame.runtime.errors import InputError
from fame.runtime.progress import bar
from fame.serving import export, reasons
from fame.serving.drafts import DraftReader, Drafts
from fame.serving.manifest import ENCODERS, Bundle, open_bundle
from fame.serving.scoring import META, Scored, Scorer

POSTS_AT_ONCE = 1024  # scored together: memory does not grow with a file
FAR_YEARS = 20  # a time so far from all training posts is a slip
SECONDS_PER_YEAR = 31_556_952
CALLER = 4  # frames above a warning: that of who calls `predict`
Posts = pd.DataFrame | Iterable[Mapping[str, Any]]


class Predictor:
    """A bundle with its models in memory.

    Thread-safe: one prediction runs at a time, and what it gives does not depend on what runs
    beside it. Nothing is written into the bundle. See `load`.
    """

    def __init__(self, bundle: Bundle, runtime: RuntimeParams, folder: Any = None) -> None:
        self.bundle = bundle
        self.scorer = Scorer(bundle, runtime)
        self._reader = DraftReader(bundle.params.data, bundle.columns)
        self._lock = threading.Lock()
        self._folder = folder  # of an archive, as long as the predictor is used

    @classmethod
    def load(
        cls,
        place: str | Path = "models",
        *,
        device: Literal["auto", "cpu", "cuda"] = "cpu",
        threads: int = 2,
        any_versions: bool = False,
    ) -> "Predictor":
        """Check and load a bundle; the first prediction is as fast as the next.

        Args:
            place: the folder `models` of a finished run, or what `fame export` wrote.
            device: where the backbones run.
            threads: of the backbones.
            any_versions: accept libraries of other versions than in training.

        Raises:
            InputError: a file is missing, damaged or changed, a library has another version, or
                weights are not those of the training; one sentence says which.
        """
        # Before a library starts its threads: waiting for each other, they took most of the time.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        place, folder = Path(place), None
        if place.is_file():
            folder = tempfile.TemporaryDirectory(prefix="fame_bundle_")
            place = export.unpack(place, Path(folder.name))
        runtime = RuntimeParams(
            device=device, workers=threads, cache=".cache", engine="local", ray_address=None
        )
        return cls(open_bundle(place, any_versions=any_versions), runtime, folder)

    @property
    def shares(self) -> list[str]:
        """The intervals, by the share of posts that they are to cover, in percent."""
        return [intervals.name_share(share) for share in self.bundle.shares]

    def predict(self, posts: Posts, *, images: str | Path | None = None) -> pd.DataFrame:
        """Predict posts.

        Args:
            posts: a frame or mappings, one a post, with id, user, time, title, tags and image, each
                also by the name that the run's data.table maps, and the run's categories and
                numbers (see `list_columns`). All may be missing but one of title, tags and image. A
                picture is the bytes of its file, or a path.
            images: folder or archive that paths of pictures start from; None: the current folder.

        Returns:
            One row a post, in their order: ``id``; ``prediction`` and, for each interval,
            ``low_80`` and ``high_80`` in the unit that was learned (popularity, or log2(x + 1) of a
            count); ``learner_<name>``; ``author`` (known or new), ``author_posts`` (the author's
            earlier training posts: those held out, mostly the newest, are not among them unless
            `extend_history` adds them), ``notes``; where counts were learned as log2(x + 1),
            ``count``, the prediction as one, and ``count_low_80`` and so on.

        Raises:
            InputError: a post without text and picture, a time far from all training posts, or
                values that cannot be read.

        Warns:
            UserWarning: columns or keys that the models do not know, by name, and pictures that
                were found elsewhere than at the path as written.
        """
        with self._given(posts, images) as drafts:
            return self.tabulate(drafts, self.score(drafts))

    def explain(
        self, posts: Posts, *, images: str | Path | None = None
    ) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """Predict posts and say why; arguments, errors and warnings as of `predict`.

        Returns:
            The frame of `predict`, and each post's reasons: see `fame.serving.reasons.explain`.
        """
        with self._given(posts, images) as drafts:
            scored = self.score(drafts)
            return self.tabulate(drafts, scored), self.find_reasons(drafts, scored)

    def read_file(
        self, path: Path, images: Path | None = None, *, lines: bytes | None = None
    ) -> Drafts:
        """The posts of a file, of the challenge's folder, or of JSON lines that were read already.

        Raises:
            InputError: see `fame.serving.drafts.DraftReader`.
        """
        if lines is None and path.is_dir():
            return self._reader.read_folder(path)
        if lines is None:
            drafts = self._reader.read_file(path, images)
        else:
            drafts = self._reader.read_lines(lines, str(path), images)
        self._check_times(drafts)
        self._check_contents(drafts, str(path))
        return drafts

    def predict_drafts(
        self, drafts: Drafts, *, explain: bool = False, progress: bool = True
    ) -> pd.DataFrame:
        """The table of `predict`, some posts at a time; ``explain`` adds ``reasons`` as JSON."""
        parts = []
        with bar(len(drafts), "scoring", "posts") if progress else nullcontext() as shown:
            for start in range(0, len(drafts), POSTS_AT_ONCE):
                part = drafts.slice(start, POSTS_AT_ONCE)
                scored = self.score(part)
                parts.append(self.tabulate(part, scored))
                if explain:
                    found = self.find_reasons(part, scored)
                    parts[-1]["reasons"] = [json.dumps(one, ensure_ascii=False) for one in found]
                if shown is not None:
                    shown.update(len(part))
        return pd.concat(parts, ignore_index=True)

    @contextmanager
    def _given(self, posts: Posts, images: str | Path | None) -> Iterator[Drafts]:
        """Drafts of given posts; their pictures lie in a folder as long as the block runs."""
        records: Any = posts
        if isinstance(posts, pd.DataFrame):
            _refuse(
                f"posts: two columns are named {n!r}"
                for n in posts.columns[posts.columns.duplicated()]
            )
            records = posts.to_dict("records")
        folder = tempfile.mkdtemp(prefix="fame_pictures_")
        try:
            place = None if images is None else Path(images)
            drafts = self._reader.read_records(records, Path(folder), place)
            self._check_times(drafts)
            self._check_contents(drafts)
            for line in drafts.doubts:
                warnings.warn(line, UserWarning, stacklevel=CALLER)
            yield drafts
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def score(self, drafts: Drafts) -> Scored:
        """Predictions with the features that they were made of."""
        with self._lock:
            return self.scorer.score(drafts)

    def find_reasons(self, drafts: Drafts, scored: Scored) -> list[dict[str, Any]]:
        """Why each post is predicted as it is: see `fame.serving.reasons.explain`.

        ``unit`` says what all its numbers are counted in. Where counts were learned as
        log2(x + 1), a similar post has its ``count`` too.
        """
        with self._lock:
            found = reasons.explain(self.scorer, drafts, scored)
        for one in found:
            one["unit"] = self.unit
            for post in () if self._learned_as_given else one["similar"]:
                # It was a count: without the last digits that the logarithm's way back adds.
                post["count"] = round(float(_to_counts(np.array(post["popularity"]))), 6)
        return found

    def extend_history(self, path: Path) -> tuple[int, int, list[str]]:
        """Let the labelled posts of a file be their authors' past: also those held out in training.

        Returns:
            How many are new; how many were known already and now are as the file has them; and what
            reading decided and left out, a line each.

        Raises:
            InputError: no post of the file has an author, a time and a label.
        """
        drafts = self._reader.read_file(path, labels=True)
        with self._lock:
            new, known = self.scorer.extend_history(drafts.posts)
        if not new + known:
            raise InputError(f"{path}: no post has an author, a time and a label")
        lacking = len(drafts) - new - known
        left_out = [f"posts without an author, a time or a label: {lacking:,}, left out"]
        return new, known, drafts.found + (left_out if lacking else [])

    def list_past(self, user: str) -> list[float]:
        """Labels of an author's known posts."""
        with self._lock:
            return self.scorer.list_past(user)

    @property
    def unit(self) -> str:
        """What a prediction is counted in."""
        return "popularity" if self._learned_as_given else "log2(count + 1)"

    @property
    def _learned_as_given(self) -> bool:
        return self.bundle.params.data.target_transform == "none"

    def list_columns(self) -> tuple[list[str], list[str]]:
        """The columns of categories and of own numbers that a post may have."""
        return self._reader.list_columns()

    def knows(self, key: str) -> bool:
        """Whether the training posts had the column ``key``: user, time, title, tags or image."""
        return self._reader.knows(key)

    def list_values(self) -> dict[str, list[str]]:
        """Column of categories -> its values in the training posts."""
        known = files.read_json(self.bundle.folder / ENCODERS / META / VOCABULARIES)
        names, _ = self.list_columns()
        inner = [*CATEGORIES, *(CATEGORY_PREFIX + name for name in names[len(CATEGORIES) :])]
        return {name: known[own] for name, own in zip(names, inner, strict=False) if own in known}

    def tabulate(self, drafts: Drafts, scored: Scored) -> pd.DataFrame:
        """One row a post, see `predict`."""
        columns: dict[str, Any] = {
            "id": drafts.posts["post_id"].to_pylist(),
            "prediction": scored.fused,
        }
        for share, name in zip(self.bundle.shares, self.shares, strict=True):
            columns[f"low_{name}"], columns[f"high_{name}"] = intervals.find_ends(
                scored.fused, scored.known, self.bundle.widths, share, self.bundle.reach
            )
        columns |= {f"learner_{name}": values for name, values in scored.learners.items()}
        columns["author"] = np.where(scored.known, *intervals.GROUPS)
        columns["author_posts"] = scored.past
        columns["notes"] = ["; ".join(notes) for notes in scored.notes]
        if not self._learned_as_given:
            columns["count"] = _to_counts(scored.fused)
            for end in (f"{side}_{name}" for name in self.shares for side in ("low", "high")):
                columns[f"count_{end}"] = _to_counts(columns[end])
        return pd.DataFrame(columns)

    def _check_times(self, drafts: Drafts) -> None:
        """Refuse a time far from all training posts: a slip."""
        first, last = (self.bundle.training[name] for name in ("first_post", "last_post"))
        if first is None:
            return
        reach = FAR_YEARS * SECONDS_PER_YEAR
        times = drafts.posts["posted_at"].cast(pa.timestamp("s", tz="UTC")).cast(pa.int64())
        _refuse(
            f"post {post_id}: time is in {pd.Timestamp(seconds, unit='s').year}, allowed: within "
            f"{FAR_YEARS} years of the training posts"
            for post_id, seconds in zip(
                drafts.posts["post_id"].to_pylist(), times.to_pylist(), strict=True
            )
            if seconds is not None and not first - reach <= seconds <= last + reach
        )

    def _check_contents(self, drafts: Drafts, source: str | None = None) -> None:
        """Refuse posts without title, tags and picture, if the training posts have any.

        Of a file, ``source``, only all of them: one that lacks all is noted in its line.
        """
        names = self._reader.list_contents()
        if not names:
            return
        columns = [drafts.posts[name].to_pylist() for name in ("post_id", "title", "tags")]
        rows = zip(*columns, drafts.images["status"].to_pylist(), strict=True)
        empty = [
            post_id
            for post_id, title, tags, status in rows
            if not (title or "").strip() and not tags and status == NO_IMAGE
        ]
        if source is None:
            told = "has no title, no tags and no picture"
            _refuse((f"post {post_id}: {told}" for post_id in empty), drafts.doubts)
        elif len(empty) == len(drafts):
            told = f"{source}: no post has a value in any of the columns {', '.join(names)}"
            _refuse([f"{told}; give the posts' own columns these names"], drafts.doubts)


def _to_counts(learned: np.ndarray) -> np.ndarray:
    """Counts, at least 0, from what was learned as log2(count + 1)."""
    return np.maximum(np.exp2(learned) - 1, 0)


def _refuse(problems: Iterable[str], hints: Iterable[str] = ()) -> None:
    """Raise the first problems in one sentence with what may explain them, if there is any."""
    found = list(problems)
    if found:
        more = [f"{len(found) - 3} more"] if found[3:] else []
        raise InputError("; ".join([*found[:3], *more, *hints]))
