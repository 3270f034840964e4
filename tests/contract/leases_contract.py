"""What every implementation of `model.ports.Leases` must do. Inherit, and say how agents and time are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pytest
from tests.contract.journal_contract import changed, closed, intended, suspected

from homeostat.model.errors import JournalConflict, LeaseLost
from homeostat.model.ports import Batch, Journal, Lease, Leases

TTL_S = 1.5
POLICIES = ("policy/a", "policy/b", "policy/c", "agent")


@dataclass(slots=True)
class SharingAgent:
    """One agent: its view of the journal, and its leases. `alive`: whether its loop ticks."""

    name: str
    journal: Journal
    leases: Leases
    alive: bool = True
    blind: bool = False

    def held(self) -> Mapping[str, Lease]:
        return self.leases.held()


class LeasesContract(ABC):
    """The suite."""

    @abstractmethod
    def agent(self, name: str) -> SharingAgent:
        """One more agent on the shared journal, whose loop ticks."""

    @abstractmethod
    def kill(self, agent: SharingAgent) -> None:
        """End an agent as `kill -9` does: nothing is given back."""

    @abstractmethod
    def passes(self, seconds: float, agents: Iterable[SharingAgent]) -> None:
        """Let time pass, in which these agents tick."""

    def until(self, met: Callable[[], bool], agents: Iterable[SharingAgent], within_s: float) -> None:
        """Let time pass until a condition holds; fail when it does not in time."""
        agents, step_s = list(agents), 0.05
        for _ in range(int(within_s / step_s)):
            if met():
                return
            self.passes(step_s, agents)
        assert met(), [(agent.name, dict(agent.held())) for agent in agents]

    @pytest.fixture
    def first(self) -> SharingAgent:
        agent = self.agent("first")
        agent.leases.watch(POLICIES)
        self.until(lambda: set(agent.held()) == set(POLICIES), [agent], 1.0)
        return agent

    def test_one_agent_alone_holds_everything_it_watches(self, first: SharingAgent) -> None:
        self.passes(1.2 * TTL_S, [first])
        assert set(first.held()) == set(POLICIES)

    def test_who_opens_an_incident_answers_for_it_until_it_is_closed(self, first: SharingAgent) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        assert first.held()["i"].fence == 1
        self.passes(0.6 * TTL_S, [first])
        first.journal.append([Batch("i", 1, [intended("k")])], seen=first.journal.position())
        first.journal.append([Batch("i", 2, [closed()])])
        assert "i" not in first.held()
        self.passes(0.6 * TTL_S, [first])
        assert "i" not in first.held()

    def test_nobody_else_may_append_to_an_incident(self, first: SharingAgent) -> None:
        second = self.agent("second")
        first.journal.append([Batch("i", 0, [suspected("i")])])
        before = first.journal.position()
        for entry in (changed(), intended("k"), closed()):
            with pytest.raises(LeaseLost):
                second.journal.append([Batch("i", 1, [entry]), Batch("agent", None, [changed()])])
        assert first.journal.position() == before
        second.journal.append([Batch("agent", None, [changed()]), Batch("policy/a", 0, [changed()])])
        first.journal.append([Batch("i", 1, [changed()])])

    def test_two_agents_share_evenly_and_never_the_same(self, first: SharingAgent) -> None:
        second = self.agent("second")
        second.leases.watch(POLICIES)
        both = [first, second]
        self.until(lambda: len(first.held()) == len(second.held()) == 2, both, 3 * TTL_S)
        self.passes(TTL_S, both)
        assert not set(first.held()) & set(second.held())
        assert len(first.held()) == len(second.held()) == 2

    def test_what_a_dead_agent_held_is_taken_over(self, first: SharingAgent) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        second = self.agent("second")
        second.leases.watch(POLICIES)
        self.passes(0.2, [first, second])
        assert "i" not in second.held()
        self.kill(first)
        self.until(lambda: set(second.held()) == {*POLICIES, "i"}, [second], TTL_S + 2)
        assert second.held()["i"].fence == 2
        assert first.held() == {}
        for entry in (changed(), intended("k")):
            with pytest.raises(LeaseLost):
                first.journal.append([Batch("i", 1, [entry])])
        second.journal.append([Batch("i", 1, [changed(), intended("k")])], seen=second.journal.position())

    def test_an_old_owner_is_told_of_its_loss_and_not_of_a_conflict(self, first: SharingAgent) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        second = self.agent("second")
        self.kill(first)
        self.until(lambda: "i" in second.held(), [second], TTL_S + 2)
        second.journal.append([Batch("i", 1, [changed()])])
        with pytest.raises(LeaseLost):
            first.journal.append([Batch("i", 1, [changed()])])
        second.journal.append([Batch("i", 2, [closed()])])
        with pytest.raises((LeaseLost, JournalConflict)):
            first.journal.append([Batch("i", 3, [intended("k")])])

    def test_a_loop_that_hangs_keeps_nothing(self, first: SharingAgent) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        second = self.agent("second")
        self.until(lambda: "i" in second.held(), [second], 5 * TTL_S)
        assert "i" not in first.held()

    def test_a_start_under_a_lease_that_ran_out_is_refused(self, first: SharingAgent) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        self.kill(first)
        self.passes(1.2 * TTL_S, [])
        with pytest.raises(LeaseLost, match="lease"):
            first.journal.append([Batch("i", 1, [intended("k")])])
        first.journal.append([Batch("i", 1, [changed()])])

    def test_what_is_released_is_free_at_once(self, first: SharingAgent) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        second = self.agent("second")
        second.leases.watch(POLICIES)
        self.passes(0.2, [first, second])
        first.leases.release()
        assert first.held() == {}
        self.until(lambda: set(second.held()) == {*POLICIES, "i"}, [second], 2.0)

    def test_one_that_is_blind_leaves_its_policies_to_one_that_sees(self, first: SharingAgent) -> None:
        first.journal.append([Batch("i", 0, [suspected("i")])])
        first.blind = True
        self.passes(2.2 * TTL_S, [first])
        assert set(first.held()) == {*POLICIES, "i"}
        second = self.agent("second")
        second.leases.watch(POLICIES)
        self.until(lambda: set(second.held()) == set(POLICIES), [first, second], 3 * TTL_S)
        assert set(first.held()) == {"i"}

    def test_one_that_is_blind_takes_nothing(self) -> None:
        agent = self.agent("blind")
        agent.blind = True
        self.passes(0.1, [agent])
        agent.leases.watch(POLICIES)
        self.passes(TTL_S, [agent])
        assert agent.held() == {}
        agent.blind = False
        self.until(lambda: set(agent.held()) == set(POLICIES), [agent], 2.0)
