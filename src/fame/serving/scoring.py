"""Posts -> predictions of every learner and fused, by a bundle whose models are in memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.blocks import Block
from fame.features.encoders.history import History
from fame.features.meta import UNSEEN_ID
from fame.learners.clipping import clip
from fame.learners.contract import Model, Table
from fame.learners.recipes import Recipe
from fame.params import RuntimeParams
from fame.posts import authors
from fame.posts.contract import NO_IMAGE, UNREADABLE
from fame.registry import resolve_learner
from fame.runtime import arrays
from fame.serving.drafts import Drafts, map_contents
from fame.serving.manifest import ENCODERS, INDEX, LEARNERS, TABLES, Bundle
from fame.serving.similar import Index
from fame.serving.warm import Warm, WarmEncoder, WarmMeta, load_backbone

META, TEXTS, IMAGES = "meta", "texts", "images"


@dataclass(frozen=True)
class Scored:
    """What n posts were given.

    Attributes:
        fused: (n,) float64 predictions, in the unit that the models learned.
        learners: name -> (n,) float64.
        known: (n,) bool, whether the author has an earlier training post.
        past: (n,) int64, the author's training posts, and those of a history that was added, of a
            strictly earlier time.
        notes: n lists of what a reader of the prediction should know.
        blocks: name -> the posts' features.
        tables: name -> the posts as its learners see them.
    """

    fused: np.ndarray
    learners: dict[str, np.ndarray]
    known: np.ndarray
    past: np.ndarray
    notes: list[list[str]]
    blocks: dict[str, Block]
    tables: dict[str, Table]


class Scorer:
    """The models of a bundle, loaded; one thread at a time.

    Args:
        bundle: checked.
        runtime: device and threads of the backbones.

    Raises:
        InputError: a model's file is of another kind, or weights are not those of the training.
    """

    def __init__(self, bundle: Bundle, runtime: RuntimeParams) -> None:
        self.bundle, folder = bundle, bundle.folder
        settings = bundle.params
        self.recipes = {
            name: Recipe.load(folder / TABLES / name)
            for name in dict.fromkeys(settings.learners[one].table for one in bundle.learners)
        }
        wanted = {name for recipe in self.recipes.values() for name in recipe.kept}
        self.index = Index(folder / INDEX, wanted)
        self._training = set(self.index.posts["post_id"].to_pylist())
        self._past = self.index.posts.select(["post_id", "user_id", "posted_at", "popularity"])
        self._warm: dict[str, Warm] = {
            META: WarmMeta(settings.meta, folder / ENCODERS / META),
            **{
                name: load_backbone(name, entry, folder / ENCODERS / name, runtime)
                for name, entry in settings.backbones.items()
                if name in wanted
            },
        }
        self.models: dict[str, Model] = {}
        for name in bundle.learners:
            entry = settings.learners[name]
            kind = resolve_learner(entry.kind, "Model", f"learners.{name}.kind")
            self.models[name] = kind(entry, runtime)
            self.models[name].load(folder / LEARNERS / name)

    def extend_history(self, posts: pa.Table) -> tuple[int, int]:
        """Let labelled ``posts`` (POSTS), newer than the training's, be their authors' past.

        Returns:
            Of those with an author, a time and a label: how many are new, and how many were known
            and now have the label and time given here.
        """
        for warm in self._warm.values():
            if isinstance(warm, WarmEncoder) and isinstance(warm.encoder, History):
                warm.encoder.extend(posts)
        more = posts.select(self._past.column_names)
        for name in ("user_id", "posted_at", "popularity"):
            more = more.filter(pc.is_valid(more[name]))
        replaced = pc.is_in(self._past["post_id"], value_set=more["post_id"].combine_chunks())
        kept = self._past.filter(pc.invert(replaced))
        known = len(self._past) - len(kept)
        self._past = pa.concat_tables([kept, more.cast(kept.schema)])
        return len(more) - known, known

    def score(self, drafts: Drafts) -> Scored:
        """Features, tables, learners, fusion."""
        post_ids = arrays.to_strings(drafts.posts["post_id"])
        blocks = {
            name: warm.transform(drafts.posts, drafts.images, drafts.descriptions)
            for name, warm in self._warm.items()
        }
        tables = {
            name: self._assemble(name, recipe, blocks, drafts, post_ids)
            for name, recipe in self.recipes.items()
        }
        known, past = self.find_past(drafts.posts)
        notes = note_contents(drafts, blocks, set(map_contents(self.bundle.params.data)))
        if self.bundle.training["first_post"] is not None:
            timeless = pc.is_null(drafts.posts["posted_at"]).to_numpy()
            for row in np.flatnonzero(timeless & known).tolist():
                notes[row].append("no time, so the author's past is not used")
        learners = {}
        clipped: dict[int, list[str]] = {}
        for name in self.models:
            raw = self.predict_raw(name, tables)
            learners[name], _ = self.clip(name, raw)
            for row in np.flatnonzero(learners[name] != raw).tolist():
                clipped.setdefault(row, []).append(name)
        for row, names in clipped.items():
            notes[row].append(f"clipped to the range of the training labels: {', '.join(names)}")
        for row, post_id in enumerate(post_ids):
            if post_id in self._training:
                notes[row].append("a training post: the models have seen it")
        fused = self.bundle.combination.fuse(learners, known)
        return Scored(fused, learners, known, past, notes, blocks, tables)

    def predict_raw(self, name: str, tables: dict[str, Table]) -> np.ndarray:
        """(n,) of a learner, as its models say."""
        return self.models[name].predict(tables[self.bundle.params.learners[name].table])

    def clip(self, name: str, raw: np.ndarray) -> tuple[np.ndarray, int]:
        """(n,) within the training labels' range, as in the pipeline; how many were outside."""
        return clip(raw, self.models[name].label_range, self.bundle.params.predictions.margin)

    def find_past(self, posts: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """(n,) bool, posts by a known author; (n,) int64, the author's earlier ones."""
        users = arrays.to_strings(posts["user_id"]).tolist()
        asked = pa.array(sorted({user for user in users if user is not None}), pa.string())
        past = self._past.filter(pc.is_in(self._past["user_id"], value_set=asked))
        past_users = arrays.to_strings(past["user_id"]).tolist()
        seconds = [_to_seconds(past["posted_at"]), _to_seconds(posts["posted_at"])]
        is_past = np.arange(len(past) + len(posts)) < len(past)
        known = authors.find_known(
            [*past_users, *users], np.concatenate(seconds), is_past, np.zeros(len(is_past), bool)
        )[len(past) :]
        times: dict[str, list[float]] = {}
        for user, moment in zip(past_users, seconds[0], strict=True):
            times.setdefault(user, []).append(moment)
        count = [
            sum(one < moment for one in times.get(user, ()))
            for user, moment in zip(users, seconds[1], strict=True)
        ]
        return known, np.array(count, np.int64)

    def list_past(self, user: str) -> list[float]:
        """Labels of the author's known posts."""
        own = self._past.filter(pc.equal(self._past["user_id"], user))
        return arrays.to_numbers(own["popularity"]).tolist()

    def _assemble(
        self,
        name: str,
        recipe: Recipe,
        blocks: dict[str, Block],
        drafts: Drafts,
        post_ids: np.ndarray,
    ) -> Table:
        named = self.bundle.params.tables[name].blocks
        beside: dict[str, Any] = {}
        if TEXTS in named:
            titles = [title or "" for title in drafts.posts["title"].to_pylist()]
            tags = [" ".join(tags or ()) for tags in drafts.posts["tags"].to_pylist()]
            beside["texts"] = {
                "title": np.array(titles, dtype=object),
                "tags": np.array(tags, dtype=object),
            }
        if IMAGES in named:
            places = ("status", "container", "member")
            beside["images"] = {place: arrays.to_strings(drafts.images[place]) for place in places}
        values = np.concatenate(list(recipe.join(blocks, post_ids)))
        return Table(post_ids=post_ids, values=values, columns=recipe.columns, **beside)


def note_contents(drafts: Drafts, blocks: dict[str, Block], expected: set[str]) -> list[list[str]]:
    """What of each post could not be used; of the contents ``expected`` what it lacks."""
    notes: list[list[str]] = [[] for _ in range(len(drafts))]
    located = arrays.to_strings(drafts.images["status"])
    told = (NO_IMAGE, *UNREADABLE) if "image" in expected else UNREADABLE
    status = {row: kind for row, kind in enumerate(located) if kind in told}
    for block in blocks.values():
        for kinds in block.status.values():
            status |= {row: kind for row, kind in enumerate(kinds) if kind in UNREADABLE}
    for row, kind in status.items():
        notes[row].append("no picture" if kind == NO_IMAGE else f"unreadable picture ({kind})")
    titles, tags = (drafts.posts[name].to_pylist() for name in ("title", "tags"))
    for row, texts in enumerate(zip(titles, tags, strict=True)):
        if expected & {"title", "tags"} and not (texts[0] or "").strip() and not texts[1]:
            notes[row].append("no text")
    meta = blocks[META]
    for place, column in enumerate(meta.columns):
        if column.categorical and column.name in drafts.posts.column_names:
            for row in np.flatnonzero(meta.values[:, place] == UNSEEN_ID).tolist():
                value = drafts.posts[column.name][row].as_py()
                notes[row].append(f"{column.name} {value!r} is not in the training posts")
    return notes


def _to_seconds(times: pa.ChunkedArray) -> np.ndarray:
    return arrays.to_numbers(times.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()))
