"""The journal's entries: everything that may ever be said of an incident.

An entry is a fact with a time. Each class is one type; `TYPE` is its name in the journal. Entries are frozen structs,
which cost a seventh of a frozen dataclass to make: a decision makes dozens of them. Those about alerts, agents,
actions, drills, learning, notifications and people are in files of their own. Adding one: define it, teach
`decide/projection.py` what it changes, and `explain` how to say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct, field

from homeostat.model.action_entries import ActionEnded as ActionEnded
from homeostat.model.action_entries import ActionInDoubt as ActionInDoubt
from homeostat.model.action_entries import ActionIntended as ActionIntended
from homeostat.model.action_entries import ActionProbed as ActionProbed
from homeostat.model.action_entries import ActionReconciled as ActionReconciled
from homeostat.model.action_entries import ActionStarted as ActionStarted
from homeostat.model.action_entries import AttemptEnded as AttemptEnded
from homeostat.model.action_entries import CancelRequested as CancelRequested
from homeostat.model.agent_entries import AgentStarted as AgentStarted
from homeostat.model.agent_entries import AgentStopped as AgentStopped
from homeostat.model.agent_entries import GuardsLoaded as GuardsLoaded
from homeostat.model.agent_entries import JournalInterrupted as JournalInterrupted
from homeostat.model.agent_entries import LeaseAcquired as LeaseAcquired
from homeostat.model.agent_entries import PolicyLoaded as PolicyLoaded
from homeostat.model.agent_entries import PolicyRefused as PolicyRefused
from homeostat.model.alert_entries import AlertReceived as AlertReceived
from homeostat.model.alert_entries import AlertsLeftOut as AlertsLeftOut
from homeostat.model.drill_entries import DrillRan as DrillRan
from homeostat.model.drill_entries import TabletopAnswer as TabletopAnswer
from homeostat.model.entry import ENTRY_TYPES as ENTRY_TYPES
from homeostat.model.entry import Entry as Entry
from homeostat.model.entry import entry_type
from homeostat.model.learning_entries import AttemptCounted as AttemptCounted
from homeostat.model.learning_entries import ExplorationEnded as ExplorationEnded
from homeostat.model.learning_entries import ExplorationStarted as ExplorationStarted
from homeostat.model.learning_entries import RankingPromoted as RankingPromoted
from homeostat.model.learning_entries import RankingRolledBack as RankingRolledBack
from homeostat.model.learning_entries import RankingTrained as RankingTrained
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
from homeostat.model.reasons import (
    EscalationReason,
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
    """People were called; the agent starts nothing more in this incident.

    Attributes:
        observed: the agent or the policy was in mode `observe`, so that what would have been done is only told.
    """

    TYPE: ClassVar[str] = "incident.escalated"
    reason: EscalationReason
    to: str
    severity: str
    node: str | None = None
    detail: str = ""
    observed: bool = False


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
        failed: ids of candidates that had been seen to fail before, in this incident: one whose start was refused, or
            whose end nobody could judge, is not among them.
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


RESTRICTING_TYPES = frozenset(
    {ActionIntended.TYPE, Suspected.TYPE, Paused.TYPE, GuardsLoaded.TYPE, AttemptCounted.TYPE, SuccessRelapsed.TYPE}
)
"""Facts that may forbid a start which was decided before they were written."""

STARTING_TYPES = frozenset({ActionIntended.TYPE, ActionReconciled.TYPE})
"""Entries after which an action starts."""
