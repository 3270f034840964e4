"""The ports: what the loop needs from the outside. Plugin authors read this file.

Built-in actuators and plugins register under the same entry points, `homeostat.actuators`.
Each port has a contract suite in `tests/contract/` that every implementation must pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from homeostat.model.answers import Answer
from homeostat.model.commands import Command, Report, StartAction
from homeostat.model.entries import Entry
from homeostat.model.signals import SignalSpec, Snapshot


class Clock(Protocol):
    """Time, injected. Only `app.py` hands out the system's."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds` or until asked to stop; True when asked to stop."""
        ...


class Sensor(Protocol):
    """Reads signals. One call a tick serves all policies."""

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        """Read every signal in `specs` (by a key of the caller's) as of `now`.

        Never raises for a source that is down or lies: `Snapshot.error` and `Reading.absence` say so.
        Returns within the sensor's configured time-out.
        """
        ...


class Actuator(Protocol):
    """Runs one kind of action. All three calls return at once and may be repeated."""

    def start(self, command: StartAction) -> None:
        """Start the action under `command.key`; no effect if that key was ever started.

        Raises:
            ActuatorError: it was not started and never will be under this key unless `start` is called again.
        """
        ...

    def lookup(self, key: str) -> Report:
        """Say what became of the action under `key`, also after a restart of the agent or the host."""
        ...

    def cancel(self, key: str) -> None:
        """Ask the action to stop. `lookup` tells when it has. A key that was never started must never start after."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as the journal holds it.

    Attributes:
        stream: an incident's id, `policy/<name>`, or `agent`.
        seq: counts from 1 within the stream.
        hash: SHA-256 over the previous hash, the header and the digest of the stored body.
    """

    stream: str
    seq: int
    entry: Entry
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries for one stream; `head_seq` is the last seq the writer knows of (0: a new stream)."""

    stream: str
    head_seq: int
    entries: Sequence[Entry]


class Journal(Protocol):
    """The append-only store. Only entries go in, only records come out."""

    def append(self, batches: Sequence[Batch]) -> None:
        """Append all batches in one durable transaction.

        Raises:
            JournalConflict: a stream's head is not at `head_seq`; nothing was written.
            JournalWriteError: the write did not become durable; nothing may be assumed written.
        """
        ...

    def read(self, stream: str) -> Iterator[Record]:
        """All records of a stream in order. Raises JournalCorrupt where the chain is broken."""
        ...

    def head_seq(self, stream: str) -> int:
        """The last seq of a stream; 0 when it has none."""
        ...

    def open_incidents(self) -> list[str]:
        """Streams of incidents without `incident.closed`, oldest first."""
        ...

    def incidents(self) -> list[str]:
        """Streams of all incidents, oldest first."""
        ...

    def since(self, at: float, types: Iterable[str]) -> Iterator[Record]:
        """Records of the given types with `entry.at >= at`, over all streams, in order of writing."""
        ...

    def verify(self) -> list[str]:
        """Check every chain; give one sentence for each fault found."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


class Executor(Protocol):
    """Routes commands to actuators; `act.executor` is the one that does."""

    def carry_out(self, command: Command) -> None:
        """Start or cancel an action. Raises ActuatorError."""
        ...

    def report(self, key: str, actuator: str) -> Report | None:
        """Say what became of an action; None when the actuator cannot be asked now."""
        ...


class Inbox(Protocol):
    """What people have said to the agent and it has not yet taken in. Delivers at least once."""

    def collect(self) -> Sequence[Answer]:
        """Every answer that was not settled, oldest first, at most a bounded number. Never raises."""
        ...

    def settle(self, answers: Sequence[str]) -> None:
        """Forget these answers, by id: what they said is in the journal."""
        ...


class Retrainer(Protocol):
    """Trains rankings beside the loop, never on its thread."""

    def collect(self, now: float) -> Mapping[str, Sequence[Entry]]:
        """Start what is due, and hand over the entries of what is finished, by policy."""
        ...


class Observer(Protocol):
    """Told of everything after it happened: logs, metrics, people."""

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """A tick is complete."""
        ...

    def appended(self, stream: str, entries: Sequence[Entry]) -> None:
        """Entries became durable."""
        ...

    def failed(self, what: str, error: Exception) -> None:
        """Something went wrong and the loop goes on."""
        ...
