"""The commands of `audit`, on a journal on PostgreSQL that somebody with all rights then cuts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.contract.journal_contract import changed
from tests.postgres_cluster import PASSWORD, Cluster

from homeostat.cli import main
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal


@pytest.fixture
def url(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workspace on a shared journal of six records; the store's URL, without its password."""
    database = cluster.database()
    with closing(PostgresJournal(database, agent="a", spool="s")) as journal:
        journal.append(
            [Batch("agent", None, [changed(), changed(), changed()]), Batch("policy/p", None, [changed()] * 3)]
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STORE_PASSWORD", PASSWORD)
    url = database.replace(f":{PASSWORD}@", "@")
    settings = f'[store]\nurl = "{url}"\npassword = "env:STORE_PASSWORD"\n[audit]\nexport_file = "anchors.jsonl"\n'
    (tmp_path / "homeostat.toml").write_text(settings)
    return url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_a_shared_journal_is_anchored_verified_and_found_cut(url: str, cluster: Cluster) -> None:
    assert run("audit", "keygen").exit_code == 0
    assert run("audit", "anchor").output == "anchored 6 records\n"
    for arguments in ((), ("--store", url), ("--anchors", "anchors.jsonl", "--public-key", "state/anchor.pub")):
        result = run("audit", "verify", *arguments)
        assert (result.exit_code, "6 records, 0 incidents, 1 anchors: no fault found" in result.output) == (0, True)
    assert len(run("audit", "export").output.splitlines()) == 6

    with cluster.superuser(urlsplit(url).path.strip("/")) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger fires
        connection.execute("DELETE FROM journal WHERE position = 6")
        connection.execute("UPDATE head SET position = 5")
        connection.execute("DELETE FROM anchor")
    result = run("-o", "json", "audit", "verify")
    assert result.exit_code == 1
    faults = [row["message"] for row in msgspec.json.decode(result.stdout) if row["kind"] == "fault"]
    assert len(faults) == 2
    assert "was exported and is not in the journal any more" in faults[0]
    assert "covers more records than there are, the last is at 5: the newest were cut off" in faults[1]


def test_what_is_for_files_says_what_to_use_instead(url: str) -> None:
    for command in ("backup", "restore"):
        result = run(command, "copy.sqlite")
        assert (result.exit_code, "pg_dump or a base backup" in result.output) == (2, True)
    result = run("audit", "verify", "--journal", "a.sqlite", "--store", url)
    assert (result.exit_code, "give one of them" in result.output) == (2, True)
    result = run("audit", "verify", "--store", "mysql://h/d")
    assert (result.exit_code, "--store must read postgresql://" in result.output) == (2, True)
