"""The block of a learner of kind tabm."""

from typing import Annotated, Literal

from pydantic import Field

from fame.learners.epochs import EpochParams
from fame.learners.growth import Growing
from fame.learners.standardising import ColumnParams
from fame.params import Count, Name, NonNegative, Positive


class TrainingParams(EpochParams):
    """How the network is trained."""

    optimiser: Literal["adam", "adamw"]
    weight_decay: NonNegative
    max_gradient_norm: Positive | None


class Params(ColumnParams):
    """The block of a learner of kind tabm."""

    plain_blocks: list[Name]
    min_values: Annotated[int, Field(ge=3)]
    min_gap_share: Annotated[float, Field(ge=0, le=1)]
    quantiles: Annotated[int, Field(ge=2)]
    posts_per_quantile: Count
    bins: Annotated[int, Field(ge=2)]
    embedding_width: Count
    members: Growing[Count]
    width: Growing[Count]
    blocks: Growing[Count]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    loss: Literal["rmse", "mae"]
    stop_on: Literal["rmse", "mae"]
    training: TrainingParams
    threads: Count
