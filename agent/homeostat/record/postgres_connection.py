"""Connections to PostgreSQL that cannot hang: every wait has an end, on the server and here.

A default libpq connection waits for ever on a cut link, and nothing on the server ends the wait of a COMMIT for a
standby. So each connection gets the server's time-outs, TCP's, and a deadline of our own for every statement.
"""

from __future__ import annotations

import select
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from psycopg.waiting import Ready, Wait

from homeostat.model.errors import JournalError, JournalWriteError
from homeostat.model.nearest import did_you_mean

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")

SCHEMES = ("postgresql://", "postgres://")
READING_STATEMENT_S = 60.0
"""How long one statement of a reader may take; each fetches a bounded number of rows."""

_POLL_S = 0.5


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose every statement ends within `deadline_s`; after that it is closed, and useless.

    Attributes:
        deadline_s: seconds from sending a statement to its whole answer.
        warned: the last warning the server sent, "" for none. The one we fear comes with COMMIT's success: that the
            wait for a synchronous standby was cancelled (SQLSTATE 01000, in the server's language).
    """

    deadline_s: float = READING_STATEMENT_S
    warned: str = ""

    def wait(self, gen: PQGen[T], interval: float = _POLL_S, timeout: float | None = None) -> T:
        """Drive one of psycopg's generators, but no longer than the deadline."""
        del timeout
        deadline = monotonic() + self.deadline_s
        poll = select.poll()
        try:
            wanted = next(gen)
            while True:
                events = (select.POLLIN if wanted & Wait.R else 0) | (select.POLLOUT if wanted & Wait.W else 0)
                poll.register(self.pgconn.socket, events)
                left = deadline - monotonic()
                if left <= 0:
                    self.close()
                    raise psycopg.OperationalError(f"no answer within {self.deadline_s:g} s")
                found = poll.poll(min(left, interval) * 1000)
                wanted = gen.send(_ready(found[0][1], wanted) if found else Ready.NONE)
        except StopIteration as end:
            answer: T = end.value
            return answer


def _ready(events: int, wanted: Wait) -> Ready:
    """A hang-up or an error is found out by reading or writing, whatever was wanted."""
    if events & ~(select.POLLIN | select.POLLOUT):
        return Ready(int(wanted))
    return Ready((Ready.R if events & select.POLLIN else 0) | (Ready.W if events & select.POLLOUT else 0))


@dataclass(frozen=True, slots=True, repr=False)
class Server:
    """Where the journal is, and how long to wait for it.

    Attributes:
        conninfo: libpq's connection string, with its secrets.
        shown: the same for people: without password.
        patience_s: how long any call may block its caller. A third of the leases' time to live.
    """

    conninfo: str
    shown: str
    patience_s: float

    @classmethod
    def of(cls, url: str, patience_s: float, password: str | None = None) -> Server:
        """Read a `postgresql://` URL (libpq's connection URIs); the password may come apart from it.

        Raises:
            JournalError: it is not one. The message does not repeat it, since it may hold a password.
        """
        if not url.startswith(SCHEMES):
            raise JournalError("the journal's URL must be of the form postgresql://user@host:port/database")
        try:
            known = conninfo_to_dict(url)
        except psycopg.Error:
            # Its message repeats the URL, with the password.
            raise JournalError(
                _unknown_option(url)
                or "the journal's URL is not postgresql://user@host:port/database?option=value;"
                " write special characters in it as %XX (@ is %40, / is %2F)"
            ) from None
        host = str(known.get("host") or known.get("hostaddr") or "local socket")
        if "@" in host:
            raise JournalError("the journal's URL has more than one @; write one inside a password as %40")
        port, name = known.get("port", "5432"), known.get("dbname", known.get("user", ""))
        conninfo = make_conninfo(url) if password is None else make_conninfo(url, password=password)
        return cls(conninfo, f"postgresql://{host}:{port}/{name}", patience_s)

    def connect(self, application: str, *, writing: bool, statement_s: float | None = None) -> BoundedConnection:
        """Open one connection, in autocommit: a client that is stopped must hold no lock.

        Raises:
            psycopg.Error: it could not be opened within the patience.
        """
        limit_s = self.patience_s if statement_s is None else statement_s
        known: dict[str, Any] = dict(conninfo_to_dict(self.conninfo))
        settings = {
            "statement_timeout": int(limit_s * 1000),
            # Before the statement's own, so that the cause is told.
            "lock_timeout": int(0.8 * min(limit_s, self.patience_s) * 1000),
            "idle_in_transaction_session_timeout": int(max(3 * self.patience_s, limit_s) * 1000),
            "default_transaction_read_only": "off" if writing else "on",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        known.setdefault("application_name", application)
        if writing:
            known.setdefault("target_session_attrs", "read-write")
        connection = BoundedConnection.connect(
            "",
            autocommit=True,
            **known
            | {
                "options": f"{known.get('options') or ''} {options}".strip(),
                # libpq takes whole seconds, and 2 at least.
                "connect_timeout": max(2, int(self.patience_s / 2)),
                "tcp_user_timeout": int(self.patience_s * 1000),
                "keepalives_idle": max(1, int(self.patience_s / 2)),
                "keepalives_interval": 1,
                "keepalives_count": 3,
                "client_encoding": "utf8",
            },
        )
        # Our deadline is after the server's, which leaves nothing in doubt.
        connection.deadline_s = limit_s + 0.5
        connection.add_notice_handler(lambda notice: _note(connection, notice))
        return connection

    def unreachable(self, error: psycopg.Error, *, writing: bool = False) -> JournalError:
        """Say what to do about a connection that could not be opened."""
        said = _first_line(error)
        kind = JournalWriteError if writing else JournalError
        return kind(f"{self.shown}: the journal cannot be reached: {said}; {_remedy(said)}")


def lost(connection: psycopg.Connection[Any], error: psycopg.Error) -> bool:
    """Whether an error leaves it open what became of the statement: the connection is gone, or about to be."""
    severity = error.diag.severity_nonlocalized
    return connection.closed or severity in ("FATAL", "PANIC") or (error.sqlstate or "08").startswith("08")


def _note(connection: BoundedConnection, notice: psycopg.errors.Diagnostic) -> None:
    if notice.severity_nonlocalized == "WARNING":
        connection.warned = notice.message_primary or "a warning"


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _unknown_option(url: str) -> str | None:
    """Which option of a URL libpq does not know; None where what looks like a name could be part of a password."""
    known = [option.keyword.decode() for option in Conninfo.get_defaults()]
    query = url.partition("?")[2]
    if "@" in query or "password" in query:
        return None
    for pair in query.split("&"):
        name, equals, _ = pair.partition("=")
        if equals and name.isidentifier() and name not in known:
            return f"the journal's URL has an option '{name}' that PostgreSQL does not know{did_you_mean(name, known)}"
    return None


def _remedy(said: str) -> str:
    """Only a hint: the text may be in the server's language."""
    if "password" in said or "authentication" in said or "pg_hba" in said:
        return "check the user and the password: store.password in homeostat.toml, else PGPASSWORD or PGPASSFILE"
    if "database" in said and "does not exist" in said:
        return "create the database: createdb, or ask whoever runs the server"
    if "read-only" in said or "session is not read-write" in said:
        return "this server is a standby; name the primary, or all servers: postgresql://one,two/database"
    if "SSL" in said or "certificate" in said:
        return "check sslmode and sslrootcert in the journal's URL, and that the server speaks TLS"
    return "check that the server runs, and the host and the port in the journal's URL"
