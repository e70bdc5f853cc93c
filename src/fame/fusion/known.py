"""Posts by authors that the models know: those with posts to train on before."""

import numpy as np
import pyarrow as pa

from fame.posts import authors
from fame.posts.contract import FIT
from fame.runtime import arrays

COLUMNS = ("user_id", "split", "author_hidden", "posted_at")


def find_known_authors(posts: pa.Table, split: np.ndarray) -> np.ndarray:
    """(n,) bool, see `authors.find_known`."""
    posted_at = arrays.to_numbers(posts["posted_at"].cast(pa.timestamp("s")).cast(pa.int64()))
    hidden = arrays.to_numbers(posts["author_hidden"]) > 0
    users = arrays.to_strings(posts["user_id"]).tolist()
    return authors.find_known(users, posted_at, split == FIT, hidden)
