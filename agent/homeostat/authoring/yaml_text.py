"""Text as YAML that our own reader gives back as it was, and comments beside it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 _./%()<>=+-]*[A-Za-z0-9_%)])?", re.ASCII)
_WORDS_WITH_A_MEANING = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""To our reader, or to an editor that goes by YAML 1.1."""
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(text: str) -> str:
    """Write a text on one line: plain where that reads the same, else in quotes (YAML 1.2.2, section 7.3)."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS_WITH_A_MEANING:
        return text
    if text.isprintable() and "'" not in text and ('"' in text or "\\" in text):
        return f"'{text}'"
    return '"' + "".join(_escaped(character) for character in text) + '"'


def block(text: str, indent: int) -> str:
    """Write a text as a value: lines of their own (`|-`) where it has several and they survive it, else on one line.

    Args:
        text: the value.
        indent: of the key that it belongs to, in spaces.
    """
    lines = text.split("\n")
    is_literal = len(lines) > 1 and lines[0][:1].strip() and lines[-1].strip()
    if not is_literal or not all(_is_shown(line) for line in lines):
        return scalar(text)
    margin = " " * (indent + 2)
    return "|-\n" + "\n".join(f"{margin}{line}" if line else "" for line in lines)


def comment(text: str, indent: int = 0) -> list[str]:
    """Write a text as comment lines, wrapped, with everything escaped that a terminal would obey."""
    margin = " " * indent + "# "
    lines: list[str] = []
    for line in text.split("\n"):
        shown = "".join(character if character.isprintable() else _escaped(character) for character in line)
        lines += textwrap.wrap(shown, WIDTH - len(margin)) or [""]
    return [(margin + line).rstrip() for line in lines]


def joined(lines: Iterable[str]) -> str:
    """Make a file of lines."""
    return "\n".join(lines) + "\n"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_shown(line: str) -> bool:
    """Whether a line stays itself in a literal block: nothing unprintable, nothing at its end that editors cut off."""
    return line.isprintable() and line == line.rstrip()
