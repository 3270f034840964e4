"""Connections for reading, beside the one that writes: a few, kept, and replaced when they break."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, cast

import psycopg
from sqlalchemy.pool import QueuePool

from homeostat.model.errors import JournalError
from homeostat.record.postgres_connection import BoundedConnection, Server, lost

READERS_KEPT = 4


class Readers:
    """Runs one statement at a time and gives its rows. May be used from several threads.

    Args:
        application: the name under which the server's administrators see the connections.
        writing: lend connections that may also write: for the inbox.
        statement_s: how long one statement may take; None: as long as a loop may be held up.
    """

    def __init__(
        self, server: Server, application: str, *, writing: bool = False, statement_s: float | None = None
    ) -> None:
        self._server = server
        self._pool = QueuePool(
            lambda: server.connect(application, writing=writing, statement_s=statement_s),  # type: ignore[arg-type]  # DBAPI's type
            pool_size=READERS_KEPT,
            max_overflow=-1,
        )

    def query(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Give all rows. A broken connection is replaced, within the server's patience.

        Statements that may be repeated only. Raises JournalError.
        """
        give_up_at = monotonic() + self._server.patience_s
        while True:
            try:
                lent = self._pool.connect()
            except psycopg.Error as error:
                raise self._server.unreachable(error) from error
            connection = cast("BoundedConnection", lent.driver_connection)
            try:
                cursor = connection.execute(statement, parameters, prepare=True)
                return cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                if not lost(connection, error):
                    raise JournalError(f"{self._server.shown}: cannot be read: {error} ({error.sqlstate})") from error
                # A restarted server breaks all at once, and each broken one is found by using it.
                lent.invalidate()
                if monotonic() > give_up_at:
                    raise self._server.unreachable(error) from error
            finally:
                lent.close()

    def close(self) -> None:
        """Close what is not lent out."""
        self._pool.dispose()
