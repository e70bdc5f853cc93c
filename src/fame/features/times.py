"""Times of posts as numbers."""

import pyarrow as pa
import pyarrow.compute as pc


def to_whole_seconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Epoch seconds, null where unknown. Parquet keeps no seconds: it gives back milliseconds."""
    return pc.cast(pc.cast(times, pa.timestamp("s", tz="UTC")), pa.int64())
