"""Numbers and counts as people read them: the same in every line, table and page."""

from decimal import Decimal

LARGE = 1000  # from here on decimals of a score say nothing and only make a column wide
WHOLE = 1e5  # from here on a user's own number has more digits than are read


def show_number(value: float, decimals: int = 4, *, sign: bool = False) -> str:
    """A score or an error: some decimals, a large one whole with thousands separators.

    ``sign``: a plus too, as of a difference.
    """
    plus = "+" if sign else ""
    return f"{value:{plus}.{decimals}f}" if abs(value) < LARGE else f"{value:{plus},.0f}"


def show_value(value: float) -> str:
    """A number of the user's: six digits at most, a large one whole; thousands separators."""
    return f"{value:,.6g}" if abs(value) < WHOLE else f"{value:,.0f}"


def show_change(value: float) -> str:
    """A difference, however small: its sign and two digits, no exponent."""
    return f"{Decimal(f'{value:.2g}'):+,f}"


def count(number: int, noun: str) -> str:
    """`1 post`, `2,000 posts`; ``noun``: in the singular, its plural ends in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
