"""Nothing that happened is rewritten: by our own connection never, by others never unseen."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from homeostat.model.entries import ActionIntended, AgentStopped, DecisionWithheld, Entry
from homeostat.model.errors import JournalCorrupt, JournalError
from homeostat.model.ports import Batch
from homeostat.record.anchors import add_anchor
from homeostat.record.keys import PrivateKey
from homeostat.record.sqlite import SqliteJournal

TRIGGERS = "DROP TRIGGER journal_refuses_update; DROP TRIGGER journal_refuses_delete;"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, make_incident: Callable[[str], list[Entry]]) -> Path:
    """A closed journal of three interleaved incidents, the last still open, between two other streams."""
    path = tmp_path_factory.mktemp("original") / "journal.db"
    journal = SqliteJournal(path)
    journal.append([Batch("policy/shop", 0, [DecisionWithheld(at=0.0, node="", reason=None, policy="shop")])])
    rounds = zip(*(make_incident(stream) for stream in ("i1", "i2", "i3")), strict=True)
    for number, entries in enumerate(rounds):
        batches = [Batch(f"i{stream}", number, [entry]) for stream, entry in enumerate(entries, start=1)]
        journal.append(batches[:2] if number == 11 else batches)
    journal.append([Batch("agent", 0, [AgentStopped(at=99.0, agent="a")])])
    assert journal.verify() == []
    journal.close()
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    shutil.copy(original, path)
    return path


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(path)
    yield journal
    journal.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET body = '{}' WHERE position = 3",
        "UPDATE journal SET at = at",
        "DELETE FROM journal WHERE position = 37",
        "DELETE FROM journal",
        "INSERT OR REPLACE INTO journal SELECT * FROM journal WHERE position = 3",
    ],
)
def test_the_database_itself_refuses_changes(journal: SqliteJournal, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="the journal is append-only"):
        journal._writing().execute(statement)
    assert journal.verify() == []


EDITS = {
    "a changed body": "UPDATE journal SET body = replace(body, '0.25', '0.26') WHERE position = 5",
    "a changed time": "UPDATE journal SET at = at + 1e-9 WHERE position = 8",
    "a changed type": "UPDATE journal SET type = 'incident.recovered' WHERE position = 20",
    "a changed version": "UPDATE journal SET v = 2 WHERE position = 20",
    "a changed key": "UPDATE journal SET action_key = 'other' WHERE type = 'action.intent' AND stream = 'i2'",
    "a key that is gone": "UPDATE journal SET action_key = NULL WHERE type = 'action.intent' AND stream = 'i2'",
    "a changed release": "UPDATE journal SET code_version = '9.9' WHERE position = 20",
    "a number that is text": "UPDATE journal SET v = 'one' WHERE position = 20",
    "a body that is bytes": "UPDATE journal SET body = CAST(body || ' ' AS BLOB) WHERE position = 20",
    "a body with a new digest": "UPDATE journal SET body = '{}', body_sha = "
    "'44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' WHERE position = 9",
    "a hash": "UPDATE journal SET hash = prev_hash WHERE position = 9",
    "a previous hash": "UPDATE journal SET prev_hash = hash WHERE position = 9",
    "two bodies swapped": "CREATE TABLE other AS SELECT position, body FROM journal;"
    "UPDATE journal SET body = (SELECT body FROM other WHERE other.position = 13 - journal.position)"
    " WHERE position IN (5, 8)",
    "two records swapped": "UPDATE journal SET seq = -seq WHERE stream = 'i1' AND seq IN (4, 5);"
    "UPDATE journal SET seq = 9 + seq WHERE seq < 0",
    "a record moved": "UPDATE journal SET stream = 'i9' WHERE stream = 'i1' AND seq = 12",
    "a removed stream": "DELETE FROM journal WHERE stream = 'policy/shop'",
    "a removed stream, well hidden": "DELETE FROM journal WHERE stream = 'policy/shop';"
    "UPDATE sqlite_sequence SET seq = 36 WHERE name = 'journal'",
    "a removed last record of the agent's": "DELETE FROM journal WHERE stream = 'agent'",
    "a removed record": "DELETE FROM journal WHERE position = 17",
    "a removed first record": "DELETE FROM journal WHERE position = 1",
    "a cut tail": "DELETE FROM journal WHERE position > 34",
    "a cut tail of one incident": "DELETE FROM journal WHERE stream = 'i2' AND seq > 6",
    "a removed incident": "DELETE FROM journal WHERE stream = 'i2'; DELETE FROM incident WHERE stream = 'i2'",
    "a removed last record": "DELETE FROM journal WHERE position = 36",
    "an added record": "INSERT INTO journal SELECT 99, stream, 13, type, v, at, action_key, code_version, body_sha,"
    " hash, hash, body FROM journal WHERE position = 35",
    "an incident reopened": "UPDATE incident SET closed_at = NULL WHERE stream = 'i1'",
    "an incident closed": "UPDATE incident SET closed_at = 1.0 WHERE stream = 'i3'",
    "an incident forgotten": "DELETE FROM incident WHERE stream = 'i1'",
    "an incident invented": "INSERT INTO incident VALUES (9, 'i9', 'p', 'h', 'd', 1.0, NULL, 1, 'x')",
    "a dedup key": "UPDATE incident SET dedup_key = 'x' WHERE stream = 'i3'",
    "a head": "UPDATE incident SET head_seq = 3 WHERE stream = 'i3'",
    "the order of incidents": "UPDATE incident SET id = -id",
    "text with the same bytes that is no text": "UPDATE journal SET type = CAST(type AS BLOB) WHERE position = 20",
    "a dedup key that is no text": "UPDATE incident SET dedup_key = CAST(dedup_key AS BLOB) WHERE stream = 'i3'",
    "text that is no UTF-8": "UPDATE journal SET type = CAST(x'ff' AS TEXT) WHERE position = 21",
}


@pytest.mark.parametrize("edit", EDITS)
def test_verify_finds(path: Path, edit: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TRIGGERS + EDITS[edit])
        connection.execute("VACUUM")
    with closing(sqlite3.connect(path)) as connection:
        for change in ("update", "delete"):
            connection.execute(
                f"CREATE TRIGGER journal_refuses_{change} BEFORE {change} ON journal "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
    journal = SqliteJournal(path, read_only=True)
    faults = journal.verify()
    assert faults
    assert all(fault.endswith(".") for fault in faults)
    journal.close()


def test_a_journal_without_its_triggers_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TRIGGERS + EDITS["a changed body"])
    with pytest.raises(JournalCorrupt, match="lacks trigger journal_refuses_update, trigger journal_refuses_delete"):
        SqliteJournal(path)


def test_read_and_since_refuse_a_changed_record(journal: SqliteJournal) -> None:
    journal._writing().executescript(
        TRIGGERS + "UPDATE journal SET body = replace(body, 'k8s.restart', 'k8s.delete') WHERE type = 'action.intent'"
    )
    records = journal.read("i1")
    assert [next(records).seq for _ in range(5)] == [1, 2, 3, 4, 5]
    with pytest.raises(JournalCorrupt, match="stream i1, record 6: its body is not the one that was written"):
        next(records)
    with pytest.raises(JournalCorrupt, match="stream i1, record 6"):
        list(journal.since(0.0, [ActionIntended.TYPE]))
    assert len(list(journal.since(0.0, ["action.outcome"]))) == 3


def test_what_is_no_hash_is_not_signed(journal: SqliteJournal) -> None:
    journal._writing().executescript(TRIGGERS + "UPDATE journal SET hash = 'none' WHERE position = 9")
    with pytest.raises(JournalCorrupt, match="write position 9 is none, so nothing was signed"):
        add_anchor(journal, PrivateKey.generate(), 1.0)
    assert journal.last_anchor() is None


def test_text_that_is_not_utf8_is_damage_and_no_traceback(journal: SqliteJournal) -> None:
    journal._writing().executescript(TRIGGERS + EDITS["text that is no UTF-8"])
    with pytest.raises(JournalCorrupt, match="the file is damaged"):
        list(journal.read("i2"))


EDITS_COUNT = int(os.environ.get("HOMEOSTAT_TEST_EDITS", "150"))


def test_random_edits_of_the_file_are_found_or_change_nothing(path: Path, tmp_path: Path) -> None:
    """One bit flips in a used byte of the file. It is reported, or every record is as it was (slack, statistics)."""
    journal = SqliteJournal(path, read_only=True)
    streams = journal.streams()
    before = [list(journal.stored(stream)) for stream in streams]
    journal.close()
    content, random_edits = path.read_bytes(), random.Random(EDITS_COUNT)
    used = [place for place, byte in enumerate(content) if byte]
    edited, found = tmp_path / "edited.db", 0
    for place in random_edits.choices(used, k=EDITS_COUNT):
        changed = content[place] ^ (1 << random_edits.randrange(8))
        edited.write_bytes(content[:place] + bytes([changed]) + content[place + 1 :])
        if _faults(edited):
            found += 1
            continue
        journal = SqliteJournal(edited, read_only=True)
        assert journal.streams() == streams, f"byte {place}"
        assert [list(journal.stored(stream)) for stream in streams] == before, f"byte {place}"
        journal.close()
    assert found > EDITS_COUNT / 2


def _faults(path: Path) -> list[str]:
    try:
        journal = SqliteJournal(path, read_only=True)
    except JournalError as error:
        return [str(error)]
    try:
        return journal.verify()
    finally:
        journal.close()


def test_verify_reads_beside_a_writer(path: Path, make_incident: Callable[[str], list[Entry]]) -> None:
    writer, reader = SqliteJournal(path), SqliteJournal(path, read_only=True)
    records = reader.read("i1")
    assert next(records).seq == 1
    writer.append([Batch("i3", 11, [make_incident("i3")[11]]), Batch("i4", 0, make_incident("i4"))])
    assert reader.verify() == writer.verify() == []
    assert [record.seq for record in records] == list(range(2, 13))
    assert reader.open_incidents() == []
    assert reader.head_seq("i4") == 12
    writer.close()
    assert reader.incidents() == ["i1", "i2", "i3", "i4"]
    reader.close()
