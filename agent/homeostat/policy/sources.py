"""Where the texts of a policy come from: a folder, or texts kept in a journal.

Names are relative to the policy's folder, with forward slashes; the same names work for both.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from homeostat.model.nearest import did_you_mean
from homeostat.policy.yaml_tree import BYTES_MAX

_NAME_MAX = 200
_SIBLINGS_MAX = 1000


class SourceError(Exception):
    """A text cannot be had; the message says why, and of what it is the cause is known to the caller."""


class Sources(Protocol):
    """Gives texts by name."""

    def read(self, name: str) -> str:
        """Give the text. Raises SourceError."""
        ...

    def display(self, name: str) -> str:
        """The name as a person can open it."""
        ...


class FolderSources:
    """Files under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> str:
        """Read a regular file of at most `BYTES_MAX` bytes as UTF-8."""
        path = self._folder / name
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise SourceError(f"cannot read {path}: it is not a file")
            with path.open("rb") as file:
                content = file.read(BYTES_MAX + 1)
        except FileNotFoundError:
            raise SourceError(f"cannot read {path}: there is no such file{self._nearest(name)}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SourceError(f"cannot read {path}: {reason.lower()}") from None
        if len(content) > BYTES_MAX:
            raise SourceError(f"{path} is larger than {BYTES_MAX // 1024} KiB")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SourceError(f"{path} is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}") from None

    def display(self, name: str) -> str:
        """The path of the file."""
        return str(self._folder / name)

    def _nearest(self, name: str) -> str:
        try:
            names = [path.name for _, path in zip(range(_SIBLINGS_MAX), self._folder.glob("*.y*ml"), strict=False)]
        except OSError:
            return ""
        return did_you_mean(name, names)


class GivenSources:
    """Texts in memory."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def read(self, name: str) -> str:
        """Give the text of that name."""
        if name not in self._texts:
            raise SourceError(f"there is no text named '{name}'{did_you_mean(name, self._texts)}")
        text = self._texts[name]
        if len(text) > BYTES_MAX:
            raise SourceError(f"'{name}' is larger than {BYTES_MAX // 1024} KiB")
        return text

    def display(self, name: str) -> str:
        """The name itself."""
        return name


def beside(main: str, reference: str) -> str:
    """Give the name of the text that `main` refers to as `reference`.

    Raises:
        SourceError: it is absolute or otherwise unusable.
    """
    if len(reference) > _NAME_MAX or any(ord(character) < 32 for character in reference) or "\\" in reference:
        raise SourceError("a file's name has at most 200 plain characters, with forward slashes")
    if posixpath.isabs(reference):
        raise SourceError(f"'{reference}' is absolute; name a file relative to the policy's own folder")
    return posixpath.normpath(posixpath.join(posixpath.dirname(main), reference))
