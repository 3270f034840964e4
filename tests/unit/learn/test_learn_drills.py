"""Incidents of drills can be told from real ones, and none of another journal's drill is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.learn.incident_streams import journal_of
from tests.unit.learn.test_learn_gate import told_by_errors

import homeostat
from homeostat.learn.dataset import incidents_frame, journal_records
from homeostat.learn.drills import Drills
from homeostat.learn.trace import trace_journal
from homeostat.model import entries as e
from homeostat.model.ports import Batch, Journal
from homeostat.record.sqlite import SqliteJournal

STREAMS = told_by_errors(6)
OPENED = [stream.entries[0].at for stream in STREAMS]


def drilled(journal: Journal, began: float, ended: float, *, elsewhere: bool = False) -> None:
    ran = e.DrillRan(at=ended, fault="auth_hung", began_at=began, passed=True, elsewhere=elsewhere)
    journal.append([Batch("agent", None, [ran])])


def marked(journal: Journal) -> list[bool]:
    frame = incidents_frame(journal_records(journal))
    assert str(frame["drill"].dtype) == "bool"
    return list(frame["drill"])


def test_a_frame_says_which_incidents_opened_during_a_drill() -> None:
    journal = journal_of(STREAMS)
    assert marked(journal) == [False] * 6
    drilled(journal, OPENED[2], OPENED[3])
    drilled(journal, OPENED[5] - 0.001, OPENED[5] + 0.001)
    assert marked(journal) == [False, False, True, True, False, True]
    assert list(marked(journal)) == [Drills.of(journal).hold(at) for at in OPENED]


def test_a_drill_that_ran_elsewhere_makes_no_incident_of_this_journal_a_drill() -> None:
    journal = journal_of(STREAMS)
    drilled(journal, OPENED[0], OPENED[-1], elsewhere=True)
    assert marked(journal) == [False] * 6
    assert len(trace_journal(journal, STREAMS[0].policy, 100)) == 6, "real incidents must go on teaching"


def test_no_incident_gives_the_column_all_the_same() -> None:
    frame = incidents_frame([])
    assert list(frame["drill"]) == []
    assert str(frame["drill"].dtype) == "bool"


@pytest.mark.parametrize("place", [".", "journal.sqlite"])
def test_an_opened_history_marks_them_too(tmp_path: Path, place: str) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    for stream in STREAMS:
        journal.append([Batch(stream.id, None, stream.entries)])
    drilled(journal, OPENED[1], OPENED[1])
    journal.close()
    with homeostat.open(tmp_path / place) as history:
        assert list(history.incidents()["drill"]) == [False, True, False, False, False, False]
