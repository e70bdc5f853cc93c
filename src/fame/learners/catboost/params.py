"""The block of a learner of kind catboost."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from fame.learners.growth import Growing
from fame.params import Cores, Count, LearnerParams, NonNegative, Positive


class Params(LearnerParams):
    """The block of a learner of kind catboost; keys as CatBoost names them."""

    iterations: Count
    early_stopping_rounds: Count
    learning_rate: Positive
    depth: Growing[Annotated[int, Field(ge=1, le=16)]]
    loss: Literal["rmse", "mae"]
    l2_leaf_reg: NonNegative
    random_strength: NonNegative
    bootstrap_type: Literal["MVS", "Bernoulli"]
    subsample: Annotated[float, Field(gt=0, le=1)]
    rsm: Annotated[float, Field(gt=0, le=1)]
    border_count: Annotated[int, Field(ge=1, le=254)]
    one_hot_max_size: Annotated[int, Field(ge=2, le=255)]
    max_ctr_complexity: Annotated[int, Field(ge=1, le=8)]
    task_type: Literal["CPU", "GPU"]
    threads: Cores

    @field_validator("task_type")
    @classmethod
    def _check_gpu(cls, task_type: str, others: ValidationInfo) -> str:
        if task_type == "GPU" and others.data.get("rsm", 1) < 1:
            raise PydanticCustomError(
                "gpu", "must be 'CPU' where rsm is below 1, as CatBoost draws no columns on a GPU"
            )
        return task_type
