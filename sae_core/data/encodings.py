"""The encoding of a text: by its byte order mark, its NULs, its validity as UTF-8, else by which letters come out."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from sae_core.data.table_source import Scan

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MOST_BYTES = 64 * 1024

# Letters of the languages that are written in an encoding; others come out where it is the wrong one.
_LATIN = {
    "cp1252": "éèêëàâäáãåæçíîïñóôöòõøúùûüßÿœÉÈÊÀÂÄÁÃÅÆÇÍÎÑÓÔÖÕØÚÜŒ°µ€£’‘“”–—…·½¼×±«»§²³ºª©®™¿¡¢¥",  # noqa: RUF001
    "cp1250": "áâäăąćčçďđéëęěíîłĺľńňóôöőŕřśšşťţúůüűýźžżßÁĄĆČĎÉĘĚÍŁĽŃŇÓÖŐŘŚŠŤÚŮÜŰÝŹŽŻ°€–—“”„",
    "cp1254": "ışğçöüİŞĞÇÖÜâîû°€’“”–",
    "mac_roman": "éèêëàâäáãåçíîïñóôöõøúùûüßÉÀÄÅÇÑÖÜ",
    "cp437": "éèêëàâäáåçíîïñóôöúùûüßÉÄÅÇÑÖÜ",
}
_OTHERS: dict[str, tuple[str, str]] = {
    "cp1251": ("\u0400", "\u045f"),
    "koi8-r": ("\u0400", "\u045f"),
    "cp866": ("\u0400", "\u045f"),
    "cp1253": ("\u0384", "\u03ce"),
    "cp1255": ("\u05d0", "\u05ea"),
    "cp1256": ("\u060c", "\u06d2"),
    "cp874": ("\u0e01", "\u0e5b"),
}
# Where several fit equally, the more widespread one.
_WEIGHTS = {
    "cp1252": 1.0, "gb18030": 1.0, "cp1251": 0.98, "shift_jis": 0.96, "big5": 0.95, "euc_kr": 0.95, "cp1253": 0.95,
    "euc_jp": 0.94, "koi8-r": 0.93, "cp1254": 0.92, "cp1250": 0.9, "cp1255": 0.85, "cp1256": 0.85, "cp874": 0.8,
    "cp866": 0.75, "mac_roman": 0.7, "cp437": 0.65,
}  # fmt: skip
_PUNCTUATION = "、。，（）：；！？「」《》“”·　"  # noqa: RUF001


def guess_encoding(head: bytes, found: Scan) -> str:
    """The encoding of a text, from its first bytes and a scan of the whole."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    sample = head[:4096]
    if len(sample) >= 4 and sample.count(0) > len(sample) // 5:
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if max(even, odd) > 0.6 * (len(sample) // 2) and min(even, odd) < 0.1 * max(even, odd):
            return "utf-16-be" if even > odd else "utf-16-le"
    if found.is_utf8 or _is_nearly_utf8(found.odd_sample):
        return "utf-8"
    return guess_eight_bit(found.odd_sample)


def _is_nearly_utf8(sample: bytes) -> bool:
    """Whether some letters are broken in text that is UTF-8 otherwise, e.g. where parts were cut out and joined."""
    text = sample.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken <= 0.1 * (sum(ord(letter) > 127 for letter in text) - broken)


def guess_eight_bit(sample: bytes) -> str:
    """The encoding of text that is neither UTF-8 nor UTF-16, from lines with bytes above 127."""
    sample = sample[:_MOST_BYTES]
    scores = {encoding: weight * _plausibility(sample, encoding) for encoding, weight in _WEIGHTS.items()}
    best = max(scores, key=lambda encoding: scores[encoding])
    return best if scores[best] > 0.3 else "cp1252" if _decodes(sample, "cp1252") else "latin-1"


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _plausibility(sample: bytes, encoding: str) -> float:
    """0..1: the share of letters above 127 that are as one would expect them; 0 where bytes do not decode."""
    text = sample.decode(encoding, "replace")
    if text.count("\ufffd") > 1 + len(text) // 2000:  # a letter may be cut in two at the sample's end
        return 0.0
    words = Counter(re.findall(r"[^\x00-\x40\x5b-\x60\x7b-\x7f]+", text))
    good = total = 0.0
    value = _word_value(encoding)
    for word, count in words.items():
        odd = sum(ord(letter) > 127 for letter in word)
        if odd:
            good += count * value(word)
            total += count * odd
    share = good / total if total else 0.0
    if encoding == "gb18030":
        return share * _only_hangul_rows(words)
    return share * _only_high_trails(words) if encoding == "big5" else share


def _word_value(encoding: str) -> Callable[[str], float]:
    """How many of a word's letters above 127 are plausible, as a function of the word."""
    if encoding in _LATIN:
        letters = frozenset(_LATIN[encoding])
        return lambda word: _latin(word, letters)
    if encoding in _OTHERS:
        low, high = _OTHERS[encoding]
        return lambda word: _alphabet(word, low, high)
    return lambda word: sum(_east_asian(letter, encoding) for letter in word if ord(letter) > 127)


def _latin(word: str, letters: frozenset[str]) -> float:
    """Accented letters stand between plain ones; longer words without any plain letter are another alphabet's."""
    odd = [letter for letter in word if ord(letter) > 127]
    value = float(sum(letter in letters for letter in odd))
    accented = sum(letter.isalpha() for letter in odd)
    if accented > 2 and accented == len(word):
        value *= 0.1
    if any(not letter.isalpha() and letter not in "’‘·" for letter in word[1:-1]):  # noqa: RUF001
        value *= 0.5  # a sign within a word: B³ock
    return value * _case(word)


def _alphabet(word: str, low: str, high: str) -> float:
    """Words of another alphabet have no Latin letters in them."""
    value = float(sum(low <= letter <= high for letter in word))
    impossible = any(letter.isascii() for letter in word) or word[0] in "ьъЬЪ"
    return value * _case(word) * (0.1 if impossible else 1.0)


def _case(word: str) -> float:
    """A capital after a small letter is rare: a sign of the wrong encoding."""
    return 0.3 if any(a.islower() and b.isupper() for a, b in pairwise(word)) else 1.0


def _east_asian(letter: str, encoding: str) -> float:
    if letter in _PUNCTUATION:
        return 0.8
    try:
        code = letter.encode("gb2312" if encoding == "gb18030" else encoding)
    except UnicodeEncodeError:
        return 0.05
    if len(code) != 2:
        return 0.3  # half-width kana
    lead = code[0]
    common = {
        "gb18030": 0xB0 <= lead <= 0xD7,  # level 1: the 3,755 common characters
        "big5": 0xA4 <= lead <= 0xC6,  # level 1
        "euc_kr": 0xB0 <= lead <= 0xC8,  # Hangul
        "euc_jp": lead in (0xA4, 0xA5),  # kana; without any it would look like Chinese
        "shift_jis": lead in (0x82, 0x83) or 0x88 <= lead <= 0x97,  # kana, level 1
    }
    return 1.0 if common[encoding] else 0.3 if encoding == "euc_jp" and 0xB0 <= lead <= 0xCF else 0.1


def _only_hangul_rows(words: Counter[str]) -> float:
    """Korean decodes as Chinese as well, but with characters of the first rows only: unlikely for several of them."""
    distinct = {letter for word in words for letter in word if "\u4e00" <= letter <= "\u9fff"}
    rows = [letter.encode("gb18030")[0] for letter in distinct]
    if len(rows) < 4 or any(not 0xB0 <= lead <= 0xC8 for lead in rows):
        return 1.0
    return 0.3 + 0.6 ** (len(rows) - 1)


def _only_high_trails(words: Counter[str]) -> float:
    """Two of five Big5 characters end in a byte below 128; other encodings that decode as Big5 have none."""
    distinct = {letter for word in words for letter in word if "\u4e00" <= letter <= "\u9fff"}
    return 1.0 if any(letter.encode("big5", "replace")[-1] < 0x80 for letter in distinct) else 0.7
