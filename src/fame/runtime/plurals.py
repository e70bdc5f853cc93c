"""Counts as people read them."""


def count(number: int, noun: str) -> str:
    """`1 post`, `2,000 posts`; ``noun``: in the singular, its plural ends in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
