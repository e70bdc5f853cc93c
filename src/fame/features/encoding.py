"""How an encoder makes a block: fitted on the training posts, without a label of any other."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from fame.features.blocks import Block
from fame.features.encoders.contract import Encoder
from fame.posts.contract import FIT
from fame.runtime import ids


def encode(encoder: Encoder, posts: pa.Table) -> Block:
    """Fit on the training posts of ``posts`` (POSTS), then transform all of them."""
    is_fit = pc.equal(posts["split"], FIT)
    place = posts.column_names.index("popularity")
    labels = pc.if_else(is_fit, posts["popularity"], pa.scalar(None, pa.float64()))
    posts = posts.set_column(place, posts.schema.field("popularity"), labels)
    training = posts.filter(is_fit)
    encoder.fit(training)
    block = encoder.transform(posts)
    return replace(block, fitted_on=ids.digest(training["post_id"].to_pylist()))
