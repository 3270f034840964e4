"""An append whose answer is lost tells the truth, and what it cannot tell it calls unknown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.contract.journal_contract import changed, closed, intended, suspected
from tests.postgres_cluster import Cluster

from homeostat.model.errors import JournalConflict, JournalCorrupt, JournalError, JournalWriteError
from homeostat.model.ports import Batch
from homeostat.record import postgres
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_append import execute
from homeostat.record.postgres_connection import BoundedConnection, Server
from homeostat.record.postgres_leases import PostgresLeases
from homeostat.record.postgres_standby import standby_faults
from homeostat.rig.layout import SERVER_USER, as_server_user

TTL_S = 3.0

_BACKEND = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'homeostat a' AND datname = %s AND state = 'active' AND wait_event_type = %s"""


class Doubt:
    """A journal with one record, and a hand on the server."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.url = cluster.database()
        self.name = self.url.rsplit("/", 1)[1]
        self.told: list[str] = []
        self.journal = self.open()
        self.journal.append([Batch("s", 0, [changed(1)])])
        self.threads = ThreadPoolExecutor(1)

    def open(self, **options: Any) -> PostgresJournal:
        told = self.told.append
        return PostgresJournal(self.url, agent="a", spool="s", lease_ttl_s=TTL_S, told=told, **options)

    def append_two(self) -> Future[int]:
        """Append to two streams, in the background."""
        return self.threads.submit(
            lambda: self.journal.append([Batch("s", 1, [changed(2)]), Batch("t", 0, [changed(3)])])
        )

    @contextmanager
    def head_locked(self) -> Iterator[None]:
        """Somebody else's append does not come to its end."""
        with self.cluster.superuser(self.name) as other, other.transaction():
            other.execute("SELECT FROM head FOR UPDATE")
            yield

    def backend(self, waits_for: str) -> int:
        """The process that serves the append, once it waits."""
        with self.cluster.superuser() as other:
            for _ in range(500):
                if row := other.execute(_BACKEND, (self.name, waits_for)).fetchone():
                    return int(str(row[0]))
                time.sleep(0.01)
        raise AssertionError("the append never waited")

    def do(self, statement: str, *parameters: object) -> None:
        with self.cluster.superuser(self.name) as other:
            other.execute(statement, parameters or None)

    @contextmanager
    def standby_missing(self) -> Iterator[Callable[[], None]]:
        """The server waits for a standby that is not there; the yielded call takes it out again."""

        def set_names(names: str, *, reads: str) -> None:
            self.do(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            self.do("SELECT pg_reload_conf()")
            with self.cluster.superuser() as other:
                for _ in range(500):
                    if other.execute("SELECT current_setting('synchronous_standby_names')").fetchone() == (reads,):
                        return
                    time.sleep(0.01)
            raise AssertionError("the setting did not arrive")

        set_names("ghost", reads="ghost")
        try:
            yield lambda: set_names("", reads="")
        finally:
            set_names("", reads="")

    def assert_one_and_usable(self) -> None:
        assert [record.entry for record in self.journal.read("s")] == [changed(1)]
        assert self.journal.head_seq("t") == 0
        self.journal.append([Batch("s", 1, [changed(2)]), Batch("t", 0, [changed(3)])])
        self.assert_two()

    def assert_two(self) -> None:
        assert [record.entry for record in self.journal.read("s")] == [changed(1), changed(2)]
        assert self.journal.head_seq("t") == 1
        assert self.journal.position() == 3
        assert self.journal.verify() == []


@pytest.fixture
def doubt(cluster: Cluster) -> Iterator[Doubt]:
    doubt = Doubt(cluster)
    yield doubt
    doubt.threads.shutdown()
    doubt.journal.close()


def test_a_backend_that_is_ended_before_the_append_happened(doubt: Doubt) -> None:
    with doubt.head_locked():
        appended = doubt.append_two()
        doubt.do("SELECT pg_terminate_backend(%s)", doubt.backend("Lock"))
        time.sleep(0.2)
    with pytest.raises(JournalWriteError, match="nothing was written"):
        appended.result()
    doubt.assert_one_and_usable()
    assert any("connected again" in told for told in doubt.told)


def test_a_backend_that_is_ended_after_the_append_happened(doubt: Doubt) -> None:
    with doubt.standby_missing() as taken_out:
        appended = doubt.append_two()
        backend = doubt.backend("IPC")
        # The journal will connect again, which must not have to wait for the standby.
        doubt.do("ALTER SYSTEM SET synchronous_standby_names = ''")
        doubt.do("SELECT pg_terminate_backend(%s), pg_reload_conf()", backend)
        taken_out()
    assert appended.result() == 3
    doubt.assert_two()


def test_an_append_that_is_settled_gives_its_own_position(doubt: Doubt, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not the one that others have reached meanwhile: whoever decides on it would pass over what they wrote."""
    other, session = doubt.open(), doubt.journal._session
    connection, connect_again = session.open(), session.open

    def lose_the_answer(*parameters: Any, **options: Any) -> int:
        execute(*parameters, **options)
        connection.close()
        raise psycopg.OperationalError("lost")

    def others_are_first() -> BoundedConnection:
        if connection.closed:
            other.append([Batch("o", 0, [changed()])])
            monkeypatch.undo()
        return connect_again()

    monkeypatch.setattr(postgres, "execute", lose_the_answer)
    monkeypatch.setattr(session, "open", others_are_first)
    assert doubt.append_two().result() == 3
    assert doubt.journal.position() == 4
    session.drop()
    assert doubt.journal.append([Batch("s", 2, [changed(4)])]) == 5
    other.close()


def test_an_append_that_arrives_after_we_have_looked_is_refused(doubt: Doubt) -> None:
    """The server is frozen until the client has given up, connected again and been told that nothing is there."""
    row = doubt.journal._session.open().execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    os.kill(row[0], signal.SIGSTOP)
    try:
        with pytest.raises(JournalWriteError, match="nothing was written"):
            doubt.append_two().result()
    finally:
        os.kill(row[0], signal.SIGCONT)
    time.sleep(0.3)
    doubt.assert_one_and_usable()


def test_a_session_that_was_replaced_writes_nothing(doubt: Doubt) -> None:
    process = doubt.journal.process
    doubt.do("SELECT homeostat_begin_session(%s, 'a', 's', '1')", process.owner)
    with pytest.raises(JournalWriteError, match="nothing was written"):
        doubt.append_two().result()
    doubt.assert_one_and_usable()


def test_a_head_that_stays_locked(doubt: Doubt) -> None:
    with doubt.head_locked(), pytest.raises(JournalWriteError, match=r"nothing was written.*\(55P03\).*holds"):
        doubt.append_two().result()
    doubt.assert_one_and_usable()


def test_a_success_that_no_standby_has_is_in_doubt(doubt: Doubt) -> None:
    with doubt.standby_missing() as taken_out:
        appended = doubt.append_two()
        doubt.do("SELECT pg_cancel_backend(%s)", doubt.backend("IPC"))
        with pytest.raises(JournalWriteError, match=r"whether the last records .* is not known"):
            appended.result()
        # Readers would see it; but whoever acted on it would act on what a new primary may lack.
        with pytest.raises(JournalError, match="cannot be reached: no answer"):
            doubt.journal.head_seq("s")
        with pytest.raises(JournalError):
            doubt.journal.append([Batch("s", 2, [changed(4)])])
        taken_out()
        for _ in range(100):
            try:
                doubt.journal.head_seq("s")
            except JournalError:
                time.sleep(0.1)
    doubt.assert_two()


def test_nothing_starts_without_a_synchronous_standby_where_one_is_required(doubt: Doubt) -> None:
    journal = doubt.open(require_synchronous_standby=True)
    journal.append([Batch("i", 0, [suspected("i"), changed()])])
    with pytest.raises(JournalWriteError, match="set synchronous_standby_names"):
        journal.append([Batch("i", 2, [intended("k")])])
    journal.append([Batch("i", 2, [closed()])])
    assert standby_faults(journal.server) == []
    journal.close()


def test_an_interrupted_append_is_settled(doubt: Doubt, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(doubt.journal._session._connection, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            doubt.journal.append([Batch("s", 1, [changed(2)])])
    doubt.assert_one_and_usable()


def test_a_record_that_is_not_the_acknowledged_one(doubt: Doubt) -> None:
    """The same numbers, another content: a store that was put back and written to by others since."""
    journal = doubt.journal
    journal._heads["s"] = journal._heads["s"]._replace(hash="f" * 64)
    with pytest.raises(JournalCorrupt, match="stream s, record 1: it is not the record that was acknowledged"):
        journal.append([Batch("s", 1, [changed(2)])])


def test_a_conflict_is_none_of_these(doubt: Doubt) -> None:
    with pytest.raises(JournalConflict):
        doubt.journal.append([Batch("s", 0, [changed(2)])])
    with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(doubt.url) as connection:
        connection.execute("DELETE FROM journal")
    doubt.assert_one_and_usable()


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """A server that nobody else is using: it is stopped, and its data put back."""
    cluster = Cluster.create(in_memory=True)
    yield cluster
    cluster.remove()


@pytest.fixture
def restarted(own_cluster: Cluster) -> Iterator[Doubt]:
    doubt = Doubt(own_cluster)
    yield doubt
    doubt.threads.shutdown()
    doubt.journal.close()


def usable_again(journal: PostgresJournal) -> None:
    """The first append after a restart is refused, since its connection is gone."""
    for _ in range(100):
        try:
            journal.append([])
        except JournalWriteError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the journal was not connected again")


def test_a_server_that_restarts(restarted: Doubt) -> None:
    journal, server = restarted.journal, restarted.cluster
    assert journal.head_seq("s") == 1
    server.restart(signal.SIGQUIT)
    assert journal.head_seq("s") == 1
    with pytest.raises(JournalWriteError, match="nothing was written"):
        restarted.append_two().result()
    server.stop()
    with pytest.raises(JournalWriteError, match="nothing was written"):
        restarted.append_two().result()
    with pytest.raises(JournalWriteError, match="cannot be reached"):
        restarted.append_two().result()
    with pytest.raises(JournalError, match="cannot be reached"):
        journal.head_seq("s")
    server.start()
    usable_again(journal)
    restarted.assert_one_and_usable()


def test_another_time_line_with_and_without_what_was_acknowledged(restarted: Doubt) -> None:
    doubt, cluster = restarted, restarted.cluster
    other = doubt.open()
    backup = cluster.folder / "backup"
    cluster.stop()
    copy_data(cluster.data, backup)
    cluster.start()
    usable_again(other)
    other.append([Batch("other", 0, [changed()])])

    # A standby takes over that had everything.
    cluster.stop()
    owned_by_server(cluster.data / "standby.signal")
    cluster.start()
    reader = doubt.open(read_only=True)
    assert reader.head_seq("other") == 1
    reader.close()
    with pytest.raises(JournalError):
        doubt.journal.append([Batch("s", 1, [changed(2)])])
    doubt.do("SELECT pg_promote()")
    usable_again(doubt.journal)
    doubt.journal.append([Batch("s", 1, [changed(2)])])
    assert any("another server or time line answers now" in told for told in doubt.told)

    # One that had not.
    cluster.stop()
    shutil.rmtree(cluster.data)
    copy_data(backup, cluster.data)
    cluster.start()
    for journal, position in ((doubt.journal, 3), (other, 2), (other, 2)):
        with pytest.raises(JournalCorrupt, match=f"position {position} was acknowledged and is not there"):
            usable_again(journal)
    with pytest.raises(JournalCorrupt, match="acknowledged"):
        other.position()
    other.close()


def test_leases_outlive_a_server_that_restarts_in_time(restarted: Doubt) -> None:
    failed: list[str] = []
    leases = PostgresLeases(restarted.journal, failed=lambda what, error: failed.append(f"{what}: {error}"))
    leases.watch(["policy/shop"])
    restarted.journal.append([Batch("i", 0, [suspected("i")])])

    def until(met: Callable[[], bool]) -> None:
        for _ in range(600):
            leases.ticked(blind=False)
            if met():
                return
            time.sleep(0.05)
        raise AssertionError(failed)

    until(lambda: set(leases.held()) == {"policy/shop", "i"})
    restarted.cluster.restart(signal.SIGQUIT)
    until(lambda: bool(failed))
    before = leases._renewed_s
    until(lambda: leases._renewed_s > before)
    until(lambda: set(leases.held()) == {"policy/shop", "i"})
    assert leases.held()["i"].fence == 1
    usable_again(restarted.journal)
    restarted.journal.append([Batch("i", 1, [intended("k")])])
    leases.release()
    assert failed[0].startswith("leases: ")


def test_faults_of_replication_are_told(restarted: Doubt) -> None:
    server, cluster = restarted.journal.server, restarted.cluster
    assert standby_faults(server) == []
    assert "nothing will be started" in standby_faults(server, required=True)[0]
    folder = cluster.folder / "received"
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER)
    receiving: list[str | Path] = [
        "--directory",
        folder,
        "--host",
        cluster.folder,
        "--port",
        str(cluster.port),
        "--username",
        SERVER_USER,
    ]
    with subprocess.Popen(as_server_user([cluster.bin / "pg_receivewal", *receiving])) as standby:
        try:
            for _ in range(600):
                if faults := standby_faults(server):
                    break
                time.sleep(0.05)
            assert "replication is asynchronous (1 standby)" in faults[0]
        finally:
            standby.terminate()
    with restarted.standby_missing():
        assert standby_faults(server, required=True) == []
        careless = Server.of(f"{restarted.url}?options=-c%20synchronous_commit%3Dlocal", 5.0)
        assert "synchronous_commit is local" in standby_faults(careless)[0]
        off = Server.of(f"{restarted.url}?options=-c%20synchronous_commit%3Doff", 5.0)
        assert "synchronous_commit is off" in standby_faults(off)[0]
    journal = PostgresJournal(f"{restarted.url}?options=-c%20synchronous_commit%3Doff", agent="a", spool="s")
    assert journal._session.open().execute("SHOW synchronous_commit").fetchone() == ("on",)
    journal.close()


def owned_by_server(path: Path) -> Path:
    path.touch()
    if os.geteuid() == 0:
        shutil.chown(path, SERVER_USER, SERVER_USER)
    return path


def copy_data(source: Path, target: Path) -> None:
    """Keep owners and rights, which the server insists on."""
    subprocess.run(["cp", "-a", source, target], check=True)
