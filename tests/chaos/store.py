"""The shared store: a private PostgreSQL that can be restarted, killed and kept away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.postgres_cluster import PASSWORD, ROLE, SUPERUSER, Cluster

from homeostat.record.postgres import PostgresJournal


class Store:
    """Starts on entering, is gone on leaving.

    Args:
        anywhere: listen on every address there is, not only on the loopback; for inside a network namespace.
    """

    def __init__(self, *, anywhere: bool) -> None:
        self._cluster = Cluster.create(*(["listen_addresses = '*'"] if anywhere else []))
        with self._cluster.superuser() as connection:
            if anywhere:
                with (self._cluster.data / "pg_hba.conf").open("a") as rules:
                    rules.write(f"host all {ROLE} 10.88.0.0/16 scram-sha-256\n")
                connection.execute("SELECT pg_reload_conf()")
            row = connection.execute("SHOW server_version").fetchone()
        self.version = str(row[0]).split(" ", 1)[0] if row else "?"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.remove()

    def create_database(self) -> str:
        """Make a database with a new journal; its name."""
        return self._cluster.database().rpartition("/")[2]

    def url(self, host: str, database: str) -> str:
        """What an agent on a machine that reaches the store at `host` is told."""
        return f"postgresql://{ROLE}:{PASSWORD}@{host}:{self._cluster.port}/{database}"

    def local_url(self, database: str) -> str:
        """The harness's own way in, which no cut link concerns: the Unix socket, as superuser."""
        folder = quote(str(self._cluster.folder), safe="")
        return f"postgresql://{SUPERUSER}@/{database}?host={folder}&port={self._cluster.port}"

    def start(self) -> None:
        """Start it again."""
        self._cluster.start()

    def stop(self) -> None:
        """Stop it in order: a fast shutdown."""
        self._cluster.stop()

    def kill(self) -> None:
        """`kill -9` of the server and every process of it, at once; it recovers from its log when it starts."""
        process = self._cluster.process
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._cluster.process = None

    @contextmanager
    def journal(self, database: str) -> Iterator[PostgresJournal]:
        """The journal, to look at."""
        journal = PostgresJournal(self.local_url(database), agent="harness", spool="", read_only=True)
        try:
            yield journal
        finally:
            journal.close()
