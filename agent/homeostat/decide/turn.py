"""The working state of one call of `step`: what is known, and what has been decided so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from msgspec import Struct, field

from homeostat.decide.ledger import account
from homeostat.decide.projection import apply
from homeostat.model import entries as e
from homeostat.model.answers import Answer
from homeostat.model.commands import Command, Quiet, Report, Step
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import Mode, Policy
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import EscalationReason, Reason
from homeostat.model.signals import Condition, Snapshot, Truth, Value

LOOK_GAP_FACTOR = 2.0
"""A condition's window breaks when two looks at it are further apart than this many times its signals' `max_age`."""


class Moment(Struct, frozen=True):
    """Everything a decision may depend on beside the policy and the incident.

    Attributes:
        now: Unix seconds.
        snapshot: the signals as last read.
        ledger: facts shared over incidents.
        ranking: the promoted ranking of the incident's policy, if there is one.
        reports: what the actuators say of the incident's open attempts, by key.
        mode: how far the whole agent may go, whatever policies and steps allow.
        guards: shared by all policies. guard_values: what their own signals say.
        answers: what people have said about this incident since the last step.
        people: role -> names of who has it.
        spool: whose hands carry out what is started now; see `entries.ActionIntended`.
    """

    now: float
    snapshot: Snapshot
    ledger: Ledger = field(default_factory=Ledger)
    ranking: Ranking | None = None
    reports: Mapping[str, Report] = field(default_factory=dict)
    mode: Mode = Mode.AUTO
    guards: Guards = NO_GUARDS
    guard_values: Mapping[str, Value] = field(default_factory=dict)
    answers: Sequence[Answer] = ()
    people: Mapping[str, frozenset[str]] = field(default_factory=dict)
    spool: str = ""


class Turn:
    """Collects the entries and commands of one step, folding each entry in as it is recorded.

    So every later line of the same step sees the state the journal will show. Times are compared with `now` by its
    methods alone: so it knows how long nothing changes by the passing of time.

    Attributes:
        draining: a sibling in a `dag` has failed: what runs is brought to its end, and nothing new is begun.
    """

    __slots__ = (
        "_due_at",
        "_looked_at",
        "_looks_apart_s_max",
        "_observes",
        "commands",
        "draining",
        "entries",
        "incident",
        "ledger",
        "moment",
        "now",
        "policy",
        "policy_entries",
        "values",
    )

    def __init__(self, policy: Policy, incident: Incident, moment: Moment) -> None:
        self.policy = policy
        self.incident = incident
        self.moment = moment
        self.now = moment.now
        self.ledger = moment.ledger
        seen = incident.snapshot
        self._looked_at = None if seen is None else seen.at
        self.values: Mapping[str, Value] = moment.snapshot.values(policy.signals, moment.now)
        self.draining = False
        self._due_at = self._looks_apart_s_max = inf
        self._observes = False
        self.entries: list[e.Entry] = []
        self.policy_entries: list[e.Entry] = []
        self.commands: list[Command] = []

    def record(self, entry: e.Entry) -> None:
        """Put an entry into the incident's stream."""
        self.incident = apply(self.incident, entry)
        self.ledger = account(self.ledger, entry)
        self.entries.append(entry)

    def record_for_policy(self, entry: e.Entry) -> None:
        """Put an entry into the policy's own stream."""
        self.ledger = account(self.ledger, entry)
        self.policy_entries.append(entry)

    @property
    def observing(self) -> bool:
        """Whether nothing may be started, by the agent's mode or by the policy's."""
        return Mode.OBSERVE in (self.moment.mode, self.policy.mode)

    @property
    def condition_values(self) -> list[Value]:
        """The values of what conditions read: what only rankings go by gives nobody sight, and blinds nobody."""
        return [value for name, value in self.values.items() if name not in self.policy.learns_from]

    def observe(self) -> None:
        """Journal the snapshot this step decides from, once."""
        self._observes = True
        snapshot = self.moment.snapshot
        seen = self.incident.snapshot
        if seen is not None and seen.at == snapshot.at and seen.error == snapshot.error:
            return
        if snapshot.readings.keys() - self.policy.signals.keys():
            readings = {name: snapshot.readings[name] for name in self.policy.signals if name in snapshot.readings}
            snapshot = Snapshot(snapshot.at, readings, snapshot.warnings, snapshot.error)
        self.record(e.Observed(at=self.now, snapshot=snapshot))

    def truth(self, condition: Condition) -> Truth:
        """Evaluate a condition on this step's values."""
        return condition.evaluate(self.values)

    def truth_after(self, condition: Condition, since: float) -> Truth:
        """Evaluate a condition on samples taken after `since`; older ones count as unknown."""
        readings = self.moment.snapshot.readings
        fresh: dict[str, Value] = {}
        for name in condition.signals:
            reading = readings.get(name)
            is_fresh = reading is not None and reading.sampled_at is not None and reading.sampled_at > since
            fresh[name] = self.values[name] if is_fresh else None
            if not is_fresh:
                self.may_differ_at_any_look()
        return condition.evaluate(fresh)

    def watch(self, name: str, condition: Condition, samples_since: float | None = None) -> float | None:
        """Note a watched condition's truth; give how many seconds it has been true without a break, None if it is not.

        Nobody knows what it was while nobody looked: after a gap (a suspended agent, a clock that jumped) it counts
        from now.

        Args:
            name: of the window, in `Incident.held`.
            condition: what is watched.
            samples_since: count only samples taken after this; None for all fresh ones.
        """
        truth = self.truth(condition) if samples_since is None else self.truth_after(condition, samples_since)
        if truth is True:
            self.observe()  # also while people have the incident: so that the window knows when it was last looked at
        held = self.incident.held.get(name)
        # What is not true has no window to begin anew: that would be an entry at every look, for ever.
        if held is None or held.truth is not truth or (truth is True and self._looked_away(condition)):
            self.record(e.ConditionChanged(at=self.now, watch=name, truth=truth))
            return 0.0 if truth is True else None
        return self.now - held.since if truth is True else None

    def _looked_away(self, condition: Condition) -> bool:
        """Whether the last look is so long ago that what it saw had long been stale."""
        max_age_s = max((self.policy.signals[name].max_age_s for name in condition.signals), default=0.0)
        gap_s_max = LOOK_GAP_FACTOR * max_age_s
        self._looks_apart_s_max = min(self._looks_apart_s_max, gap_s_max)
        if self._looked_at is None:
            return False
        gap_s = self.now - self._looked_at
        return gap_s > gap_s_max or gap_s < 0.0

    def has_come(self, at: float) -> bool:
        """Whether a moment is reached."""
        return self.has_lasted(self.now - at, 0.0)

    def has_lasted(self, elapsed_s: float, bound_s: float) -> bool:
        """Whether something has gone on for `bound_s`."""
        self._due_when(elapsed_s, bound_s)
        return elapsed_s >= bound_s

    def has_outlasted(self, elapsed_s: float, bound_s: float) -> bool:
        """Whether something has gone on for longer than `bound_s`."""
        self._due_when(elapsed_s, bound_s)
        return elapsed_s > bound_s

    def is_within(self, at: float, window_s: float) -> bool:
        """Whether a moment lies less than `window_s` back."""
        self._due_when(self.now - at, window_s)
        return at > self.now - window_s

    def may_differ_at_any_look(self) -> None:
        """Note that nobody can say when this step would come out otherwise."""
        self._due_at = self.now

    def _due_when(self, elapsed_s: float, bound_s: float) -> None:
        due_at = self.now + bound_s - elapsed_s
        if self.now <= due_at < self._due_at:
            self._due_at = due_at

    def withhold(self, node: str, reason: Reason, detail: str = "") -> float:
        """Journal why `node` does not go on, once per reason; give for how many seconds that has been so."""
        withheld = self.incident.withheld.get(node)
        if withheld is None or withheld.reason is not reason:
            self.record(e.DecisionWithheld(at=self.now, node=node, reason=reason, detail=detail))
            return 0.0
        return self.now - withheld.since

    def release(self, node: str) -> None:
        """Journal that whatever held `node` back no longer does."""
        if node in self.incident.withheld:
            self.record(e.DecisionWithheld(at=self.now, node=node, reason=None))

    def escalate(self, reason: EscalationReason, node: str | None = None, detail: str = "") -> None:
        """Hand the incident to the people the policy names."""
        people = self.policy.escalate
        told = ": ".join(filter(None, [people.message, detail]))
        self.record(
            e.Escalated(
                at=self.now,
                reason=reason,
                to=people.to,
                severity=people.severity,
                node=node,
                detail=told,
                observed=self.observing,
            )
        )

    def done(self) -> Step:
        """Close the step."""
        is_quiet = not (self.policy_entries or self.commands or self.moment.answers) and (
            not self.entries or (len(self.entries) == 1 and isinstance(self.entries[0], e.Observed))
        )
        return Step(
            incident=self.incident,
            ledger=self.ledger,
            entries=tuple(self.entries),
            policy_entries=tuple(self.policy_entries),
            commands=tuple(self.commands),
            quiet=Quiet(self._due_at, self._looks_apart_s_max, self._observes) if is_quiet else None,
        )
