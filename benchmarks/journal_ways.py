"""The ways of making one step durable that `journal.py` compares: raw appends, and the journal on a store.

A step is what an action costs: its intent is durable before the action starts, its outcome before anything follows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from homeostat.model.entries import ActionEnded, ActionIntended, Entry, Suspected
from homeostat.model.policy import Effect
from homeostat.model.ports import Batch
from homeostat.model.reasons import OutcomeStatus
from homeostat.record.codec import CODEC
from homeostat.record.sqlite_open import CHECKPOINT_PAGES
from homeostat.record.stored import StoredJournal

BEGIN = 1_700_000_000.0
OUTPUT = "deployment.apps/checkout restarted\nwaiting for rollout: 3 of 3 updated\n"


class Way(Protocol):
    """One way of making steps durable."""

    def steps(self, count: int) -> None:
        """Take `count` steps, each durable before the next."""
        ...

    def close(self) -> None:
        """Release everything. Harmless when repeated."""
        ...


def intent(incident: str, number: int) -> ActionIntended:
    """An intent as `decide` writes it."""
    return ActionIntended(
        at=BEGIN + number,
        incident=incident,
        key=f"{incident}/{number}",
        node="restart-checkout",
        action="k8s.rollout_restart",
        target="deployment/checkout",
        arguments={"namespace": "shop", "timeout_s": 120.0},
        effect=Effect.SAFE,
        number=number,
        deadline_at=BEGIN + number + 300.0,
        policy="shop-checkout",
    )


def outcome(incident: str, number: int) -> ActionEnded:
    """The outcome that an actuator reports for it."""
    return ActionEnded(
        at=BEGIN + number + 0.5,
        key=f"{incident}/{number}",
        status=OutcomeStatus.OK,
        duration_s=0.5,
        exit_code=0,
        output=OUTPUT,
        output_bytes=len(OUTPUT),
    )


class Raw:
    """The least a disk can do: append the bytes of each record to a file, and fdatasync. Nothing is indexed."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "raw", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._number = 0

    def steps(self, count: int) -> None:
        """Two appends a step."""
        for _ in range(count):
            self._number += 1
            for entry in (intent("raw", self._number), outcome("raw", self._number)):
                os.write(self._file, CODEC.encode(entry).body + b"\n")
                os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Bare:
    """The least SQLite can do: the same bytes in a table without an index, each insert committed. It bounds ours."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"wal_autocheckpoint = {CHECKPOINT_PAGES}"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE record (position INTEGER PRIMARY KEY, body TEXT)")
        self._number = 0

    def steps(self, count: int) -> None:
        """Two commits a step."""
        for _ in range(count):
            self._number += 1
            for entry in (intent("bare", self._number), outcome("bare", self._number)):
                self._connection.execute("INSERT INTO record (body) VALUES (?)", (CODEC.encode(entry).body.decode(),))

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


class Ours:
    """The journal, with `together` open incidents whose entries go into one append, as in one tick of the loop."""

    def __init__(self, journal: StoredJournal, together: int, name: str) -> None:
        self._journal = journal
        self._incidents = [f"{name}-{number}" for number in range(together)]
        openings = [
            Batch(name, 0, [Suspected(at=BEGIN, incident=name, policy="p", policy_hash="h", dedup_key=name, seed=1)])
            for name in self._incidents
        ]
        self._seen = journal.append(openings)
        self._seq = 1
        self._number = 0

    def steps(self, count: int) -> None:
        """Two appends for each step of all incidents together."""
        for _ in range(count // len(self._incidents)):
            self._number += 1
            self._seen = self._journal.append(self._batches(intent), seen=self._seen)
            self._seq += 1
            self._seen = self._journal.append(self._batches(outcome))
            self._seq += 1

    def _batches(self, entry: Callable[[str, int], Entry]) -> list[Batch]:
        return [Batch(name, self._seq, [entry(name, self._number)]) for name in self._incidents]

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()
