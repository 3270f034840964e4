"""Transactions beside the actuator's contract, on a real PostgreSQL: limits, bound values, killed runners."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.postgres_cluster import PASSWORD, Cluster
from tests.unit.act.act_world import KEY, ActWorld, end, running_pid, until, until_done, until_gone

from homeostat.act.sql import SqlActuator, application_name
from homeostat.act.sql_transaction import CREATE_TABLE
from homeostat.model.commands import Done, InDoubt, StartAction
from homeostat.model.policy import ActionSpec, Scalar
from homeostat.model.reasons import OutcomeStatus
from homeostat.rig.layout import SERVER_USER


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster.create(in_memory=True)
    yield made
    made.remove()


class Database:
    def __init__(self, url: str) -> None:
        self.url = url
        self.ask(CREATE_TABLE)
        self.ask("CREATE TABLE orders (id int PRIMARY KEY, state text, parent int REFERENCES orders ON DELETE CASCADE)")
        self.ask("INSERT INTO orders SELECT n, 'stuck', NULL FROM generate_series(1, 5) n")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def states(self) -> list[str]:
        return [str(state) for (state,) in self.ask("SELECT state FROM orders ORDER BY id")]

    def is_at_work(self, key: str = KEY) -> bool:
        query = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{key}' AND query LIKE '%pg_sleep%'"
        return bool(self.ask(query))


@pytest.fixture
def database(cluster: Cluster) -> Database:
    return Database(cluster.empty_database())


def agent(world: ActWorld) -> SqlActuator:
    world.environment.setdefault("SQL_PASSWORD", PASSWORD)
    return SqlActuator(world.context())


def sql(
    database: Database,
    *statements: str,
    key: str = KEY,
    target: str = "order/3",
    arguments: dict[str, Scalar] | None = None,
    **more: Any,
) -> StartAction:
    parameters = {
        "dsn": database.url.replace(f":{PASSWORD}@", "@"),
        "password": {"secret": "env:SQL_PASSWORD"},
        "statements": list(statements),
        **more,
    }
    return StartAction(key, ActionSpec("release", "sql", parameters), target, arguments or {}, 60.0)


def run(world: ActWorld, command: StartAction) -> Done:
    actuator = agent(world)
    actuator.start(command)
    return until_done(actuator, command.key)


RELEASE = "UPDATE orders SET state = 'new' WHERE id = %(id)s::int"
RELEASE_ALL = "UPDATE orders SET state = 'new'"


def test_what_is_filled_in_is_bound_and_never_syntax(world: ActWorld, database: Database) -> None:
    hostile = "x'; DROP TABLE orders; --"
    update = "UPDATE orders SET state = %(state)s WHERE id = 3"
    command = sql(database, update, arguments={"s": hostile}, values={"state": {"with": "s"}})
    done = run(world, command)
    assert (done.status, done.detail) == (OutcomeStatus.OK, "UPDATE 1")
    assert database.states() == ["stuck", "stuck", hostile, "stuck", "stuck"]


def test_one_statement_is_one_statement(world: ActWorld, database: Database) -> None:
    done = run(world, sql(database, f"{RELEASE_ALL}; DROP TABLE orders"))
    assert "cannot insert multiple commands into a prepared statement" in done.detail
    assert database.states() == ["stuck"] * 5


def test_an_identifier_comes_from_the_list_or_not_at_all(world: ActWorld, database: Database) -> None:
    chosen = {"table": {"value": {"with": "t"}, "allowed": ["orders", "public.orders"]}}
    statement = "UPDATE {table} SET state = '{{}}' WHERE id = 1"
    done = run(world, sql(database, statement, arguments={"t": "public.orders"}, identifiers=chosen))
    assert done.status is OutcomeStatus.OK
    assert database.states()[0] == "{}"
    refused = run(world, sql(database, statement, key="b", arguments={"t": "pg_class"}, identifiers=chosen))
    assert refused.detail == "nothing was run: 'pg_class' is not among the identifiers that table allows"


def test_more_rows_than_wanted_are_rolled_back(world: ActWorld, database: Database) -> None:
    done = run(world, sql(database, RELEASE_ALL, rows_max=4))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail == "5 rows would change, and rows_max is 4; rolled back: nothing was changed"
    assert database.states() == ["stuck"] * 5


def test_rows_that_change_out_of_sight_count_too(world: ActWorld, database: Database) -> None:
    database.ask("UPDATE orders SET parent = 1 WHERE id > 1")
    hidden = [
        ("DELETE FROM orders WHERE id = 1", "a"),
        ("WITH gone AS (DELETE FROM orders WHERE id > 1 RETURNING id) SELECT count(*) FROM gone", "b"),
    ]
    for statement, key in hidden:
        done = run(world, sql(database, statement, key=key, rows_max=3))
        assert "rows would change, and rows_max is 3" in done.detail
    assert len(database.states()) == 5


def test_another_number_of_rows_than_expected_is_rolled_back(world: ActWorld, database: Database) -> None:
    done = run(world, sql(database, RELEASE, target="order/9", values={"id": {"target": "name"}}, expect_rows=1))
    assert done.detail.startswith("the last statement has 0 rows, and expect_rows is 1; rolled back")
    assert run(world, sql(database, RELEASE, key="b", values={"id": {"target": "name"}}, expect_rows=1)).status == "ok"


def test_a_list_is_one_transaction(world: ActWorld, database: Database) -> None:
    done = run(world, sql(database, RELEASE_ALL, "SELECT 1/0"))
    assert done.detail == "division by zero (SQLSTATE 22012); rolled back: nothing was changed"
    assert database.states() == ["stuck"] * 5


def test_a_reader_reads_with_a_limit_and_cannot_write(world: ActWorld, database: Database) -> None:
    done = run(world, sql(database, "SELECT id, state FROM orders WHERE id < 3 ORDER BY id", read_only=True))
    assert (done.status, done.detail, done.output) == ("ok", "SELECT 2", "id\tstate\n1\tstuck\n2\tstuck\n")
    writes = run(world, sql(database, RELEASE_ALL, key="b", read_only=True))
    assert "cannot execute UPDATE in a read-only transaction" in writes.detail
    many = run(world, sql(database, "SELECT generate_series(1, 100000000)", key="c", read_only=True))
    assert many.detail.startswith("more than 1000 rows came; give the statement a LIMIT")


def test_a_key_is_committed_once_whoever_asks(world: ActWorld, database: Database) -> None:
    more = "INSERT INTO orders SELECT max(id) + 1, 'more' FROM orders"
    assert run(world, sql(database, more, keyed=True)).detail == "INSERT 0 1"
    again = replace(sql(database, more, key="i1/restart/2", keyed=True), effect_key=KEY)
    done = run(world, again)
    assert (done.status, done.detail) == ("ok", "not run again: a transaction with this key was committed before")
    assert len(database.states()) == 6
    assert [key for (key,) in database.ask("SELECT key FROM homeostat_actions")] == [KEY]


def killed_at_work(world: ActWorld, database: Database, *, keyed: bool) -> None:
    actuator = agent(world)
    actuator.start(sql(database, RELEASE_ALL, "SELECT pg_sleep(600)", keyed=keyed))
    until(database.is_at_work, "the statement")
    pid = running_pid(actuator.lookup(KEY))
    end(pid, signal.SIGKILL)
    until_gone(pid)


def test_a_killed_runners_transaction_is_known_to_be_rolled_back(world: ActWorld, database: Database) -> None:
    killed_at_work(world, database, keyed=True)
    done = until_done(agent(world))
    assert done.status is OutcomeStatus.ERROR
    assert done.detail == "its runner was killed, and the transaction was rolled back: nothing was changed"
    assert not database.is_at_work()
    assert database.states() == ["stuck"] * 5


def test_a_killed_runners_commit_is_known_to_have_happened(world: ActWorld, database: Database) -> None:
    run(world, sql(database, RELEASE_ALL, keyed=True))
    # As if it had been killed between the commit and its word on it.
    (world.files().folder / "exit.json").unlink()
    done = until_done(agent(world))
    assert done.status is OutcomeStatus.OK
    assert done.detail == "the transaction was committed, and its runner was killed before it could say so"


def test_without_a_key_a_killed_runner_leaves_doubt(world: ActWorld, database: Database) -> None:
    killed_at_work(world, database, keyed=False)
    assert isinstance(agent(world).lookup(KEY), InDoubt)
    database.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")


def test_cancelling_ends_the_statement_at_the_server(world: ActWorld, database: Database) -> None:
    actuator = agent(world)
    actuator.start(sql(database, RELEASE_ALL, "SELECT pg_sleep(600)"))
    until(database.is_at_work, "the statement")
    actuator.cancel(KEY)
    done = until_done(actuator)
    assert (done.status, done.detail) == (
        OutcomeStatus.CANCELLED,
        "cancelled; the transaction was rolled back: nothing was changed",
    )
    until(lambda: not database.is_at_work(), "the end of the statement")
    assert database.states() == ["stuck"] * 5


def test_a_lock_is_not_waited_for_longer_than_the_time_out(world: ActWorld, database: Database) -> None:
    with psycopg.connect(database.url) as holder:
        holder.execute("LOCK TABLE orders")
        done = run(world, replace(sql(database, RELEASE_ALL), timeout_s=0.4))
    assert done.status in (OutcomeStatus.TIMEOUT, OutcomeStatus.ERROR)
    assert "nothing was changed" in done.detail
    assert database.states() == ["stuck"] * 5


def test_a_commit_that_fails_is_no_success(world: ActWorld, database: Database) -> None:
    database.ask("ALTER TABLE orders ADD CONSTRAINT one UNIQUE (state, id) DEFERRABLE INITIALLY DEFERRED")
    database.ask("CREATE TABLE single (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    done = run(world, sql(database, "INSERT INTO single VALUES (1), (1)", keyed=True))
    assert "duplicate key value violates unique constraint" in done.detail
    assert database.ask("SELECT count(*) FROM single") == [(0,)]
    assert database.ask("SELECT count(*) FROM homeostat_actions") == [(0,)]


def test_the_password_is_nowhere_and_a_wrong_one_says_so(world: ActWorld, database: Database) -> None:
    run(world, sql(database, RELEASE_ALL))
    written = b"".join(path.read_bytes() for path in world.files().folder.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in written
    world.environment["SQL_PASSWORD"] = "wrong"
    done = run(world, sql(database, RELEASE_ALL, key="b"))
    assert done.detail.startswith("nothing was run: connection")
    assert "password authentication failed" in done.detail


def test_the_rights_that_the_docs_give_suffice(world: ActWorld, cluster: Cluster, database: Database) -> None:
    page = (Path(__file__).parents[3] / "docs/actuators.md").read_text()
    found = re.search(r"^GRANT .*;$", page, re.MULTILINE)
    assert found is not None
    with cluster.superuser(database.url.rpartition("/")[2]) as connection:
        connection.execute(f"ALTER TABLE homeostat_actions OWNER TO {SERVER_USER}".encode())
        connection.execute(found[0].encode())
    assert run(world, sql(database, RELEASE_ALL, keyed=True)).status is OutcomeStatus.OK
    (world.files().folder / "exit.json").unlink()
    assert until_done(agent(world)).status is OutcomeStatus.OK


def test_a_missing_table_of_keys_says_how_to_create_it(world: ActWorld, database: Database) -> None:
    database.ask("DROP TABLE homeostat_actions")
    done = run(world, sql(database, RELEASE_ALL, keyed=True))
    assert done.detail.endswith(f"create it: {CREATE_TABLE}; rolled back: nothing was changed")


def test_a_key_that_the_server_would_cut_is_shown_by_its_digest() -> None:
    assert application_name(KEY) == KEY
    long, longer = application_name("x" * 64), application_name("x" * 65)
    assert long != longer
    assert len(long) < 64
    assert application_name("ü") != application_name("ä")
