"""Retraining beside the loop: one worker thread, one training at a time, results handed over at a tick."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf
from queue import SimpleQueue
from typing import Protocol

from msgspec.structs import replace

from homeostat.model.answers import SCHEDULE_NAME
from homeostat.model.autonomy import Promotion
from homeostat.model.entries import Closed, Entry
from homeostat.model.errors import JournalConflict, JournalError, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal, Observer
from homeostat.model.reasons import Result
from homeostat.model.signals import Snapshot

PAUSE_S_MIN = 60.0
"""Between the end of one training and the start of the next, however many incidents mature."""

PAUSE_FACTOR = 9.0
"""A training is followed by a pause of this many times its length: learning takes a tenth of the time at most."""

RULINGS_MAX = 16
"""Words of people that wait for the next ticks, one a tick."""

STALE_MAX = 3
"""After so many trainings in a row that came too late, the next waits for the interval."""

RETRY_S_MAX = 86_400.0
"""However often trainings have failed, another one is tried after this time."""


@dataclass
class Trained:
    """What a training came to: by policy, what to append, or why there is nothing."""

    entries: dict[str, Sequence[Entry]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)


class Training(Protocol):
    """Trains the rankings of some policies, on a thread of its own. It only reads the journal."""

    def __call__(self, policies: Mapping[str, Policy], now: float) -> Trained:
        """Train them all; one that fails keeps none of the others out."""
        ...


def may_promote(policy: Policy, *, settings_allow: bool) -> bool:
    """Whether the gate alone may let a ranking of this policy rule: the policy may only be stricter than settings."""
    return settings_allow and policy.promotion is not Promotion.REVIEW


class TrainingHere:
    """Implements `Training` in this process, for a journal in memory that no other process can read."""

    def __init__(self, journal: Journal, *, recurrence_s: float, promote: bool) -> None:
        self._journal = journal
        self._recurrence_s = recurrence_s
        self._promote = promote

    def __call__(self, policies: Mapping[str, Policy], now: float) -> Trained:
        """See `Training`."""
        # scikit-learn takes a second to import: here, not when the agent starts.
        from threadpoolctl import threadpool_limits

        from homeostat.learn.retrain import retrain

        trained = Trained()
        for policy in policies.values():
            promote = may_promote(policy, settings_allow=self._promote)
            try:
                with threadpool_limits(limits=1):  # one core for learning; the loop keeps the others
                    retrained = retrain(
                        self._journal, policy, now, SCHEDULE_NAME, promote=promote, recurrence_s=self._recurrence_s
                    )
                if retrained.entries:
                    trained.entries[policy.name] = retrained.entries
            except Exception as error:  # noqa: BLE001 - it is handed to the observer at the next tick
                trained.failures[policy.name] = error
        return trained


class BackgroundRetrainer:
    """Implements `model.ports.Retrainer`, and `model.ports.Observer` to see incidents close.

    A training is due after the interval, and sooner once a closed incident's label is mature. One that is still
    running when the next is due is waited for, not doubled. One that fails is told to the observer and tried again,
    each time after twice as long.

    Args:
        training: what trains.
        policies: gives the policies in use.
        observer: told of failures.
        interval_s: between two trainings at the most.
        recurrence_s: after closing, an incident's label is mature.

    Attributes:
        succeeded_at: when a training last ended without a failure, in Unix seconds; None before the first.
    """

    def __init__(
        self,
        training: Training,
        policies: Callable[[], Mapping[str, Policy]],
        observer: Observer,
        *,
        interval_s: float,
        recurrence_s: float,
    ) -> None:
        self._training = training
        self._policies = policies
        self._observer = observer
        self._interval_s = interval_s
        self._recurrence_s = recurrence_s
        self._due_at: float | None = None
        self._started_at = 0.0
        self.succeeded_at: float | None = None
        self._paused_until = 0.0
        self._matures_at: float | None = None
        self._last_matures_at = -inf
        self._failed_in_a_row = 0
        self._stale_in_a_row = 0
        self._was_stale = False
        self._waits: Future[JournalError | None] | None = None
        self._worker: threading.Thread | None = None
        self._trained = Trained()
        self._asked = threading.Event()
        self._rulings: SimpleQueue[tuple[str, Entry, Future[JournalError | None]]] = SimpleQueue()

    def ask(self) -> None:
        """Make a training due now. Safe to call from any thread."""
        self._asked.set()

    def rule(self, policy: str, entry: Entry, wait_s: float = 0.0) -> bool:
        """Hand over, at the next tick, what a person says of a ranking. Safe to call from any thread but the loop's.

        Args:
            policy: its name.
            entry: what is said.
            wait_s: how long the loop is waited for.

        Returns:
            Whether it is journalled by then; False: the loop has not come to it.

        Raises:
            UsageError: too many wait already, there is no such policy, or the loop could not take it.
        """
        policies = self._policies()
        if policy not in policies:
            raise UsageError(f"no policy '{policy}' runs here{did_you_mean(policy, policies)}")
        if self._rulings.qsize() >= RULINGS_MAX:
            raise UsageError("too many words on rankings wait for the loop; try again when it turns")
        waits: Future[JournalError | None] = Future()
        self._rulings.put((policy, entry, waits))
        try:
            error = waits.result(wait_s)
        except TimeoutError:
            return False
        if error is not None:
            raise UsageError(f"nothing was written: {error}") from error
        return True

    def collect(self, now: float) -> Mapping[str, Sequence[Entry]]:
        """See `model.ports.Retrainer`. The first training is due one interval after the first call.

        What people said comes before what was trained: it was said of what ruled then.
        """
        if not self._rulings.empty():
            policy, entry, self._waits = self._rulings.get_nowait()
            return {policy: [replace(entry, at=now)]}  # whoever said it has a clock of their own
        if self._worker is not None:
            return {} if self._worker.is_alive() else self._hand_over(now)
        if self._due_at is None:
            self._due_at = now + self._interval_s
        elif self._is_due(now, self._due_at):
            self._start(now)
        return {}

    def settled(self, policy: str, error: JournalError | None) -> None:
        """See `model.ports.Retrainer`.

        Whoever said it is told. What was trained too late is made anew after the usual pause, a few times in a row.
        """
        del policy
        if self._waits is not None:
            self._waits.set_result(error)
            self._waits = None
        elif isinstance(error, JournalConflict) and not self._was_stale and self._stale_in_a_row < STALE_MAX:
            self._was_stale = True
            self._stale_in_a_row += 1
            self._matures_at = self._started_at

    def _is_due(self, now: float, due_at: float) -> bool:
        if self._asked.is_set() or now >= due_at:
            return True
        return self._matures_at is not None and now >= max(self._matures_at, self._paused_until)

    def _start(self, now: float) -> None:
        self._asked.clear()
        self._started_at = now
        self._matures_at = self._last_matures_at if self._last_matures_at > now else None
        policies = dict(self._policies())
        self._worker = threading.Thread(target=self._train, args=(policies, now), name="retrainer", daemon=True)
        self._worker.start()

    def _train(self, policies: Mapping[str, Policy], now: float) -> None:
        try:
            self._trained = self._training(policies, now)
        except Exception as error:  # noqa: BLE001 - it is handed to the observer at the next tick
            self._trained = Trained(failures=dict.fromkeys(policies, error))

    def _hand_over(self, now: float) -> Mapping[str, Sequence[Entry]]:
        self._worker = None
        self._stale_in_a_row = self._stale_in_a_row if self._was_stale else 0
        self._was_stale = False
        trained, self._trained = self._trained, Trained()
        self.succeeded_at = self.succeeded_at if trained.failures else now
        for policy, error in trained.failures.items():
            self._observer.failed(f"retraining of {policy}", error)
        self._failed_in_a_row = self._failed_in_a_row + 1 if trained.failures else 0
        wait_s = min(self._interval_s * 2.0**self._failed_in_a_row, max(self._interval_s, RETRY_S_MAX))
        self._due_at = self._started_at + wait_s
        pause_s = max(PAUSE_S_MIN, PAUSE_FACTOR * (now - self._started_at))
        self._paused_until = self._due_at if trained.failures else now + pause_s
        return trained.entries

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """See `model.ports.Observer`."""

    def appended(self, stream: str, entries: Sequence[Entry]) -> None:
        """An incident that was acted in and is over has something to teach once its label is mature."""
        del stream
        for entry in entries:
            if isinstance(entry, Closed) and entry.result is not Result.DISMISSED:
                self._last_matures_at = entry.at + self._recurrence_s
                if self._matures_at is None:
                    self._matures_at = self._last_matures_at

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""
