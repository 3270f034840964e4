"""Whatever the world does, these hold. The driver itself checks fold(journal) == live state at every step."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.decide.builders import Driver, above, do, policy

from homeostat.model import entries as e
from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running
from homeostat.model.policy import Branch, Choose, Decide, Effect, Escalate, Node, Probe, Retry, Steps, Try, Verify
from homeostat.model.reasons import OutcomeStatus, Phase
from homeostat.model.signals import Condition

VALUES = st.sampled_from([None, 0.0, 0.5, 3.0, 10.0])
REPORTS: st.SearchStrategy[Report] = st.sampled_from(
    [
        Running("1"),
        NeverStarted(),
        InDoubt("gone"),
        Done(OutcomeStatus.OK, 1.0),
        Done(OutcomeStatus.OK, 1.0),
        Done(OutcomeStatus.ERROR, 1.0),
        Done(OutcomeStatus.TIMEOUT, 1.0),
        Done(OutcomeStatus.CANCELLED, 1.0),
    ]
)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Node, ...]:
    """A plan of up to three levels, ids numbered as drawn."""
    count = 0

    def name(kind: str) -> str:
        nonlocal count
        count += 1
        return f"{kind}{count}"

    def condition() -> Condition | None:
        return draw(st.sampled_from([None, None, above("hint", 5), above("harm", 5)]))

    def leaf() -> Node:
        effect = draw(st.sampled_from(Effect))
        return do(
            name("do"),
            target=f"svc/{draw(st.integers(0, 2))}",
            effect=effect,
            probe=Probe(above("hint", 5), 20.0) if effect is Effect.PROBE else None,
            retry=Retry(draw(st.integers(0, 2)), draw(st.sampled_from([0.0, 10.0])), draw(st.booleans())),
            cooldown_s=draw(st.sampled_from([0.0, 0.0, 100.0])),
            verify=draw(st.sampled_from([None, Verify(above("hint", 5), 5.0, 20.0)])),
            condition=condition(),
            timeout_s=draw(st.sampled_from([10.0, 1000.0])),
        )

    def node(depth: int) -> Node:
        kind = draw(st.sampled_from(["do", "do", "steps", "try", "choose", "decide", "escalate"]))
        if depth == 0 or kind == "do":
            return leaf()
        if kind == "escalate":
            return Escalate(name("escalate"), "people", condition=condition())
        children = tuple(node(depth - 1) for _ in range(draw(st.integers(1, 3))))
        if kind == "decide":
            return Decide(name("decide"), tuple(Branch(condition(), child) for child in children))
        if kind == "steps":
            return Steps(name(kind), children, condition())
        return (Try if kind == "try" else Choose)(name(kind), children, condition())

    return tuple(node(2) for _ in range(draw(st.integers(1, 2))))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), tree=trees(), attempts_max=st.integers(1, 8), has_harm=st.booleans())
def test_no_world_makes_the_agent_break_its_rules(
    data: st.DataObject, tree: tuple[Node, ...], attempts_max: int, has_harm: bool
) -> None:
    driver = Driver(policy(*tree, attempts_max=attempts_max, harm=above("harm", 5) if has_harm else None))
    driver.confirm()
    for _ in range(data.draw(st.integers(1, 40))):
        for name in driver.signals:
            driver.signals[name] = data.draw(VALUES)
        driver.error = data.draw(st.sampled_from([None, None, None, "down"]))
        for attempt in driver.incident.open_attempts():
            if attempt.in_flight:
                driver.reports[attempt.key] = data.draw(REPORTS)
        locked = dict(driver.ledger.locks)
        step = driver.tick(data.draw(st.sampled_from([1.0, 5.0, 30.0, 70.0])))
        started = [entry for entry in step.entries if isinstance(entry, e.ActionIntended)]
        assert not (started and driver.error), "acted without a source"
        assert not (started and all(value is None for value in driver.signals.values())), "acted without data"
        freed = {entry.key for entry in step.entries if isinstance(entry, e.AttemptEnded)}
        assert all(locked[i.target].key in freed for i in started if i.target in locked), "touched a locked target"
        if driver.incident.phase is Phase.CLOSED:
            break
    check_bounds(driver, attempts_max)


def check_bounds(driver: Driver, attempts_max: int) -> None:
    intents = [entry for entry in driver.entries if isinstance(entry, e.ActionIntended)]
    every = list(driver.incident.every_attempt())
    doubtful = sum(attempt.in_doubt or attempt.happened is False for attempt in every)
    withdrawn = sum(attempt.is_withdrawn for attempt in every if attempt.undoes is None)
    assert withdrawn <= attempts_max + 1
    assert len(intents) <= attempts_max + doubtful + withdrawn
    assert len({intent.key for intent in intents}) == len(intents), "an idempotency key was used twice"
    open_at_once = 0
    for entry in driver.entries:
        if isinstance(entry, e.ActionIntended):
            open_at_once += 1
        if isinstance(entry, e.AttemptEnded):
            open_at_once -= 1
        assert open_at_once in (0, 1), "a sequential plan ran two actions at once"
    for attempts in driver.incident.attempts.values():
        leaf = driver.policy.leaves[attempts[0].node]
        ran = [attempt for attempt in attempts if attempt.started_at or attempt.outcome or attempt.in_doubt]
        cancelled = [attempt for attempt in attempts if attempt.outcome is OutcomeStatus.CANCELLED]
        assert len(ran) - len(cancelled) <= 1 + max(leaf.retry.times_max, 1)
        assert sum(attempt.happened is False for attempt in attempts) <= 1 + max(leaf.retry.times_max, 1)
        for earlier in attempts[:-1]:
            assert not earlier.succeeded, "ran again after success"
