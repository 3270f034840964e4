"""A state folder has one name for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.act.spool_id import spool_id
from homeostat.model.errors import UsageError


def test_a_folder_keeps_its_name_and_another_has_another(tmp_path: Path) -> None:
    first = spool_id(tmp_path / "a")
    assert spool_id(tmp_path / "a") == first
    assert spool_id(tmp_path / "b") != first


@pytest.mark.parametrize("content", [b"", b"\xff\n", b"0123456789abcde\n", b"0" * 100])
def test_a_name_that_was_not_written_here_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool").write_bytes(content)
    with pytest.raises(UsageError, match="state folder's name"):
        spool_id(tmp_path)
