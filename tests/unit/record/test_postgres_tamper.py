"""Whatever is changed behind the journal's back, by somebody who can switch the triggers off, `verify` finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.journal_contract import changed, closed, intended, suspected
from tests.postgres_cluster import Cluster

from homeostat.model.errors import JournalCorrupt
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal


@pytest.fixture
def journal(cluster: Cluster) -> Iterator[PostgresJournal]:
    journal = PostgresJournal(cluster.database(), agent="a", spool="s")
    journal.append([Batch("i", 0, [suspected("i"), intended("k")]), Batch("agent", None, [changed(1), changed(2)])])
    journal.append([Batch("i", 2, [closed()]), Batch("j", 0, [suspected("j", dedup_key="j")])])
    assert journal.verify() == []
    yield journal
    journal.close()


def tamper(cluster: Cluster, journal: PostgresJournal, statement: str) -> list[str]:
    with cluster.superuser(journal.server.shown.rsplit("/", 1)[1]) as connection:
        connection.execute("SET session_replication_role = replica")
        done = connection.execute(statement)
        assert done.rowcount > 0
    return journal.verify()


@pytest.mark.parametrize(
    "column", ["body", "action_key", "type", "at", "hash", "prev_hash", "body_sha", "code_version"]
)
def test_a_changed_column(cluster: Cluster, journal: PostgresJournal, column: str) -> None:
    changed_to = "at + 1" if column == "at" else f"coalesce({column}, '') || 'x'"
    assert tamper(cluster, journal, f"UPDATE journal SET {column} = {changed_to} WHERE position = 2")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM journal WHERE position = 3", "records are missing"),
        ("DELETE FROM journal WHERE position > 4", "but 6 were written"),
        ("DELETE FROM journal WHERE stream = 'agent'", "records are missing"),
        ("UPDATE head SET position = 7", "but 7 were written"),
        ("DELETE FROM incident WHERE stream = 'j'", "differ on j"),
        ("UPDATE incident SET closed_at = NULL WHERE stream = 'i'", "differ on i"),
        ("UPDATE incident SET closed_at = 1 WHERE stream = 'j'", "differ on j"),
        ("UPDATE incident SET head_seq = 2 WHERE stream = 'i'", "differ on i"),
        ("UPDATE incident SET id = id + 10 WHERE stream = 'i'", "another order"),
    ],
)
def test_a_changed_row(cluster: Cluster, journal: PostgresJournal, statement: str, found: str) -> None:
    assert any(found in fault for fault in tamper(cluster, journal, statement))


def test_what_was_tampered_with_is_not_decided_from(cluster: Cluster, journal: PostgresJournal) -> None:
    tamper(cluster, journal, "UPDATE journal SET body = replace(body, 'shop', 'ship') WHERE position = 1")
    with pytest.raises(JournalCorrupt, match="restore it from a backup"):
        list(journal.read("i"))
    with pytest.raises(JournalCorrupt):
        list(journal.after(0, ["incident.suspected"]))


def test_verification_while_others_write(cluster: Cluster, journal: PostgresJournal) -> None:
    import threading

    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            name = f"n{number}"
            journal.append([Batch(name, 0, [suspected(name, dedup_key=name), changed()])])
            journal.append([Batch(name, 2, [closed()])])
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(15):
            assert journal.verify() == []
    finally:
        stop.set()
        thread.join()
    assert journal.position() > 6
