"""A thousand random edits of a journal, by SQL and byte by byte: every one that changes what it says is found."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.contract.journal_contract import changed, closed, ended, intended, suspected

from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch
from homeostat.record.anchors import Anchor, AnchorCheck, add_anchor, anchor_line, read_anchors
from homeostat.record.chain import GENESIS, link
from homeostat.record.keys import PrivateKey, PublicKey, key_id_of
from homeostat.record.sqlite import SqliteJournal

EDITS = int(os.environ.get("HOMEOSTAT_TEST_TAMPERINGS", "400"))
SEED = 20_261
INCIDENTS = 6
TABLES = {
    "journal": "position, stream, seq, type, v, at, action_key, code_version, body_sha, prev_hash, hash, body",
    "incident": "id, stream, policy, policy_hash, dedup_key, opened_at, closed_at, head_seq, head_hash",
    "artifact": "sha256, content",  # what is proven of an output; its size and time are notes beside it
    "anchor": "position, at, digest, previous, key_id, signature",
}
ROWID = {"journal": "position", "incident": "id", "artifact": "rowid", "anchor": "position"}


Edit = Callable[[sqlite3.Connection, random.Random], None]


class NothingChanged(Exception):
    """An edit that left everything as it was; another one is drawn."""


class Original:
    """A sound journal with outputs and anchors, the anchors exported, and the public key."""

    def __init__(self, folder: Path) -> None:
        key = PrivateKey.generate()
        self.path = folder / "journal.db"
        self.keys: dict[str, PublicKey] = {key_id_of(key.public_key()): key.public_key()}
        streams = [f"i{number}" for number in range(1, INCIDENTS + 1)]
        exported = folder / "anchors.jsonl"
        with closing(SqliteJournal(self.path)) as journal, exported.open("ab") as file:
            journal.append([Batch("agent", 0, [changed(0.0)])])
            for number in range(8):
                journal.append([Batch(stream, number, [self._entry(stream, number)]) for stream in streams])
                if number % 2:
                    anchor = add_anchor(journal, key, float(number))
                    assert anchor is not None
                    file.write(anchor_line(anchor))
            for stream in streams[:4]:
                content = f"{stream} restarted\n".encode() * 20
                digest = sha256(content).hexdigest()
                journal.keep(digest, content, bytes_total=len(content), truncated=False, at=3.0)
        self.anchors: Sequence[Anchor] = read_anchors(exported)[0]
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.bytes = self.path.read_bytes()
        self.content = content_of(self.path)

    @staticmethod
    def _entry(stream: str, number: int) -> Any:
        key = f"{stream}/restart/1"
        return (
            suspected(stream, 0.5, stream), changed(1.0, "trigger"), changed(1.5, "evidence"), intended(key),
            ended(key), changed(4.0, "evidence"), changed(5.0), closed(9.0),
        )[number]  # fmt: skip


def content_of(path: Path) -> object:
    """All that the journal says; None when it cannot even be read."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = bytes
            return [
                connection.execute(f"SELECT {columns} FROM {table} ORDER BY {ROWID[table]}").fetchall()
                for table, columns in TABLES.items()
            ]
    except (sqlite3.Error, UnicodeDecodeError):  # the latter for SQLite's error about a damaged name
        return None


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"))


def test_the_original_is_sound(original: Original) -> None:
    assert faults_of(original.path, AnchorCheck(original.anchors, original.keys)) == []
    assert len(original.anchors) == 4


def faults_of(path: Path, check: AnchorCheck) -> list[str]:
    try:
        with closing(SqliteJournal(path, read_only=True)) as journal:
            return journal.verify(check)
    except JournalError as error:
        return [str(error)]


# Edits by somebody who can write to the file: triggers are dropped before, and made anew after.


def column(db: sqlite3.Connection, draw: random.Random) -> None:
    table = draw.choice(list(TABLES))
    name = draw.choice(TABLES[table].split(", "))
    rows = db.execute(f"SELECT {ROWID[table]}, {name} FROM {table}").fetchall()
    rowid, old = draw.choice(rows)
    options = [value for _, value in rows] + [near(value, draw) for value in [old] * 3]
    db.execute(f"UPDATE {table} SET {name} = ? WHERE {ROWID[table]} = ?", (draw.choice(options), rowid))


def near(value: object, draw: random.Random) -> object:
    """A value that a tamperer, or chance, could put in place of another."""
    match value:
        case str() if value:
            place = draw.randrange(len(value))
            return draw.choice([value[:place] + draw.choice("0af9 {") + value[place + 1 :], value[:-1], value + " "])
        case bytes() if value:
            place = draw.randrange(len(value))
            return value[:place] + bytes([draw.randrange(256)]) + value[place + 1 :]
        case int():
            return value + draw.choice([-1, 1, 1 << 20])
        case float():
            return value + draw.choice([-1e-9, 1.0, 1e6])
    return draw.choice(["x", 1.0, b"x"])


def deleted_row(db: sqlite3.Connection, draw: random.Random) -> None:
    table = draw.choice(["journal", "incident", "anchor"])  # an output may be gone: pruned
    (rowid,) = draw.choice(db.execute(f"SELECT {ROWID[table]} FROM {table}").fetchall())
    db.execute(f"DELETE FROM {table} WHERE {ROWID[table]} = ?", (rowid,))


def inserted_row(db: sqlite3.Connection, draw: random.Random) -> None:
    """A copy of a record behind an incident's last, or out of place.

    Not behind the last of `agent`, with hashes that fit: that is what the agent itself would write next, and is told
    from it by nothing; see docs/operations/journal.md.
    """
    last = db.execute("SELECT max(position) FROM journal").fetchone()[0]
    row = list(draw.choice(db.execute("SELECT * FROM journal WHERE stream <> 'agent'").fetchall()))
    head_seq, head_hash = db.execute(
        "SELECT seq, hash FROM journal WHERE stream = ? ORDER BY seq DESC LIMIT 1", (row[1],)
    ).fetchone()
    row[0], row[2] = draw.choice([last + 1, last + 2]), head_seq + 1
    row[6], row[9] = None, head_hash
    if draw.random() < 0.5:  # with hashes that fit
        digest = link(
            bytes.fromhex(head_hash), row[1].encode(), row[2], row[3].encode(), row[4], row[5], None, row[7].encode(),
            bytes.fromhex(row[8]),
        )  # fmt: skip
        row[10] = digest.hex()
    db.execute(f"INSERT INTO journal VALUES ({', '.join('?' * len(row))})", row)


def swapped(db: sqlite3.Connection, draw: random.Random) -> None:
    """Two records change places, or contents."""
    one, other = draw.sample([position for (position,) in db.execute("SELECT position FROM journal")], 2)
    if draw.random() < 0.5:
        db.execute("UPDATE journal SET position = -1 WHERE position = ?", (one,))
        db.execute("UPDATE journal SET position = ? WHERE position = ?", (one, other))
        db.execute("UPDATE journal SET position = ? WHERE position = -1", (other,))
        return
    name = draw.choice(["body", "at", "hash", "type", "prev_hash"])
    values = dict(db.execute(f"SELECT position, {name} FROM journal WHERE position IN (?, ?)", (one, other)).fetchall())
    if values[one] == values[other]:
        raise NothingChanged
    for position, value in ((one, values[other]), (other, values[one])):
        db.execute(f"UPDATE journal SET {name} = ? WHERE position = ?", (value, position))


def cut_tail(db: sqlite3.Connection, draw: random.Random) -> None:
    last = db.execute("SELECT max(position) FROM journal").fetchone()[0]
    kept = draw.randrange(1, last)
    db.execute("DELETE FROM journal WHERE position > ?", (kept,))
    db.execute("DELETE FROM anchor WHERE position > ?", (kept,))
    mend(db)


def removed_incident(db: sqlite3.Connection, draw: random.Random) -> None:
    """Without a trace: the positions behind it move up."""
    stream = f"i{draw.randrange(1, INCIDENTS + 1)}"
    db.execute("DELETE FROM journal WHERE stream = ?", (stream,))
    db.execute("DELETE FROM anchor")
    positions = [position for (position,) in db.execute("SELECT position FROM journal ORDER BY position")]
    for new, old in enumerate(positions, start=1):
        db.execute("UPDATE journal SET position = ? WHERE position = ?", (new, old))
    mend(db)


def rewritten(db: sqlite3.Connection, draw: random.Random) -> None:
    """One body changes, and the whole stream is chained anew: every hash fits."""
    stream = f"i{draw.randrange(1, INCIDENTS + 1)}"
    rows = db.execute("SELECT * FROM journal WHERE stream = ? ORDER BY seq", (stream,)).fetchall()
    changed_seq, previous = draw.randrange(2, len(rows)), GENESIS
    for position, _, seq, name, v, at, key, code_version, _, _, _, stored in rows:
        fields = json.loads(stored)
        if seq == changed_seq:
            fields["watch" if "watch" in fields else "key"] = "another"
        body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False) if seq == changed_seq else stored
        body_sha = sha256(body.encode()).digest()
        own_key = None if key is None else key.encode()
        texts = (stream.encode(), seq, name.encode(), v, at, own_key, code_version.encode())
        digest = link(bytes.fromhex(previous), *texts, body_sha)
        db.execute(
            "UPDATE journal SET body = ?, body_sha = ?, prev_hash = ?, hash = ? WHERE position = ?",
            (body, body_sha.hex(), previous, digest.hex(), position),
        )
        previous = digest.hex()
    db.execute("DELETE FROM anchor")
    mend(db)


def edited_artifact(db: sqlite3.Connection, draw: random.Random) -> None:
    digest, content = draw.choice(db.execute("SELECT sha256, content FROM artifact").fetchall())
    db.execute("UPDATE artifact SET content = ? WHERE sha256 = ?", (near(content, draw), digest))


def edited_anchor(db: sqlite3.Connection, draw: random.Random) -> None:
    position, *_ = draw.choice(db.execute("SELECT * FROM anchor").fetchall())
    match draw.randrange(3):
        case 0:
            db.execute("UPDATE anchor SET at = at + ? WHERE position = ?", (draw.random() + 1e-3, position))
        case 1:
            db.execute("DELETE FROM anchor WHERE position >= ?", (position,))
        case _:
            db.execute("UPDATE anchor SET position = position + 1 WHERE position = ?", (position,))


def mend(db: sqlite3.Connection) -> None:
    """Make the tables beside the journal agree with it again."""
    db.execute("UPDATE sqlite_sequence SET seq = (SELECT max(position) FROM journal) WHERE name = 'journal'")
    db.execute("DELETE FROM incident WHERE stream NOT IN (SELECT stream FROM journal)")
    db.execute("UPDATE incident SET id = (SELECT count(*) FROM incident AS o WHERE o.id <= incident.id)")
    db.execute(
        "UPDATE incident SET (head_seq, head_hash) ="
        " (SELECT seq, hash FROM journal WHERE stream = incident.stream ORDER BY seq DESC LIMIT 1),"
        " closed_at = (SELECT at FROM journal WHERE stream = incident.stream AND type = 'incident.closed')"
    )


SQL_EDITS: list[Edit] = [
    column, column, column, deleted_row, inserted_row, swapped, cut_tail, removed_incident, rewritten,
    edited_artifact, edited_anchor,
]  # fmt: skip
CONSISTENT = {"cut_tail", "removed_incident", "rewritten"}
"""What leaves a journal that is sound in itself."""


def edit_by_sql(path: Path, edit: Edit, draw: random.Random) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        try:
            edit(db, draw)
        except sqlite3.IntegrityError as error:  # the tables' own constraints refuse it
            raise NothingChanged from error
        for _, sql in triggers:
            db.execute(sql)
        db.execute("COMMIT")


def edit_bytes(path: Path, content: bytes, draw: random.Random) -> None:
    place = draw.randrange(len(content))
    count = draw.choice([1, 1, 2, 8, 32])
    path.write_bytes(content[:place] + draw.randbytes(count) + content[place + count :])


def edited(original: Original, path: Path, edit: Edit | None, draw: random.Random) -> bool:
    """Make one edit of a copy; False when the copy still says what the original says."""
    try:
        if edit is None:
            edit_bytes(path, original.bytes, draw)
        else:
            shutil.copy(original.path, path)
            edit_by_sql(path, edit, draw)
    except NothingChanged:
        return False
    return content_of(path) != original.content


def test_every_edit_is_found(original: Original, tmp_path: Path) -> None:
    draw, path = random.Random(SEED), tmp_path / "journal.db"
    done, redrawn, missed_without_anchors = Counter[str](), Counter[str](), Counter[str]()
    missed: list[str] = []
    while done.total() < EDITS:
        edit = draw.choice(SQL_EDITS) if draw.random() < 0.6 else None
        name = edit.__name__ if edit else "bytes"
        for leftover in tmp_path.iterdir():
            leftover.unlink()
        if not edited(original, path, edit, draw):
            redrawn[name] += 1
            continue
        done[name] += 1
        if not faults_of(path, AnchorCheck(original.anchors, original.keys)):
            missed.append(f"{name} number {done[name]}")
        if name in CONSISTENT and not faults_of(path, AnchorCheck()):
            missed_without_anchors[name] += 1
    print(f"done: {dict(done)}; changed nothing and were drawn again: {dict(redrawn)}")
    assert missed == []
    assert set(done) == {"bytes", *(edit.__name__ for edit in SQL_EDITS)}
    # The same edits, judged without what was exported: this is what anchors are for.
    assert missed_without_anchors == Counter({name: done[name] for name in CONSISTENT})
