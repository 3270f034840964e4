"""Each promise of the chaos harness can be found broken."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from tests.chaos.plans import Plan
from tests.chaos.promises import Sight, duplicates, outside_a_lease, unfinished, while_blind, without_intent
from tests.chaos.storm import HURT_MAX, draw
from tests.chaos.takeovers import Fault, takeovers
from tests.chaos.watcher import Term
from tests.chaos.witness import Seen
from tests.unit.decide.builders import Driver, do, policy

from homeostat.model.incident import Incident

AT = 1_700_000_000.0
TTL_S = 3.0
PLANS = {
    plan.name: plan for plan in (Plan("safe", unsafe=False, takes_s=2.0), Plan("unsafe", unsafe=True, takes_s=2.0))
}
TERM = Term("i1", 1, "agent-1/11", AT, AT + 10, AT + 12)
NEXT = Term("i1", 2, "agent-2/22", AT + 15, AT + 20, AT + 22)
PROCESSES = {"agent-1": [11], "agent-2": [22]}
MACHINES = {"/1": "agent-1", "/2": "agent-2"}


def begin(policy_name: str, at: float, key: str = "i1/cure/1", folder: str = "/1") -> Seen:
    return Seen("begin", policy_name, AT + at, key, folder)


def end(policy_name: str, at: float) -> Seen:
    return Seen("end", policy_name, AT + at)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([begin("safe", 0), end("safe", 2), begin("safe", 3)], "took effect 2 times"),
        ([begin("unsafe", 0), end("unsafe", 2), begin("unsafe", 9, "i1/cure/2")], "its unsafe step"),
        ([begin("unsafe", 0), end("unsafe", 2), begin("unsafe", 9, "i2/cure/1")], "its unsafe step"),
        ([begin("safe", 0), begin("safe", 1, "i1/cure/2")], "was at work"),
    ],
)
def test_a_second_effect_is_counted(seen: list[Seen], told: str) -> None:
    (found,) = duplicates(seen, PLANS)
    assert told in found


def test_a_retry_of_a_safe_step_and_the_next_breakdown_are_no_duplicates() -> None:
    again = [begin("safe", 0), end("safe", 2), begin("safe", 3, "i1/cure/2"), end("safe", 5)]
    broken_again = [
        begin("unsafe", 0),
        end("unsafe", 2),
        Seen("fault", "unsafe", AT + 5),
        begin("unsafe", 6, "i2/cure/1"),
    ]
    assert duplicates(again, PLANS) == duplicates(broken_again, PLANS) == []


def sight(*seen: Seen, terms: tuple[Term, ...] = (TERM, NEXT), faults: tuple[Fault, ...] = ()) -> Sight:
    return Sight(PLANS, seen, faults, terms, processes=PROCESSES, machine_of=MACHINES)


def test_a_start_after_the_lease_or_after_a_takeover_is_found() -> None:
    assert list(outside_a_lease(sight(begin("safe", 11)))) == []
    assert "+1.000 s" in next(outside_a_lease(sight(begin("safe", 13))))
    assert "it had none" in next(outside_a_lease(sight(begin("safe", 13, folder="/2"), terms=(TERM,))))
    early = replace(NEXT, seen_from=AT + 9)
    assert "had taken over" in next(outside_a_lease(sight(begin("safe", 11), terms=(TERM, early))))


def test_a_start_in_blindness_is_found() -> None:
    blind = Fault("cut", AT, "agent-1", (11,), blinds=True, ended_at=AT + 20)
    assert (
        list(while_blind(sight(begin("safe", 3), begin("safe", 21), begin("safe", 10, folder="/2"), faults=(blind,))))
        == []
    )
    assert "into its blindness" in next(while_blind(sight(begin("safe", 10), faults=(blind,))))


def open_incident() -> Incident:
    driver = Driver(policy(do("a")))
    driver.confirm()
    return driver.incident


def test_what_is_left_open_or_was_never_opened_is_found() -> None:
    incident = open_incident()
    assert "left in phase" in next(unfinished({incident.id: incident}, []))
    assert "there is no incident" in next(unfinished({}, [Seen("fault", "safe", AT)]))


def test_an_effect_without_an_intent_before_it_is_found() -> None:
    incident = open_incident()
    (attempt,) = incident.every_attempt()
    one = Seen("begin", "safe", attempt.intended_at + 1, attempt.key)
    assert list(without_intent({incident.id: incident}, [one])) == []
    assert "before its intent" in next(without_intent({incident.id: incident}, [replace(one, at=one.at - 2)]))
    assert "no intent" in next(without_intent({}, [one]))


def seconds(fault: Fault, *terms: Term, shown: float | None = None, closed: bool = False) -> list[float]:
    acquired = [] if shown is None else [(AT + shown, "i1")]
    found = takeovers([fault], terms, acquired, {"i1"} if closed else set(), TTL_S)
    return [takeover.seconds for takeover in found]


def test_a_takeover_counts_until_the_journal_shows_it() -> None:
    killed = Fault("kill -9", AT + 10, "agent-1", (11,), silences=True)
    assert seconds(killed, TERM, NEXT, shown=16.0) == [6.0]
    assert seconds(killed, TERM, NEXT) == [math.inf]
    assert seconds(killed, TERM) == [math.inf]
    assert seconds(killed, TERM, closed=True) == []


def test_what_was_on_its_way_when_the_agent_fell_silent_needs_a_takeover_too() -> None:
    killed = Fault("kill -9", AT - 0.5, "agent-1", (11,), silences=True)
    renewed_no_more = replace(TERM, seen_until=AT + 3, expires_at=AT + 3)
    assert seconds(killed, renewed_no_more, replace(NEXT, seen_from=AT + 3.5), shown=3.75) == [4.25]


def test_an_agent_that_is_back_in_time_keeps_what_it_has() -> None:
    short = Fault("SIGSTOP", AT + 5, "agent-1", (11,), silences=True, ended_at=AT + 6)
    assert seconds(short, TERM) == []


def test_the_same_seed_draws_the_same_storm_and_leaves_somebody_whole() -> None:
    deeds = list(draw(random.Random(3), 4, isolated=True))
    assert deeds == list(draw(random.Random(3), 4, isolated=True))
    for deed in deeds:
        hurt = {d.agent for d in deeds if d.agent is not None and d.at_s <= deed.at_s < d.at_s + d.lasts_s}
        assert len(hurt) <= HURT_MAX
        if deed.agent is None:
            assert hurt == set()
