"""What an action printed: capped, redacted, and counted whole. Standard library only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from homeostat.act.files import write_all
from homeostat.act.redaction import Redactor

TEXT_CHARACTERS_MAX = 4000
"""How much of its end goes into the journal."""

_RECENT_BYTES_MAX = 4 * TEXT_CHARACTERS_MAX
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Printed(NamedTuple):
    """A finished output.

    Attributes:
        text: its end, for people: UTF-8, control characters replaced.
        bytes_total: how much was printed, kept or not.
        sha256: over what was kept, as hexadecimal digits.
        problem: why less was kept than the cap allows; empty if nothing went wrong.
    """

    text: str
    bytes_total: int
    sha256: str
    truncated: bool
    problem: str


class OutputFile:
    """Keeps the head and the tail of an output, together at most `bytes_max`, and a line that says what is missing.

    The head is written as it comes; the tail is in memory until `finish`. A full disk stops the keeping, never the
    reading, so that the command does not block on its own output.
    """

    def __init__(self, path: Path, bytes_max: int, redactor: Redactor) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._redactor = redactor
        self._head_left = bytes_max // 2
        self._tail_max = bytes_max - self._head_left
        self._tail = bytearray()
        self._after_head = 0
        self._recent = bytearray()
        self._total = 0
        self._digest = hashlib.sha256()
        self._kept = 0
        self._problem = ""
        self._cut_short = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._total += len(chunk)
        self._keep(self._redactor.feed(chunk))

    def cut_short(self) -> None:
        """Note that there was more than was fed."""
        self._cut_short = True

    def finish(self) -> Printed:
        """Write the tail and close the file."""
        self._keep(self._redactor.finish())
        left_out = max(0, self._after_head - self._tail_max)
        if left_out:
            self._write(b"\n[... %d bytes left out ...]\n" % left_out)
        self._write(_end_of(self._tail, self._tail_max))
        os.close(self._descriptor)
        truncated = bool(left_out or self._problem or self._cut_short)
        return Printed(readable(bytes(self._recent)), self._total, self._digest.hexdigest(), truncated, self._problem)

    def _keep(self, content: bytes) -> None:
        _append_capped(self._recent, content, _RECENT_BYTES_MAX)
        head, rest = content[: self._head_left], content[self._head_left :]
        self._head_left -= len(head)
        self._write(head)
        self._after_head += len(rest)
        _append_capped(self._tail, rest, self._tail_max)

    def _write(self, content: bytes) -> None:
        if self._problem or not content:
            return
        try:
            write_all(self._descriptor, content)
        except OSError as error:
            self._problem = f"its output could not be kept: {error.strerror}"
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._kept)
        else:
            self._kept += len(content)
            self._digest.update(content)


def readable(content: bytes) -> str:
    """Give the end of some output as text that any store and terminal takes."""
    text = content.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("\ufffd", text)[-TEXT_CHARACTERS_MAX:]


def _append_capped(buffer: bytearray, content: bytes, bytes_max: int) -> None:
    """Append, and now and then drop what is older than the last `bytes_max`; never holds more than twice that."""
    buffer += content[-bytes_max:] if bytes_max else b""
    if len(buffer) > 2 * bytes_max:
        del buffer[:-bytes_max]


def _end_of(buffer: bytearray, bytes_max: int) -> bytes:
    return bytes(buffer[-bytes_max:]) if bytes_max else b""
