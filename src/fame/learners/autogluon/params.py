"""The block of a learner of kind autogluon in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from fame.params import Count, LearnerParams, Positive, Strict


class CatBoostParams(Strict):
    """AutoGluon's CatBoost, in both layers; keys as CatBoost names them."""

    iterations: Count
    learning_rate: Positive
    depth: Annotated[int, Field(ge=1, le=16)]
    rsm: Annotated[float, Field(gt=0, le=1)]
    border_count: Annotated[int, Field(ge=1, le=254)]


class LightGBMParams(Strict):
    """AutoGluon's LightGBM, in both layers; keys as LightGBM names them."""

    num_boost_round: Count
    learning_rate: Positive
    num_leaves: Annotated[int, Field(ge=2, le=131072)]
    feature_fraction: Annotated[float, Field(gt=0, le=1)]
    max_bin: Annotated[int, Field(ge=2, le=65535)]


class MultiModalParams(Strict):
    """AutoGluon's multimodal model: text, numbers, categories and, if named, an image network."""

    checkpoint: Annotated[str, Field(min_length=1)]
    revision: str | None
    image_checkpoint: Annotated[str, Field(min_length=1)] | None
    image_revision: str | None
    pooling: Literal["cls", "mean"]
    max_tokens: Annotated[int, Field(ge=4, le=512)]
    tuned: Literal["all", "biases"]
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    head_rate_factor: Positive
    min_category_posts: Count


class Params(LearnerParams):
    """The block of a learner of kind autogluon."""

    catboost: CatBoostParams
    lightgbm: LightGBMParams
    multimodal: MultiModalParams
    threads: Count
