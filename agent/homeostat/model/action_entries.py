"""Entries about the attempts of an incident's actions. Read them as `entries`, with all the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from homeostat.model.entry import Entry, entry_type
from homeostat.model.policy import Effect, Scalar
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus
from homeostat.model.signals import Truth


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
