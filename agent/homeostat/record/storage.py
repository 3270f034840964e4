"""What the journal needs from the machine: a local file system that keeps what it is given, and a sound SQLite.

`doctor` asks these questions too; opening a journal refuses a network file system.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

MOUNTS = Path("/proc/mounts")

NETWORK_FILESYSTEMS = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
        "nfs4", "smb2", "smb3", "smbfs", "fuse.ceph", "fuse.davfs", "fuse.gcsfuse", "fuse.glusterfs",
        "fuse.juicefs", "fuse.mount-s3", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
    }
)  # fmt: skip
"""SQLite's WAL needs memory that all its processes share, which these do not give (sqlite.org/wal.html)."""

_WAL_RESET_FIRST = (3, 7, 0)
_WAL_RESET_FIXED = (3, 51, 3)
_WAL_RESET_BACKPORTS: dict[tuple[int, ...], tuple[int, ...]] = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}


def filesystem_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Name the type of the file system that holds `path`, or would; None where /proc/mounts cannot tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    resolved = path.resolve()
    best_depth, best_type = -1, None
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount_point = Path(_unescape(fields[1]))
        # Of mounts on one place the last one covers the earlier.
        if resolved.is_relative_to(mount_point) and len(mount_point.parts) >= best_depth:
            best_depth, best_type = len(mount_point.parts), fields[2]
    return best_type


def network_filesystem(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Name the network file system that holds `path`; None when it is on a local one."""
    found = filesystem_of(path, mounts)
    return found if found in NETWORK_FILESYSTEMS else None


def wal_reset_bug(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite has the WAL-reset bug (sqlite.org/wal.html#walresetbug).

    It can corrupt a database that two connections write or checkpoint at the same instant. Homeostat has one
    writing connection per journal, kept by a lock file; foreign programs must open a journal read-only.
    """
    if version >= _WAL_RESET_BACKPORTS.get(version[:2], _WAL_RESET_FIXED):
        return False
    return version >= _WAL_RESET_FIRST


def _unescape(mount_point: str) -> str:
    r"""Undo the octal escapes of /proc/mounts (`\040` for a space; see fstab(5))."""
    for character in " \t\n\\":
        mount_point = mount_point.replace(f"\\{ord(character):03o}", character)
    return mount_point


def synchronise(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before this returns. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
