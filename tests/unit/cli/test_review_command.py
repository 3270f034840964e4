"""`review`: whatever the place, the same review; what cannot be is refused with what can."""

import gzip
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat
from tests.unit.learn.incident_streams import START, Stream

from homeostat.model.ports import Batch
from homeostat.record.export import export_journal
from homeostat.record.sqlite import SqliteJournal

SETTINGS = '[prometheus]\nurl = "http://127.0.0.1:9"\n'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace with two incidents in its journal, and an export of it."""
    folder = tmp_path / "shop"
    state = folder / "state"
    state.mkdir(parents=True)
    (folder / "homeostat.toml").write_text(SETTINGS)
    with closing(SqliteJournal(state / "journal.sqlite")) as journal:
        for name, at in (("i1", START), ("i2", START + 9000.0)):
            stream = Stream(name, at).confirm().choose("restart").attempt("restart").close()
            journal.append([Batch(name, 0, stream.entries)])
        text = "".join(line + "\n" for line in export_journal(journal)).encode()
    (folder / "export.jsonl.gz").write_bytes(gzip.compress(text))
    return folder


def test_every_place_gives_the_same_review(shop: Path, tmp_path: Path) -> None:
    told = homeostat(shop, "review", "i2")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("# Incident i2, p\n")
    for place in ("shop", "shop/state", "shop/state/journal.sqlite", "shop/export.jsonl.gz"):
        assert homeostat(tmp_path, "review", "i2", "--history", place).stdout == told.stdout


def test_what_is_not_there_is_told_with_what_is(shop: Path) -> None:
    for arguments, expected in [
        (("i3",), "no incident 'i3'; the newest is i2"),
        (("i",), "begins 2 incidents"),
        (("i1", "--history", "nowhere"), "there is no such file or folder; give a workspace"),
        (("i1", "--to", "no/such/folder.md"), "cannot be written"),
        (("i1", "--format", "pdf"), "pdf"),
    ]:
        told = homeostat(shop, "review", *arguments)
        assert (told.returncode, expected in told.stderr) == (2, True), told.stderr
    assert not (shop / "no").exists()
