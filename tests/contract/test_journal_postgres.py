from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.journal_contract import JournalContract
from tests.postgres_cluster import Cluster

from homeostat.record.postgres import PostgresJournal
from homeostat.record.stored import StoredJournal


class TestPostgresJournal(JournalContract):
    EXAMPLES = 2

    @pytest.fixture(autouse=True)
    def server(self, cluster: Cluster) -> Iterator[None]:
        self._cluster = cluster
        self._opened: list[PostgresJournal] = []
        yield
        for journal in self._opened:
            journal.close()

    def open_new(self) -> StoredJournal:
        journal = PostgresJournal(self._cluster.database(), agent="a", spool="s")
        self._opened.append(journal)
        return journal
