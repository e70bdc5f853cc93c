"""How long a network is trained: parameters that the torch learners share."""

from typing import Annotated

from pydantic import Field

from fame.params import Count, Positive, Strict


class EpochParams(Strict):
    """How long a network is trained."""

    epochs: Count
    patience: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
