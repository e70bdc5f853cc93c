"""The text of a post as the encoders read it."""

import pyarrow as pa

CHUNK_POSTS = 16_384  # read at once


def join_texts(posts: pa.Table) -> list[str]:
    """Title and tags of each post as one text in lower case."""
    pairs = zip(posts["title"].to_pylist(), posts["tags"].to_pylist(), strict=True)
    return [f"{title or ''} {' '.join(tags or ())}".lower() for title, tags in pairs]
