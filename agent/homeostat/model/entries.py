"""The journal's entries: everything that may ever be said of an incident.

An entry is a fact with a time. Each class is one type; `TYPE` is its name in the journal. Entries are frozen structs,
which cost a seventh of a frozen dataclass to make: a decision makes dozens of them. Adding one: define it here, teach
`decide/projection.py` what it changes, and `explain` how to say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from msgspec import Struct, field

from homeostat.model.policy import Effect, Scalar
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import (
    AnswerRefusal,
    AttemptVerdict,
    EscalationReason,
    OutcomeStatus,
    Reason,
    Result,
)
from homeostat.model.signals import Snapshot, Truth, Value

ENTRY_TYPES: dict[str, type[Entry]] = {}
"""Name in the journal -> class."""


class Entry(Struct, frozen=True, kw_only=True):
    """One fact.

    Attributes:
        at: Unix seconds on the agent's (injected) clock.
    """

    TYPE: ClassVar[str] = ""
    at: float


E = TypeVar("E", bound=Entry)


def _entry(entry_type: type[E]) -> type[E]:
    ENTRY_TYPES[entry_type.TYPE] = entry_type
    return entry_type


@_entry
class Suspected(Entry, frozen=True, kw_only=True):
    """The trigger is true for the first time; the incident's first entry."""

    TYPE: ClassVar[str] = "incident.suspected"
    incident: str
    policy: str
    policy_hash: str
    dedup_key: str
    seed: int


@_entry
class Confirmed(Entry, frozen=True, kw_only=True):
    """The trigger held for its whole window."""

    TYPE: ClassVar[str] = "incident.confirmed"


@_entry
class Dismissed(Entry, frozen=True, kw_only=True):
    """The trigger broke, or could not be evaluated, before the incident was confirmed."""

    TYPE: ClassVar[str] = "incident.dismissed"
    reason: Reason


@_entry
class Escalated(Entry, frozen=True, kw_only=True):
    """People were called; the agent starts nothing more in this incident."""

    TYPE: ClassVar[str] = "incident.escalated"
    reason: EscalationReason
    to: str
    severity: str
    node: str | None = None
    detail: str = ""


@_entry
class Recovered(Entry, frozen=True, kw_only=True):
    """The resolved condition held for its whole window."""

    TYPE: ClassVar[str] = "incident.recovered"


@_entry
class Closed(Entry, frozen=True, kw_only=True):
    """The incident is over; its stream's last entry."""

    TYPE: ClassVar[str] = "incident.closed"
    result: Result


@_entry
class Observed(Entry, frozen=True, kw_only=True):
    """The snapshot this tick decided from."""

    TYPE: ClassVar[str] = "observation.snapshot"
    snapshot: Snapshot


@_entry
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
        probability: learnt chance of success. cost_s: expected seconds. index: probability / cost_s.
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


@_entry
class Decided(Entry, frozen=True, kw_only=True):
    """A decision was reached and latched at `node`.

    Attributes:
        kind: `if`, `try`, `choose`, `decide`, `dag` (a child begins) or `guard` (refused for good).
        chosen: id of the option taken; None for none of them.
        context: every signal of the policy as it was known.
        failed: ids of candidates that had failed before, in this incident.
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


@_entry
class DecisionWithheld(Entry, frozen=True, kw_only=True):
    """A node could go on but must not, and why. `reason` None lifts the earlier one.

    In a policy's own stream (`policy/<name>`) `node` is "" and the policy's trigger is meant.
    """

    TYPE: ClassVar[str] = "decision.withheld"
    node: str
    reason: Reason | None
    detail: str = ""
    policy: str | None = None


@_entry
class WaitStarted(Entry, frozen=True, kw_only=True):
    """A `wait` was reached."""

    TYPE: ClassVar[str] = "wait.started"
    node: str


@_entry
class WaitEnded(Entry, frozen=True, kw_only=True):
    """A `wait` is over; `succeeded` is False when its condition did not hold in time."""

    TYPE: ClassVar[str] = "wait.ended"
    node: str
    succeeded: bool


@_entry
class ApprovalRequested(Entry, frozen=True, kw_only=True):
    """People are asked whether a step may start.

    Attributes:
        requester: who wants it started; never the one who approves.
        action, target: what would be done.
    """

    TYPE: ClassVar[str] = "approval.requested"
    node: str
    approvers: tuple[str, ...]
    requester: str
    expires_at: float
    action: str
    target: str


@_entry
class ApprovalGranted(Entry, frozen=True, kw_only=True):
    """A person agreed. It holds until `expires_at`; a start that comes later must be asked for anew."""

    TYPE: ClassVar[str] = "approval.granted"
    node: str
    by: str
    answer: str
    expires_at: float
    note: str = ""


@_entry
class ApprovalDenied(Entry, frozen=True, kw_only=True):
    """A person said no; the step has failed."""

    TYPE: ClassVar[str] = "approval.denied"
    node: str
    by: str
    answer: str
    note: str = ""


@_entry
class ApprovalExpired(Entry, frozen=True, kw_only=True):
    """Nobody said yes in time, or the question has become pointless; the step has failed."""

    TYPE: ClassVar[str] = "approval.expired"
    node: str
    detail: str = ""


@_entry
class StepRequested(Entry, frozen=True, kw_only=True):
    """A person asked for a step that was only suggested."""

    TYPE: ClassVar[str] = "step.requested"
    node: str
    by: str
    answer: str


@_entry
class AnswerRefused(Entry, frozen=True, kw_only=True):
    """A person's answer changed nothing, and why. In the incident's stream, or the agent's where there is none."""

    TYPE: ClassVar[str] = "answer.refused"
    answer: str
    by: str
    reason: AnswerRefusal
    node: str | None = None
    incident: str | None = None


@_entry
class Paused(Entry, frozen=True, kw_only=True):
    """The kill switch: nothing is started until `agent.resumed`, over restarts too. `policy` None: in no policy."""

    TYPE: ClassVar[str] = "agent.paused"
    by: str
    answer: str
    policy: str | None = None
    note: str = ""


@_entry
class Resumed(Entry, frozen=True, kw_only=True):
    """The kill switch is lifted, for one policy or (None) for all at once."""

    TYPE: ClassVar[str] = "agent.resumed"
    by: str
    answer: str
    policy: str | None = None
    note: str = ""


@_entry
class ActionIntended(Entry, frozen=True, kw_only=True):
    """An action is about to start. Durable before the effect; unique by `key`.

    Attributes:
        undoes: the key of the attempt that it takes back; None for a step of the plan.
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


@_entry
class ActionStarted(Entry, frozen=True, kw_only=True):
    """The actuator says that the action runs. `handle` is the actuator's own name for it."""

    TYPE: ClassVar[str] = "action.started"
    key: str
    handle: str = ""


@_entry
class CancelRequested(Entry, frozen=True, kw_only=True):
    """The action was told to stop. It counts as running until the actuator confirms."""

    TYPE: ClassVar[str] = "action.cancel_requested"
    key: str
    reason: EscalationReason


@_entry
class ActionEnded(Entry, frozen=True, kw_only=True):
    """The action's execution ended; unique by `key`.

    Attributes:
        duration_s: as the actuator measured it.
        output: the end of what it printed, capped and redacted; output_sha256 is over all that was kept.
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


@_entry
class ActionInDoubt(Entry, frozen=True, kw_only=True):
    """Nobody can say whether the action ran to its end; the signals must tell."""

    TYPE: ClassVar[str] = "action.unknown"
    key: str
    detail: str


@_entry
class ActionReconciled(Entry, frozen=True, kw_only=True):
    """After a restart the actuator was asked about an intent: it never started, so the same key starts now."""

    TYPE: ClassVar[str] = "action.reconciled"
    key: str


@_entry
class AttemptEnded(Entry, frozen=True, kw_only=True):
    """The attempt's verdict, its last entry."""

    TYPE: ClassVar[str] = "verify.result"
    key: str
    verdict: AttemptVerdict
    succeeded: bool


@_entry
class PolicyLoaded(Entry, frozen=True, kw_only=True):
    """A policy version came into use; `sources` are the texts it can be loaded from again."""

    TYPE: ClassVar[str] = "policy.loaded"
    policy: str
    policy_hash: str
    sources: Mapping[str, str]
    environment: str | None = None


@_entry
class GuardsLoaded(Entry, frozen=True, kw_only=True):
    """These shared guards came into use; `text` is their file. In the agent's stream."""

    TYPE: ClassVar[str] = "guards.loaded"
    hash: str
    text: str


@_entry
class PolicyRefused(Entry, frozen=True, kw_only=True):
    """A changed policy file was invalid; the version in use stays."""

    TYPE: ClassVar[str] = "policy.refused"
    file: str
    problems: tuple[str, ...]


@_entry
class RankingTrained(Entry, frozen=True, kw_only=True):
    """A ranking was trained. `gate` says in words what the promotion gate found."""

    TYPE: ClassVar[str] = "ranking.trained"
    ranking: Ranking
    gate: str


@_entry
class RankingPromoted(Entry, frozen=True, kw_only=True):
    """From here on decisions of this policy use this ranking."""

    TYPE: ClassVar[str] = "ranking.promoted"
    version: str
    actor: str
    replaces: str | None = None


@_entry
class AgentStarted(Entry, frozen=True, kw_only=True):
    """An agent process came up."""

    TYPE: ClassVar[str] = "agent.started"
    agent: str
    version: str
    seed: int


@_entry
class AgentStopped(Entry, frozen=True, kw_only=True):
    """An agent process went down in order; `running` are the keys it left running, to be re-attached."""

    TYPE: ClassVar[str] = "agent.stopped"
    agent: str
    running: tuple[str, ...] = ()
