"""Several agents on one journal: one decides, takeover waits for word, guards hold over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest
from tests.unit.loop.test_loop import FakeClock, FakeExecutor, FakeSensor, Noted, policy_named

from homeostat.loop import Loop, Outside
from homeostat.loop.tenure import Tenure
from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Done, StartAction
from homeostat.model.errors import JournalError
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch, Record
from homeostat.model.reasons import EscalationReason, OutcomeStatus, Reason, Result
from homeostat.record.memory_inbox import MemoryInbox, MemoryLateOutcomes
from homeostat.record.memory_leases import SharedMemory

TTL_S = 15.0
UNSAFE = {"effect:__safe": "effect: unsafe"}


class Agent:
    """One agent of a fleet, with hands and eyes of its own."""

    def __init__(self, fleet: Fleet, name: str, spool: str) -> None:
        self.name, self.spool = name, spool
        self.executor, self.sensor, self.noted = FakeExecutor(), FakeSensor(fleet.values), Noted()
        journal, leases = fleet.shared.as_agent(f"{name}@{fleet.clock.now()}")
        self.outside = Outside(
            fleet.clock, self.sensor, self.executor, journal, self.noted,
            inbox=fleet.inbox, leases=leases, late_outcomes=fleet.late,
        )  # fmt: skip
        self.loop = Loop(self.outside, fleet.policies, name, seed=len(name) + fleet.restarts, spool=spool)
        self.loop.recover("0")


class Fleet:
    """Agents on one journal in memory, on one virtual clock."""

    def __init__(self, *policies: Policy, agents: int = 2) -> None:
        self.clock = FakeClock()
        self.policies = {policy.name: policy for policy in policies}
        self.values: dict[str, float] = {}
        self.inbox, self.late = MemoryInbox(), MemoryLateOutcomes()
        self.shared = SharedMemory(self.clock, ttl_s=TTL_S)
        self.restarts = 0
        self.agents = [Agent(self, f"agent{number}", f"spool{number}") for number in range(agents)]

    def ticks(self, count: int, *, without: Agent | None = None) -> None:
        for _ in range(count):
            for agent in self.agents:
                if agent is not without:
                    agent.loop.tick()
            self.clock.wait(5.0)

    def restart(self, agent: Agent) -> Agent:
        """Another process on the same state folder, with the same hands."""
        self.restarts += 1
        again = Agent(self, agent.name, agent.spool)
        again.executor.reports = agent.executor.reports
        self.agents[self.agents.index(agent)] = again
        return again

    def owner(self) -> Agent:
        (owner,) = [agent for agent in self.agents if agent.loop.incidents]
        return owner

    def other(self, agent: Agent) -> Agent:
        return next(one for one in self.agents if one is not agent)

    def started(self) -> list[str]:
        return [key for agent in self.agents for key in agent.executor.started]

    def entries(self) -> list[e.Entry]:
        journal = self.shared.journal
        return [record.entry for stream in journal.incidents() for record in journal.read(stream)]


def one_incident(**changes: str) -> tuple[Fleet, Agent]:
    """A fleet with one incident whose action runs, and the agent that has it."""
    fleet = Fleet(policy_named("a", **changes))
    fleet.ticks(1)
    fleet.values["errors_a"] = 10.0
    fleet.ticks(4)
    owner = fleet.owner()
    assert len(fleet.started()) == 1
    return fleet, owner


def test_one_agent_has_an_incident_and_the_others_leave_it_alone() -> None:
    fleet, owner = one_incident()
    owner.executor.reports[owner.executor.started[0]] = Done(OutcomeStatus.OK, 1.0)
    fleet.values["errors_a"] = 0.0
    fleet.ticks(8)
    assert [entry.result for entry in fleet.entries() if isinstance(entry, e.Closed)] == [Result.RECOVERED]
    assert fleet.started() == owner.executor.started
    assert [agent.noted.failures for agent in fleet.agents] == [[], []]
    assert fleet.shared.journal.verify() == []


def test_who_takes_over_starts_nothing_again_and_hears_the_end_from_the_old_hosts_next_agent() -> None:
    fleet, owner = one_incident(**UNSAFE)
    fleet.ticks(5, without=owner)
    new = fleet.other(owner)
    assert len(new.loop.incidents) == 1
    acquired = [entry for entry in fleet.entries() if isinstance(entry, e.LeaseAcquired)]
    assert [entry.agent for entry in acquired] == [new.name]
    withheld = [entry for entry in fleet.entries() if isinstance(entry, e.DecisionWithheld)]
    assert [entry.reason for entry in withheld] == [Reason.OTHER_HANDS]
    assert "its word is awaited for" in withheld[0].detail
    again = fleet.restart(owner)
    again.executor.reports[owner.executor.started[0]] = Done(OutcomeStatus.OK, 1.0)
    fleet.values["errors_a"] = 0.0
    fleet.ticks(8)
    ended = [entry for entry in fleet.entries() if isinstance(entry, e.ActionEnded)]
    assert [entry.status for entry in ended] == [OutcomeStatus.OK]
    withheld = [entry for entry in fleet.entries() if isinstance(entry, e.DecisionWithheld)]
    assert [entry.reason for entry in withheld] == [Reason.OTHER_HANDS, None]
    assert fleet.entries()[-1] == e.Closed(at=fleet.entries()[-1].at, result=Result.RECOVERED)
    assert new.executor.started == again.executor.started == []


def test_an_agent_that_was_stopped_and_goes_on_lets_go_and_leaves_word() -> None:
    fleet, owner = one_incident(**UNSAFE)
    fleet.ticks(5, without=owner)
    owner.executor.reports[owner.executor.started[0]] = Done(OutcomeStatus.OK, 1.0)
    fleet.values["errors_a"] = 0.0
    fleet.ticks(6)
    assert owner.loop.incidents == []
    assert [entry.result for entry in fleet.entries() if isinstance(entry, e.Closed)] == [Result.RECOVERED]
    assert len(fleet.started()) == 1


def test_an_intent_whose_agent_is_gone_for_good_ends_in_doubt_and_never_starts_elsewhere() -> None:
    fleet, owner = one_incident(**UNSAFE)
    fleet.ticks(40, without=owner)
    entries = fleet.entries()
    assert sum(isinstance(entry, e.ActionInDoubt) for entry in entries) == 1
    reasons = [entry.reason for entry in entries if isinstance(entry, e.Escalated)]
    assert reasons == [EscalationReason.OUTCOME_UNKNOWN]
    assert len(fleet.started()) == 1


def test_a_start_that_was_never_made_is_settled_by_its_own_hands_alone() -> None:
    fleet = Fleet(policy_named("a", **UNSAFE), agents=3)
    fleet.ticks(1)
    for agent in fleet.agents:
        agent.executor.broken = True
    fleet.values["errors_a"] = 10.0
    fleet.ticks(4)
    owner = fleet.owner()
    (key,) = [entry.key for entry in fleet.entries() if isinstance(entry, e.ActionIntended)]
    fleet.ticks(5, without=owner)
    new = next(agent for agent in fleet.agents if agent is not owner and agent.loop.incidents)
    (third,) = [agent for agent in fleet.agents if agent not in (owner, new)]
    for agent in fleet.agents:
        agent.executor.broken = False
    third = fleet.restart(third)
    fleet.ticks(2, without=owner)
    assert fleet.late.collect([key]) == {}, "whose hands it is not for knows nothing of it"
    assert third.executor.cancelled == new.executor.cancelled == []
    fleet.ticks(3)
    assert owner.executor.cancelled == [key]
    ended = [entry for entry in fleet.entries() if isinstance(entry, e.ActionEnded)]
    assert [(entry.key, entry.status) for entry in ended] == [(key, OutcomeStatus.CANCELLED)]
    assert key not in fleet.started()


def test_the_old_host_stops_what_the_new_owner_wants_stopped() -> None:
    fleet, owner = one_incident(**UNSAFE)
    key = owner.executor.started[0]
    fleet.ticks(5, without=owner)
    new = fleet.other(owner)
    fleet.ticks(2)
    assert owner.executor.cancelled == []
    fleet.ticks(30)
    assert [entry.key for entry in fleet.entries() if isinstance(entry, e.CancelRequested)] == [key]
    assert set(owner.executor.cancelled) == {key}
    assert new.executor.cancelled == []


def test_a_stream_that_somebody_else_wrote_to_is_read_again_and_goes_on() -> None:
    fleet, owner = one_incident()
    journal = fleet.shared.journal
    (stream,) = journal.incidents()
    foreign = e.LeaseAcquired(at=fleet.clock.now(), agent="elsewhere", fence=1)
    journal.append([Batch(stream, journal.head_seq(stream), [foreign])])
    owner.executor.reports[owner.executor.started[0]] = Done(OutcomeStatus.OK, 1.0)
    fleet.values["errors_a"] = 0.0
    fleet.ticks(10)
    assert owner.noted.failures == ["policy a: JournalConflict"]
    assert [entry.result for entry in fleet.entries() if isinstance(entry, e.Closed)] == [Result.RECOVERED]


def test_a_start_without_a_lease_comes_too_late() -> None:
    fleet, owner = one_incident()
    (command,) = owner.executor.commands
    other = fleet.other(owner).outside
    tenure = Tenure(other.leases, other.journal, other.observer, "other")
    bounded = tenure.bounded(command, fleet.shared.journal.incidents()[0])
    assert isinstance(bounded, StartAction)
    assert bounded.start_before_s == 0.0


def test_the_kill_switch_holds_for_every_agent() -> None:
    fleet = Fleet(policy_named("a"), policy_named("b"))
    fleet.ticks(1)
    fleet.inbox.put(Answer("p1", AnswerKind.PAUSE, "ann", fleet.clock.now()))
    fleet.ticks(2)
    fleet.values |= {"errors_a": 10.0, "errors_b": 10.0}
    fleet.ticks(6)
    assert fleet.started() == []
    assert [agent.loop.ledger.paused for agent in fleet.agents] == [{"": "ann"}, {"": "ann"}]
    paused = [record.entry for record in fleet.shared.journal.read("agent") if isinstance(record.entry, e.Paused)]
    assert len(paused) == 1
    fleet.inbox.put(Answer("r1", AnswerKind.RESUME, "ann", fleet.clock.now()))
    fleet.ticks(3)
    assert len(fleet.started()) == 2


def test_a_lock_holds_over_agents() -> None:
    names = [f"p{number}" for number in range(6)]
    fleet = Fleet(*(policy_named(name, **{f"target:__svc/{name}": "target: svc/shared"}) for name in names), agents=3)
    fleet.ticks(2)
    fleet.values |= {f"errors_{name}": 10.0 for name in names}
    fleet.ticks(8)
    assert len(fleet.started()) == 1
    assert len({stream for agent in fleet.agents for stream in (i.id for i in agent.loop.incidents)}) == 6


def test_work_is_shared_out() -> None:
    names = [f"p{number}" for number in range(9)]
    fleet = Fleet(*(policy_named(name) for name in names), agents=3)
    fleet.ticks(10)
    watched = [set(agent.loop.watched) for agent in fleet.agents]
    assert set().union(*watched) == set(names)
    assert sum(len(some) for some in watched) == 9
    assert all(2 <= len(some) <= 4 for some in watched)


def test_who_is_blind_leaves_its_work_to_who_sees() -> None:
    fleet = Fleet(policy_named("a"))
    fleet.ticks(2)
    (watching,) = [agent for agent in fleet.agents if agent.loop.watched]
    watching.sensor.broken = RuntimeError("cut off")
    fleet.ticks(12)
    assert watching.loop.watched == {}
    fleet.values["errors_a"] = 10.0
    fleet.ticks(4)
    assert fleet.owner() is fleet.other(watching)
    assert len(fleet.started()) == 1


def test_a_start_says_until_when_it_may_come() -> None:
    fleet, owner = one_incident()
    (command,) = owner.executor.commands
    assert command.start_before_s is not None
    (intended,) = [entry for entry in fleet.entries() if isinstance(entry, e.ActionIntended)]
    assert 0 < command.start_before_s - intended.at < TTL_S


def test_what_had_begun_and_is_unknown_to_its_own_hands_ends_in_doubt_and_is_not_begun_again() -> None:
    """An old copy of the state folder: it holds nothing of an action that the journal shows at work."""
    fleet, owner = one_incident(**UNSAFE)
    fleet.ticks(5, without=owner)
    again = fleet.restart(owner)
    again.executor.reports = {}
    fleet.ticks(40)
    entries = fleet.entries()
    assert [entry.reason for entry in entries if isinstance(entry, e.Escalated)] == [EscalationReason.OUTCOME_UNKNOWN]
    assert not any(isinstance(entry, e.ActionEnded) for entry in entries)
    assert again.executor.cancelled == []
    assert len(fleet.started()) == 0
    assert len(owner.executor.started) == 1


def test_a_stop_that_was_asked_for_before_the_agent_died_still_comes_after_another_has_the_incident() -> None:
    fleet, owner = one_incident(**UNSAFE)
    for _ in range(20):
        if any(isinstance(entry, e.CancelRequested) for entry in fleet.entries()):
            break
        fleet.ticks(1)
    else:
        raise AssertionError("nothing was to be stopped")
    (key,) = owner.executor.started
    fleet.ticks(5, without=owner)
    assert len(fleet.other(owner).loop.incidents) == 1
    again = fleet.restart(owner)
    fleet.ticks(1)
    assert again.executor.cancelled == [key]


def test_an_incident_that_came_back_is_read_anew() -> None:
    fleet, owner = one_incident(**UNSAFE)
    (incident,) = owner.loop.incidents
    fleet.ticks(5, without=owner)
    new = fleet.other(owner)
    assert new.outside.leases is not None
    new.outside.leases.release()
    leases = owner.outside.leases
    assert leases is not None
    leases.ticked(blind=False)
    fleet.clock.wait(2.0)
    leases.ticked(blind=False)
    assert leases.held()[incident.id].fence == 3
    owner.loop.tick()
    acquired = [entry.agent for entry in fleet.entries() if isinstance(entry, e.LeaseAcquired)]
    assert acquired == [new.name, owner.name]
    assert owner.noted.failures == []


def test_the_kill_switch_that_was_pulled_again_is_not_lifted_by_an_agent_that_was_stopped() -> None:
    fleet = Fleet(policy_named("a"))
    fleet.ticks(2)
    (speaking,) = [agent for agent in fleet.agents if agent.outside.leases and "agent" in agent.outside.leases.held()]
    other = fleet.other(speaking)
    journal, append = speaking.outside.journal, speaking.outside.journal.append
    stopped: list[bool] = []

    def append_late(batches: Sequence[Batch], *, seen: int | None = None) -> int:
        if not stopped and any(isinstance(entry, e.Resumed) for batch in batches for entry in batch.entries):
            stopped.append(True)
            fleet.ticks(5, without=speaking)
            fleet.inbox.put(Answer("p2", AnswerKind.PAUSE, "ann", fleet.clock.now()))
            fleet.ticks(1, without=speaking)
            assert other.loop.ledger.paused == {"": "ann"}
        return append(batches, seen=seen)

    journal.append = append_late  # type: ignore[method-assign]  # the agent is stopped in the middle of its tick
    fleet.inbox.put(Answer("p1", AnswerKind.PAUSE, "ann", fleet.clock.now()))
    fleet.ticks(1)
    fleet.inbox.put(Answer("r1", AnswerKind.RESUME, "ann", fleet.clock.now()))
    fleet.ticks(6)
    assert stopped
    assert [agent.loop.ledger.paused for agent in fleet.agents] == [{"": "ann"}, {"": "ann"}]


def test_an_agent_that_cannot_read_the_journal_leaves_its_incidents_to_one_that_can() -> None:
    fleet, owner = one_incident(**UNSAFE)

    def broken(position: int, types: Iterable[str]) -> Iterator[Record]:
        raise JournalError("an entry of a later release")

    owner.outside.journal.after = broken  # type: ignore[method-assign]  # a real one is in the journal's contract
    owner.outside.journal.since = broken  # type: ignore[method-assign,assignment]
    fleet.ticks(6)
    assert owner.loop.trouble is not None
    assert len(fleet.other(owner).loop.incidents) == 1


def test_an_incident_may_begin_elsewhere_while_others_are_taken_over() -> None:
    fleet = Fleet(policy_named("a"), policy_named("b"), agents=2)
    fleet.ticks(3)
    fleet.values["errors_a"] = 10.0
    fleet.ticks(2)
    owner = fleet.owner()
    heir = fleet.other(owner)
    journal, append = heir.outside.journal, heir.outside.journal.append
    opened: list[int] = []

    def append_later(batches: Sequence[Batch], *, seen: int | None = None) -> int:
        if not opened and any(isinstance(entry, e.LeaseAcquired) for batch in batches for entry in batch.entries):
            suspected = e.Suspected(
                at=fleet.clock.now(), incident="third", policy="c", policy_hash="h", dedup_key="c", seed=1
            )
            opened.append(fleet.shared.as_agent("third")[0].append([Batch("third", 0, [suspected])]))
        return append(batches, seen=seen)

    journal.append = append_later  # type: ignore[method-assign]  # a third agent is at work in the same moment
    fleet.ticks(6, without=owner)
    assert opened
    assert [incident.policy for incident in heir.loop.incidents] == ["a"]
    assert "third" in heir.loop._standing.open_streams.values()


class Died(BaseException):
    """The agent's process ends here."""


@pytest.mark.parametrize(
    ("done", "again"),
    [
        (Done(OutcomeStatus.CANCELLED, 61.0, detail="cancelled; stopped by SIGTERM"), 0),
        (Done(OutcomeStatus.CANCELLED, 0.01, detail="nothing was run: cancelled before it began"), 1),
    ],
)
def test_what_was_stopped_at_work_is_no_start_withdrawn_though_nobody_noted_that_it_began(
    done: Done, again: int
) -> None:
    fleet = Fleet(policy_named("a", **UNSAFE))
    fleet.ticks(1)
    fleet.values["errors_a"] = 10.0
    for agent in fleet.agents:
        agent.executor.dies = Died()
    with pytest.raises(Died):
        fleet.ticks(4)
    (owner,) = [agent for agent in fleet.agents if agent.executor.started]
    heir = fleet.other(owner)
    heir.executor.dies = None
    fleet.ticks(14, without=owner)
    assert any(isinstance(entry, e.CancelRequested) for entry in fleet.entries())
    (key,) = owner.executor.started
    back = fleet.restart(owner)
    fleet.ticks(1)
    assert back.executor.cancelled == [key]
    back.executor.reports[key] = done
    fleet.ticks(5)
    assert sum(isinstance(entry, e.ActionEnded) for entry in fleet.entries()) == 1
    assert len(fleet.started()) == again


def test_an_answer_about_an_incident_that_began_elsewhere_a_moment_ago_is_left_for_its_owner() -> None:
    fleet = Fleet(policy_named("a"))
    fleet.ticks(2)
    (speaking,) = [agent for agent in fleet.agents if agent.outside.leases and "agent" in agent.outside.leases.held()]
    collect, third = fleet.inbox.collect, fleet.shared.as_agent("third")[0]
    said = Answer("y", AnswerKind.APPROVE, "ann", fleet.clock.now(), incident="third", node="n")

    def collect_late() -> Sequence[Answer]:
        if third.head_seq("third") == 0:
            suspected = e.Suspected(
                at=fleet.clock.now(), incident="third", policy="c", policy_hash="h", dedup_key="c", seed=1
            )
            third.append([Batch("third", 0, [suspected])])
            fleet.inbox.put(said)
        return collect()

    fleet.inbox.collect = collect_late  # type: ignore[method-assign]  # the agent is stopped before it looks
    speaking.loop.tick()
    assert list(collect()) == [said]
    assert not any(isinstance(record.entry, e.AnswerRefused) for record in third.read("agent"))
