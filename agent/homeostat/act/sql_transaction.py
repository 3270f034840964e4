"""One transaction of the `sql` actuator, in a thread of its own, and the connections of its runner.

Values are always bound, and one call to the server is one statement: a statement is prepared, and a prepared one cannot
hold a second. The server has limits of its own, for a runner that is killed or cut off.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from homeostat.act.job_files import TOO_LATE, Ending, TooLateError
from homeostat.act.output import OutputFile
from homeostat.model.sql_statement import READING_WORDS, first_word

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

    Connection = psycopg.Connection[tuple[Any, ...]]

TABLE = "homeostat_actions"
CREATE_TABLE = f"CREATE TABLE {TABLE} (key text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"

ROWS_SHOWN_MAX = 1000
"""How many rows of one statement go into the output; a read that has more is refused."""

LOCK_WAIT_S_MAX = 30.0
"""A statement that waits for a lock may hold up all that come after it."""

_CANCELLED = "57014"
_LIMITS_APART_S = 0.5
_UNDEFINED_TABLE = "42P01"
_CONNECTION_ENDED = ("08", "57P")
"""Classes of SQLSTATE."""

INSERT_KEY = f"INSERT INTO {TABLE} (key) VALUES (%s) ON CONFLICT DO NOTHING"  # noqa: S608 - a constant
_CHANGED = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_xact_user_tables"


class _RolledBackError(Exception):
    """The transaction must not be committed; the message says why."""


class Transaction:
    """One transaction on its way. Its thread writes, the runner's reads.

    Args:
        begin: called right before the first statement that may change anything.
        deadline: on the monotonic clock.

    Attributes:
        commits: COMMIT is on its way, or was.
        ending: how it ended; None while it has not, or where no answer to COMMIT came.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        password: str | None,
        output: OutputFile,
        begin: Callable[[], None],
        deadline: float,
    ) -> None:
        self._job = job
        self._password = password
        self._output = output
        self._begin = begin
        self._deadline = deadline
        self._gate = threading.Lock()
        self._connection: Connection | None = None
        self.cancelled = False
        self.commits = False
        self._over = threading.Event()
        self.ending: Ending | None = None

    def is_over(self) -> bool:
        """Whether its thread has done all that it will."""
        return self._over.is_set()

    def cancel(self) -> None:
        """Have the statement cancelled, and what is not committed yet rolled back."""
        import psycopg

        with self._gate:
            self.cancelled = True
            connection = None if self.commits else self._connection
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                connection.cancel_safe(timeout=self._job["cancel_grace_s"])

    def run(self, done: Callable[[], None]) -> None:
        """Carry it out; every failure becomes a sentence."""
        import psycopg

        try:
            self.ending = self._carried_out()
        except TooLateError:
            self.ending = Ending("cancelled", None, TOO_LATE)
        except _RolledBackError as error:
            self.ending = Ending("error", None, f"{error}; rolled back: nothing was changed")
        except Exception as error:  # noqa: BLE001 - nobody waits for a thread's exception; the outcome must tell it
            self.ending = self._failed(error)
        finally:
            if self._connection is not None:
                with contextlib.suppress(psycopg.Error):
                    self._connection.close()
            self._over.set()
            done()

    def _failed(self, error: Exception) -> Ending | None:
        state = getattr(error, "sqlstate", None)
        if self.commits and (state is None or state.startswith(_CONNECTION_ENDED)):
            # Any other error that the server tells ended the transaction; these say nothing about COMMIT.
            return None
        if self._connection is None:
            return Ending("error", None, f"nothing was run: {told(error)}")
        if state == _CANCELLED and time.monotonic() >= self._deadline - _LIMITS_APART_S:
            # The server's own limit was a little faster than the runner's.
            why = f"no end within {self._job['timeout_s']:g} s"
            return Ending("timeout", None, f"{why}; the transaction was rolled back: nothing was changed")
        hint = f"; create it: {CREATE_TABLE}" if state == _UNDEFINED_TABLE and TABLE in str(error) else ""
        return Ending("error", None, f"{told(error)}{hint}; rolled back: nothing was changed")

    def _carried_out(self) -> Ending:
        job, left_s = self._job, self._deadline - time.monotonic()
        connection = connect(job, self._password, left_s, name=job["application_name"])
        self._connection = connection
        connection.read_only = job["read_only"]
        self._check_not_cancelled()
        limit(connection, left_s)
        if job["keyed"] and not connection.execute(INSERT_KEY, [job["remote_key"]]).rowcount:
            connection.rollback()
            return Ending("ok", None, "not run again: a transaction with this key was committed before")
        counted = job["rows_max"] is not None and not job["read_only"]
        before = _changed(connection) if counted else 0
        self._begin()
        told, changed, last = [], 0, 0
        for statement in job["statements"]:
            self._check_not_cancelled()
            status, last = self._execute(connection, statement)
            told.append(status)
            changed += 0 if status.startswith("SELECT") else last
        if counted:
            changed = max(changed, _changed(connection) - before)
            if changed > job["rows_max"]:
                raise _RolledBackError(f"{changed} rows would change, and rows_max is {job['rows_max']}")
        if job["expect_rows"] not in (None, last):
            raise _RolledBackError(f"the last statement has {last} rows, and expect_rows is {job['expect_rows']}")
        with self._gate:
            if self.cancelled:
                raise _RolledBackError("cancelled")
            self.commits = True
        connection.commit()
        return Ending("ok", None, ", ".join(told))

    def _check_not_cancelled(self) -> None:
        with self._gate:
            if self.cancelled:
                raise _RolledBackError("cancelled")

    def _execute(self, connection: Connection, statement: str) -> tuple[str, int]:
        """Run one statement; give what the server calls it, and how many rows it changed or returned."""
        from psycopg.pq import TransactionStatus

        query = _composed(statement, self._job["identifiers"])
        reads = self._job["read_only"] and first_word(statement) in READING_WORDS
        if reads:
            # By a cursor, since the rows of a plain statement would all have to fit into memory.
            query = _composed("DECLARE homeostat_rows NO SCROLL CURSOR FOR ", {}) + query
        cursor = connection.execute(query, self._job["bound"], prepare=True)
        if reads:
            cursor = connection.execute(f"FETCH FORWARD {ROWS_SHOWN_MAX + 1} FROM homeostat_rows".encode())
        result = cursor.pgresult
        rows = result.ntuples if result is not None else 0
        if reads and rows > ROWS_SHOWN_MAX:
            raise _RolledBackError(f"more than {ROWS_SHOWN_MAX} rows came; give the statement a LIMIT")
        if result is not None and result.nfields:
            names = [(result.fname(column) or b"").decode(errors="replace") for column in range(result.nfields)]
            self._output.feed(("\t".join(names) + "\n").encode())
            for row in range(min(rows, ROWS_SHOWN_MAX)):
                cells = [result.get_value(row, column) for column in range(result.nfields)]
                self._output.feed(b"\t".join(b"" if cell is None else cell for cell in cells) + b"\n")
            if rows > ROWS_SHOWN_MAX:
                self._output.cut_short()
        if reads:
            connection.execute("CLOSE homeostat_rows")
        if connection.info.transaction_status is not TransactionStatus.INTRANS:
            raise _RolledBackError(f"{first_word(statement)} ended the transaction")
        status = f"SELECT {rows}" if reads else cursor.statusmessage or first_word(statement)
        return status, rows if reads else max(cursor.rowcount, 0)


def _composed(statement: str, identifiers: Mapping[str, list[str]]) -> Composed:
    from psycopg.sql import SQL, Composed, Identifier

    # The text is the policy's; what is known only now is bound, or an identifier from the policy's own list.
    text = SQL(statement)
    if not identifiers:
        return Composed([text])
    return text.format(**{name: Identifier(*parts) for name, parts in identifiers.items()})


def connect(job: Mapping[str, Any], password: str | None, left_s: float, *, name: str) -> Connection:
    """Connect, within the time that is left. Raises psycopg.Error."""
    import psycopg

    return psycopg.connect(
        job["dsn"],
        password=password,
        application_name=name,
        client_encoding="utf-8",
        connect_timeout=max(1, math.ceil(left_s)),
        tcp_user_timeout=max(1000, math.ceil(left_s * 1000)),
        keepalives_idle=10,
    )


def limit(connection: Connection, left_s: float) -> None:
    """Have the server end what takes too long by itself, should nobody be there to cancel it."""
    left_ms = max(1, math.ceil(left_s * 1000))
    lock_ms = min(left_ms, math.ceil(LOCK_WAIT_S_MAX * 1000))
    connection.execute(
        "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
        " set_config('idle_in_transaction_session_timeout', %s, true)",
        [str(left_ms), str(lock_ms), str(left_ms)],
    )


def _changed(connection: Connection) -> int:
    """Rows that the transaction has inserted, updated and deleted, by triggers, cascades and functions too."""
    row = connection.execute(_CHANGED).fetchone()
    return int(row[0]) if row is not None else 0


def told(error: Exception) -> str:
    """What the server, or libpq, says: one line."""
    state = getattr(error, "sqlstate", None)
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text} (SQLSTATE {state})" if state else text
