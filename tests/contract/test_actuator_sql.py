from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.postgres_cluster import PASSWORD, Cluster

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.sql import SqlActuator
from homeostat.act.sql_transaction import CREATE_TABLE
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster.create(in_memory=True)
    yield made
    made.remove()


class TestSqlActuator(ActuatorContract):
    """An effect is a row of a sequence's numbers: a sequence counts what was rolled back too."""

    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path, cluster: Cluster) -> None:
        self.state = tmp_path
        self.url = cluster.empty_database()
        with psycopg.connect(self.url) as connection:
            connection.execute(CREATE_TABLE)
            for key in (1, 2):
                connection.execute(f"CREATE SEQUENCE effects_{key}")

    def fresh(self) -> Actuator:
        return SqlActuator(ActuatorContext(self.state, {"SQL_PASSWORD": PASSWORD}))

    def quick(self, key: str) -> StartAction:
        return self._sql(key, [self._effect(key)])

    def endless(self, key: str) -> StartAction:
        return self._sql(key, [self._effect(key), "SELECT pg_sleep(600)"])

    def failing(self, key: str) -> StartAction:
        return self._sql(key, ["SELECT 1/0"])

    def impossible(self, key: str) -> StartAction:
        return self._sql(key, [self._effect(key), "SELECT %(n)s"], values={"n": {"with": "replicas"}})

    def effects(self, key: str) -> int:
        with psycopg.connect(self.url) as connection:
            query = f"SELECT last_value - (NOT is_called)::int FROM effects_{key[-1]}".encode()
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def _effect(self, key: str) -> str:
        return f"SELECT nextval('effects_{key[-1]}')"

    def _sql(self, key: str, statements: list[str], **more: object) -> StartAction:
        parameters = {
            "dsn": self.url.replace(f":{PASSWORD}@", "@"),
            "password": {"secret": "env:SQL_PASSWORD"},
            "statements": statements,
            "keyed": True,
            **more,
        }
        return StartAction(key, ActionSpec("restart", "sql", parameters), "deploy/pay", {}, timeout_s=60.0)
