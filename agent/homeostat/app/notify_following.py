"""Follows the journal for the notifications, by a reading connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress

from homeostat.app.notify_table import DIGEST_S_MAX
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError, JournalError
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal, Record
from homeostat.model.streams import policy_stream
from homeostat.notify.due import NEWS_S
from homeostat.notify.facts import TYPES, Facts, Task
from homeostat.policy.load import load_journalled

KEEP_S = NEWS_S + 2 * DIGEST_S_MAX
"""How long what is over is remembered: longer than anything about it can become due."""

OpenJournal = Callable[[], AbstractContextManager[Journal]]


class Following:
    """Keeps the facts of a journal up to date. For one thread."""

    def __init__(self, open_journal: OpenJournal, now: Callable[[], float]) -> None:
        self._open_journal = open_journal
        self._now = now
        self._context: AbstractContextManager[Journal] | None = None
        self._journal: Journal | None = None
        self._facts: Facts | None = None
        self._tasks: dict[tuple[str, str], Task | None] = {}
        self._runbooks: dict[str, str] = {}
        self._forgot_at = 0.0

    def facts(self) -> Facts:
        """All that the journal says by now.

        Raises:
            HomeostatError: it cannot be read; the next call opens it anew.
        """
        try:
            journal = self._opened()
            head = journal.position()
            if self._facts is None:
                facts = Facts()
                for record in self._from_the_start(journal, head):
                    facts.take(record, self._task_of, self._runbook_of)
                facts.position = head
                self._facts = facts
            for record in journal.after(self._facts.position, TYPES):
                self._facts.take(record, self._task_of, self._runbook_of)
            # Past what concerns nobody too: it would be read again at every look.
            self._facts.position = max(self._facts.position, head)
        except HomeostatError:
            self.close()
            raise
        if self._now() - self._forgot_at > NEWS_S:
            self._forgot_at = self._now()
            self._facts.forget(self._forgot_at - KEEP_S)
            self._tasks.clear()
            self._runbooks.clear()
        return self._facts

    def close(self) -> None:
        """Close the connection; what was read stays known."""
        context, self._context, self._journal = self._context, None, None
        if context is not None:
            with suppress(HomeostatError):
                context.__exit__(None, None, None)

    def _opened(self) -> Journal:
        if self._journal is None:
            context = self._open_journal()
            self._journal = context.__enter__()
            self._context = context
        return self._journal

    def _from_the_start(self, journal: Journal, head: int) -> Iterator[Record]:
        """What may still matter up to `head`: all of the incidents that are open or ended lately, and what is new."""
        since = self._now() - KEEP_S
        streams = set(journal.open_incidents())
        lately = list(journal.since(since, TYPES))
        begun = {record.stream for record in lately if isinstance(record.entry, e.Suspected)}
        streams |= {record.stream for record in lately if isinstance(record.entry, e.Closed)} - begun
        found: dict[int, Record] = {}
        for stream in streams:
            records = [record for record in journal.read(stream) if record.entry.TYPE in TYPES]
            found |= {record.position: record for record in records}
            since = min([since, *(record.entry.at for record in records)])
        found |= {record.position: record for record in journal.since(since, TYPES)}
        return (record for position, record in sorted(found.items()) if position <= head)

    def _runbook_of(self, policy: str, policy_hash: str) -> str:
        """What people go by, as the policy version that is journalled says."""
        if policy_hash not in self._runbooks:
            try:
                self._runbooks[policy_hash] = self._version(policy, policy_hash).runbook or ""
            except HomeostatError:
                self._runbooks[policy_hash] = ""
        return self._runbooks[policy_hash]

    def _version(self, policy: str, policy_hash: str) -> Policy:
        if self._journal is None:
            raise JournalError("the journal is closed")
        return load_journalled([record.entry for record in self._journal.read(policy_stream(policy))], policy_hash)

    def _task_of(self, policy: str, policy_hash: str, node: str) -> Task | None:
        """What a manual step asks, as the policy version that is journalled says."""
        if self._journal is None:
            raise JournalError("the journal is closed")
        if (policy_hash, node) not in self._tasks:
            try:
                parameters = self._version(policy, policy_hash).leaf(node).action.parameters
                task = Task(str(parameters.get("owner", "")), str(parameters.get("instructions", "")))
            except (HomeostatError, KeyError):
                task = None  # whoever is called by default is told what step it is
            self._tasks[policy_hash, node] = task
        return self._tasks[policy_hash, node]
