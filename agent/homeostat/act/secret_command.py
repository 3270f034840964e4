"""A command that prints a secret: run in the runner, its output kept nowhere. Standard library only."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence

TIMEOUT_S = 10.0

_ALWAYS = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
_READ_BYTES = 1 << 16


class SecretCommandError(Exception):
    """The command printed no secret; the message never shows what it printed."""


def printed_by(argv: Sequence[str], variables: Iterable[str], bytes_max: int) -> bytes:
    """Give what a command prints on its standard output, at most one byte more than `bytes_max`.

    It has no standard input, a session of its own and an environment of named variables; what it prints on its
    standard error is dropped, since it may hold parts of the secret. Over its time it is killed with all in its group.

    Raises:
        SecretCommandError: it cannot be run, fails, or does not end in time.
    """
    environment = {name: os.environ[name] for name in (*_ALWAYS, *variables) if name in os.environ}
    deadline = time.monotonic() + TIMEOUT_S
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its arguments cannot be passed on"
        raise SecretCommandError(f"its command {argv[0]} cannot be run: {why}") from None
    with process:
        try:
            content = _read(process, deadline, bytes_max)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise SecretCommandError(f"its command {argv[0]} did not end within {TIMEOUT_S:g} s") from None
        finally:
            # Until it is reaped its pid, and with it the group's, is nobody else's.
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
    if code != 0:
        raise SecretCommandError(f"its command {argv[0]} ended with exit code {code}; what it said is not kept")
    return content


def _read(process: subprocess.Popen[bytes], deadline: float, bytes_max: int) -> bytes:
    """Read until the end, the deadline or one byte too many."""
    content = bytearray()
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    descriptor = process.stdout.fileno()
    while len(content) <= bytes_max:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
            raise subprocess.TimeoutExpired(process.args, TIMEOUT_S)
        chunk = os.read(descriptor, _READ_BYTES)
        if not chunk:
            return bytes(content)
        content += chunk
    raise SecretCommandError(f"its command prints more than {bytes_max} bytes")
