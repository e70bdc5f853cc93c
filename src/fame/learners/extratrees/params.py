"""The block of a learner of kind extratrees."""

from typing import Annotated

from pydantic import Field

from fame.learners.growth import Growing
from fame.params import Cores, Count, LearnerParams


class Params(LearnerParams):
    """The block of a learner of kind extratrees."""

    trees: Count
    min_posts_in_leaf: Growing[Count]
    column_share: Growing[Annotated[float, Field(gt=0, le=1)]]
    threads: Cores
