"""Closed vocabularies: why something was not done, and how things end."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an action was not started or a candidate not considered. Each one can be tripped by a test."""

    TELEMETRY_BLIND = "telemetry_blind"
    TELEMETRY_FREEZE = "telemetry_freeze"
    SIGNAL_UNKNOWN = "signal_unknown"
    CONDITION_FALSE = "condition_false"
    RECOVERING = "recovering"
    COOLDOWN_ACTIVE = "cooldown_active"
    TARGET_LOCKED = "target_locked"
    RETRY_WAIT = "retry_wait"
    MODE_OBSERVE = "mode_observe"
    MODE_SUGGEST = "mode_suggest"
    ALREADY_TRIED = "already_tried"
    APPROVAL_PENDING = "approval_pending"
    PAUSED = "paused"
    MAINTENANCE = "maintenance"
    STORM = "storm"
    RATE_LIMIT = "rate_limit"
    BLAST_RADIUS = "blast_radius"
    RECURRENCE = "recurrence"
    OTHER_HANDS = "other_hands"
    HARM_BUDGET = "harm_budget"


class AnswerRefusal(StrEnum):
    """Why a person's answer changed nothing. Each one can be tripped by a test."""

    NOT_AN_APPROVER = "not_an_approver"
    IS_THE_REQUESTER = "is_the_requester"
    IS_THE_EXECUTOR = "is_the_executor"
    ALREADY_DECIDED = "already_decided"
    NOTHING_ASKED = "nothing_asked"
    NO_SUCH_INCIDENT = "no_such_incident"
    OTHER_PLAN = "other_plan"
    TOO_LATE = "too_late"


class EscalationReason(StrEnum):
    """Why an incident was handed to people."""

    PLAN_FAILED = "plan_failed"
    PLAN_SAYS_SO = "plan_says_so"
    NOT_RESOLVED = "not_resolved"
    SIGNAL_UNKNOWN = "signal_unknown"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    TIMEOUT = "timeout"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CANCEL_UNCONFIRMED = "cancel_unconfirmed"
    STEP_FAILED = "step_failed"
    UNDO_FAILED = "undo_failed"
    TAKEN_OVER = "taken_over"


class AttemptVerdict(StrEnum):
    """How an attempt ended. Every attempt ends in exactly one of these.

    effective: it verified, and had not held before. ineffective: it did not. harmful: the harm condition rose.
    inconclusive: the data could not tell. pre_satisfied: the verify condition held before the action.
    self_healed: it got well although the action failed. unknown: whether it ran is in doubt.
    cancelled: it was stopped before its time.
    """

    EFFECTIVE = "effective"
    INEFFECTIVE = "ineffective"
    HARMFUL = "harmful"
    INCONCLUSIVE = "inconclusive"
    PRE_SATISFIED = "pre_satisfied"
    SELF_HEALED = "self_healed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


FAILURES = frozenset({AttemptVerdict.INEFFECTIVE, AttemptVerdict.HARMFUL})
"""What was measured to fail; the others that are no success say nothing of what the action does."""


class OutcomeStatus(StrEnum):
    """How an action's execution ended, which says nothing yet about whether it helped."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """Where an incident stands. `decide/lifecycle.py` holds the machine."""

    DORMANT = "dormant"
    CONFIRMING = "confirming"
    DECIDING = "deciding"
    AWAITING_APPROVAL = "awaiting_approval"
    ACTING = "acting"
    VERIFYING = "verifying"
    RECONCILING = "reconciling"
    RECOVERED = "recovered"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"
    CLOSED = "closed"


class Result(StrEnum):
    """How an incident ended, for people and reports."""

    RECOVERED = "recovered"
    SELF_HEALED = "self_healed"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"
