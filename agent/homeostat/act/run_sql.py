"""The runner's half of the `sql` actuator: one transaction of PostgreSQL, through psycopg.

The transaction is in a thread of its own, so that no server can hold up a deadline; a statement is then cancelled by
the protocol. The server has limits of its own, for a runner that is killed or cut off. Values are always bound, and one
call to the server is one statement: a statement is prepared, and a prepared one cannot hold a second.

With a key, the transaction begins by inserting it into `homeostat_actions`. Whoever inserts a key waits for every open
transaction that has it, and fails where one was committed: so the insert alone tells whether the action was committed.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from homeostat.act.job_files import TOO_LATE, Begun, Ending, JobFiles, TooLateError, came_too_late
from homeostat.act.kinds import DoubtError
from homeostat.act.output import OutputFile
from homeostat.act.processes import own_identity
from homeostat.act.wakeup import Wakeup
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
RESUME_S_MAX = 60.0
"""How long whoever takes a dead runner's place tries to find out."""

_UNDEFINED_TABLE = "42P01"
_CONNECTION_ENDED = ("08", "57P")
"""Classes of SQLSTATE."""

_INSERT_KEY = f"INSERT INTO {TABLE} (key) VALUES (%s) ON CONFLICT DO NOTHING"  # noqa: S608 - a constant
_CHANGED = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_xact_user_tables"
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = %s AND usename = current_user AND pid <> pg_backend_pid()"
)


class _RolledBackError(Exception):
    """The transaction must not be committed; the message says why."""


def run(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup) -> Ending:
    """Carry out the transaction, until it ends, is over its time or cancelled. Raises DoubtError."""
    _import_psycopg(job)
    deadline = time.monotonic() + job["timeout_s"]

    def begin() -> None:
        if not job["read_only"]:
            # Of what changes nothing, a killed runner leaves nothing to ask about.
            files.write_begun(Begun(own_identity(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)))
        if came_too_late(job):
            raise TooLateError

    transaction = Transaction(job, values.get("password"), output, begin, deadline)
    threading.Thread(target=transaction.run, args=(bell.ring,), daemon=True).start()
    while not transaction.is_over() and bell.stop_signal is None and (left_s := deadline - time.monotonic()) > 0:
        bell.wait(left_s)
    if not transaction.is_over():
        transaction.cancel()
        until = time.monotonic() + job["cancel_grace_s"]
        while not transaction.is_over() and time.monotonic() < until:
            time.sleep(0.01)
    if transaction.ending is not None and (transaction.ending.status == "ok" or not transaction.cancelled):
        return transaction.ending
    if transaction.commits:
        return _after_lost_commit(job, values)
    status, why = "timeout", f"no end within {job['timeout_s']:g} s"
    if bell.stop_signal is not None:
        status = "cancelled"
        why = "cancelled" if files.cancel_requested() else f"its runner was sent {bell.stop_signal.name}"
    return Ending(status, None, f"{why}; the transaction was rolled back: nothing was changed")


def resume(
    files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup
) -> Ending:
    """Find out whether a dead runner's transaction was committed. Raises DoubtError."""
    del output, bell
    _import_psycopg(job)
    if _was_committed(job, values):
        return Ending("ok", None, "the transaction was committed, and its runner was killed before it could say so")
    status = "cancelled" if files.cancel_requested() else "error"
    return Ending(status, None, "its runner was killed, and the transaction was rolled back: nothing was changed")


def _import_psycopg(job: Mapping[str, Any]) -> None:
    sys.path.extend(folder for folder in job["import_from"] if folder not in sys.path)


def _after_lost_commit(job: Mapping[str, Any], values: Mapping[str, str]) -> Ending:
    if not job["keyed"]:
        raise DoubtError("COMMIT was sent, and no answer came; with keyed: true it could be found out")
    if _was_committed(job, values):
        return Ending("ok", None, "the transaction was committed, though the answer to COMMIT was lost")
    return Ending("error", None, "the connection was lost, and the transaction was rolled back: nothing was changed")


def _was_committed(job: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    """End what is left of the transaction, and see whether its key can be inserted. Raises DoubtError."""
    import psycopg

    give_up_at = time.monotonic() + RESUME_S_MAX
    while True:
        left_s = give_up_at - time.monotonic()
        try:
            with _connect(job, values.get("password"), max(left_s, 1.0), name="homeostat") as connection:
                _limit(connection, max(left_s, 1.0))
                connection.execute(_END_OTHERS, [job["application_name"]])
                inserted = connection.execute(_INSERT_KEY, [job["remote_key"]]).rowcount
                connection.rollback()
                return not inserted
        except psycopg.Error as error:
            if left_s <= 1.0:
                raise DoubtError(f"whether the transaction was committed cannot be asked: {_told(error)}") from None
            time.sleep(0.5)


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
            return Ending("error", None, f"nothing was run: {_told(error)}")
        hint = (
            f"; create it: {CREATE_TABLE}" if getattr(error, "sqlstate", "") == "42P01" and TABLE in str(error) else ""
        )
        return Ending("error", None, f"{_told(error)}{hint}; rolled back: nothing was changed")

    def _carried_out(self) -> Ending:
        job, left_s = self._job, self._deadline - time.monotonic()
        connection = _connect(job, self._password, left_s, name=job["application_name"])
        self._connection = connection
        connection.read_only = job["read_only"]
        self._check_not_cancelled()
        _limit(connection, left_s)
        if job["keyed"] and not connection.execute(_INSERT_KEY, [job["remote_key"]]).rowcount:
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


def _connect(job: Mapping[str, Any], password: str | None, left_s: float, *, name: str) -> Connection:
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


def _limit(connection: Connection, left_s: float) -> None:
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


def _told(error: Exception) -> str:
    """What the server, or libpq, says: one line."""
    state = getattr(error, "sqlstate", None)
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text} (SQLSTATE {state})" if state else text
