"""The runner's half of the `sql` actuator: one transaction of PostgreSQL, through psycopg.

The transaction is in a thread of its own (`sql_transaction.py`), so that no server can hold up a deadline; a
statement is then cancelled by the protocol.

With a key, the transaction begins by inserting it into `homeostat_actions`. Whoever inserts a key waits for every open
transaction that has it, and fails where one was committed: so the insert alone tells whether the action was committed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from homeostat.act.job_files import Begun, Ending, JobFiles, TooLateError, came_too_late
from homeostat.act.kinds import DoubtError
from homeostat.act.output import OutputFile
from homeostat.act.processes import own_identity
from homeostat.act.sql_transaction import INSERT_KEY, Transaction, connect, limit, told
from homeostat.act.wakeup import Wakeup

RESUME_S_MAX = 60.0
"""How long whoever takes a dead runner's place tries to find out."""

_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = %s AND usename = current_user AND pid <> pg_backend_pid()"
)


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
            with connect(job, values.get("password"), max(left_s, 1.0), name="homeostat") as connection:
                limit(connection, max(left_s, 1.0))
                connection.execute(_END_OTHERS, [job["application_name"]])
                inserted = connection.execute(INSERT_KEY, [job["remote_key"]]).rowcount
                connection.rollback()
                return not inserted
        except psycopg.Error as error:
            if left_s <= 1.0:
                raise DoubtError(f"whether the transaction was committed cannot be asked: {told(error)}") from None
            time.sleep(0.5)
