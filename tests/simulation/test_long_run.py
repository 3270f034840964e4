"""Hours of virtual time in which everything goes wrong; `benchmarks/long_run.py` does the same with days."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from tests.simulation.long_run import Failures, Run, results

from homeostat.model import entries as e
from homeostat.record.export import export_journal
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

HOURS, FAULTS, SEED = 6.0, 60, 5
INCIDENT_BYTES_MAX = 2048
"""An incident's starts and its opening, as the ledger holds them; its entries alone are ten times as much."""


@pytest.fixture(scope="module")
def lived() -> Run:
    return Run(SEED, HOURS, FAULTS, MemoryJournal()).live()


def test_nothing_is_done_twice_and_every_incident_ends(lived: Run) -> None:
    assert lived.wrongs == []
    assert results(lived.journal).total() >= FAULTS
    assert max(lived.world.effects.values()) == 1


def test_everything_that_can_go_wrong_did(lived: Run) -> None:
    """So that the run proves something."""
    hazards = lived.hazards
    assert min(hazards.deaths, hazards.reboots, hazards.refused, hazards.answers_lost, lived.reloads) > 0
    assert lived.world.effects.total() >= FAULTS
    assert isinstance(lived.observer, Failures)
    assert lived.observer.counts["ActuatorError"] > 0
    seen = {record.entry.TYPE for record in lived.journal.after(0, e.ENTRY_TYPES)}
    assert seen >= {
        e.ActionInDoubt.TYPE,
        e.ActionReconciled.TYPE,
        e.ApprovalGranted.TYPE,
        e.CancelRequested.TYPE,
        e.DecisionWithheld.TYPE,
        e.Escalated.TYPE,
        e.JournalInterrupted.TYPE,
        e.Paused.TYPE,
        e.Resumed.TYPE,
    }
    assert set(results(lived.journal)) >= {"recovered", "escalated", "self_healed"}


def test_the_same_seed_gives_the_same_journal_and_another_seed_another(lived: Run) -> None:
    again = Run(SEED, HOURS, FAULTS, MemoryJournal()).live()
    assert list(export_journal(again.journal)) == list(export_journal(lived.journal))
    one, other = (Run(seed, 0.5, 5, MemoryJournal()).live() for seed in (SEED, SEED + 1))
    assert one.wrongs == other.wrongs == []
    assert list(export_journal(one.journal)) != list(export_journal(other.journal))


def test_an_agent_that_is_never_restarted_keeps_only_what_guards_must_remember(tmp_path: Path) -> None:
    """The ledger holds starts and openings of a week, at most `ledger.FACTS_MAX` of each; nothing else may add up."""
    kept: list[tuple[int, int]] = []
    own = [tracemalloc.Filter(True, "*/homeostat/*")]

    def sample() -> None:
        """Only where nothing is open: an open incident is in memory, as it must be."""
        incidents = len(journal.incidents())
        if journal.open_incidents() or (kept and kept[-1][0] == incidents):
            return
        gc.collect()
        kept.append((incidents, sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(own).traces)))

    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        journal._writing().execute("PRAGMA synchronous = OFF")  # it is the memory that is looked at
        tracemalloc.start()
        try:
            run = Run(SEED, 5.0, 25, journal, services=6, dies=False, sample=sample, sample_ticks=4).live()
        finally:
            tracemalloc.stop()
        assert run.wrongs == []
    (first, before), (last, after) = kept[len(kept) // 4], kept[-1]
    assert last - first >= 10
    assert after - before <= INCIDENT_BYTES_MAX * (last - first), kept
