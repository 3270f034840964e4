"""Scheduled retraining, beside the loop: one worker thread, one training at a time, results handed over at a tick."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from homeostat.model.entries import Entry
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal, Observer

Trained = dict[str, Sequence[Entry]]


class BackgroundRetrainer:
    """Implements `model.ports.Retrainer`.

    A training that is still running when the next one is due is waited for, not doubled; one that fails is told to
    the observer and tried again at the next interval. It only reads the journal: the loop appends what it gives back.

    Args:
        policies: gives the policies in use.
        promote: whether the gate alone may let a ranking rule.
    """

    def __init__(
        self,
        journal: Journal,
        policies: Callable[[], Mapping[str, Policy]],
        observer: Observer,
        *,
        interval_s: float,
        recurrence_s: float,
        promote: bool,
    ) -> None:
        self._journal = journal
        self._policies = policies
        self._observer = observer
        self._interval_s = interval_s
        self._recurrence_s = recurrence_s
        self._promote = promote
        self._due_at: float | None = None
        self._worker: threading.Thread | None = None
        self._trained: Trained = {}
        self._failures: dict[str, Exception] = {}
        self._asked = threading.Event()

    def ask(self) -> None:
        """Make a training due now. Safe to call from any thread."""
        self._asked.set()

    def collect(self, now: float) -> Mapping[str, Sequence[Entry]]:
        """See `model.ports.Retrainer`. The first training is due one interval after the first call."""
        if self._worker is not None:
            return {} if self._worker.is_alive() else self._hand_over()
        if self._due_at is None:
            self._due_at = now + self._interval_s
        elif now >= self._due_at or self._asked.is_set():
            self._asked.clear()
            self._due_at = now + self._interval_s
            policies = dict(self._policies())
            self._worker = threading.Thread(target=self._train, args=(policies, now), name="retrainer", daemon=True)
            self._worker.start()
        return {}

    def _hand_over(self) -> Trained:
        self._worker = None
        trained, self._trained = self._trained, {}
        failures, self._failures = self._failures, {}
        for policy, error in failures.items():
            self._observer.failed(f"retraining of {policy}", error)
        return trained

    def _train(self, policies: Mapping[str, Policy], now: float) -> None:
        # scikit-learn takes a second to import: here, not when the agent starts.
        from threadpoolctl import threadpool_limits

        from homeostat.learn.retrain import retrain

        for policy in policies.values():
            try:
                with threadpool_limits(limits=1):  # one core for learning; the loop keeps the others
                    retrained = retrain(
                        self._journal, policy, now, "schedule", promote=self._promote, recurrence_s=self._recurrence_s
                    )
                if retrained.entries:
                    self._trained[policy.name] = retrained.entries
            except Exception as error:  # noqa: BLE001 - it is handed to the observer at the next tick
                self._failures[policy.name] = error
