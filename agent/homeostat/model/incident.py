"""An incident: what the fold of its journal says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from homeostat.model.policy import Effect
from homeostat.model.reasons import (
    AttemptVerdict,
    EscalationReason,
    OutcomeStatus,
    Phase,
    Reason,
    Result,
)
from homeostat.model.signals import Snapshot, Truth
from homeostat.model.track_record import ExploredAttempt, TrackRecord


@dataclass(frozen=True)
class Attempt:
    """One run of one leaf, under one idempotency key.

    It is *open* until it has a verdict, and *in flight* until its action is known to have ended.

    Attributes:
        number: counts from 1 over the leaf's retries.
        undoes: the key of the attempt it takes back; None for a step of the plan.
        held_before: the verify condition when the intent was written.
        harm_before: the harm condition when the intent was written.
        in_doubt: set when nobody can say whether the action ran.
        succeeded: whether the plan goes on as if the leaf had worked; set with the verdict.
        spool: the id of the state folder that alone may start it.
        effect_key: what the target was told to deduplicate by, if not `key`.
        probe_before: the probe's condition when the intent was written.
        by: who reported it, for a manual step.
        probed_at, happened: when the signals were asked whether it happened, and what they said.
    """

    key: str
    node: str
    action: str
    target: str
    effect: Effect
    number: int
    intended_at: float
    deadline_at: float
    held_before: Truth = None
    harm_before: Truth = None
    undoes: str | None = None
    spool: str = ""
    effect_key: str = ""
    probe_before: Truth = None
    started_at: float | None = None
    cancel_requested_at: float | None = None
    ended_at: float | None = None
    outcome: OutcomeStatus | None = None
    in_doubt: bool = False
    verdict: AttemptVerdict | None = None
    verdict_at: float | None = None
    succeeded: bool = False
    probed_at: float | None = None
    happened: Truth = None
    by: str = ""

    @property
    def is_uncertain(self) -> bool:
        """Whether its effect may have happened, wholly or in part, and nobody can say."""
        return self.in_doubt or self.outcome in (OutcomeStatus.TIMEOUT, OutcomeStatus.CANCELLED)

    @property
    def in_flight(self) -> bool:
        """Whether its action may still be running."""
        return self.ended_at is None and self.verdict is None

    @property
    def is_withdrawn(self) -> bool:
        """Whether it ended before it began."""
        return self.verdict is AttemptVerdict.CANCELLED and self.started_at is None and not self.in_doubt

    def is_elsewhere(self, spool: str) -> bool:
        """Whether it was meant for other hands than those of `spool`: only they know what became of it."""
        return self.spool not in ("", spool)

    @property
    def verifying(self) -> bool:
        """Whether its action has ended and its verdict is still open."""
        return self.ended_at is not None and self.verdict is None


class Held(Struct, frozen=True):
    """A watched condition: its present truth, and since when it has been that without a break."""

    truth: Truth
    since: float


VERIFY_WINDOWS = "verify:"
"""What the names of verifications' windows begin with, in `Incident.held`."""


def verify_window(key: str) -> str:
    """The name of the window in which the attempt under `key` is verified."""
    return f"{VERIFY_WINDOWS}{key}"


class Withheld(Struct, frozen=True):
    """Why a node does not go on, and since when."""

    reason: Reason
    since: float


@dataclass(frozen=True, slots=True)
class Question:
    """An approval that was asked for.

    Attributes:
        answer: id of the answer that decided it; None while it is open or when it expired.
        granted: True: agreed. False: denied, expired or withdrawn. None: still open.
        expires_at: until when it may be answered; once granted, until when the start may come.
        granted_by: who agreed.
    """

    approvers: tuple[str, ...]
    requester: str
    expires_at: float
    granted: bool | None = None
    answer: str | None = None
    granted_by: str | None = None


@dataclass(frozen=True, slots=True)
class WaitState:
    """A `wait` that was reached. `succeeded` is None while it lasts."""

    started_at: float
    ended_at: float | None = None
    succeeded: bool | None = None


@dataclass(frozen=True, slots=True)
class Explored:
    """A candidate that was picked to learn of it.

    Attributes:
        node: the `choose` that picked it. best: the candidate that is held to be better.
    """

    node: str
    best: str


@dataclass(frozen=True)
class Incident:
    """The state of one incident. `decide/projection.py` is the only maker of new ones.

    Attributes:
        seed: origin of every random choice in this incident; journalled when it opens.
        seq: entries folded in so far.
        taken_over_by: the person who said last that the incident is theirs.
        attempts: by node id, oldest first.
        picks: per `try`, `choose`, `decide` or conditional node: the children chosen, in order. An empty tuple
            is a latched decision for none of them.
        held: per watched condition (`trigger`, `resolved`, `verify:<key>`): its window so far.
        withheld: per node: why it waits. The key "" is the incident as a whole.
        questions: per leaf: the approval asked for. waits: per `wait` reached.
        requests: per leaf that was only suggested: who asked for it.
        explored: per leaf that was picked to learn of it.
        cross_checks: by key of the attempt: who else has read it.
        acknowledged: ids of the answers by which people said that they are on it; no decision asks for it.
    """

    id: str
    policy: str
    policy_hash: str
    dedup_key: str
    seed: int
    phase: Phase = Phase.DORMANT
    seq: int = 0
    opened_at: float = 0.0
    confirmed_at: float | None = None
    closed_at: float | None = None
    result: Result | None = None
    escalation: EscalationReason | None = None
    taken_over_by: str | None = None
    attempts: Mapping[str, tuple[Attempt, ...]] = field(default_factory=dict)
    picks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)
    withheld: Mapping[str, Withheld] = field(default_factory=dict)
    questions: Mapping[str, Question] = field(default_factory=dict)
    waits: Mapping[str, WaitState] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    explored: Mapping[str, Explored] = field(default_factory=dict)
    cross_checks: Mapping[str, str] = field(default_factory=dict)
    acknowledged: tuple[str, ...] = ()
    snapshot: Snapshot | None = None

    def every_attempt(self) -> Iterator[Attempt]:
        """All attempts, grouped by node."""
        for attempts in self.attempts.values():
            yield from attempts

    def open_attempts(self) -> list[Attempt]:
        """Attempts without a verdict."""
        return [attempt for attempt in self.every_attempt() if attempt.verdict is None]


class Lock(Struct, frozen=True):
    """A target in use: by which attempt of which incident."""

    incident: str
    key: str


class Start(Struct, frozen=True):
    """An action that was started, as guards remember it. Undos are not among them."""

    at: float
    incident: str
    policy: str
    action: str
    target: str


class Opening(Struct, frozen=True):
    """An incident that was opened."""

    at: float
    incident: str
    policy: str


ALL_POLICIES = ""
"""The key of a pause that holds for every policy."""


@dataclass(frozen=True)
class Ledger:
    """Durable facts that guards share over all policies and incidents; a fold of all streams.

    Attributes:
        locks: by target, while an action on it may be running.
        last_start: (action, target) -> Unix seconds of its latest intent, for cooldowns.
        blind: policy -> since when its trigger cannot be evaluated.
        starts, openings: oldest first, as far back as guards look.
        paused: policy (`ALL_POLICIES`: every one) -> who pulled the kill switch.
        explored: by key of the attempt, oldest first, as far back as harm budgets look.
        track_records: (policy, `Earning.step`) -> what that step's attempts have shown.
    """

    locks: Mapping[str, Lock] = field(default_factory=dict)
    last_start: Mapping[tuple[str, str], float] = field(default_factory=dict)
    blind: Mapping[str, float] = field(default_factory=dict)
    starts: tuple[Start, ...] = ()
    openings: tuple[Opening, ...] = ()
    paused: Mapping[str, str] = field(default_factory=dict)
    explored: Mapping[str, ExploredAttempt] = field(default_factory=dict)
    track_records: Mapping[tuple[str, str], TrackRecord] = field(default_factory=dict)
