from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from tests.contract.journal_contract import changed, suspected
from tests.contract.leases_contract import POLICIES, TTL_S, LeasesContract, SharingAgent
from tests.postgres_cluster import Cluster

from homeostat.model.errors import LeaseLost
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_leases import PostgresLeases


class TestPostgresLeases(LeasesContract):
    @pytest.fixture(autouse=True)
    def store(self, cluster: Cluster) -> Iterator[None]:
        self._url = cluster.database()
        self._agents: list[tuple[PostgresJournal, PostgresLeases]] = []
        self._failed: list[str] = []
        yield
        for journal, leases in self._agents:
            leases.release()
            journal.close()

    def agent(self, name: str, spool: str = "") -> SharingAgent:
        journal = PostgresJournal(self._url, agent=name, spool=spool or name, lease_ttl_s=TTL_S)
        leases = PostgresLeases(journal, failed=lambda _, error: self._failed.append(str(error)))
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

    def test_an_agent_on_a_copy_of_anothers_state_folder_gets_nothing_and_says_why(self, first: SharingAgent) -> None:
        copied = self.agent("copied", spool="first")
        copied.leases.watch(("policy/mine",))
        self.passes(2 * TTL_S, [first, copied])
        assert copied.held() == {}
        assert any("of which this agent has a copy" in said for said in self._failed)
        self.kill(first)
        self.until(lambda: "policy/mine" in copied.held(), [copied], TTL_S + 2)
        assert set(first.held()) == set()

    def test_a_lease_that_is_locked_holds_up_no_other(self, first: SharingAgent, cluster: Cluster) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        with cluster.superuser(self._url.rsplit("/", 1)[1]) as connection, connection.transaction():
            connection.execute("SELECT FROM lease WHERE stream = 'i' FOR UPDATE")
            self.passes(1.2 * TTL_S, [first])
            assert set(first.held()) == set(POLICIES)
        self.passes(0.5 * TTL_S, [first])
        assert set(first.held()) == {*POLICIES, "i"}
        assert self._failed == []

    def test_neither_the_fence_nor_the_owner_alone_will_do(self) -> None:
        first, second = self.agent("first"), self.agent("second")
        first.journal.append([Batch("i", 0, [suspected("i")])])
        lease = first.held()["i"]
        self.kill(first)
        self.kill(second)
        for agent, believed in ((second, lease), (first, replace(lease, fence=lease.fence - 1))):
            assert isinstance(agent.journal, PostgresJournal)
            agent.journal.held.keep(believed)
            with pytest.raises(LeaseLost):
                agent.journal.append([Batch("i", 1, [changed()])])
