"""Whatever is appended, and whatever is refused, memory and PostgreSQL hold the same journal, leases included."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.contract.test_journal_stores_agree import PLANS
from tests.postgres_cluster import Cluster

from homeostat.model.entries import ENTRY_TYPES, Entry
from homeostat.model.errors import HomeostatError
from homeostat.model.ports import Batch, Journal
from homeostat.record.export import export_journal
from homeostat.record.memory_leases import SharedMemory
from homeostat.record.postgres import PostgresJournal

AGENTS = 2


class StoppedClock:
    def now(self) -> float:
        return 1000.0

    def wait(self, seconds: float) -> bool:
        raise AssertionError(seconds)


def test_memory_and_postgresql_agree(cluster: Cluster) -> None:
    class TwoStores(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            url, shared = cluster.database(), SharedMemory(StoppedClock(), ttl_s=60.0)
            names = [f"agent {number}" for number in range(AGENTS)]
            self.memory = [shared.as_agent(name)[0] for name in names]
            self.postgres = [PostgresJournal(url, agent=name, spool=name, lease_ttl_s=60.0) for name in names]

        @rule(
            plans=PLANS,
            agent=st.integers(0, AGENTS - 1),
            asks=st.booleans(),
            behind=st.sampled_from([None, 0, 0, 1, 3]),
        )
        def append(self, plans: list[tuple[str, list[Entry], int]], agent: int, asks: bool, behind: int | None) -> None:
            heads: dict[str, int] = {}
            batches = []
            for stream, entries, error in plans:
                head_seq = heads.setdefault(stream, self.memory[0].head_seq(stream))
                batches.append(Batch(stream, head_seq + error if asks else None, entries))
                heads[stream] += len(entries)
            seen = None if behind is None else max(0, self.memory[0].position() - behind)
            found = [_position(journal[agent], batches, seen) for journal in (self.memory, self.postgres)]
            assert found[0] == found[1]

        @invariant()
        def same(self) -> None:
            one, other = self.memory[0], self.postgres[1]
            assert list(export_journal(one)) == list(export_journal(other))
            assert (one.incidents(), one.open_incidents()) == (other.incidents(), other.open_incidents())
            assert list(one.after(0, ENTRY_TYPES)) == list(other.after(0, ENTRY_TYPES))

        def teardown(self) -> None:
            assert self.memory[0].verify() == self.postgres[0].verify() == []
            for journal in self.postgres:
                journal.close()

    run_state_machine_as_test(
        TwoStores, settings=settings(max_examples=10, stateful_step_count=12, deadline=None, database=None)
    )


def _position(journal: Journal, batches: list[Batch], seen: int | None) -> int | None:
    """None where it is refused. Which of several reasons is told first is not promised."""
    try:
        return journal.append(batches, seen=seen)
    except HomeostatError:
        return None
