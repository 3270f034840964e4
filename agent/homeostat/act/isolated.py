"""A thread of its own for an actuator that may block, so that it holds up neither the loop nor another actuator.

Calls wait in one bounded queue and are made in order, so a key's start is made before its cancel. The loop never waits
for a start or a cancel, and for answers only within a small share of its time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from homeostat.model.commands import Report, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.ports import Actuator

QUEUE_MAX = 256
"""How many calls may wait. More are turned away: whoever asked asks again at its next tick."""

START_AGE_MAX_S = 30.0
"""A start that waited longer is not made: the world has moved on. Its key counts as never started."""

PATIENCE_S = 0.25
"""How long the loop waits for one actuator's answers at most, in one go."""

PATIENCE_SHARE = 0.1
"""The part of its time that the loop waits for one actuator's answers at most, in the long run."""

STUCK_S = 10.0
"""A call that takes longer is reported, once."""

ANSWER_AGE_MAX_S = 60.0
"""An answer nobody has fetched for so long is asked for again."""

ANSWERS_MAX = 1000
"""How many answers are kept for whoever asked; the oldest gives way, and costs a second question."""

CLOSE_S = 2.0
"""How long a call under way may take to end when the agent stops; one that does not is left to the daemon thread."""

Failed = Callable[[str, Exception], None]
"""Told of what went wrong while the loop goes on, as `model.ports.Observer.failed`."""


class Load(NamedTuple):
    """How an isolated actuator is doing.

    Attributes:
        waiting: calls in its queue. busy_s: for how long its present call has been under way; 0 while it rests.
        turned_away: calls refused so far because too many were waiting.
    """

    waiting: int
    busy_s: float
    turned_away: int


@dataclass(slots=True, eq=False)
class _Call:
    """One call to make. A start has its command."""

    kind: Literal["start", "cancel", "lookup"]
    key: str
    asked_at: float
    command: StartAction | None = None


class Isolated:
    """Makes the calls of one actuator in a thread of its own.

    Args:
        name: that policies know it by.
        actuator: who may block.
        failed: told, also from the actuator's thread, what went wrong in a call that nobody waits for.
        monotonic: seconds, for waiting times.
    """

    def __init__(
        self, name: str, actuator: Actuator, failed: Failed, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._actuator = actuator
        self._failed = failed
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._calls: deque[_Call] = deque()
        self._present: _Call | None = None
        self._present_since = 0.0
        self._answers: dict[str, tuple[float, Report | Exception]] = {}
        self._turned_away = 0
        self._told_stuck: _Call | None = None
        self._patience_s = PATIENCE_S
        self._patience_at = monotonic()
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, command: StartAction) -> None:
        """Have it started, soon. Raises ActuatorError if too much is waiting."""
        with self._changed:
            self._ask(_Call("start", command.key, self._monotonic(), command))

    def cancel(self, key: str) -> None:
        """Have it cancelled, soon; a start that still waits is not made any more. Raises ActuatorError."""
        with self._changed:
            self._ask(_Call("cancel", key, self._monotonic()))

    def report(self, key: str) -> Report | None:
        """Say what became of a key; None while that is not known.

        An answer counts only if it was asked for after every start and cancel of the key. While one of those still
        waits there is none: it would answer what is about to be settled.

        Raises:
            ActuatorError: too much is waiting. Whatever the actuator's `lookup` raises.
        """
        stuck_s = self._newly_stuck_s()
        if stuck_s is not None:
            self._failed(f"actuator {self._name}", ActuatorError(f"it has been stuck in one call for {stuck_s:.0f} s"))
        with self._changed:
            if self._under_way("start", key) or self._under_way("cancel", key):
                return None
            answer = self._answer(key)
            if answer is None:
                self._ask(_Call("lookup", key, self._monotonic()))
                answer = self._wait_for(key)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def load(self) -> Load:
        """How it is doing, for metrics."""
        with self._changed:
            busy_s = 0.0 if self._present is None else self._monotonic() - self._present_since
            return Load(len(self._calls), busy_s, self._turned_away)

    def close(self) -> None:
        """Make no further call, and wait a little for the one under way. What still waits was never asked for."""
        with self._changed:
            self._closed = True
            self._calls.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _ask(self, call: _Call) -> None:
        """Put a call into the queue, once. Raises ActuatorError if it is full."""
        if self._under_way(call.kind, call.key):
            return
        room = QUEUE_MAX // 2 if call.kind == "lookup" else QUEUE_MAX
        if self._closed or len(self._calls) >= room:
            self._turned_away += 1
            why = "the agent stops" if self._closed else f"{len(self._calls)} calls of it wait already"
            raise ActuatorError(f"no {call.kind} now: {why}")
        self._calls.append(call)
        self._changed.notify_all()
        if self._thread is None:
            thread = threading.Thread(target=self._work, name=f"homeostat-act-{self._name}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._calls.pop()
                raise ActuatorError(f"no thread could be started for it: {error}") from error
            self._thread = thread

    def _under_way(self, kind: str, key: str) -> bool:
        calls = self._calls if self._present is None else (self._present, *self._calls)
        return any(call.key == key and call.kind == kind for call in calls)

    def _answer(self, key: str) -> Report | Exception | None:
        answered_at, answer = self._answers.pop(key, (0.0, None))
        return None if self._monotonic() - answered_at > ANSWER_AGE_MAX_S else answer

    def _wait_for(self, key: str) -> Report | Exception | None:
        """Wait for an answer as long as the loop's time allows."""
        begun = self._monotonic()
        self._patience_s = min(PATIENCE_S, self._patience_s + (begun - self._patience_at) * PATIENCE_SHARE)
        self._changed.wait_for(lambda: key in self._answers or self._closed, timeout=self._patience_s)
        self._patience_at = self._monotonic()
        self._patience_s = max(0.0, self._patience_s - (self._patience_at - begun))
        return self._answer(key)

    def _newly_stuck_s(self) -> float | None:
        with self._changed:
            call, stuck_s = self._present, self._monotonic() - self._present_since
            if call is None or call is self._told_stuck or stuck_s < STUCK_S:
                return None
            self._told_stuck = call
            return stuck_s

    def _work(self) -> None:
        while (call := self._next()) is not None:
            answer = self._make(call)
            with self._changed:
                self._present = None
                self._answers.pop(call.key, None)
                settled = not any(other.key == call.key and other.kind != "lookup" for other in self._calls)
                if answer is not None and settled:
                    self._answers[call.key] = (self._monotonic(), answer)
                    if len(self._answers) > ANSWERS_MAX:
                        del self._answers[next(iter(self._answers))]
                self._changed.notify_all()

    def _next(self) -> _Call | None:
        """Wait for the next call; None when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._closed)
            if self._closed:
                return None
            self._present = self._calls.popleft()
            self._present_since = self._monotonic()
            return self._present

    def _make(self, call: _Call) -> Report | Exception | None:
        """Make a call; only a lookup has an answer."""
        try:
            if call.kind == "lookup":
                answer: Report | None = self._actuator.lookup(call.key)
                return ActuatorError("it answered nothing") if answer is None else answer
            if call.kind == "cancel":
                self._actuator.cancel(call.key)
            elif call.command is not None and self._still_wanted(call):
                self._actuator.start(call.command)
        except SystemExit as error:  # a library's own idea of an error; without its thread the actuator would hang
            return self._failure(call, ActuatorError(f"SystemExit: {error}"))
        except Exception as error:  # noqa: BLE001 - a plugin's bug is a call that failed, and the thread must go on
            return self._failure(call, error)
        return None

    def _failure(self, call: _Call, error: Exception) -> Exception | None:
        """What a lookup answers that failed; of any other call somebody is told."""
        if call.kind == "lookup":
            return error
        self._failed(f"action {call.key}", _named(self._name, error))
        return None

    def _still_wanted(self, call: _Call) -> bool:
        waited_s = self._monotonic() - call.asked_at
        with self._changed:
            if any(other.key == call.key and other.kind == "cancel" for other in self._calls):
                return False
        if waited_s <= START_AGE_MAX_S:
            return True
        self._failed(
            f"action {call.key}",
            ActuatorError(f"actuator '{self._name}': its start waited {waited_s:.0f} s and was not made"),
        )
        return False


def _named(name: str, error: Exception) -> ActuatorError:
    what = str(error) if isinstance(error, ActuatorError) else f"failed: {type(error).__name__}: {error}"
    return ActuatorError(f"actuator '{name}': {what}")
