"""What `step` asks the shell to do, once its entries are durable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

from homeostat.model.entries import Entry
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import ActionSpec, Scalar
from homeostat.model.reasons import OutcomeStatus


@dataclass(frozen=True, slots=True)
class StartAction:
    """Start this action under this key; a second start under the same key must have no effect.

    Attributes:
        timeout_s: the actuator ends the action by itself after this.
        start_before_s: on CLOCK_BOOTTIME (seconds); a start that comes later is withdrawn, since another agent may
            have the incident by then. None: no bound.
        effect_key: what the target deduplicates by, where that is the key of an earlier attempt; "" for `key` itself.
        policy: whose step it is, for the allow-list.
    """

    key: str
    action: ActionSpec
    target: str
    arguments: Mapping[str, Scalar]
    timeout_s: float
    start_before_s: float | None = None
    effect_key: str = ""
    policy: str = ""

    @property
    def key_for_target(self) -> str:
        """What the target deduplicates by."""
        return self.effect_key or self.key


@dataclass(frozen=True, slots=True)
class CancelAction:
    """Tell the action to stop. Repeating it is harmless."""

    key: str
    action: ActionSpec


Command = StartAction | CancelAction


class Quiet(Struct, frozen=True):
    """A step has found nothing to do, and says how long that holds while signals, reports and the ledger stay the same.

    Attributes:
        until: Unix seconds; earlier looks bring nothing new.
        looks_apart_s_max: looks must not be further apart, since a watched condition's window would break.
        observes: whether each of them is journalled, as `observed`.
    """

    until: float
    looks_apart_s_max: float
    observes: bool


class Step(Struct, frozen=True):
    """What one call of `step` decided.

    Attributes:
        entries: to be appended to the incident's stream, all or none, before any command is carried out.
        policy_entries: to be appended to the policy's own stream (`policy/<name>`), with them.
        incident, ledger: the state after folding `entries` in.
        quiet: None where there is anything in it beside the look itself.
    """

    incident: Incident
    ledger: Ledger
    entries: tuple[Entry, ...] = ()
    policy_entries: tuple[Entry, ...] = ()
    commands: tuple[Command, ...] = ()
    quiet: Quiet | None = None


@dataclass(frozen=True, slots=True)
class NeverStarted:
    """The actuator knows the key was never started."""


@dataclass(frozen=True, slots=True)
class Running:
    """The action runs. `handle` is the actuator's own name for it (a pid, a job name)."""

    handle: str = ""


NOTHING_WAS_RUN = "nothing was run"
"""What the detail of an action begins with that ended before it began, however long that took."""


@dataclass(frozen=True, slots=True)
class Done:
    """The action ended. Fields as in `entries.ActionEnded`."""

    status: OutcomeStatus
    duration_s: float
    exit_code: int | None = None
    output: str = ""
    output_bytes: int = 0
    output_sha256: str | None = None
    detail: str = ""
    by: str = ""

    @property
    def may_have_begun(self) -> bool:
        """Whether any of it may have happened: it took time, and its hands do not say that nothing was run."""
        return self.duration_s > 0.0 and not self.detail.startswith(NOTHING_WAS_RUN)


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It may or may not have run, and nothing will tell any more."""

    detail: str


Report = NeverStarted | Running | Done | InDoubt
"""An actuator's answer to `lookup`."""
