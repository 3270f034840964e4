"""Actions of this agent's hands in incidents that others have taken over: word of them is left for the new owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from homeostat.model.commands import CancelAction, Done, InDoubt, NeverStarted, Running
from homeostat.model.errors import HomeostatError
from homeostat.model.incident import Incident
from homeostat.model.policy import ActionSpec, Policy
from homeostat.model.ports import Executor, LateOutcomes, Observer


@dataclass(frozen=True, slots=True)
class _Orphan:
    """`began`, `cancelled`: whether the journal says that it was at work, or was to be stopped."""

    incident: str
    action: ActionSpec
    began: bool
    cancelled: bool


class Orphans:
    """Follows them until their outcome is handed over.

    Args:
        spool: the id of this agent's state folder; only actions that were meant for it are followed.
    """

    def __init__(self, spool: str, executor: Executor, late: LateOutcomes | None, observer: Observer) -> None:
        self._spool = spool
        self._executor = executor
        self._late = late
        self._observer = observer
        self._known: dict[str, _Orphan] = {}

    @property
    def keys(self) -> Set[str]:
        """Keys of the actions that are followed."""
        return self._known.keys()

    def adopt(self, incidents: Iterable[Incident], policy_of: Callable[[Incident], Policy]) -> None:
        """Follow what these incidents, which are not this agent's, may have running in its spool."""
        if self._late is None:
            return
        for incident in incidents:
            ours = [a for a in incident.open_attempts() if a.in_flight and a.spool == self._spool]
            try:
                for attempt in ours:
                    action = policy_of(incident).leaf(attempt.node).action
                    if not self._executor.reaches_anywhere(action.actuator):
                        began, cancelled = attempt.started_at is not None, attempt.cancel_requested_at is not None
                        self._known[attempt.key] = _Orphan(incident.id, action, began, cancelled)
            except HomeostatError as error:
                self._observer.failed(f"incident {incident.id}", error)

    def give_back(self, incidents: Iterable[Incident]) -> None:
        """Stop following what is in these incidents: this agent answers for them again."""
        if not self._known:
            return
        mine = {incident.id for incident in incidents}
        self._known = {key: orphan for key, orphan in self._known.items() if orphan.incident not in mine}

    def hand_over(self, cancelled: Set[str]) -> None:
        """Leave word of what has ended; stop what was never begun, or is to stop by its new owner's word."""
        for key, orphan in list(self._known.items()):
            try:
                if self._handed_over(key, orphan, cancelled=orphan.cancelled or key in cancelled):
                    del self._known[key]
            except HomeostatError as error:
                self._observer.failed(f"action {key}", error)

    def _handed_over(self, key: str, orphan: _Orphan, *, cancelled: bool) -> bool:
        match self._executor.report(key, orphan.action.actuator):
            case Done() as done if self._late is not None:
                self._late.put(orphan.incident, key, done)
                return True
            case InDoubt():
                return True  # the new owner will come to the same by itself
            case NeverStarted() if orphan.began:
                return True  # these hands have lost what they did: that it never began would be a lie
            case NeverStarted():
                # From here on it never will: then there is an end to tell of.
                self._executor.carry_out(CancelAction(key, orphan.action))
            case Running() if cancelled:
                self._executor.carry_out(CancelAction(key, orphan.action))
        return False
