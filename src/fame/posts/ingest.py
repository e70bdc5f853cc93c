"""Raw data -> posts with split and fold, their texts, images and descriptions."""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame import params
from fame.posts import authors, data_report, schema, splits
from fame.posts.contract import (
    CHALLENGE,
    CONTENTS,
    DESCRIPTIONS,
    FIT,
    HOLDOUT,
    IMAGES,
    POSTS,
    TEXTS,
)
from fame.posts.findings import NOTICED, Findings
from fame.posts.sources.contract import Posts
from fame.registry import SOURCES, resolve
from fame.runtime import files, ids
from fame.runtime.errors import InputError
from fame.runtime.stage import run

OTHER_SHARE = 0.02  # a holdout is allowed to differ by without a word
NO_FOLD = -1  # of a post that is not a training post


def main() -> None:
    """Load, validate, sort by post id, split, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    outputs = ("posts", "texts", "images", "contents", "descriptions", "reading", "report")
    for name in outputs:
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    loaded, posts = read(settings)
    images = order_images(loaded.images, posts["post_id"])
    files.write_batches(arguments.descriptions, DESCRIPTIONS, loaded.descriptions)
    files.write_table(arguments.images, images)
    texts = posts.select(TEXTS.names)
    files.write_table(arguments.contents, join_contents(texts, images))
    files.write_table(arguments.texts, texts)
    files.write_table(arguments.posts, posts)
    facts = data_report.describe(posts, images, loaded.findings, settings.data.target_transform)
    files.write_json(arguments.reading, facts)
    files.write_text(arguments.report, data_report.render(facts))
    label = "simulated sample" if settings.data.source == "sample" else settings.data.source
    print("\n".join(data_report.summarise(facts, label)))


def read(settings: params.Params) -> tuple[Posts, pa.Table]:
    """The posts as their source has them, and as the pipeline has them: target, split and folds.

    Raises:
        InputError: all that is wrong with them.
    """
    source = resolve(SOURCES, settings.data.source, "params.yaml: data.source")(settings.data)
    # The folder comes from params.yaml, not from the command line: it is never seen by a shell.
    loaded = source.load(Path(settings.data.root))
    table = transform_target(loaded.table, loaded.findings, settings.data)
    schema.validate(table)
    posts = split_posts(table, settings.split)
    if "split" not in table.column_names:
        note_share(posts, loaded.findings, settings.split)
    return loaded, posts


def transform_target(table: pa.Table, findings: Findings, settings: params.DataParams) -> pa.Table:
    """The target as models learn it: as it is, or log2(x + 1).

    Raises:
        InputError: a negative value to take the logarithm of, or all values are the same.
    """
    target = table["popularity"]
    span = pc.min_max(target).as_py()
    if settings.target_transform == "log2p1":
        if span["min"] is not None and span["min"] < 0:
            raise InputError(
                f"{findings.path}: the target is {span['min']:g} in a post, expected a count, as "
                "data.target_transform is log2p1"
            )
        target = pc.log2(pc.add(target, 1))
    if span["min"] == span["max"] and len(target) - target.null_count > 1:
        raise InputError(
            f"{findings.path}: the target is {span['min']:g} in all labelled posts, "
            "expected values that differ"
        )
    place = table.schema.get_field_index("popularity")
    return table.set_column(place, table.schema.field(place), target)


def split_posts(table: pa.Table, settings: params.SplitParams) -> pa.Table:
    """The posts sorted by id, with the columns of POSTS: a split of their own is kept.

    Holdout and folds are drawn from the labelled posts alone.
    """
    table = table.take(ids.order(table["post_id"].to_pylist()))
    users = table["user_id"].to_pylist()
    posted_at = pc.cast(pc.cast(table["posted_at"], pa.int64()), pa.float64()).to_numpy()
    if "split" in table.column_names:
        split = np.asarray(table["split"].to_pylist(), dtype=object)
        table = table.drop_columns(["split"])
        for part in (FIT, HOLDOUT):
            if part not in split:
                raise InputError(f"posts: the split column names no {part} post, expected some")
    else:
        split = np.full(len(table), CHALLENGE, dtype=object)
        labelled = np.flatnonzero(pc.is_valid(table["popularity"]).to_numpy())
        own = splits.number_users([users[row] for row in labelled])
        split[labelled] = splits.assign_split(posted_at[labelled], own, settings)
    _check_holdout(table["popularity"].filter(pa.array(split == HOLDOUT)))
    fit = np.flatnonzero(split == FIT)
    fold = np.full(len(table), NO_FOLD, dtype=np.int8)
    own = splits.number_users([users[row] for row in fit])
    fold[fit] = splits.assign_folds(own, settings)
    table = table.append_column(POSTS.field("split"), pa.array(split, pa.string()))
    table = table.append_column(POSTS.field("fold"), pa.array(fold, pa.int8()))
    share = settings.hidden_share
    share = authors.choose_share(users, split) if share is None else share
    drawn = authors.hide(table["post_id"].to_pylist(), share, settings.seed)
    hidden = pa.array(drawn & (split == FIT))
    table = table.append_column(POSTS.field("author_hidden"), hidden)
    own_numbers = [name for name in table.column_names if name not in POSTS.names]
    return table.select([*POSTS.names, *own_numbers])


def note_share(posts: pa.Table, findings: Findings, settings: params.SplitParams) -> None:
    """Say that the holdout is of another share than asked for: whole users are held out."""
    parts = posts["split"].to_pylist()
    held, labelled = parts.count(HOLDOUT), len(parts) - parts.count(CHALLENGE)
    if abs(held / labelled - settings.holdout_fraction) > max(OTHER_SHARE, 1 / labelled):
        findings.note(
            "",
            f"held out are {held / labelled:.3g} of the labelled posts, split.holdout_fraction is "
            f"{settings.holdout_fraction:g}: whole authors are held out",
            NOTICED,
        )


def _check_holdout(labels: pa.ChunkedArray) -> None:
    """Before any training, since nothing can be ranked on one post or on equal labels."""
    if len(pc.unique(labels)) < 2:
        count = "1 post" if len(labels) == 1 else f"{len(labels)} posts of one target"
        raise InputError(
            f"posts: the holdout has {count}, expected two or more whose targets differ: a rank "
            "correlation needs them; hold out more (the split column, or split.holdout_fraction)"
        )


def order_images(images: pa.Table, post_ids: pa.ChunkedArray) -> pa.Table:
    """One row a post, in the order of ``post_ids``."""
    rows = pc.index_in(post_ids, value_set=images["post_id"])
    if len(images) != len(post_ids) or rows.null_count:
        raise InputError("images: expected one row for each post id")
    return images.take(rows).cast(IMAGES)


def join_contents(texts: pa.Table, images: pa.Table) -> pa.Table:
    """Texts and images of the same posts side by side."""
    return pa.table([*texts.columns, *images.drop_columns("post_id").columns], schema=CONTENTS)


if __name__ == "__main__":
    run(main)
