"""Bytes of Latin letters -> their encoding, by the words of the languages that it is made for.

é in one encoding is Ž, ‚, Ú or č in others. Which one is right is told by words: those of a
language have no letter that the language lacks, each letter where it can stand, and no symbol and
no capital inside.
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

WESTERN = "cp1252"  # what Windows and Excel write in Western Europe; holds all of Latin-1's letters
_CONSONANT = "[b-df-hj-np-tv-z]"
# Words of each language, in small letters; those of the West overlap with other languages', and
# so it is said where their letters stand.
_WEST = {
    "French": rf"(?:[a-zéêôœ]|[âèîû](?={_CONSONANT})|[àûù]\b|ç(?=[aou])|(?<=[aiou])[ëïü])*",
    "German": "(?:[a-zäöüé]|(?<=[a-zäöü])ß)*",
    "Spanish": "(?:[a-záéíóú]|ñ(?=[aeiouáéíóú])|(?<=g)ü(?=[eiéí]))*",
    "Italian": "[a-z]*[àèéìòù]?",
    "Portuguese": r"(?:[a-záéíóúêô]|â(?=[mn])|ã(?=[oeis]|\b)|õ(?=e)|\bà|ç(?=[aouáâãóõú]))*",
    "Swedish": "[a-zåäöé]*",
    "Danish": "(?:[a-zøåé]|æ(?![aiouyø]))*",
    "Icelandic": r"(?:[a-záéíóúýö]|æ(?![aou])|(?<=\w)ð|þ(?=\w))*",
    "Dutch": rf"(?:[a-zéó]|è(?={_CONSONANT})|(?<=[aeiou])[ëïöü])*",
    "Catalan": rf"(?:[a-zàéíóú·]|[èò](?={_CONSONANT}|\b)|ç(?=[aouàóòú]|\b)|(?<=[aeiougq])[ïü])*",
    "Estonian": f"(?:{_CONSONANT}*õõ?)?[a-zäöü]*",
}
_CENTRAL = {
    **{"Polish": "[a-ząćęłńóśźż]*", "Czech": "[a-záčďéěíňóřšťúůýž]*"},
    **{"Slovak": "[a-záäčďéíĺľňóôŕšťúýž]*", "Hungarian": "[a-záéíóöőúüű]*"},
    **{"Croatian": "[a-zčćđšž]*", "Romanian": "[a-zăâîşţ]*"},
}
_BALTIC = {
    **{"Lithuanian": "[a-ząčęėįšųūž]*", "Latvian": "[a-zāčēģīķļņšūž]*", "Estonian": "[a-zäöõüšž]*"},
}
_WORDS = {
    **{WESTERN: _WEST, "cp1250": _CENTRAL, "cp1254": {"Turkish": "[a-zçğıöşüâîûİ]*"}},
    **{"cp1257": _BALTIC, "iso8859_2": _CENTRAL},
    **{"cp850": _WEST, "mac_roman": _WEST, "cp437": _WEST},
}
LATIN = frozenset(_WORDS)
LEAST_SHARE = 0.6  # of the words that are words of a language, or the text is no Latin one
MARGIN = 0.15  # of the words more than as Western text has another encoding
LONGEST = 60  # letters of a word; what has more is of a script without spaces
_WORD = re.compile(rb"[^\x00-\x40]+")
_MARKS = r"\[\]\\^_`{|}~" + "\u00a0’"  # also inside of words: l’été
_BEFORE = "“”„‚‘«‹¿¡–—…•·€£$©®™§°"
_BEHIND = "“”‘»›–—…•·€£©®™§°ºª²½"
_UNKNOWN = "\ufffd"


@dataclass(frozen=True)
class Guess:
    """An encoding.

    Attributes:
        encoding: its name.
        share: of the words that it makes words of one language, or of two Western ones.
        is_doubtful: another fits about as well.
    """

    encoding: str
    share: float
    is_doubtful: bool


def list_words(content: bytes) -> list[bytes]:
    """Words that are not ASCII, once each."""
    return [word for word in dict.fromkeys(_WORD.findall(content)) if not word.isascii()]


def guess(words: list[bytes]) -> Guess:
    """The encoding of Latin words that are not ASCII: Western unless another is clearly better.

    Only words that another encoding reads otherwise speak for it. A file may hold texts of two
    Western languages, but of one other language.
    """
    if not words:
        return Guess(WESTERN, 0, True)
    texts = _decode(words, WESTERN)
    western = _find_words(texts, WESTERN)
    pairs = western[:, None] | western[None]  # (languages, languages, words)
    found, most, is_doubtful = Guess(WESTERN, float(pairs.mean(axis=2).max()), False), 0, False
    for encoding in _WORDS:
        others = _decode(words, encoding)
        differs = np.array([a != b for a, b in zip(texts, others, strict=True)])
        fitting = _find_words(others, encoding)
        best = fitting[fitting.sum(axis=1).argmax()]
        gain = int(best[differs].sum() - pairs[:, :, differs].sum(axis=2).max())
        is_impossible = any(_UNKNOWN in text for text in texts)
        least = max(1 if is_impossible else 2, MARGIN * differs.sum())
        is_doubtful |= 0 < gain < least
        if gain >= least and gain > most:
            found, most = Guess(encoding, float(best.mean()), gain < 2), gain
    return found if most else Guess(WESTERN, found.share, is_doubtful)


def _decode(words: list[bytes], encoding: str) -> list[str]:
    return [word.decode(encoding, errors="replace") for word in words]


def _find_words(texts: list[str], encoding: str) -> np.ndarray:
    """(languages, texts) bool: which could be words of which of the encoding's languages."""
    is_whole = [len(text) <= LONGEST and not _has_capital_inside(text) for text in texts]
    patterns = map(_compile, _WORDS[encoding].values())
    return np.array([_match(pattern, texts, is_whole) for pattern in patterns])


def _match(pattern: re.Pattern[str], texts: list[str], is_whole: list[bool]) -> list[bool]:
    return [w and bool(pattern.fullmatch(t)) for w, t in zip(is_whole, texts, strict=True)]


@cache
def _compile(word: str) -> re.Pattern[str]:
    """Words between signs, in small letters or capitals."""
    joined = f"{word}(?:[{_MARKS}]{word})*"
    return re.compile(f"[{_BEFORE}{_MARKS}]*{joined}[{_BEHIND}{_MARKS}]*", re.IGNORECASE)


def _has_capital_inside(text: str) -> bool:
    """Whether a capital beyond A to Z follows a small letter: cafŽ, but not CapCut."""
    return any(a.islower() and b.isupper() and not b.isascii() for a, b in pairwise(text))
