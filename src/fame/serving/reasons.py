"""Why a prediction is what it is: what the models made of a post, and posts like it.

All in the unit of the prediction. What a column adds is the exact SHAP value of CatBoost, LightGBM
and ridge, and what the splits on the paths of extremely randomised trees change, times their
weights in the fusion; base and parts sum to the prediction. What a word, a tag or the
picture does is the difference to the prediction without it. Both describe the models: an
association in the training posts, not what a change would cause.
"""

from collections import defaultdict
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from fame.features.blocks import Block
from fame.learners.reduction import name_modality
from fame.posts.contract import IMAGES, NO_IMAGE, POSTS
from fame.serving.drafts import Drafts
from fame.serving.scoring import META, Scored, Scorer

AUTHOR, TIME, TEXT, PICTURE, CATEGORY, PLACE, REST = (
    *("author", "time", "text", "picture", "category", "place", "rest"),
)
GROUPS = (AUTHOR, TIME, TEXT, PICTURE, CATEGORY, PLACE, REST)
# How a column of meta begins -> its group; the first that fits counts.
OF_META = {
    "author": AUTHOR,
    "user_": AUTHOR,
    "profile_": AUTHOR,
    "ratio_": AUTHOR,
    "trend_days_since": AUTHOR,
    "trend_": TIME,
    "time_": TIME,
    "post_title": TEXT,
    "post_tag": TEXT,
    "text_": TEXT,
    "post_is_video": PICTURE,
    "category": CATEGORY,
    "subcategory": CATEGORY,
    "concept": CATEGORY,
    "geo_": PLACE,
    "location_": PLACE,
}
NAMED_COLUMNS = 12  # shown of a post, those that add most
TRIED = 12  # words and tags at most that are left out, one at a time
SIMILAR = 5


def explain(scorer: Scorer, drafts: Drafts, scored: Scored) -> list[dict[str, Any]]:
    """The reasons of each of n posts, JSON-able.

    Keys: ``prediction``; ``base`` and ``parts`` (group -> what it adds), which sum to it;
    ``columns``, those that add most, with their values; ``without``, what leaving out a tag, a
    word, the whole text or the picture changes; ``similar`` training posts with their real
    popularity in the same unit; ``farther_than``, the share of the training posts that have a
    nearer neighbour.
    """
    added, base, others = add_up(scorer, scored)
    near = scorer.index.find(scored.blocks, SIMILAR)
    without = leave_out(scorer, drafts, scored)
    reasons = []
    for row in range(len(drafts)):
        parts: dict[str, float] = defaultdict(float)
        for column, values in added.items():
            parts[find_group(column, scored.blocks)] += values[row]
        named = {name: float(parts[name]) for name in GROUPS if name in parts}
        reasons.append(
            {
                "prediction": float(scored.fused[row]),
                "base": float(base[row]),
                "parts": named | {name: float(values[row]) for name, values in others.items()},
                "columns": list_columns(added, drafts, scored, row),
                "without": without[row],
                "similar": [asdict(one) for one in near[row].nearest],
                "farther_than": near[row].farther_than,
            }
        )
    return reasons


def add_up(
    scorer: Scorer, scored: Scored
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """What sums to the predictions (n,), each (n,): by column, the base, and what is no column's.

    A learner that does not explain itself has one part: its distance from the mean label, times its
    weight.
    """
    combination, training = scorer.bundle.combination, scorer.bundle.training
    mean = float(np.mean(training["label_quantiles"]))
    groups = np.where(scored.known, "known", "new")
    lines = np.array([combination.lines[group] for group in groups])
    base = lines[:, 0].copy()
    added: dict[str, np.ndarray] = {}
    others: dict[str, np.ndarray] = {}
    for name, predicted in scored.learners.items():
        weight = lines[:, 1] * [combination.weights[group][name] for group in groups]
        if not weight.any():
            continue
        table = scored.tables[scorer.bundle.params.learners[name].table]
        values = scorer.models[name].explain(table)
        if values is None:
            base += weight * mean
            others[f"{name}, not broken down"] = weight * (predicted - mean)
            continue
        raw = scorer.predict_raw(name, scored.tables)
        base += weight * (raw - values.sum(axis=1))
        if (raw != predicted).any():
            others[f"{name}, clipped"] = weight * (predicted - raw)
        for place, column in enumerate(table.columns):
            own = weight * values[:, place]
            added[column.name] = added.get(column.name, 0) + own
    return added, base, others


def find_group(column: str, blocks: dict[str, Block]) -> str:
    """The group of a table's column ``block.name``."""
    block, _, name = column.partition(".")
    if block == META:
        return next((group for start, group in OF_META.items() if name.startswith(start)), REST)
    modalities = set(blocks[block].status)
    if not modalities:
        return AUTHOR  # an encoder of the author's past
    if modalities == {"image"}:
        return PICTURE
    own = name_modality(name)
    return PICTURE if own in modalities and "image" in own else TEXT


def list_columns(
    added: dict[str, np.ndarray], drafts: Drafts, scored: Scored, row: int
) -> list[dict[str, Any]]:
    """The named columns that add most: name, value (None where missing), what they add."""
    named = [column for column in added if not name_modality(column)]
    named.sort(key=lambda column: -abs(added[column][row]))
    found = []
    for column in named[:NAMED_COLUMNS]:
        block, _, name = column.partition(".")
        value = find_value(scored.blocks[block], name, drafts.posts, row)
        found.append({"column": column, "value": value, "adds": float(added[column][row])})
    return found


def find_value(block: Block, name: str, posts: pa.Table, row: int) -> float | str | None:
    """A column's value: the text of a category, a number, or None where it is missing."""
    names = [column.name for column in block.columns]
    if name not in names:
        return None  # a principal component
    place = names.index(name)
    if block.columns[place].categorical:
        source = "user_id" if name == "author" else name
        return posts[source][row].as_py() if source in posts.column_names else None
    number = float(block.values[row, place])
    return number if np.isfinite(number) else None


def leave_out(scorer: Scorer, drafts: Drafts, scored: Scored) -> list[dict[str, Any]]:
    """For each post what the prediction loses without each tag, each word, all text, the picture.

    Positive: the prediction is higher with it.
    """
    variants, places = [], []
    for row in range(len(drafts)):
        for kind, name, changed in list_variants(drafts.slice(row, 1)):
            variants.append(changed)
            places.append((row, kind, name))
    found: list[dict[str, Any]] = [{"tags": {}, "words": {}} for _ in range(len(drafts))]
    if variants:
        fused = scorer.score(join(variants, drafts)).fused
        for (row, kind, name), other in zip(places, fused, strict=True):
            effect = float(scored.fused[row] - other)
            if name is None:
                found[row][kind] = effect
            else:
                found[row][kind][name] = effect
    return found


def list_variants(draft: Drafts) -> list[tuple[str, str | None, Drafts]]:
    """A post with something left out: kind, what, and the changed post."""
    title, tags = draft.posts["title"][0].as_py() or "", draft.posts["tags"][0].as_py() or []
    words = list(dict.fromkeys(title.split()))
    found: list[tuple[str, str | None, Drafts]] = []
    for tag in list(dict.fromkeys(tags))[:TRIED]:
        found.append(("tags", tag, set_texts(draft, title, [one for one in tags if one != tag])))
    for word in words[:TRIED] if len(words) > 1 else ():
        rest = " ".join(one for one in title.split() if one != word)
        found.append(("words", word, set_texts(draft, rest, tags)))
    if title or tags:
        found.append(("text", None, set_texts(draft, "", [])))
    if draft.images["status"][0].as_py() != NO_IMAGE:
        nothing = {name: [None] for name in ("container", "member", "digest")}
        row = {"post_id": draft.images["post_id"], "status": [NO_IMAGE], **nothing}
        found.append(("picture", None, replace(draft, images=pa.table(row, schema=IMAGES))))
    return found


def set_texts(draft: Drafts, title: str, tags: list[str]) -> Drafts:
    """The same post with other texts."""
    posts = draft.posts
    for name, value in (("title", title or None), ("tags", tags)):
        place = posts.column_names.index(name)
        posts = posts.set_column(place, name, pa.array([value], POSTS.field(name).type))
    return replace(draft, posts=posts)


def join(variants: list[Drafts], drafts: Drafts) -> Drafts:
    """Posts in one table, each with an id of its own."""
    posts = pa.concat_tables([one.posts.cast(variants[0].posts.schema) for one in variants])
    own = pa.array([f"variant-{number}" for number in range(len(posts))], pa.string())
    posts = posts.set_column(0, "post_id", own)
    images = pa.concat_tables([one.images for one in variants]).set_column(0, "post_id", own)
    return Drafts(posts, images.cast(IMAGES), drafts.descriptions, [], [])
