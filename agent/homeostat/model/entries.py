"""The journal's entries: everything that may ever be said of an incident.

An entry is a fact with a time. Each class is one type; `TYPE` is its name in the journal. Entries are frozen structs,
which cost a seventh of a frozen dataclass to make: a decision makes dozens of them. Adding one: define it here, teach
`decide/projection.py` what it changes, and `explain` how to say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct, field

from homeostat.model.drill_entries import DrillRan as DrillRan
from homeostat.model.drill_entries import TabletopAnswer as TabletopAnswer
from homeostat.model.entry import ENTRY_TYPES as ENTRY_TYPES
from homeostat.model.entry import Entry as Entry
from homeostat.model.entry import entry_type
from homeostat.model.learning_entries import AttemptCounted as AttemptCounted
from homeostat.model.learning_entries import ExplorationEnded as ExplorationEnded
from homeostat.model.learning_entries import ExplorationStarted as ExplorationStarted
from homeostat.model.learning_entries import SuccessRelapsed as SuccessRelapsed
from homeostat.model.notification_entries import NotificationFailed as NotificationFailed
from homeostat.model.notification_entries import NotificationSent as NotificationSent
from homeostat.model.people_entries import AnswerRefused as AnswerRefused
from homeostat.model.people_entries import ApprovalDenied as ApprovalDenied
from homeostat.model.people_entries import ApprovalExpired as ApprovalExpired
from homeostat.model.people_entries import ApprovalGranted as ApprovalGranted
from homeostat.model.people_entries import ApprovalRequested as ApprovalRequested
from homeostat.model.people_entries import FeedbackGiven as FeedbackGiven
from homeostat.model.people_entries import IncidentAcknowledged as IncidentAcknowledged
from homeostat.model.people_entries import Paused as Paused
from homeostat.model.people_entries import Resumed as Resumed
from homeostat.model.people_entries import StepCrossChecked as StepCrossChecked
from homeostat.model.people_entries import StepRequested as StepRequested
from homeostat.model.people_entries import TakenOver as TakenOver
from homeostat.model.policy import Effect, Scalar
from homeostat.model.ranking import GateFigures, Ranking
from homeostat.model.reasons import (
    AttemptVerdict,
    EscalationReason,
    OutcomeStatus,
    Reason,
    Result,
)
from homeostat.model.signals import Snapshot, Truth, Value


@entry_type
class Suspected(Entry, frozen=True, kw_only=True):
    """The trigger is true for the first time; the incident's first entry.

    `earned`: by step (`policy.Earning`), how many levels of autonomy above its start it had earned; 0 is left out.
    """

    TYPE: ClassVar[str] = "incident.suspected"
    incident: str
    policy: str
    policy_hash: str
    dedup_key: str
    seed: int
    earned: Mapping[str, int] = field(default_factory=dict)


@entry_type
class Confirmed(Entry, frozen=True, kw_only=True):
    """The trigger held for its whole window."""

    TYPE: ClassVar[str] = "incident.confirmed"


@entry_type
class Dismissed(Entry, frozen=True, kw_only=True):
    """The trigger broke, or could not be evaluated, before the incident was confirmed."""

    TYPE: ClassVar[str] = "incident.dismissed"
    reason: Reason


@entry_type
class Escalated(Entry, frozen=True, kw_only=True):
    """People were called; the agent starts nothing more in this incident."""

    TYPE: ClassVar[str] = "incident.escalated"
    reason: EscalationReason
    to: str
    severity: str
    node: str | None = None
    detail: str = ""


@entry_type
class Recovered(Entry, frozen=True, kw_only=True):
    """The resolved condition held for its whole window."""

    TYPE: ClassVar[str] = "incident.recovered"


@entry_type
class Closed(Entry, frozen=True, kw_only=True):
    """The incident is over; its stream's last entry."""

    TYPE: ClassVar[str] = "incident.closed"
    result: Result


@entry_type
class Observed(Entry, frozen=True, kw_only=True):
    """The snapshot this tick decided from."""

    TYPE: ClassVar[str] = "observation.snapshot"
    snapshot: Snapshot


@entry_type
class ConditionChanged(Entry, frozen=True, kw_only=True):
    """A watched condition changed its truth; `watch` is `trigger`, `resolved`, `verify:<key>` or `wait:<node>`."""

    TYPE: ClassVar[str] = "observation.condition"
    watch: str
    truth: Truth


class Option(Struct, frozen=True):
    """One candidate or branch as it stood when a decision was made.

    Attributes:
        condition, truth: its `if` and what it evaluated to; no condition counts as true.
        reason: why it was not eligible; None when it was.
        probability: learnt chance of success; nine times in ten between probability_low and probability_high.
        cost_s: expected seconds. harm: expected share of attempts that do harm. index: what it is ordered by.
        propensity: probability with which this decision would choose it.
    """

    id: str
    eligible: bool
    condition: str | None = None
    truth: Truth = None
    reason: Reason | None = None
    probability: float | None = None
    cost_s: float | None = None
    index: float | None = None
    propensity: float = 0.0
    probability_low: float | None = None
    probability_high: float | None = None
    harm: float | None = None


@entry_type
class Decided(Entry, frozen=True, kw_only=True):
    """A decision was reached and latched at `node`.

    Attributes:
        kind: `if`, `try`, `choose`, `decide`, `dag` (a child begins) or `guard` (refused for good).
        chosen: id of the option taken; None for none of them.
        context: every signal of the policy as it was known.
        failed: ids of candidates that had failed before, in this incident.
        options: of a ranked `choose`, best first.
        explored: another one than the best was taken, to learn of it.
        seed: of the draw, at a `choose` that explores; the same options and seed give the same choice.
        detail: why there was no exploring, where there might have been.
    """

    TYPE: ClassVar[str] = "decision.made"
    node: str
    kind: str
    chosen: str | None
    options: tuple[Option, ...]
    context: Mapping[str, Value] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    ranking_version: str | None = None
    seed: int | None = None
    explored: bool = False
    detail: str = ""


@entry_type
class DecisionWithheld(Entry, frozen=True, kw_only=True):
    """A node could go on but must not, and why. `reason` None lifts the earlier one.

    In a policy's own stream (`policy/<name>`) `node` is "" and the policy's trigger is meant.
    """

    TYPE: ClassVar[str] = "decision.withheld"
    node: str
    reason: Reason | None
    detail: str = ""
    policy: str | None = None


@entry_type
class WaitStarted(Entry, frozen=True, kw_only=True):
    """A `wait` was reached."""

    TYPE: ClassVar[str] = "wait.started"
    node: str


@entry_type
class WaitEnded(Entry, frozen=True, kw_only=True):
    """A `wait` is over; `succeeded` is False when its condition did not hold in time."""

    TYPE: ClassVar[str] = "wait.ended"
    node: str
    succeeded: bool


@entry_type
class ActionIntended(Entry, frozen=True, kw_only=True):
    """An action is about to start. Durable before the effect; unique by `key`.

    Attributes:
        undoes: the key of the attempt that it takes back; None for a step of the plan.
        spool: whose hands it is for: the id of the state folder that alone may start it. "" where there is only one.
        effect_key: what the target is told to deduplicate by, where that is the key of an earlier attempt.
        probe_before: the probe's condition when the intent was written.
    """

    TYPE: ClassVar[str] = "action.intent"
    incident: str
    key: str
    node: str
    action: str
    target: str
    arguments: Mapping[str, Scalar]
    effect: Effect
    number: int
    deadline_at: float
    held_before: Truth = None
    harm_before: Truth = None
    policy: str = ""
    undoes: str | None = None
    spool: str = ""
    effect_key: str = ""
    probe_before: Truth = None


@entry_type
class ActionStarted(Entry, frozen=True, kw_only=True):
    """The actuator says that the action runs. `handle` is the actuator's own name for it."""

    TYPE: ClassVar[str] = "action.started"
    key: str
    handle: str = ""


@entry_type
class CancelRequested(Entry, frozen=True, kw_only=True):
    """The action was told to stop. It counts as running until the actuator confirms."""

    TYPE: ClassVar[str] = "action.cancel_requested"
    key: str
    reason: EscalationReason


@entry_type
class ActionEnded(Entry, frozen=True, kw_only=True):
    """The action's execution ended; unique by `key`.

    Attributes:
        duration_s: as the actuator measured it.
        output: the end of what it printed, capped and redacted; output_sha256 is over all that was kept.
        by: who reported it, for a manual step; "" for every other, and in journals of older releases.
    """

    TYPE: ClassVar[str] = "action.outcome"
    key: str
    status: OutcomeStatus
    duration_s: float
    exit_code: int | None = None
    output: str = ""
    output_bytes: int = 0
    output_sha256: str | None = None
    detail: str = ""
    by: str = ""


@entry_type
class ActionInDoubt(Entry, frozen=True, kw_only=True):
    """Nobody can say whether the action ran to its end; the signals must tell."""

    TYPE: ClassVar[str] = "action.unknown"
    key: str
    detail: str


@entry_type
class ActionProbed(Entry, frozen=True, kw_only=True):
    """The signals were asked whether an action in doubt has happened; None: they could not tell in time."""

    TYPE: ClassVar[str] = "action.probed"
    key: str
    happened: Truth


@entry_type
class ActionReconciled(Entry, frozen=True, kw_only=True):
    """After a restart the actuator was asked about an intent: it never started, so the same key starts now."""

    TYPE: ClassVar[str] = "action.reconciled"
    key: str


@entry_type
class AttemptEnded(Entry, frozen=True, kw_only=True):
    """The attempt's verdict, its last entry."""

    TYPE: ClassVar[str] = "verify.result"
    key: str
    verdict: AttemptVerdict
    succeeded: bool


@entry_type
class PolicyLoaded(Entry, frozen=True, kw_only=True):
    """A policy version came into use; `sources` are the texts it can be loaded from again."""

    TYPE: ClassVar[str] = "policy.loaded"
    policy: str
    policy_hash: str
    sources: Mapping[str, str]
    environment: str | None = None


@entry_type
class GuardsLoaded(Entry, frozen=True, kw_only=True):
    """These shared guards came into use; `text` is their file. In the agent's stream."""

    TYPE: ClassVar[str] = "guards.loaded"
    hash: str
    text: str


@entry_type
class PolicyRefused(Entry, frozen=True, kw_only=True):
    """A changed policy file was invalid; the version in use stays."""

    TYPE: ClassVar[str] = "policy.refused"
    file: str
    problems: tuple[str, ...]


@entry_type
class RankingTrained(Entry, frozen=True, kw_only=True):
    """A ranking was trained.

    Attributes:
        gate: what the promotion gate found, in words.
        passed: whether it let the ranking pass; None in journals of older releases.
        figures: what it estimated, by id of the `choose` node.
    """

    TYPE: ClassVar[str] = "ranking.trained"
    ranking: Ranking
    gate: str
    passed: bool | None = None
    figures: Mapping[str, GateFigures] = field(default_factory=dict)


@entry_type
class RankingPromoted(Entry, frozen=True, kw_only=True):
    """From here on decisions of this policy use this ranking. `why`: what a person said; "" if the gate did it."""

    TYPE: ClassVar[str] = "ranking.promoted"
    version: str
    actor: str
    replaces: str | None = None
    why: str = ""


@entry_type
class RankingRolledBack(Entry, frozen=True, kw_only=True):
    """A ranking no longer rules.

    Attributes:
        version: of the one that ruled.
        to: the version that rules from here on; None for the written order.
        why: what it did worse, or what the person said.
    """

    TYPE: ClassVar[str] = "ranking.rolled_back"
    version: str
    to: str | None
    actor: str
    why: str


@entry_type
class AgentStarted(Entry, frozen=True, kw_only=True):
    """An agent process came up."""

    TYPE: ClassVar[str] = "agent.started"
    agent: str
    version: str
    seed: int


@entry_type
class AgentStopped(Entry, frozen=True, kw_only=True):
    """An agent process went down in order; `running` are the keys it left running, to be re-attached."""

    TYPE: ClassVar[str] = "agent.stopped"
    agent: str
    running: tuple[str, ...] = ()


@entry_type
class LeaseAcquired(Entry, frozen=True, kw_only=True):
    """Another agent answers for this incident from here on. `fence` grows with every owner."""

    TYPE: ClassVar[str] = "lease.acquired"
    agent: str
    fence: int


@entry_type
class JournalInterrupted(Entry, frozen=True, kw_only=True):
    """The journal could not be written from `since` (Unix seconds) until now; nothing was started meanwhile."""

    TYPE: ClassVar[str] = "journal.interrupted"
    agent: str
    since: float
    error: str


RESTRICTING_TYPES = frozenset(
    {ActionIntended.TYPE, Suspected.TYPE, Paused.TYPE, GuardsLoaded.TYPE, AttemptCounted.TYPE, SuccessRelapsed.TYPE}
)
"""Facts that may forbid a start which was decided before they were written."""

STARTING_TYPES = frozenset({ActionIntended.TYPE, ActionReconciled.TYPE})
"""Entries after which an action starts."""
