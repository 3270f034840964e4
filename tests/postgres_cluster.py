"""A private PostgreSQL server for tests: its own directory, its own port on the loopback, and fsync on.

Several test workers start one each. Every test gets a database of its own, made from a template with a new journal.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

from homeostat.record import postgres_open
from homeostat.record.postgres_connection import Server
from homeostat.rig.layout import SERVER_USER, as_server_user, free_port, postgres_programs

ROLE, PASSWORD = "homeostat", "s3cret-of-tests"
START_S = 60.0
MEMORY, MEMORY_FREE_BYTES_MIN = Path("/dev/shm"), 4 << 30


def has_room_in_memory() -> bool:
    """Whether files can be kept in memory, as many as the tests make."""
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_FREE_BYTES_MIN


def require_binaries() -> Path:
    """Those programs. Without them: skip; where CI is true: fail."""
    found = postgres_programs()
    if found is None:
        reason = "no PostgreSQL server on this machine; on Debian: apt-get install postgresql"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI must run these tests: {reason}")
        pytest.skip(reason)
    return found


@dataclass(slots=True)
class Cluster:
    """One server.

    Attributes:
        settings: lines of `postgresql.conf` beside those every cluster has.
    """

    folder: Path
    bin: Path
    port: int
    settings: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    _names: count[int] = field(default_factory=count)

    @classmethod
    def create(cls, *settings: str, in_memory: bool = False, parent: Path | None = None) -> Cluster:
        """Make and start one, on the disk of `parent` unless `in_memory` is wanted and there is room."""
        bin_folder = require_binaries()
        # In memory a server synchronises as always, but starts and stops in no time.
        home = MEMORY if in_memory and has_room_in_memory() else parent
        folder = Path(tempfile.mkdtemp(prefix="homeostat-pg-", dir=home))
        if os.geteuid() == 0:
            shutil.chown(folder, SERVER_USER, SERVER_USER)
        cluster = cls(folder, bin_folder, free_port(), settings)
        cluster._initialise()
        cluster.start()
        with cluster.superuser() as connection:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE DATABASE new_journal OWNER {ROLE} TEMPLATE template0")
        postgres_open.prepare(Server.of(cluster.url("new_journal"), 5.0))
        return cluster

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _initialise(self) -> None:
        arguments: list[str | Path] = [
            self.bin / "initdb",
            "--pgdata",
            self.data,
            "--username",
            SERVER_USER,
            "--encoding",
            "UTF8",
        ]
        arguments += ["--auth-local", "trust", "--auth-host", "scram-sha-256", "--locale", "C.UTF-8", "--no-sync"]
        self._run(arguments)
        lines = [
            "listen_addresses = '127.0.0.1'",
            f"port = {self.port}",
            f"unix_socket_directories = '{self.folder}'",
            "max_connections = 200",
            "shared_buffers = 32MB",
            "log_min_messages = warning",
            *self.settings,
        ]
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")

    def _run(self, arguments: Sequence[str | Path]) -> None:
        done = subprocess.run(
            as_server_user(arguments), capture_output=True, text=True, check=False, cwd=self.folder, timeout=START_S
        )
        assert done.returncode == 0, f"{arguments[0]}: {done.stderr}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            # setpriv becomes the server: one process, and its pid.
            self.process = subprocess.Popen(
                as_server_user([self.bin / "postgres", "-D", self.data]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        give_up_at = time.monotonic() + START_S
        while True:
            try:
                self.superuser().close()
            except psycopg.OperationalError:
                assert time.monotonic() < give_up_at, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends at once and in order ("fast"), SIGQUIT like a crash ("immediate")."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(START_S)
        self.process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def remove(self) -> None:
        if self.process is not None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.folder), port=self.port, user=SERVER_USER, dbname=database, autocommit=True, connect_timeout=5
        )

    def url(self, database: str, *, password: str = PASSWORD) -> str:
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self.port}/{database}"

    def empty_database(self) -> str:
        """The URL of a new database without a journal."""
        name = f"empty_{next(self._names)}"
        with self.superuser() as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0")
        return self.url(name)

    def database(self) -> str:
        """The URL of a new database with a new journal."""
        name = f"journal_{next(self._names)}"
        with self.superuser() as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE new_journal STRATEGY WAL_LOG")
        return self.url(name)
