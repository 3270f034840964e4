"""Whatever the world, people and the plan do, these hold for every kind of step.

The driver itself checks at each step that the fold of the journal is the live state, and that `step` asked twice
answers the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.decide.builders import Driver, above, policy
from tests.unit.decide.plan_strategies import plans

from homeostat.decide.attempts import CANCEL_GRACE_S
from homeostat.decide.ledger import account
from homeostat.decide.projection import NONE_LEFT
from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running
from homeostat.model.guards import Guards, Maintenance, Rate
from homeostat.model.policy import Dag, Do, Mode, Node, children_of, walk_nodes
from homeostat.model.reasons import OutcomeStatus, Phase

VALUES = st.sampled_from([None, 0.0, 3.0, 10.0, 10.0])
REPORTS: st.SearchStrategy[Report | None] = st.sampled_from(
    [
        None,
        Running("1"),
        Running("1"),
        NeverStarted(),
        InDoubt("gone"),
        *[Done(OutcomeStatus.OK, 1.0)] * 4,
        Done(OutcomeStatus.ERROR, 1.0),
        Done(OutcomeStatus.TIMEOUT, 1.0),
        Done(OutcomeStatus.CANCELLED, 1.0),
    ]
)
PEOPLE = {"lead": frozenset({"ann"}), "ops": frozenset({"bob", "cid"}), "oncall": frozenset({"dee"})}
NAMES = ("ann", "bob", "cid", "dee", "eve", "agent", "lead")
RATE = Rate(frozenset({"target"}), 2, 300.0)
ALL_RATE = Rate(frozenset(), 4, 600.0)
TIMEOUT_S = 1500.0
TICK_S_MAX = 70.0


@dataclass
class Trial:
    """One incident in a random world, and what is watched over it."""

    driver: Driver
    data: st.DataObject
    answers: int = 0
    intents: list[e.ActionIntended] = field(default_factory=list)

    def tick(self) -> None:
        driver, data = self.driver, self.data
        for name in driver.signals:
            driver.signals[name] = data.draw(VALUES)
        driver.error = data.draw(st.sampled_from([None, None, None, None, "down"]))
        for attempt in driver.incident.open_attempts():
            if attempt.in_flight:
                report = data.draw(REPORTS)
                if report is None:
                    driver.reports.pop(attempt.key, None)
                else:
                    driver.reports[attempt.key] = report
        self.people_say()
        before = driver.incident
        locked = dict(driver.ledger.locks)
        paused = dict(driver.ledger.paused)
        step = driver.tick(data.draw(st.sampled_from([1.0, 5.0, 30.0, TICK_S_MAX])))
        intents = [entry for entry in step.entries if isinstance(entry, e.ActionIntended)]
        for intent in intents:
            self.may_start(intent, paused)
        freed = {entry.key for entry in step.entries if isinstance(entry, e.AttemptEnded)}
        assert all(locked[i.target].key in freed for i in intents if i.target in locked), "touched a locked target"
        self.one_attempt_a_target()
        self.dags_keep_order(step.entries, before.picks)
        self.grants_are_by_approvers(step.entries)
        assert driver.incident.taken_over_by is None or not intents, "began something beside who has taken over"
        self.intents += intents

    def people_say(self) -> None:
        """Anybody may answer anything, the kill switch may be pulled."""
        driver, data = self.driver, self.data
        for node in list(driver.incident.questions) + list(driver.incident.withheld):
            if node and data.draw(st.booleans()):
                kind = data.draw(st.sampled_from([AnswerKind.APPROVE, AnswerKind.DENY, AnswerKind.REQUEST]))
                self.answers += 1
                name = data.draw(st.sampled_from(NAMES))
                driver.answers.append(Answer(f"a{self.answers}", kind, name, driver.now, driver.incident.id, node))
        if data.draw(st.integers(0, 25)) == 25:
            self.answers += 1
            answer = Answer(f"a{self.answers}", AnswerKind.TAKE_OVER, "ann", driver.now, driver.incident.id)
            driver.answers.append(answer)
        switch = data.draw(st.integers(0, 12))
        if switch == 0:
            driver.ledger = account(driver.ledger, e.Paused(at=driver.now, by="ann", answer="p"))
        elif switch <= 3:
            driver.ledger = account(driver.ledger, e.Resumed(at=driver.now, by="ann", answer="r"))

    def may_start(self, intent: e.ActionIntended, paused: Mapping[str, str]) -> None:
        driver = self.driver
        leaf = driver.policy.leaf(intent.node)
        known = {name for name, value in driver.signals.items() if value is not None}
        if intent.undoes is not None:
            assert intent.number <= 2 * (1 + 3 + 2), "undid without end"
            return
        assert not driver.error, "acted without a source"
        assert known, "acted without data"
        assert not paused, "acted while paused"
        assert leaf.mode is not Mode.OBSERVE
        for window in driver.guards.maintenance:
            assert not window.covers(driver.now), "acted in a maintenance window"
        for rate in driver.guards.rates:
            same = [
                start
                for start in driver.ledger.starts
                if start.at > driver.now - rate.within_s and (not rate.per or start.target == intent.target)
            ]
            assert len(same) <= rate.starts_max, "a rate was exceeded"
        always_asked = leaf.approval is not None and leaf.approval.condition is None
        if leaf.mode is Mode.APPROVE or always_asked:
            question = driver.incident.questions.get(leaf.id)
            assert question is not None, "acted without having asked"
            assert question.granted, "acted without a yes"
        if leaf.mode is Mode.SUGGEST:
            assert leaf.id in driver.incident.requests, "acted on its own suggestion"

    def one_attempt_a_target(self) -> None:
        targets = [attempt.target for attempt in self.driver.incident.open_attempts()]
        assert len(targets) == len(set(targets)), "two attempts are at work on one target"

    def dags_keep_order(self, entries: tuple[e.Entry, ...], failed: Mapping[str, tuple[str, ...]]) -> None:
        """No leaf starts below a child whose needs have failed attempts only, or below a dag that has failed."""
        begun = {entry.node for entry in entries if isinstance(entry, e.ActionIntended) and entry.undoes is None}
        for dag in (node for node in self.driver.policy.nodes() if isinstance(node, Dag)):
            picks = self.driver.incident.picks.get(dag.id, ())
            for child in dag.children:
                if not begun & leaves_of(child):
                    continue
                assert child.id in picks, "a leaf began and its child of the dag had not"
                for need in dag.needs.get(child.id, ()):
                    needed = next(other for other in dag.children if other.id == need)
                    assert need in picks, "began before what it needs"
                    assert picks.index(need) < picks.index(child.id)
                    assert not self.at_work(needed), "began while what it needs is still at work"
            if NONE_LEFT in failed.get(dag.id, ()):
                below = {leaf for child in dag.children for leaf in leaves_of(child)}
                assert not begun & below, "began something in a dag that had failed before"

    def at_work(self, node: Node) -> bool:
        return any(
            attempts[-1].verdict is None
            for leaf, attempts in self.driver.incident.attempts.items()
            if leaf in leaves_of(node)
        )

    def grants_are_by_approvers(self, entries: tuple[e.Entry, ...]) -> None:
        for entry in entries:
            if isinstance(entry, e.ApprovalGranted):
                question = self.driver.incident.questions[entry.node]
                allowed = {name for role in question.approvers for name in (role, *PEOPLE.get(role, ()))}
                assert entry.by in allowed, f"{entry.by} said yes and may not"
                assert entry.by != question.requester, "who asked said yes"


def leaves_of(node: Node) -> set[str]:
    return {inner.id for inner in walk_nodes(node) if isinstance(inner, Do)}


GUARDS = st.sampled_from(
    [
        Guards(),
        Guards(rates=(RATE,)),
        Guards(rates=(RATE, ALL_RATE)),
        Guards(maintenance=(Maintenance("m", 1_700_000_100.0, 1_700_000_300.0),)),
    ]
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), plan=plans(), attempts_max=st.integers(1, 8), has_harm=st.booleans(), guards=GUARDS)
def test_no_world_makes_a_plan_break_its_rules(
    data: st.DataObject, plan: tuple[Node, ...], attempts_max: int, has_harm: bool, guards: Guards
) -> None:
    harm = above("harm", 5) if has_harm else None
    driver = Driver(policy(*plan, attempts_max=attempts_max, harm=harm, timeout_s=TIMEOUT_S))
    driver.guards = guards
    driver.people = PEOPLE
    driver.confirm()
    trial = Trial(driver, data)
    opened_at = driver.incident.opened_at
    for _ in range(data.draw(st.integers(1, 40))):
        trial.tick()
        if driver.incident.phase in (Phase.CLOSED, Phase.ESCALATED):
            break
        assert driver.now - opened_at <= TIMEOUT_S + TICK_S_MAX, "an incident outlived its time-out"
    bounded(trial, attempts_max)


def bounded(trial: Trial, attempts_max: int) -> None:
    driver = trial.driver
    own = [intent for intent in trial.intents if intent.undoes is None]
    every = list(driver.incident.every_attempt())
    doubtful = sum(attempt.in_doubt or attempt.happened is False for attempt in every)
    withdrawn = sum(attempt.is_withdrawn for attempt in every if attempt.undoes is None)
    assert withdrawn <= attempts_max + 1
    assert len(own) <= attempts_max + doubtful + withdrawn
    keys = [intent.key for intent in trial.intents]
    assert len(set(keys)) == len(keys), "an idempotency key was used twice"
    for node, attempts in driver.incident.attempts.items():
        leaf = driver.policy.leaf(node)
        if attempts[0].undoes is None:
            ran = [
                a for a in attempts if a.started_at or a.in_doubt or a.outcome not in (None, OutcomeStatus.CANCELLED)
            ]
            cancelled = [a for a in attempts if a.outcome is OutcomeStatus.CANCELLED]
            assert len(ran) - len(cancelled) <= 1 + max(leaf.retry.times_max, 1)
            assert sum(a.happened is False for a in attempts) <= 1 + max(leaf.retry.times_max, 1)
            assert not any(earlier.succeeded for earlier in attempts[:-1]), "ran again after success"


@settings(max_examples=60, deadline=None)
@given(data=st.data(), plan=plans())
def test_every_incident_ends_or_is_with_people_by_its_time_out(data: st.DataObject, plan: tuple[Node, ...]) -> None:
    """Whatever the actuators say, and where nobody ever answers."""
    driver = Driver(policy(*plan, timeout_s=TIMEOUT_S))
    driver.people = PEOPLE
    driver.confirm()
    opened_at = driver.incident.opened_at
    answer = data.draw(st.sampled_from([Running("1"), InDoubt("gone"), Done(OutcomeStatus.ERROR, 1.0), None]))
    hint = data.draw(st.sampled_from([None, 0.0, 10.0]))
    while driver.incident.phase not in (Phase.CLOSED, Phase.ESCALATED):
        for attempt in driver.incident.open_attempts():
            if answer is None:
                driver.reports.pop(attempt.key, None)
            else:
                driver.reports[attempt.key] = answer
        driver.tick(30.0, errors=10.0, hint=hint, harm=0.0)
        assert driver.now - opened_at <= TIMEOUT_S + CANCEL_GRACE_S + 30.0


@settings(max_examples=60, deadline=None)
@given(plan=plans(), seed=st.integers(0, 2**32))
def test_the_same_world_gives_the_same_journal(plan: tuple[Node, ...], seed: int) -> None:
    def lived() -> list[e.Entry]:
        driver = Driver(policy(*plan))
        driver.confirm()
        for number in range(25):
            for attempt in driver.incident.open_attempts():
                outcome = OutcomeStatus.OK if (seed >> number) & 1 else OutcomeStatus.ERROR
                driver.reports[attempt.key] = Done(outcome, 1.0)
            driver.tick(10.0, hint=float((seed >> number) % 3 * 5), harm=0.0)
        return driver.entries

    assert lived() == lived()


def test_the_strategies_draw_every_kind() -> None:
    seen: set[str] = set()

    @settings(max_examples=300, deadline=None, database=None)
    @given(plan=plans())
    def look(plan: tuple[Node, ...]) -> None:
        for root in plan:
            for node in walk_nodes(root):
                seen.add(type(node).__name__)
                if isinstance(node, Do):
                    seen.update({"manual"} if node.is_manual else {"undo"} if node.undo else set())
                if not isinstance(node, Dag) and children_of(node):
                    seen.add("children")

    look()
    assert {"Do", "Steps", "Dag", "Try", "Choose", "Decide", "Wait", "Escalate", "manual", "undo"} <= seen
