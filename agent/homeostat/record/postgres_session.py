"""The one writing connection of an agent's process, and what is known for certain when it breaks.

A connection may break while an append is on its way: the server may yet carry it out after we have looked. So each
new connection begins a *session* first, in one order with the appends (`homeostat_begin_session`); the store refuses
what still comes from the one before. Only then is the journal looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import psycopg

from homeostat.model.errors import JournalCorrupt, JournalError, JournalWriteError
from homeostat.record.postgres_connection import BoundedConnection, Server

_BACK_OFF_FIRST_S = 0.1

_BEGIN = "SELECT homeostat_begin_session(%s, %s, %s, %s)"
_WHERE = """
SELECT system_identifier::text, substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) FROM pg_control_system()"""
_HASH_AT = "SELECT hash FROM journal WHERE position = %s"
# Whoever set it to `off` for all did not mean the journal.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """Who writes.

    Attributes:
        owner: drawn anew for each process.
        agent, spool, version: its name, the id of its state folder, and its release.
    """

    owner: UUID
    agent: str
    spool: str
    version: str


class Session:
    """Opens the writing connection, and opens it again. Not for several threads at once.

    Args:
        told: told of what is no error, but should be known: a new connection after a lost one, another time line.
    """

    def __init__(self, server: Server, process: AgentProcess, told: Callable[[str], None]) -> None:
        self._server = server
        self._process = process
        self._told = told
        self._connection: BoundedConnection | None = None
        self._acknowledged: tuple[int, str] | None = None
        self._place: tuple[str, str] | None = None
        self._back_off_s = 0.0
        self._retry_at = 0.0
        self._lost: JournalCorrupt | None = None
        self.number = 0
        self.doubtful = False
        """Whether something may have been written of which it is not known that it stays."""

    def open(self) -> BoundedConnection:
        """Give the connection; a new one, with a session of its own, where the last was dropped.

        Raises:
            JournalWriteError: there is none now. It is tried again after a while that grows, at most a third of a
                lease; until then this is raised at once.
            JournalCorrupt: the server lacks records that were acknowledged; from then on always.
        """
        if self._lost is not None:
            raise self._lost
        if self._connection is not None and not self._connection.closed:
            return self._connection
        again = self._connection is not None or self._back_off_s > 0
        self._connection = None
        if monotonic() < self._retry_at:
            raise JournalWriteError(f"{self._server.shown}: the journal cannot be reached; it is soon tried again")
        try:
            connection = self._begin()
        except psycopg.Error as error:
            self._wait_longer()
            raise self._server.unreachable(error, writing=True) from error
        except JournalError:
            self._wait_longer()
            raise
        self._back_off_s = self._retry_at = 0.0
        self._connection, self.doubtful = connection, False
        if again:
            self._told(f"{self._server.shown}: connected again")
        return connection

    def drop(self, *, doubtful: bool = False) -> None:
        """Give the connection up.

        Args:
            doubtful: nothing may be read until a new one shows what became of the last write.
        """
        self.doubtful = self.doubtful or doubtful
        if self._connection is not None:
            self._connection.close()

    def acknowledge(self, position: int, record_hash: str) -> None:
        """Remember the last record of an append that was acknowledged.

        Positions are in the order of the commits, so where it is, all before it are.
        """
        self._acknowledged = position, record_hash

    def _wait_longer(self) -> None:
        self._back_off_s = min(max(2 * self._back_off_s, _BACK_OFF_FIRST_S), self._server.patience_s)
        self._retry_at = monotonic() + self._back_off_s

    def _begin(self) -> BoundedConnection:
        process = self._process
        connection = self._server.connect(f"homeostat {process.agent}"[:63], writing=True)
        try:
            connection.execute(_DURABLE)
            (number,) = _one(connection, _BEGIN, (process.owner, process.agent, process.spool, process.version))
            self._check_replicated(connection)
            self._check_place(connection)
            self.number = int(str(number))
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_replicated(self, connection: BoundedConnection) -> None:
        """Replication is in order: where this session's beginning arrived, so did all before it."""
        if connection.warned:
            raise JournalError(
                f"{self._server.shown}: the synchronous standby does not answer ({connection.warned}); nothing is"
                " decided until it does: bring it back, or take it out of synchronous_standby_names"
            )

    def _check_place(self, connection: BoundedConnection) -> None:
        """See that what was acknowledged is here. Raises JournalCorrupt."""
        place = _place(connection)
        if self._acknowledged is not None:
            position, record_hash = self._acknowledged
            found = connection.execute(_HASH_AT, (position,)).fetchone()
            if found is None or found[0] != record_hash:
                self._lost = JournalCorrupt(
                    f"{self._server.shown}: the record at write position {position} was acknowledged and is not there"
                    f" (system {place[0]}, time line {place[1]}): the server was restored from a backup, or a standby"
                    " that lagged behind took over. Nothing may be started on what is left: see what the actions of"
                    " the last minutes did, then start the agent again"
                )
                raise self._lost
        if self._place is not None and place != self._place:
            self._told(
                f"{self._server.shown}: another server or time line answers now (system {place[0]}, time line"
                f" {place[1]}); everything acknowledged is there"
            )
        self._place = place


def _place(connection: BoundedConnection) -> tuple[str, str]:
    """Give the server's system identifier and time line: only told, so a hosted server may keep them to itself."""
    try:
        system, time_line = _one(connection, _WHERE, ())
    except (psycopg.ProgrammingError, psycopg.NotSupportedError):
        return "unknown", "unknown"
    return str(system), str(time_line)


def _one(connection: BoundedConnection, statement: str, parameters: tuple[object, ...]) -> tuple[object, ...]:
    """Run a statement that gives one row."""
    row = connection.execute(statement, parameters).fetchone()
    if row is None:
        raise psycopg.DataError("no answer where one row was due")
    return row
