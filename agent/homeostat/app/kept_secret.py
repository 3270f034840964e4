"""A random secret in a file of the state folder: made at the first need, its owner's alone, kept over restarts."""

from __future__ import annotations

import secrets
from pathlib import Path

from homeostat.act.files import create_once, make_folder
from homeostat.model.errors import UsageError


def kept_secret(path: Path, what: str, maker: str) -> str:
    """Read it, or make one that only this user can read.

    Args:
        path: of the file.
        what: whose it is, in an error's words: "the listener's token".
        maker: who makes a new one when the file is removed, and of what kind: "the agent makes a new token".

    Raises:
        UsageError: the file cannot be written or read, or is empty.
    """
    try:
        if not path.exists():
            make_folder(path.parent)
            create_once(path, secrets.token_urlsafe(32).encode())
        secret = path.read_text().strip()
    except OSError as error:
        raise UsageError(f"{path}: {what} cannot be kept here: {error.strerror}") from error
    if not secret:
        # Everybody knows the empty one.
        raise UsageError(f"{path}: it is empty; remove the file, and {maker}")
    return secret
