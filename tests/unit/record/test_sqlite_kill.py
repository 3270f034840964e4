"""kill -9 at any moment: what was acknowledged is there, what was not is there whole or not at all."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from homeostat.model.entries import ConditionChanged
from homeostat.record.sqlite import SqliteJournal

KILLS = int(os.environ.get("HOMEOSTAT_TEST_KILLS", "4"))

WRITER = """
import os, sys
from pathlib import Path
from homeostat.model.entries import ConditionChanged
from homeostat.model.ports import Batch
from homeostat.record.sqlite import SqliteJournal

journal = SqliteJournal(Path(sys.argv[1]))
number = journal.head_seq("a")
os.write(1, b"ready\\n")
while True:
    entries = [ConditionChanged(at=float(number + i), watch="w" * 900, truth=None) for i in range(3)]
    journal.append([Batch("a", number, entries), Batch("b", number, entries)])
    number += 3
    os.write(1, f"{number}\\n".encode())
"""


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path, moments, acknowledged = tmp_path / "journal.db", random.Random(9), 0
    for _ in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(moments.uniform(0.0, 0.15))
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().decode().splitlines()
        writer.stdout.close()
        writer.wait()
        acknowledged = int(told[-1]) if told else acknowledged

        journal = SqliteJournal(path)
        written = journal.head_seq("a")
        assert written in (acknowledged, acknowledged + 3)
        for stream in ("a", "b"):
            entries = [record.entry for record in journal.read(stream)]
            assert [entry.at for entry in entries] == [float(number) for number in range(written)]
            assert all(isinstance(entry, ConditionChanged) for entry in entries)
        assert journal.verify() == []
        journal.close()
        acknowledged = written
    assert acknowledged > 0


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1])
def test_a_kill_while_the_journal_is_created_leaves_none_or_a_whole_one(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "journal.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20.0
    while not path.with_name("journal.db.lock").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(delay)
    writer.kill()
    writer.wait()
    journal = SqliteJournal(path)
    assert journal.verify() == []
    assert journal.head_seq("a") % 3 == 0
    journal.close()
    assert not list(tmp_path.glob("*.new*"))
