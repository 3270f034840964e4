"""What is refused before the first record is read, what is made where nothing is, and that no password is shown."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from tests.contract.journal_contract import changed, closed, suspected
from tests.postgres_cluster import PASSWORD, ROLE, Cluster

from homeostat.model.errors import JournalCorrupt, JournalError, JournalTooNew, LeaseLost
from homeostat.model.ports import Batch
from homeostat.record import postgres_open
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_connection import Server
from homeostat.record.schema import HEAD_REVISION, METADATA
from homeostat.rig.layout import free_port


def open_journal(url: str, **options: Any) -> PostgresJournal:
    return PostgresJournal(url, agent="a", spool="s", **options)


def execute(cluster: Cluster, url: str, statement: str) -> None:
    with cluster.superuser(url.rsplit("/", 1)[1]) as connection:
        connection.execute(statement)


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.database()


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing that is printed on the way holds the password."""
    yield
    assert PASSWORD not in "".join(capfd.readouterr())


def refusal(kind: type[JournalError], url: str, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        open_journal(url, **options)
    error: BaseException | None = caught.value
    while error is not None:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__
    return str(caught.value)


def test_a_wrong_password(cluster: Cluster, url: str, refused: None) -> None:
    said = refusal(JournalError, url.replace(PASSWORD, "wr0ng"))
    assert "check the user and the password: store.password" in said
    assert "wr0ng" not in said
    assert f"postgresql://127.0.0.1:{cluster.port}/" in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u@h/d?sslmod=require", "option 'sslmod' that PostgreSQL does not know; did you mean 'sslmode'?"),
        ("postgresql://u:s3cret?of=tests@h/d?sslmod=require", "write special characters in it as %XX"),
        ("postgresql://u@h/d?password=s3cret&of=tests", "write special characters in it as %XX"),
    ],
)
def test_an_option_nobody_knows_is_named_unless_it_may_be_a_secret(url: str, said: str) -> None:
    with pytest.raises(JournalError) as caught:
        open_journal(url)
    assert said in str(caught.value)
    assert "'of'" not in str(caught.value)


def test_a_server_without_tls(url: str, refused: None) -> None:
    assert "check sslmode" in refusal(JournalError, f"{url}?sslmode=require")


def test_a_password_that_comes_apart_from_the_url(url: str) -> None:
    journal = open_journal(url.replace(f":{PASSWORD}", ""), password=PASSWORD)
    assert journal.append([Batch("a", 0, [changed()])]) == 1
    assert PASSWORD not in repr(journal.server)
    journal.close()


def test_a_server_that_is_not_there(refused: None) -> None:
    said = refusal(JournalError, f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{free_port()}/x")
    assert "check that the server runs, and the host and the port" in said


def test_a_database_that_is_not_there(cluster: Cluster, refused: None) -> None:
    assert "create the database: createdb" in refusal(JournalError, cluster.url("missing"))


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (f"mysql://u:{PASSWORD}@h/d", "must be of the form postgresql://"),
        (f"postgresql://u:{PASSWORD}@[h/d", "write special characters"),
        (f"postgresql://u:{PASSWORD}@{PASSWORD}@h/d", "write one inside a password as %40"),
        (f"postgresql://u:{PASSWORD}@h/d?no_such={PASSWORD}", "an option 'no_such'"),
    ],
)
def test_a_url_that_is_none(wrong: str, advice: str) -> None:
    assert advice in refusal(JournalError, wrong)


def test_a_newer_schema(cluster: Cluster, url: str) -> None:
    execute(cluster, url, "UPDATE alembic_version SET version_num = '0042'")
    for read_only in (False, True):
        said = refusal(JournalTooNew, url, read_only=read_only)
        assert f"schema 0042, this release reads up to {HEAD_REVISION}); upgrade Homeostat" in said


def test_a_database_of_somebody_else(cluster: Cluster) -> None:
    url = cluster.empty_database()
    execute(cluster, url, "CREATE TABLE journal (day date)")
    for read_only in (False, True):
        assert "name an empty one" in refusal(JournalCorrupt, url, read_only=read_only)


@pytest.mark.parametrize(
    ("damage", "lacks"),
    [
        ("DROP TRIGGER journal_refuses_update ON journal", "trigger journal_refuses_update"),
        ("ALTER TABLE journal DISABLE TRIGGER journal_refuses_delete", "trigger journal_refuses_delete"),
        ("DROP INDEX journal_intent", "index journal_intent"),
        ("DROP TABLE lease", "table lease"),
        ("ALTER FUNCTION homeostat_append RENAME TO x", "function homeostat_append"),
        ("ALTER TABLE incident DROP COLUMN dedup_key", "column incident.dedup_key"),
    ],
)
def test_a_schema_that_lost_a_part(cluster: Cluster, url: str, damage: str, lacks: str) -> None:
    execute(cluster, url, damage)
    assert f"the journal lacks {lacks}" in refusal(JournalCorrupt, url)


def test_reading_what_is_not_there(cluster: Cluster) -> None:
    assert "there is no journal here; `homeostat run`" in refusal(
        JournalError, cluster.empty_database(), read_only=True
    )


def test_an_older_schema_is_migrated_by_a_writer_only(cluster: Cluster) -> None:
    url = cluster.empty_database()
    server = Server.of(url, 5.0)
    with server.connect("test", writing=True) as connection:
        postgres_open.migrate(server, connection, "0001")
    assert "start this release's agent on it once" in refusal(JournalError, url, read_only=True)
    open_journal(url).close()
    open_journal(url, read_only=True).close()


def test_another_encoding(cluster: Cluster) -> None:
    with cluster.superuser() as connection:
        connection.execute(f"CREATE DATABASE latin OWNER {ROLE} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    assert "createdb --encoding UTF8" in refusal(JournalError, cluster.url("latin"))


def test_many_agents_begin_a_journal_at_once(cluster: Cluster) -> None:
    url = cluster.empty_database()
    with ThreadPoolExecutor(6) as pool:
        journals = list(pool.map(lambda _: open_journal(url), range(6)))
    for journal in journals:
        journal.append([Batch("agent", None, [changed()])])
    assert journals[0].position() == 6
    assert journals[0].verify() == []
    for journal in journals:
        journal.close()


def test_the_migrations_make_the_tables_of_the_schema(cluster: Cluster, url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        ours = postgres_open.TABLES | postgres_open.INDEXES
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, *_: name not in ours,
            },
        )
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_after_every_migration_the_journal_is_still_append_only(cluster: Cluster) -> None:
    config = Config()
    config.set_main_option("script_location", "homeostat.record:migrations")
    config.set_main_option("path_separator", "os")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    url = cluster.empty_database()
    server = Server.of(url, 5.0)
    for revision in revisions:
        with server.connect("test", writing=True) as connection:
            postgres_open.migrate(server, connection, revision)
        with cluster.superuser(url.rsplit("/", 1)[1]) as connection:
            connection.execute(
                "INSERT INTO journal (position, stream, seq, type, v, at, code_version, body_sha, prev_hash, hash,"
                " body) VALUES (%s, 's', %s, 't', 1, 0, '', '', '', '', '')",
                (int(revision), int(revision)),
            )
            for change in ("UPDATE journal SET body = 'x'", "DELETE FROM journal", "TRUNCATE journal"):
                # A superuser, whom no privilege stops, and the owner, who has none.
                with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                    connection.execute(change)
        with psycopg.connect(url, autocommit=True) as owner:
            for change in ("UPDATE journal SET body = 'x'", "DELETE FROM journal", "TRUNCATE journal"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    owner.execute(change)


def test_a_migration_that_fails_changes_nothing(cluster: Cluster) -> None:
    url = cluster.empty_database()
    execute(cluster, url, f"CREATE TABLE lease (x int); ALTER TABLE lease OWNER TO {ROLE}")
    assert "it is as it was" in refusal(JournalError, url)
    execute(cluster, url, "DROP TABLE lease")
    open_journal(url).close()


def test_everything_is_there_after_reopening(url: str) -> None:
    journal = open_journal(url)
    journal.append([Batch("a", 0, [suspected("a")]), Batch("agent", None, [changed()])])
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="was closed"):
        journal.append([Batch("agent", None, [changed()])])
    with pytest.raises(JournalError, match="was closed"):
        journal.position()

    reopened = open_journal(url)
    assert (reopened.incidents(), reopened.position()) == (["a"], 2)
    # Another process: the incident is not its own before it has taken the lease.
    with pytest.raises(LeaseLost):
        reopened.append([Batch("a", 1, [closed()])])
    reopened.append([Batch("agent", 1, [changed()])])
    assert reopened.verify() == []
    reopened.close()


def test_a_journal_opened_for_reading_writes_nothing(url: str) -> None:
    writer = open_journal(url)
    writer.append([Batch("a", 0, [changed()])])
    reader = open_journal(url, read_only=True)
    with pytest.raises(JournalError, match="open for reading only"):
        reader.append([Batch("a", 1, [changed()])])
    with pytest.raises(JournalError, match="read-only transaction"):
        reader.readers.query("CREATE TABLE x (y int)")
    assert [record.seq for record in reader.read("a")] == [1]
    writer.close()
    reader.close()


def test_a_server_that_keeps_its_identity_to_itself(cluster: Cluster, url: str) -> None:
    execute(cluster, url, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    journal = open_journal(url)
    assert journal.append([Batch("a", 0, [changed()])]) == 1
    journal.close()


def test_the_migrations_are_in_the_package() -> None:
    folder = Path(postgres_open.__file__).parent / "migrations" / "versions"
    assert (folder / f"{HEAD_REVISION}_many_agents.py").is_file()
