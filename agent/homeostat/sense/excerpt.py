"""Foreign text in our own messages."""

from __future__ import annotations


def excerpt(text: str, length_max: int = 300) -> str:
    """Make foreign text fit for one line of a message: no control characters, no more than `length_max` characters."""
    line = "".join(character if character.isprintable() else " " for character in text[: length_max + 1])
    return line if len(line) <= length_max else line[: length_max - 3] + "..."
