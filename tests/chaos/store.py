"""The shared store: a private PostgreSQL that can be restarted, killed and kept away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from tests.postgres_cluster import ROLE, Cluster

from homeostat.record.postgres import PostgresJournal
from homeostat.rig.layout import SERVER_USER


class Store:
    """What a scenario may do to the server, and to see in it.

    Args:
        cluster: that runs.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @classmethod
    @contextmanager
    def create(cls, *, anywhere: bool) -> Iterator[Store]:
        """Make a server, which is gone on leaving.

        Args:
            anywhere: let it listen on all addresses, not only on the loopback; for inside a network namespace.
        """
        cluster = Cluster.create(*(["listen_addresses = '*'"] if anywhere else []))
        try:
            if anywhere:
                with (cluster.data / "pg_hba.conf").open("a") as rules:
                    rules.write(f"host all {ROLE} 10.88.0.0/16 scram-sha-256\n")
                cluster.restart()
            yield cls(cluster)
        finally:
            cluster.remove()

    @property
    def version(self) -> str:
        """Of the server."""
        with self._cluster.superuser() as connection:
            return str(connection.info.parameter_status("server_version")).split(" ", 1)[0]

    def create_database(self) -> str:
        """Make a database with a new journal; its name."""
        return self._cluster.database().rpartition("/")[2]

    def url(self, host: str, database: str) -> str:
        """What an agent on a machine that reaches the store at `host` is told."""
        return f"postgresql://{ROLE}@{host}:{self._cluster.port}/{database}"

    def local_url(self, database: str) -> str:
        """The harness's own way in, which no cut link concerns: the Unix socket, as superuser."""
        folder = quote(str(self._cluster.folder), safe="")
        return f"postgresql://{SERVER_USER}@/{database}?host={folder}&port={self._cluster.port}"

    def start(self) -> None:
        """Start it again, unless it runs."""
        if self._cluster.process is None:
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
