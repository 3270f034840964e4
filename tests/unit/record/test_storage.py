from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from homeostat.record.storage import NETWORK_FILESYSTEMS, filesystem_of, network_filesystem, wal_reset_bug

MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
filer:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local xfs rw 0 0
u@host: /mnt/my\040ssh fuse.sshfs rw 0 0
//nas/x /srv/data cifs rw 0 0
/dev/sdc1 /srv/data ext4 rw 0 0
garbage
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mounts"
    file.write_text(MOUNTS)
    return file


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/var/lib/homeostat/journal.db", "ext4", None),
        ("/home/ann/journal.db", "nfs4", "nfs4"),
        ("/homeostat/journal.db", "ext4", None),
        ("/home/local/journal.db", "xfs", None),
        ("/mnt/my ssh/journal.db", "fuse.sshfs", "fuse.sshfs"),
        ("/srv/data/journal.db", "ext4", None),
        ("/home/local/../ann/journal.db", "nfs4", "nfs4"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(mounts: Path, path: str, kind: str, network: str | None) -> None:
    assert filesystem_of(Path(path), mounts) == kind
    assert network_filesystem(Path(path), mounts) == network


def test_a_link_is_followed(mounts: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/home/ann")
    assert network_filesystem(tmp_path / "link" / "journal.db", mounts) == "nfs4"


def test_a_system_without_a_mount_table_is_not_refused(tmp_path: Path) -> None:
    assert filesystem_of(tmp_path, tmp_path / "missing") is None
    assert network_filesystem(tmp_path, tmp_path / "missing") is None


def test_this_machine_has_a_file_system() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
    assert "ext4" not in NETWORK_FILESYSTEMS


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug(version: tuple[int, int, int], affected: bool) -> None:
    assert wal_reset_bug(version) is affected


def test_the_version_asked_about_is_the_one_in_use() -> None:
    assert wal_reset_bug() is wal_reset_bug(sqlite3.sqlite_version_info)
