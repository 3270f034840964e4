"""The page on many agents: its SQL is run on a real server, its settings load, its figures are the code's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.acceptance.test_readme import ROOT, shown
from tests.contract.journal_contract import suspected
from tests.postgres_cluster import Cluster

from homeostat.app.settings import load_settings
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal

PAGE = (ROOT / "docs/operations/many-agents.md").read_text()
DATABASE = "homeostat_of_the_page"


@pytest.fixture
def made(cluster: Cluster) -> Iterator[str]:
    """The server after the page's SQL, under names that are free; gives its address."""
    first, second = (re.sub(r"\bhomeostat\b", DATABASE, block) for block in shown(PAGE, "sql"))
    second = second.replace("homeostat_reader", f"{DATABASE}_reader")
    first = first.replace("homeostat_reader", f"{DATABASE}_reader")
    with cluster.superuser() as connection:
        for statement in first.split(";\n"):
            connection.execute(statement.encode())
    with cluster.superuser(DATABASE) as connection:
        for statement in second.split(";\n"):
            connection.execute(statement.encode())
    yield urlsplit(cluster.url(DATABASE)).netloc.rpartition("@")[2]
    with cluster.superuser() as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE {DATABASE}".encode())
        connection.execute(f"DROP ROLE {DATABASE}_reader".encode())


def test_the_roles_shown_can_do_what_they_must_and_no_more(made: str) -> None:
    own = f"postgresql://{DATABASE}:change-me@{made}/{DATABASE}"
    journal = PostgresJournal(own, agent="a", spool="s")
    try:
        journal.append([Batch("i1", 0, [suspected("i1")])])
    finally:
        journal.close()
    reader = f"postgresql://{DATABASE}_reader:change-me-too@{made}/{DATABASE}"
    for url in (own, reader):
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM journal").fetchone() == (1,)
            for statement in ("UPDATE journal SET body = body", "DELETE FROM journal", "TRUNCATE journal"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
    with psycopg.connect(reader, autocommit=True) as connection:
        for statement in ("INSERT INTO incident DEFAULT VALUES", "CREATE TABLE t (a int)", "DELETE FROM lease"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_the_settings_shown_are_settings(tmp_path: Path) -> None:
    (block,) = shown(PAGE, "toml")
    path = tmp_path / "homeostat.toml"
    path.write_text(block)
    store = load_settings(path).store
    assert store.require_synchronous_standby
    assert store.lease_ttl_s == 15.0


def test_every_test_that_the_threat_model_names_is_there() -> None:
    page = (ROOT / "docs/threat-model.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 40
    for file, name in named:
        path = ROOT / file
        assert path.is_file(), file
        if name:
            assert re.search(rf"^\s*def {name}\(", path.read_text(), re.MULTILINE), f"{file}::{name}"


def test_every_row_of_the_threat_model_names_its_test() -> None:
    page = (ROOT / "docs/threat-model.md").read_text().partition("## What stands")[2].partition("## What remains")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ") and "| shown by |" not in line]
    assert len(rows) > 30
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5, row
        assert cells[1] in "STRIDE", row
        assert cells[4].startswith("`tests/"), row
