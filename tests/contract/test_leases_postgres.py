from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import pytest
from tests.contract.leases_contract import TTL_S, LeasesContract, SharingAgent
from tests.postgres_cluster import Cluster

from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_leases import PostgresLeases


class TestPostgresLeases(LeasesContract):
    @pytest.fixture(autouse=True)
    def store(self, cluster: Cluster) -> Iterator[None]:
        self._url = cluster.database()
        self._agents: list[tuple[PostgresJournal, PostgresLeases]] = []
        yield
        for journal, leases in self._agents:
            leases.release()
            journal.close()

    def agent(self, name: str) -> SharingAgent:
        journal = PostgresJournal(self._url, agent=name, spool=name, lease_ttl_s=TTL_S)
        leases = PostgresLeases(journal)
        self._agents.append((journal, leases))
        return SharingAgent(name, journal, leases)

    def kill(self, agent: SharingAgent) -> None:
        """Its keeper ends where it stands; a real SIGKILL is in tests/unit/record/test_postgres_kill.py."""
        assert isinstance(agent.leases, PostgresLeases)
        agent.leases._turn = lambda: None  # type: ignore[method-assign]  # as if the thread had died

    def passes(self, seconds: float, agents: Iterable[SharingAgent]) -> None:
        agents, end = list(agents), time.monotonic() + seconds
        while True:
            for agent in agents:
                agent.leases.ticked(blind=agent.blind)
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1))
