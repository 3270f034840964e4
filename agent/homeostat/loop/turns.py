"""From look to deed: decisions become durable, then they happen. A group shares one append, or each goes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from homeostat.decide.lifecycle import ACTIVE
from homeostat.decide.step import give_up, look_on, step
from homeostat.decide.turn import Moment
from homeostat.loop.hearing import Hearing
from homeostat.loop.outside import Outside
from homeostat.loop.standing import Standing
from homeostat.loop.tenure import Tenure
from homeostat.model import entries as e
from homeostat.model.answers import Answer
from homeostat.model.commands import Done, Report, Step
from homeostat.model.errors import (
    FactsMovedOn,
    HomeostatError,
    InvariantError,
    JournalConflict,
    JournalError,
    LeaseLost,
)
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.incident import Attempt, Incident, Ledger
from homeostat.model.policy import Mode, Policy
from homeostat.model.ports import Batch
from homeostat.model.reasons import Phase
from homeostat.model.signals import SignalSpec, Snapshot, Value
from homeostat.model.streams import policy_stream

FAILURES_MAX = 3
"""An open incident whose step has failed so often without a success in between is handed to people."""


class Look(Struct, frozen=True):
    """What one tick saw: the same for all of its decisions."""

    now: float
    snapshot: Snapshot
    guards: Guards = NO_GUARDS
    guard_values: Mapping[str, Value] = field(default_factory=dict)
    late_outcomes: Mapping[str, Done] = field(default_factory=dict)


class _Decided(Struct, frozen=True):
    """A step that is not durable yet."""

    policy: Policy
    incident: Incident
    step: Step
    answers: Sequence[Answer] = ()

    @property
    def batches(self) -> list[Batch]:
        """What must be durable before any of it happens."""
        incident, entries = self.incident, self.step.entries
        batches = [Batch(incident.id, incident.seq, entries)] if entries else []
        if self.step.policy_entries:
            batches.append(Batch(policy_stream(self.policy.name), None, self.step.policy_entries))
        return batches


class Terms(Struct, frozen=True):
    """What every decision of this agent is made under.

    Attributes:
        mode: how far the agent may go. people: role -> names of who has it.
        spool: the id of the state folder whose runners carry out what this agent starts.
    """

    mode: Mode = Mode.AUTO
    people: Mapping[str, frozenset[str]] = field(default_factory=dict)
    spool: str = ""


class Turns:
    """Takes incidents from look to deed."""

    def __init__(self, outside: Outside, standing: Standing, tenure: Tenure, hearing: Hearing, terms: Terms) -> None:
        self._outside = outside
        self._standing = standing
        self._tenure = tenure
        self._hearing = hearing
        self._terms = terms
        self._failures: Counter[str] = Counter()

    def take(self, group: Sequence[tuple[Policy, Incident]], look: Look) -> None:
        """Decide for a group, make it durable in one append, carry it out; one by one where that does not go."""
        decided: list[_Decided] = []
        ledger = self._standing.ledger
        for policy, incident in group:
            one = self._decide(policy, incident, look, ledger)
            if one is not None:
                decided.append(one)
                ledger = one.step.ledger
        if self._append_all(decided, look, alone=len(group) == 1):
            return
        for policy, incident in group:
            if not self._standing.in_doubt:
                self._turn_alone(policy, incident, look)

    def look_on(self, policy: Policy, incident: Incident, snapshots: Sequence[Snapshot]) -> None:
        """Make looks durable at which nothing is due; see `decide.step.look_on`. Raises JournalError."""
        looked = _Decided(policy, incident, look_on(incident, self._standing.ledger, snapshots))
        self._standing.append(looked.batches)
        self._carry_out(looked)

    def _turn_alone(self, policy: Policy, incident: Incident, look: Look) -> None:
        """Decide for one incident, on all that others have written by now."""
        decided = self._decide(policy, incident, look, self._standing.ledger)
        if decided is not None:
            self._append_all([decided], look, alone=True)

    def _append_all(self, decided: Sequence[_Decided], look: Look, *, alone: bool) -> bool:
        """Make steps durable together and carry them out; False when nothing was written and each is to go alone."""
        for one in decided:
            self._keep_outputs(one, look.now)
        try:
            self._standing.append([batch for one in decided for batch in one.batches])
        except JournalConflict as error:
            if not alone:
                return False
            self._give_way(decided[0], error)
        except JournalError as error:
            for one in decided:
                if one.batches:
                    self._outside.observer.failed(f"policy {one.policy.name}", error)
        except Exception as error:  # noqa: BLE001 - one policy's bug must not hold up the others
            if not alone:
                return False
            self._contain(decided[0].policy, decided[0].incident, error, look.now)
        else:
            for one in decided:
                self._carry_out(one)
        return True

    def _keep_outputs(self, decided: _Decided, now: float) -> None:
        """Keep the whole output of what has ended, where the journal's own entry shows only the end of it."""
        for entry in decided.step.entries:
            if not isinstance(entry, e.ActionEnded) or not entry.output_sha256:
                continue
            if entry.output_bytes <= len(entry.output.encode()):
                continue
            actuator = next(
                decided.policy.leaf(a.node).action.actuator
                for a in decided.step.incident.every_attempt()
                if a.key == entry.key
            )
            try:
                content = self._outside.executor.artifact(entry.key, actuator)
                if content is not None:
                    self._outside.journal.keep(
                        entry.output_sha256,
                        content,
                        bytes_total=entry.output_bytes,
                        truncated=len(content) < entry.output_bytes,
                        at=now,
                    )
            except HomeostatError as error:
                self._outside.observer.failed(f"output of {entry.key}", error)

    def _give_way(self, decided: _Decided, error: JournalConflict) -> None:
        """Somebody else was first: they have the incident, or wrote a fact that the next tick will know."""
        if isinstance(error, LeaseLost):
            self._standing.let_go(decided.incident)
        elif not isinstance(error, FactsMovedOn):
            self._standing.in_doubt = True
        self._outside.observer.failed(f"policy {decided.policy.name}", error)

    def _decide(self, policy: Policy, incident: Incident, look: Look, ledger: Ledger) -> _Decided | None:
        """Decide for one incident; None when that fails, which is a bug."""
        answers = self._hearing.about(incident.id)
        try:
            moment = Moment(
                now=look.now,
                snapshot=own_part(look.snapshot, policy.hash, policy.signals),
                ledger=ledger,
                ranking=self._standing.ranking(policy.name),
                reports=self._reports(policy, incident, look),
                mode=self._terms.mode,
                guards=look.guards,
                guard_values=look.guard_values,
                answers=answers,
                people=self._terms.people,
                spool=self._terms.spool,
            )
            return _Decided(policy, incident, step(policy, incident, moment), answers)
        except Exception as error:  # noqa: BLE001 - one policy's bug must not hold up the others
            self._contain(policy, incident, error, look.now)
            return None

    def _carry_out(self, decided: _Decided) -> None:
        """What is durable happens now."""
        self._standing.remember(decided.policy, decided.step)
        del self._failures[decided.incident.id]
        if decided.step.commands:
            self._command(decided)
        self._hearing.settle([answer.id for answer in decided.answers])

    def _command(self, decided: _Decided) -> None:
        elsewhere = {a.key for a in decided.step.incident.open_attempts() if self._is_elsewhere(decided.policy, a)}
        for command in decided.step.commands:
            if command.key in elsewhere:
                continue  # it is journalled, and the agent whose hands have it will see it there
            try:
                self._outside.executor.carry_out(self._tenure.bounded(command, decided.incident.id))
            except HomeostatError as error:
                self._outside.observer.failed(f"action {command.key}", error)

    def _contain(self, policy: Policy, incident: Incident, error: Exception, now: float) -> None:
        """A step that fails again and again is a bug: its incident goes to people, and the others go on."""
        bug = error if isinstance(error, HomeostatError) else InvariantError(f"{type(error).__name__}: {error}")
        self._outside.observer.failed(f"policy {policy.name}", bug)
        if incident.phase not in (Phase.CONFIRMING, *ACTIVE):
            return
        self._failures[incident.id] += 1
        if self._failures[incident.id] >= FAILURES_MAX:
            given_up = _Decided(policy, incident, give_up(policy, incident, self._nothing_seen(now), str(bug)))
            try:
                self._standing.append(given_up.batches)
            except JournalError as journal_error:
                self._outside.observer.failed(f"policy {policy.name}", journal_error)
                return
            self._carry_out(given_up)

    def _nothing_seen(self, now: float) -> Moment:
        return Moment(now, Snapshot(now), self._standing.ledger)

    def _reports(self, policy: Policy, incident: Incident, look: Look) -> dict[str, Report]:
        """What is known of the incident's running actions: from the hands that have them, or left by another agent."""
        reports: dict[str, Report] = {}
        for attempt in incident.open_attempts():
            if not attempt.in_flight:
                continue
            report: Report | None = None
            if not self._is_elsewhere(policy, attempt):
                actuator = policy.leaf(attempt.node).action.actuator
                report = self._outside.executor.report(attempt.key, actuator)
            if not isinstance(report, Done):
                report = look.late_outcomes.get(attempt.key, report)
            if report is not None:
                reports[attempt.key] = report
        return reports

    def _is_elsewhere(self, policy: Policy, attempt: Attempt) -> bool:
        """Whether only another agent can say what became of an attempt."""
        if not attempt.is_elsewhere(self._terms.spool):
            return False
        return not self._outside.executor.reaches_anywhere(policy.leaf(attempt.node).action.actuator)


def own_part(snapshot: Snapshot, owner: str, signals: Mapping[str, SignalSpec]) -> Snapshot:
    """The part of a snapshot that one policy version, or the guards, asked for, under its own names."""
    keys = {name: f"{owner}/{name}" for name in signals}
    readings = {name: snapshot.readings[key] for name, key in keys.items() if key in snapshot.readings}
    return Snapshot(snapshot.at, readings, snapshot.warnings, snapshot.error)
