"""The block of a learner of kind ridge."""

from typing import Annotated

from pydantic import Field

from fame.params import Count, LearnerParams, NonNegative, Positive


class Params(LearnerParams):
    """The block of a learner of kind ridge."""

    penalties: Annotated[list[Positive], Field(min_length=1)]
    clip: Positive
    min_deviation: NonNegative
    max_values: Annotated[int, Field(ge=0)]
    max_categories: Count
    min_posts: Count
    level_weight: Positive
    threads: Count
