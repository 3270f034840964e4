"""The name of a state folder, by which intents say whose hands they are for. Standard library only."""

from __future__ import annotations

import os
import re
from pathlib import Path

from homeostat.act.files import create_once, make_folder, read_at_most
from homeostat.model.errors import UsageError

_NAME = "spool"
_BYTES_MAX = 64


def spool_id(state: Path) -> str:
    """Give the folder's name, drawn at its first use and kept in it from then on.

    A copy of the folder is another agent with the same hands' name: an agent must never run on one.

    Raises:
        UsageError: it cannot be read or written, or is not what was written.
    """
    path = state / _NAME
    try:
        make_folder(state)
        create_once(path, f"{os.urandom(8).hex()}\n".encode())
        content = (read_at_most(path, _BYTES_MAX) or b"").decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the state folder's name cannot be kept: {error}") from error
    if re.fullmatch(r"[0-9a-f]{16}", content) is None:
        raise UsageError(f"{path}: {content!r} is no state folder's name; restore the folder, or begin a new one")
    return content
