"""Policies that were written for an author: tried by the loader, then shown or put into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from homeostat.model.errors import InvariantError, PolicyError, Position, Problem, UsageError
from homeostat.policy.load import SUFFIX, read_draft
from homeostat.policy.sources import FolderSources, GivenSources, SourceError


@dataclass(frozen=True, slots=True)
class Written:
    """What an importer made.

    Attributes:
        files: text by name, relative to one folder.
        notes: what the author should know, in order, each with its position in the source where it has one.
    """

    files: Mapping[str, str]
    notes: tuple[str, ...] = ()


def read_text(path: Path) -> str:
    """Read what an author brings: UTF-8, at most as large as a policy file may be.

    Raises:
        PolicyError: it cannot be read, or is not text.
    """
    try:
        return FolderSources(path.parent).read(path.name)
    except SourceError as error:
        raise PolicyError([Problem(Position(str(path), 1, 1), "E100", str(error))]) from None


def require_loadable(files: Mapping[str, str]) -> None:
    """Try every policy among `files` with the loader.

    Raises:
        InvariantError: one of them would be refused; whoever wrote it has a bug.
    """
    for name in files:
        if name.endswith(SUFFIX):
            draft = read_draft(GivenSources(files), name)
            if draft.problems:
                raise InvariantError(f"a policy was written that the loader refuses: {draft.problems[0]}")


def put(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write files into a folder, which is made if need be. Nothing that exists is touched.

    Raises:
        UsageError: one of the files exists, or the folder cannot be written.
    """
    for name in files:
        if (folder / name).exists():
            raise UsageError(f"{folder / name} exists already; choose another folder or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error}") from error
    return [folder / name for name in files]
