from __future__ import annotations

from tests.contract.journal_contract import JournalContract

from homeostat.record.memory import MemoryJournal
from homeostat.record.stored import StoredJournal


class TestMemoryJournal(JournalContract):
    def open_new(self) -> StoredJournal:
        return MemoryJournal()
