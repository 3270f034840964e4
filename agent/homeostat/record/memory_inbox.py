"""The inboxes in memory, for simulation and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from homeostat.model.answers import Answer
from homeostat.model.commands import Done
from homeostat.record.inbox import check, first_to_hear


class MemoryInbox:
    """Implements `model.ports.Inbox`. Several agents may share one."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}

    def put(self, answer: Answer) -> None:
        """Put an answer in; once per id. Raises UsageError: it says what no answer may."""
        check(answer)
        self._answers.setdefault(answer.id, answer)

    def collect(self) -> Sequence[Answer]:
        """See `model.ports.Inbox`."""
        return first_to_hear(self._answers.values())

    def settle(self, answers: Sequence[str]) -> None:
        """See `model.ports.Inbox`."""
        for answer in answers:
            self._answers.pop(answer, None)


class MemoryLateOutcomes:
    """Implements `model.ports.LateOutcomes`. Several agents may share one."""

    def __init__(self) -> None:
        self._left: dict[str, Done] = {}

    def put(self, incident: str, key: str, done: Done) -> None:
        """See `model.ports.LateOutcomes`."""
        del incident
        self._left.setdefault(key, done)

    def collect(self, keys: Iterable[str]) -> Mapping[str, Done]:
        """See `model.ports.LateOutcomes`."""
        return {key: self._left[key] for key in keys if key in self._left}
