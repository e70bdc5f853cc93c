"""The block of a learner of kind dae."""

from typing import Annotated

from pydantic import Field

from fame.learners.epochs import EpochParams
from fame.learners.standardising import ColumnParams
from fame.params import Count, NonNegative


class PhaseParams(EpochParams):
    """How a phase is trained."""

    dropout: Annotated[float, Field(ge=0, lt=1)]


class Params(ColumnParams):
    """The block of a learner of kind dae."""

    encoded_width: Count
    decoder_width: Count
    head_widths: Annotated[list[Count], Field(min_length=2, max_length=2)]
    sigma: NonNegative
    phase_1: PhaseParams
    phase_2: PhaseParams
    threads: Count
