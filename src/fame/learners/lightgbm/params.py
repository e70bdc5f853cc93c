"""The block of a learner of kind lightgbm."""

from typing import Annotated, Literal

from pydantic import Field

from fame.learners.growth import Growing
from fame.params import Cores, Count, LearnerParams, NonNegative, Positive


class Params(LearnerParams):
    """The block of a learner of kind lightgbm; keys as LightGBM names them."""

    iterations: Count
    early_stopping_rounds: Count
    learning_rate: Positive
    max_depth: Annotated[int, Field(ge=1, le=62)]
    num_leaves: Growing[Annotated[int, Field(ge=2, le=131072)]]
    loss: Literal["rmse", "mae"]
    min_data_in_leaf: Growing[Count]
    lambda_l2: NonNegative
    feature_fraction: Growing[Annotated[float, Field(gt=0, le=1)]]
    extra_trees: bool
    bagging_fraction: Annotated[float, Field(gt=0, le=1)]
    bagging_freq: Annotated[int, Field(ge=0)]
    max_bin: Annotated[int, Field(ge=2, le=65535)]
    bin_construct_sample_cnt: Count
    cat_smooth: NonNegative
    min_data_per_group: Count
    histogram_pool_size: Count
    device_type: Literal["cpu", "gpu", "cuda"]
    num_machines: Count
    threads: Cores
