"""The inboxes in PostgreSQL: what people have said, and what became of actions whose agent lost its lease."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from homeostat.model.answers import SWITCHES, Answer
from homeostat.model.commands import Done
from homeostat.model.errors import JournalError, JournalWriteError, UsageError
from homeostat.model.streams import AGENT_STREAM
from homeostat.record.inbox import ANSWERS_MAX, BYTES_MAX, check, encoded, first_to_hear
from homeostat.record.postgres_append import stored
from homeostat.record.postgres_connection import Server
from homeostat.record.postgres_readers import Readers

T = TypeVar("T")

_PUT = """
INSERT INTO inbox (id, kind, incident, key, body) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING"""
_ANSWERS = f"""
SELECT id, left(body, {BYTES_MAX + 1}) FROM inbox WHERE kind = 'answer'
ORDER BY incident IS NOT NULL, put_at, id LIMIT %s"""  # noqa: S608 - a constant
_OUTCOMES = "SELECT id, key, body FROM inbox WHERE kind = 'outcome' AND key = ANY (%s)"
_SETTLE = "DELETE FROM inbox WHERE kind = 'answer' AND id = ANY (%s)"
_SET_ASIDE = "UPDATE inbox SET kind = 'refused' WHERE id = %s"


class PostgresInbox:
    """Implements `model.ports.Inbox` for all agents of a journal: each sees every answer until one settles it.

    Args:
        failed: told of what cannot be read.
    """

    def __init__(self, server: Server, failed: Callable[[str, Exception], None]) -> None:
        self._rows = Readers(server, "homeostat inbox", writing=True)
        self._failed = failed

    def put(self, answer: Answer) -> None:
        """Put an answer in, durably; once per id.

        Raises:
            UsageError: it says what no answer may. JournalWriteError: it could not be stored.
        """
        content = encoded(answer)
        # Read first are rows without an incident: only the kill switch has none.
        about = answer.incident if answer.kind in SWITCHES else answer.incident or AGENT_STREAM
        _put(self._rows, answer.id, "answer", about, None, content)

    def collect(self) -> Sequence[Answer]:
        """See `model.ports.Inbox`."""
        try:
            rows = self._rows.query(_ANSWERS, (ANSWERS_MAX,))
        except JournalError as error:
            self._failed("inbox", error)
            return []
        found = [self._read(name, body) for name, body in rows]
        return first_to_hear(filter(None, found))

    def settle(self, answers: Sequence[str]) -> None:
        """See `model.ports.Inbox`."""
        if answers:
            self._change(_SETTLE, ([stored(answer) for answer in answers],))

    def close(self) -> None:
        """Release the connections."""
        self._rows.close()

    def _read(self, name: str, body: str) -> Answer | None:
        try:
            answer = _decoded(body, Answer)
            check(answer)
            if answer.id != name:
                raise ValueError("its id is not its name")  # noqa: TRY301 - all refusals are set aside alike
        except (ValueError, UsageError) as error:
            self._failed(f"inbox {name}", error)
            self._change(_SET_ASIDE, (name,))
            return None
        return answer

    def _change(self, statement: str, parameters: Sequence[object]) -> None:
        try:
            self._rows.query(statement, parameters)
        except JournalError as error:
            self._failed("inbox", error)


class PostgresLateOutcomes:
    """Implements `model.ports.LateOutcomes`. What was left is kept until its incident is closed."""

    def __init__(self, server: Server) -> None:
        self._rows = Readers(server, "homeostat late outcomes", writing=True)

    def put(self, incident: str, key: str, done: Done) -> None:
        """See `model.ports.LateOutcomes`."""
        _put(self._rows, f"outcome {stored(key)}", "outcome", incident, key, msgspec.json.encode(done))

    def collect(self, keys: Iterable[str]) -> Mapping[str, Done]:
        """See `model.ports.LateOutcomes`."""
        wanted = {stored(key): key for key in keys}
        if not wanted:
            return {}
        found: dict[str, Done] = {}
        for name, key, body in self._rows.query(_OUTCOMES, (list(wanted),)):
            try:
                found[wanted[key]] = _decoded(body, Done)
            except ValueError as error:
                self._rows.query(_SET_ASIDE, (name,))
                what = f"what was left of the action {wanted[key]} cannot be read, and was set aside"
                raise JournalError(f"{what}: {error}; the signals must tell what became of it") from error
        return found

    def close(self) -> None:
        """Release the connections."""
        self._rows.close()


def _put(rows: Readers, name: str, kind: str, incident: str | None, key: str | None, content: bytes) -> None:
    columns = (None if incident is None else stored(incident), None if key is None else stored(key))
    try:
        rows.query(_PUT, (name, kind, *columns, content.decode()))
    except JournalError as error:
        raise JournalWriteError(f"nothing was put into the inbox: {error}") from error


def _decoded(body: str, kind: type[T]) -> T:
    """Raises ValueError (msgspec's errors are)."""
    if len(body) > BYTES_MAX and kind is Answer:
        raise ValueError(f"larger than {BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
