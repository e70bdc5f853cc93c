"""The block of a learner of kind autogluon in params.yaml."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from fame.params import Count, LearnerParams, Positive, Strict

MULTIMODAL = "multimodal"
PAPERS = Literal["catboost", "lightgbm", "multimodal"]  # each with a block of its own
FURTHER = Literal["extra_trees", "random_forest", "network"]  # blocks in `others`


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

    models: Annotated[list[Literal[PAPERS, FURTHER]], Field(min_length=1)]
    catboost: CatBoostParams
    lightgbm: LightGBMParams
    multimodal: MultiModalParams
    others: dict[Literal[FURTHER], dict[str, int | float | bool | str]]
    threads: Count

    @property
    def image_checkpoint(self) -> str | None:
        """The image network of the multimodal model; None where no image is used."""
        return self.multimodal.image_checkpoint if self.reads_texts else None

    @property
    def reads_texts(self) -> bool:
        """Whether the multimodal model is in the stack, which alone reads words and images."""
        return MULTIMODAL in self.models

    def list_checkpoints(self) -> list[str]:
        """Those of the multimodal model."""
        named = (self.multimodal.checkpoint, self.image_checkpoint)
        return [name for name in named if name is not None and self.reads_texts]

    @field_validator("models")
    @classmethod
    def _check_models(cls, models: list[str]) -> list[str]:
        if len(set(models)) < len(models):
            raise PydanticCustomError("twice", "must name a kind once")
        if models == [MULTIMODAL]:
            raise PydanticCustomError("alone", "must name a kind that can stand on others")
        return models

    @field_validator("others")
    @classmethod
    def _check_others(cls, others: dict[str, Any], before: ValidationInfo) -> dict[str, Any]:
        named = sorted(set(before.data.get("models", others)) & set(get_args(FURTHER)))
        if named != sorted(others):
            needed = ", ".join(named) or "no kind"
            raise PydanticCustomError(
                "others", "must have blocks for what models names: {needed}", {"needed": needed}
            )
        return others
