"""What the characters of a title tell, whatever its language: one number a column."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EMOJI = r"[\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}]"
# Of RE2: the number of matches. Those in SHARES are divided by the title's characters.
COUNTS = {
    "emoji": EMOJI,
    "questions": r"\?",
    "exclamations": "!",
    "hashtags": "#",
    "mentions": "@",
}
SHARES = {
    "digit_share": r"\p{Nd}",
    "upper_share": r"\p{Lu}",
    "non_latin_share": r"[^\P{L}\p{Latin}]",
}
FLAGS = {"has_url": r"(?i)https?://|www\.", "has_ellipsis": r"\.\.|…"}


def describe_texts(posts: pa.Table) -> dict[str, np.ndarray]:
    """Columns ``text_...`` (n,) float64 of the titles; NaN without a title, a share of none too."""
    title = posts["title"]
    characters = _to_numbers(pc.utf8_length(title))
    characters[characters == 0] = np.nan

    def count(pattern: str) -> np.ndarray:
        return _to_numbers(pc.count_substring_regex(title, pattern))

    columns = {name: count(pattern) for name, pattern in COUNTS.items()}
    columns |= {name: count(pattern) / characters for name, pattern in SHARES.items()}
    columns |= {
        name: _to_numbers(pc.match_substring_regex(title, pattern))
        for name, pattern in FLAGS.items()
    }
    columns["unique_words_share"] = _apply(title, _share_unique_words)
    return {f"text_{name}": column for name, column in columns.items()}


def _share_unique_words(text: str) -> float:
    words = text.lower().split()
    return len(set(words)) / len(words) if words else np.nan


def _apply(texts: pa.ChunkedArray, function: Callable[[str], float]) -> np.ndarray:
    values = (np.nan if text is None else function(text) for text in texts.to_pylist())
    return np.fromiter(values, np.float64, len(texts))


def _to_numbers(values: pa.ChunkedArray) -> np.ndarray:
    return np.array(pc.cast(values, pa.float64()).to_numpy())
