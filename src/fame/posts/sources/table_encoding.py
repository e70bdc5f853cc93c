"""Bytes -> text: the encoding is found, or as named, and said."""

import codecs
import re
from pathlib import Path

from charset_normalizer import from_bytes

from fame.posts.findings import KEPT, NOTICED, READ, REPLACED, SHOWN, Findings
from fame.posts.sources.table_latin import LATIN, LEAST_SHARE, WESTERN, guess, list_words
from fame.runtime.errors import InputError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Those in use: among all that exist a rare one often fits as well.
ENCODINGS = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *("iso8859_2", "iso8859_5", "iso8859_7", "iso8859_8", "koi8_r", "mac_roman", "cp437", "cp850"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
JAPANESE = "euc_jp"
SAMPLE_BYTES = 1 << 16
MIXED = 0.1  # lines with whole sequences of UTF-8, among the odd ones, that make it UTF-8 after all
_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_ODD_CELL = re.compile(rb'[^,;\t"\r\n]*[\x80-\xff][^,;\t"\r\n]*')
_ODD_WORD = re.compile(r"[^\s,;]*[^\x00-\x7f][^\s,;]*")
_KANA = re.compile("[ぁ-ヶ]")
_CASE_INSIDE = re.compile(r"(?<=[a-z])[À-ÞŠŽŸ]")  # cafŽ


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
    odd_lines = [line for line in content.split(b"\n") if not line.isascii()]
    whole = sum(_is_whole(line) for line in odd_lines)
    if whole >= max(2, MIXED * len(odd_lines)):
        return _decode_mixed(content, findings)
    return _detect(odd_lines, content, findings)


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
    findings.note("", f"bytes that are not {encoding}", REPLACED, count, shown)
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


def _is_whole(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_mixed(content: bytes, findings: Findings) -> str:
    """UTF-8 some lines of which are in another encoding, or damaged."""
    lines = content.split(b"\n")
    others = [row for row, line in enumerate(lines) if not _is_whole(line)]
    others = [row for row in others if not _SEQUENCE.search(lines[row])]
    name = _choose([lines[row] for row in others])[0]
    changed: list[tuple[int, str]] = []
    for row in others:
        text = lines[row].decode(name, errors="replace")
        if b"\xff" in lines[row] or _CASE_INSIDE.search(text):
            continue  # damage
        lines[row] = text.encode()
        changed.append((row + 1, _ODD_WORD.findall(text)[0]))
    if changed:
        what = f"lines that are {name} in a file of utf-8, read as such"
        findings.note("", what, KEPT, len(changed), changed[:SHOWN])
    return _decode_marked(b"\n".join(lines), "utf-8", findings)


def _choose(odd_lines: list[bytes]) -> tuple[str, bool]:
    """The encoding of some lines, and whether others fit as well."""
    cells = dict.fromkeys(
        cell.strip(b" 0123456789") for line in odd_lines for cell in _ODD_CELL.findall(line)
    )
    sample = b"\n".join(cells)[:SAMPLE_BYTES]
    words = list_words(sample)
    latin = guess(words)
    # Other scripts keep to themselves.
    longer = [word for word in words if len(word) > 2] or _ODD_CELL.findall(sample)
    is_latin = 2 * sum(bool(re.search(rb"[A-Za-z]", word)) for word in longer) >= len(longer)
    if is_latin and latin.share >= LEAST_SHARE:
        return latin.encoding, latin.is_doubtful or len(words) < SHOWN
    return _choose_script(sample, is_latin)


def _choose_script(sample: bytes, is_latin: bool) -> tuple[str, bool]:
    """By the frequencies of letters, which long texts of any script have."""
    matches = list(from_bytes(sample, cp_isolation=ENCODINGS))
    best = [
        name
        for match in matches
        for name in match.could_be_from_charset  # which give the same text
        if (match.chaos, match.coherence) == (matches[0].chaos, matches[0].coherence)
    ]
    if JAPANESE in best and len(_KANA.findall(sample.decode(JAPANESE, errors="replace"))) > 1:
        return JAPANESE, False  # which Korean reads as letters that stand alone
    if is_latin and WESTERN in best:
        return WESTERN, True
    fitting = [name for name in best if (name in LATIN) == is_latin]
    return (fitting or best or [WESTERN])[0], len(best) > 1


def _detect(odd_lines: list[bytes], content: bytes, findings: Findings) -> str:
    found, is_doubtful = _choose(odd_lines)
    for name in dict.fromkeys((found, WESTERN, "latin-1")):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        break
    findings.facts["encoding"] = name
    words = list(dict.fromkeys(_ODD_WORD.findall(text)))
    shown = ", ".join(words[:SHOWN])[:80]
    findings.note("", f"encoding {name}, found (data.table.encoding names another): {shown}", READ)
    if is_doubtful:
        findings.note("", "few letters to tell the encoding by", NOTICED)
    return text
