"""Files of JSON lines, one object each: bounded, and with the place of whatever is wrong. `.gz` is unpacked in passing.

Such a file is untrusted. Bounds are on what comes out, so that a small packed file cannot fill the memory.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from homeostat.model.errors import PolicyError, Position, Problem

PACKED_SUFFIX = ".gz"
LINE_BYTES_MAX = 4 * 1024 * 1024
FILE_BYTES_MAX = 256 * 1024 * 1024

_Shape = TypeVar("_Shape")


def bounded_lines(path: Path, lines_max: int) -> Iterator[bytes]:
    """Give the lines of a file, each of bounded size, with their line ends.

    Raises:
        PolicyError: R101 the file cannot be read; R105 it is too large; R108 what is packed is cut off or damaged.
    """
    number = 0
    try:
        if not path.is_file():
            raise wrong_line(path, 1, "R101", "this is not a file")
        with _opened(path) as file:
            total = 0
            while line := file.readline(LINE_BYTES_MAX + 1):
                number += 1
                total += len(line)
                if len(line) > LINE_BYTES_MAX:
                    raise wrong_line(path, number, "R105", f"the line is longer than {LINE_BYTES_MAX} bytes")
                if total > FILE_BYTES_MAX or number > lines_max:
                    raise wrong_line(
                        path, number, "R105", f"the file has over {lines_max} lines or {FILE_BYTES_MAX} bytes"
                    )
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise wrong_line(path, number + 1, "R108", f"what is packed here is cut off or damaged: {error}") from error
    except OSError as error:
        raise wrong_line(path, 1, "R101", f"the file cannot be read: {error.strerror}") from error


def _opened(path: Path) -> io.BufferedIOBase:
    if path.suffix == PACKED_SUFFIX:
        return gzip.open(path, "rb")
    return path.open("rb")


def parse_line(shape: type[_Shape], line: bytes, path: Path, number: int, code: str) -> _Shape:
    """Read a line as `shape`; what is wrong with it is a problem of the given code."""
    try:
        return msgspec.json.decode(line, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not line.endswith(b"\n"):
            raise wrong_line(path, number, "R108", "the recording is cut off in this line") from error
        at_byte = re.search(r" \(byte (\d+)\)$", str(error))
        column = len(line[: int(at_byte[1])].decode(errors="replace")) + 1 if at_byte else 1
        raise wrong_line(path, number, code, f"this is no line of a recording: {error}", column) from error


def wrong_line(path: Path, line: int, code: str, message: str, column: int = 1) -> PolicyError:
    """The error for one thing wrong with a file, at its place."""
    return PolicyError([Problem(Position(str(path), line, column), code, message)])
