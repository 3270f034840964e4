"""Files that are there whole or not at all, also after a power failure. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_PRIVATE = 0o600


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder that is its owner's alone, and what is missing above it, durably. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_directory(folder.parent)


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte, over as many calls as it takes."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def replace_durably(path: Path, content: bytes) -> None:
    """Write a file whole; who reads sees the old content or the new one. Raises OSError."""
    temporary = _write_temporary(path, content)
    temporary.replace(path)
    sync_directory(path.parent)


def create_once(path: Path, content: bytes, *, durable_content: bool = True, durable_name: bool = True) -> bool:
    """Create a file whole, unless it is there; of many callers at most one is told True. Raises OSError.

    link(2) is as exclusive as O_EXCL and, unlike it, never shows a file that is still empty.

    Args:
        path: of the file.
        content: of the file.
        durable_content: else a power failure may leave the name with nothing behind it.
        durable_name: else it may take the name back.
    """
    temporary = _write_temporary(path, content, durable=durable_content)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    if durable_name:
        sync_directory(path.parent)
    return True


def read_at_most(path: Path, bytes_max: int) -> bytes | None:
    """Read a small file; None if there is none. Raises OSError, and ValueError if it is larger."""
    try:
        # A pipe that nobody writes to must not hold the reader up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise ValueError(f"{path} is larger than {bytes_max} bytes")
    return content


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock that the kernel takes back when its holder dies (flock(2)); False if somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock now."""
    if not path.exists():
        return False
    with locked(path) as free:
        return not free


def _write_temporary(path: Path, content: bytes, *, durable: bool = True) -> Path:
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    try:
        write_all(descriptor, content)
        if durable:
            os.fsync(descriptor)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return temporary
