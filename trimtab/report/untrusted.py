"""Texts of data sets, models and experiment files are untrusted: make them visible before anything shows them.

Escaping is the template's duty; this module removes what escaping does not: control characters, direction overrides,
lone surrogates, endless lines.
"""

from __future__ import annotations

import re

CUT = "\N{HORIZONTAL ELLIPSIS}"

# C0 controls become their pictures (U+2400 and up); tab and newline are kept and handled by `printable`.
_CONTROLS: dict[int, int | str] = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
# Direction overrides can make a text read as another one, so they are spelled out instead of obeyed.
_DIRECTIONS = {code: f"[U+{code:04X}]" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_SEPARATORS = {0x2028: "\n", 0x2029: "\n"}
_TABLE = _CONTROLS | _DIRECTIONS | _SEPARATORS
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
_BLANK = re.compile(r"[ \t\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")


def printable(text: object, limit: int = 200) -> str:
    r"""Return one visible line of at most `limit` characters.

    >>> printable("a\x00b\n c")
    'a␀b c'
    >>> printable("abcdef", limit=4)
    'abc…'
    """
    whole = str(text)
    line = _BLANK.sub(" ", _visible(whole[: 2 * limit])).strip()
    if len(line) <= limit and len(whole) <= 2 * limit:
        return line
    return line[: limit - 1] + CUT


def passage(text: object, limit: int) -> tuple[str, str]:
    r"""Return at most `limit` characters with their line breaks, and a note that says what is not shown.

    >>> passage("ab\ncd", limit=3)
    ('ab\n…', 'first 3 of 5 characters')
    >>> passage("ab", limit=3)
    ('ab', '')
    """
    whole = str(text)
    shown = _BLANK_LINES.sub("\n\n", _visible(whole[:limit].replace("\r\n", "\n")))
    if len(whole) <= limit:
        return shown, ""
    return shown + CUT, f"first {limit:,} of {len(whole):,} characters"


def short(text: object, width: int) -> str:
    """Return one visible line of at most `width` characters, with its middle left out where it is too long.

    >>> short("confidence-with-a-long-name", 12)
    'confid…-name'
    """
    line = printable(text, limit=10_000)
    if len(line) <= width:
        return line
    tail = (width - 1) // 2
    return line[: width - 1 - tail] + CUT + line[len(line) - tail :]


def first_up(text: str) -> str:
    """Return the text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def _visible(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text.translate(_TABLE))
