"""Gates for blocks that read labels: which labels a row may know."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from fame.features.blocks import Block
from fame.features.times import to_whole_seconds
from fame.gates.checks import Gate, shorten
from fame.posts.contract import FIT
from fame.runtime import arrays

CUTS = (0.25, 0.5, 0.75)  # quantiles of the training posts' times
LATER = "knows labels or posts of the same or a later time"
OUTSIDE = "changes with labels outside the training posts"
BESIDE = "changes for training posts with the posts beside them"

Reader = Callable[[pa.Table], Block]


def check_label_times(posts: pa.Table, readers: dict[str, Reader], seed: int) -> Gate:
    """A row of a block that reads labels knows labels and posts of a strictly earlier time only.

    At some cuts in time, labels of training posts from the cut on are permuted (so that the mean
    of all labels stays, which every row may know), and half of these posts lose their author. No
    other row up to the cut may change, its own label's having changed included.

    Args:
        posts: POSTS.
        readers: block -> posts to the block.
        seed: of the permutations.
    """
    training = arrays.to_strings(posts["split"]) == FIT
    times = arrays.to_numbers(to_whole_seconds(posts["posted_at"]))
    dated = np.flatnonzero(training & ~np.isnan(times))
    gate = Gate(facts={"blocks": sorted(readers), "cuts": len(CUTS) if len(dated) else 0})
    if not len(dated):
        return gate
    before = {name: read(posts) for name, read in readers.items()}
    for number, cut in enumerate(np.quantile(times[dated], CUTS, method="nearest")):
        draw = np.random.default_rng([seed, number])
        late = dated[times[dated] >= cut]
        changed, taken = _change_late(posts, late, draw)
        compared = ~(times > cut)
        compared[taken] = False
        for name, read in readers.items():
            gate.leaks += _name_changes(before[name], read(changed), compared, name, LATER)
    gate.leaks = shorten(list(dict.fromkeys(gate.leaks)))
    return gate


def check_label_rows(
    posts: pa.Table,
    changed: pa.Table,
    readers: dict[str, Reader],
    stored: dict[str, Block],
) -> Gate:
    """A block that reads labels knows those of the training posts only.

    Args:
        posts: POSTS.
        changed: the same with other labels outside the training posts.
        readers: block -> posts to the block.
        stored: the blocks as the learners were given them.
    """
    rows = arrays.to_strings(posts["split"]) == FIT
    gate = Gate(facts={"blocks": sorted(readers)})
    for name, read in readers.items():
        block, alone = stored[name], read(posts.filter(pa.array(rows)))
        gate.leaks += _name_changes(block, read(changed), np.ones(len(rows), bool), name, OUTSIDE)
        own = replace(block, values=block.values[rows])
        gate.leaks += _name_changes(own, alone, np.ones(rows.sum(), bool), name, BESIDE)
    gate.leaks = shorten(gate.leaks)
    return gate


def _change_late(
    posts: pa.Table, late: np.ndarray, draw: np.random.Generator
) -> tuple[pa.Table, np.ndarray]:
    """The posts with the labels of the rows ``late`` permuted, and the rows without an author."""
    label = arrays.to_numbers(posts["popularity"])
    label[late] = label[draw.permutation(late)]
    taken = late[draw.random(len(late)) < 0.5]
    users = arrays.to_strings(posts["user_id"])
    users[taken] = None
    columns = {
        "popularity": pa.array(label, pa.float64(), from_pandas=True),
        "user_id": pa.array(users, pa.string()),
    }
    for name, column in columns.items():
        posts = posts.set_column(posts.column_names.index(name), posts.schema.field(name), column)
    return posts, taken


def _name_changes(
    before: Block, after: Block, rows: np.ndarray, name: str, because: str
) -> list[str]:
    """A sentence for each column of which one of the rows changed."""
    old, new = before.values[rows], after.values[rows]
    differ = ((old != new) & ~(np.isnan(old) & np.isnan(new))).any(axis=0)
    return [
        f"block {name}: column {before.columns[place].name} {because}"
        for place in np.flatnonzero(differ)
    ]
