"""Whatever is appended, and whatever is refused, memory and SQLite hold the same journal."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.contract.entry_strategies import any_entry
from tests.contract.journal_contract import closed, ended, intended, suspected

from homeostat.model.entries import Closed, Entry, Suspected
from homeostat.model.errors import HomeostatError
from homeostat.model.ports import Batch
from homeostat.record.export import export_journal
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.stored import StoredJournal

STREAMS = st.sampled_from(["a", "b", "policy/shop", "agent"])
MEANINGFUL = st.one_of(
    st.builds(suspected, STREAMS, dedup_key=st.sampled_from(["x", "y"])),
    st.builds(closed),
    st.builds(intended, st.sampled_from(["k", "l"])),
    st.builds(ended, st.sampled_from(["k", "l"])),
    any_entry().filter(lambda entry: not isinstance(entry, Suspected | Closed)),
)
PLANS = st.lists(st.tuples(STREAMS, st.lists(MEANINGFUL, max_size=4), st.sampled_from([0, 0, 0, 1])), max_size=3)


class TwoJournals(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.memory = MemoryJournal()
        self.sqlite = SqliteJournal(self.path)

    @rule(plans=PLANS)
    def append(self, plans: list[tuple[str, list[Entry], int]]) -> None:
        heads: dict[str, int] = {}
        batches = []
        for stream, entries, error in plans:
            head_seq = heads.setdefault(stream, self.memory.head_seq(stream))
            batches.append(Batch(stream, head_seq + error, entries))
            heads[stream] += len(entries)
        assert _outcome(self.memory, batches) == _outcome(self.sqlite, batches)

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteJournal(self.path)

    @invariant()
    def same(self) -> None:
        assert list(export_journal(self.memory)) == list(export_journal(self.sqlite))
        assert self.memory.incidents() == self.sqlite.incidents()
        assert self.memory.open_incidents() == self.sqlite.open_incidents()
        assert list(self.memory.since(0.0, ["action.intent"])) == list(self.sqlite.since(0.0, ["action.intent"]))

    def teardown(self) -> None:
        assert self.memory.verify() == self.sqlite.verify() == []
        self.sqlite.close()
        self.folder.cleanup()


def _outcome(journal: StoredJournal, batches: list[Batch]) -> type[HomeostatError] | None:
    try:
        journal.append(batches)
    except HomeostatError as error:
        return type(error)
    return None


TestTwoJournals = TwoJournals.TestCase
TestTwoJournals.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
