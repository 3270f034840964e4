"""The text of a settings file: read within bounds, and where its keys stand."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from homeostat.model.errors import PolicyError, Position, Problem

FILE_NAME = "homeostat.toml"
_BYTES_MAX = 1 << 20
_KEY_PARTS_MAX = 50
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'[^']*'")


def read_tables(path: Path) -> tuple[str, dict[str, Any]]:
    """A settings file as text and as tables.

    Raises:
        PolicyError: it cannot be read, or is no TOML; with the place.
    """
    text = _read(path)
    _refuse_deep_keys(path, text)
    try:
        return text, tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside TOMLDecodeError: a number of 5,000 digits, 1,000 brackets
        line, column = _toml_place(str(error))
        raise PolicyError([Problem(Position(str(path), line, column), "E001", f"not valid TOML: {error}")]) from error


def place_in(path: Path, text: str, keys: tuple[str, ...]) -> Position:
    """Find a key's line, first its table and then the key itself; TOML parsers keep no positions."""
    table: tuple[str, ...] = ()
    found = Position(str(path), 1, 1)
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = _header(stripped)
            if table and table == keys[: len(table)]:
                found = Position(str(path), number, line.index("[") + 2)
                if len(table) == len(keys):
                    return found
        elif table == keys[: len(table)] and _sets(stripped, keys[len(table) :]):
            return Position(str(path), number, len(line) - len(line.lstrip()) + 1)
    return found


def _sets(line: str, keys: tuple[str, ...]) -> bool:
    """Whether a line sets the first of these keys, or something below it."""
    return bool(keys) and re.match(rf"[\"']?{re.escape(keys[0])}[\"']?\s*[=.]", line) is not None


def _header(line: str) -> tuple[str, ...]:
    """The path of a table's header; empty where the line is something else."""
    try:
        here: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(here, dict) and here:
        path.append(next(iter(here)))
        here = here[path[-1]]
    return tuple(path)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
        if len(content) > _BYTES_MAX:
            raise PolicyError([Problem(Position(str(path), 1, 1), "E003", "larger than 1 MiB; is it the right file?")])
        return content.decode("utf-8")
    except FileNotFoundError as error:
        hint = "no such file; `homeostat init DIR` makes a workspace with one, and -c FILE names another"
        raise PolicyError([Problem(Position(str(path), 1, 1), "E004", hint)]) from error
    except OSError as error:
        raise PolicyError([Problem(Position(str(path), 1, 1), "E004", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise PolicyError([Problem(Position(str(path), 1, 1), "E005", "is not UTF-8 text")]) from error


def _refuse_deep_keys(path: Path, text: str) -> None:
    """The parser's memory grows with the square of a dotted key's parts. No key can go over a line's end."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _KEY_PARTS_MAX and _TEXT.sub("", line).count(".") > _KEY_PARTS_MAX:
            raise PolicyError([Problem(Position(str(path), number, 1), "E001", "no key here is nested so deep")])


def _toml_place(message: str) -> tuple[int, int]:
    found = re.search(r"at line (\d+), column (\d+)", message)
    return (int(found[1]), int(found[2])) if found else (1, 1)
