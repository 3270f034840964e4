"""Secrets by reference: `env:NAME` or `file:PATH`. Standard library only.

A reference may be written, journalled and shown; what it stands for is looked up in the runner alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from homeostat.act.files import read_at_most

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\0]+", re.ASCII)
_BYTES_MAX = 1 << 16


class SecretError(Exception):
    """A secret cannot be had; the message names the reference and never the value."""


def is_reference(text: object) -> bool:
    """Whether `text` is a well-formed reference."""
    return isinstance(text, str) and _REFERENCE.fullmatch(text) is not None


def variable_named(reference: str) -> str | None:
    """The environment variable that a reference names; None if it names a file."""
    kind, _, name = reference.partition(":")
    return name if kind == "env" else None


def resolve(reference: str) -> str:
    """Look up what a reference stands for; a file's last line break does not count.

    Raises:
        SecretError: it is not there, empty, too large, or not text.
    """
    if not is_reference(reference):
        raise SecretError("a secret is named env:NAME or file:/ABSOLUTE/PATH")
    name = variable_named(reference)
    value = os.environ.get(name) if name is not None else _from_file(reference)
    if value is None:
        raise SecretError(f"the secret {reference} is not set in the agent's environment")
    if not value:
        raise SecretError(f"the secret {reference} is empty")
    if "\0" in value:
        raise SecretError(f"the secret {reference} holds a NUL character")
    return value


def _from_file(reference: str) -> str:
    path = Path(reference.partition(":")[2])
    try:
        content = read_at_most(path, _BYTES_MAX)
        if content is None:
            raise SecretError(f"the secret {reference} cannot be read: no such file")
        return content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SecretError(f"the secret {reference} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(f"the secret {reference} is not UTF-8 text") from None
    except ValueError:
        raise SecretError(f"the secret {reference} is larger than {_BYTES_MAX} bytes") from None
