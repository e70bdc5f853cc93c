"""Bytes -> text: the encoding is found, or as named, and said."""

import codecs
import re
from pathlib import Path

from charset_normalizer import from_bytes

from fame.posts.findings import NOTICED, READ, REPAIRED, SHOWN, Findings
from fame.runtime.errors import InputError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = "cp1252"  # what Windows and Excel write in Western Europe; holds all of Latin-1's letters
SAMPLE_BYTES = 1 << 16
DAMAGE = 0.2  # broken bytes, as a share of the whole sequences, that are damage of UTF-8
_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_ODD_WORD = re.compile(r"\S*[^\x00-\x7f]\S*")
# Languages that the Western table cannot write: what was found for them is kept.
_OTHER_LANGUAGES = {"Polish", "Czech", "Slovak", "Hungarian", "Romanian", "Croatian", "Slovene"}
_OTHER_LATIN = {"cp1254", "iso8859_9"}  # Turkish
_LATIN = ("cp125", "cp4", "cp7", "cp8", "iso8859_1", "iso8859_2", "hp_", "mac_", "latin")
_NO_LATIN = ("cp1251", "cp1253", "cp1255", "cp1256", "mac_greek", "mac_cyrillic")
_WESTERN_LETTERS = 0.9  # share of letters and typographic marks among the odd characters
_TYPOGRAPHY = frozenset("‘’“”„‚«»‹›–—…•€£¥¢§°©®™´·¡¿\u00a0")


def decode(content: bytes, encoding: str | None, findings: Findings) -> str:
    """The text of a file.

    Args:
        content: of the file.
        encoding: as named in params.yaml; None: found.
        findings: where the encoding and what is damaged are noted.

    Raises:
        InputError: it is not in the encoding that was named, or in none.
    """
    if encoding is not None:
        return _decode_as(content, encoding, findings.path)
    mark = next((name for mark, name in MARKS if content.startswith(mark)), None)
    if mark:
        findings.facts["encoding"] = mark
        if mark != "utf-8-sig":
            findings.note("", f"encoding {mark}, by its mark", READ)
        return _decode_marked(content, mark, findings)
    if b"\0" in content[:SAMPLE_BYTES] and (wide := _find_wide(content)):
        findings.facts["encoding"] = wide
        findings.note("", f"encoding {wide}, without a mark", READ)
        return content.decode(wide)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        pass
    else:
        findings.facts["encoding"] = "utf-8"
        return text
    whole = _SEQUENCE.sub(b"", content)
    broken = sum(byte > 0x7F for byte in whole)
    if broken < DAMAGE * len(_SEQUENCE.findall(content)):
        return _decode_marked(content, "utf-8", findings)
    return _detect(content, findings)


def _decode_as(content: bytes, encoding: str, path: Path) -> str:
    try:
        return content.decode(encoding)
    except LookupError:
        raise InputError(
            f"params.yaml: data.table.encoding: unknown encoding {encoding!r}; "
            "allowed: a name that Python knows, such as utf-8 or cp1252, or null"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not {encoding} at byte {error.start}, as data.table.encoding says"
        ) from None


def _decode_marked(content: bytes, encoding: str, findings: Findings) -> str:
    """Bytes that the encoding does not have become U+FFFD and are counted."""
    findings.facts["encoding"] = encoding
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode(encoding, errors="replace")
    lines = [(number, line) for number, line in enumerate(text.split("\n")) if "\ufffd" in line]
    shown = [(number, _ODD_WORD.findall(line)[0]) for number, line in lines[:SHOWN]]
    count = text.count("\ufffd")
    findings.note("", f"bytes that are not {encoding}, read as U+FFFD", REPAIRED, count, shown)
    return text


def _find_wide(content: bytes) -> str | None:
    """UTF-16 without its mark: every second byte of plain text is zero."""
    sample = content[:SAMPLE_BYTES]
    zeros = [sample[start::2].count(0) / max(1, len(sample) // 2) for start in (0, 1)]
    for share, other, name in (
        (zeros[1], zeros[0], "utf-16-le"),
        (zeros[0], zeros[1], "utf-16-be"),
    ):
        if share > 0.4 and other < 0.1:
            return name
    return None


def _reads_as_western(sample: bytes) -> bool:
    """Whether its odd characters are letters or typography, not signs inside of words."""
    odd = [c for c in sample.decode(WESTERN, errors="replace") if not c.isascii()]
    good = sum(c.isalpha() or c in _TYPOGRAPHY for c in odd)
    return good >= _WESTERN_LETTERS * len(odd)


def _detect(content: bytes, findings: Findings) -> str:
    odd_lines = [line for line in content.split(b"\n") if not line.isascii()]
    sample = b"\n".join(odd_lines)[:SAMPLE_BYTES]
    matches = list(from_bytes(sample))
    names = {name for match in matches for name in (match.encoding, *match.could_be_from_charset)}
    found = matches[0].encoding if matches else WESTERN
    is_other = bool(matches) and (matches[0].language in _OTHER_LANGUAGES or found in _OTHER_LATIN)
    if (
        found.startswith(_LATIN)
        and found not in _NO_LATIN
        and not is_other
        and _reads_as_western(sample)
    ):
        found = WESTERN
    for name in dict.fromkeys((found, WESTERN, "latin-1")):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        break
    findings.facts["encoding"] = name
    words = list(dict.fromkeys(_ODD_WORD.findall(sample.decode(name, errors="replace"))))
    shown = ", ".join(words[:SHOWN])[:80]
    findings.note("", f"encoding {name}, found (data.table.encoding names another): {shown}", READ)
    if len(names) > 1 and len(odd_lines) < SHOWN:
        findings.note("", "few letters to tell the encoding by", NOTICED, len(odd_lines))
    return text
