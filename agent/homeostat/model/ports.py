"""The ports: what the loop needs from the outside. Plugin authors read this file.

Built-in actuators and plugins register under the same entry points, `homeostat.actuators`; `act.conformance` is the
suite that each must pass. Sensors, journals, inboxes and leases have theirs in `tests/contract/`. One way to people is
a port of the room that sends, `notify.channel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from homeostat.model.answers import Answer
from homeostat.model.commands import Command, Done, Report, StartAction
from homeostat.model.entries import Entry
from homeostat.model.errors import JournalError
from homeostat.model.signals import SignalSpec, Snapshot


class Alerts(Protocol):
    """What other systems have said is wrong, on its way to the journal. Nothing is decided by it."""

    def known(self, entries: Iterable[Entry]) -> None:
        """Take in what the journal says of alerts, in order of writing, so that it is not said twice."""
        ...

    def collect(self, now: float) -> Sequence[Entry]:
        """What is to be journalled now, bounded; the same again until `settled` says that it was written."""
        ...

    def settled(self, *, written: bool) -> None:
        """Say whether what `collect` gave last is in the journal."""
        ...


class Clock(Protocol):
    """Time, injected. Only `app.clock` hands out the system's."""

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
    """Runs one kind of action. All three calls may be repeated, and each has a deadline of its own.

    What an actuator may say beside, as attributes: `may_block = False`: all that its calls touch is local files, so
    that it needs no thread of its own. `reach = "anywhere"`: its `lookup` answers on every host, not only on the one
    that started the action. It may also have `withdraw` (`act.admission.Withdraws`) and
    `artifact(key) -> bytes | None`: all that was kept of an ended action's output.
    """

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


class Record(Struct, frozen=True):
    """An entry as the journal holds it.

    Attributes:
        stream: an incident's id, `policy/<name>`, or `agent`.
        seq: counts from 1 within the stream.
        hash: SHA-256 over the previous hash, the header and the digest of the stored body.
        position: counts from 1 over all streams, in order of writing and without a gap.
    """

    stream: str
    seq: int
    entry: Entry
    prev_hash: str
    hash: str
    position: int = 0


class Batch(Struct, frozen=True):
    """Entries for one stream.

    Attributes:
        head_seq: the last seq the writer knows of (0: a new stream); None: after whatever is there, for streams that
            several agents write to. An incident's stream always says.
    """

    stream: str
    head_seq: int | None
    entries: Sequence[Entry]


class Journal(Protocol):
    """The append-only store. Only entries go in, only records come out."""

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        """Append all batches in one durable transaction, and give the write position of the last record.

        Args:
            batches: what to append, in this order.
            seen: the write position up to which the writer knows all facts that guards share. None: it asks for no
                check, since it starts nothing.

        Raises:
            JournalConflict: a stream's head is not at `head_seq`; nothing was written.
            FactsMovedOn: an action would start (`STARTING_TYPES`) and a fact that may forbid it (`RESTRICTING_TYPES`)
                was written after `seen`; nothing was written.
            LeaseLost: an incident is not this agent's (any more), or a start comes too late for its lease; nothing
                was written.
            JournalWriteError: the write did not become durable; nothing may be assumed written.
        """
        ...

    def position(self) -> int:
        """The write position of the last record over all streams; 0 when there is none."""
        ...

    def after(self, position: int, types: Iterable[str]) -> Iterator[Record]:
        """Records of the given types written after `position`, over all streams, in order of writing."""
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

    def keep(self, digest: str, content: bytes, *, bytes_total: int, truncated: bool, at: float) -> None:
        """Keep the output of an action under the SHA-256 of `content`; once per digest, repeating it is harmless.

        Args:
            digest: 64 lower-case hexadecimal digits.
            content: what is kept of it, redacted already; the store bounds its size.
            bytes_total: size of the whole output.
            truncated: whether `content` is less than all of it.
            at: now, in Unix seconds.

        Raises:
            InvariantError: the digest is not that of the content, or it is too large.
            JournalWriteError: it did not become durable.
        """
        ...

    def verify(self) -> list[str]:
        """Check every chain; give one sentence for each fault found."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """One stream that this agent answers for.

    Attributes:
        fence: grows with every owner; the store refuses appends under an older one.
        start_before_s: on CLOCK_BOOTTIME (seconds); from then on this agent must start nothing in the stream. Renewal
            moves it on.
    """

    stream: str
    fence: int
    start_before_s: float


class Leases(Protocol):
    """Which streams this agent answers for, where several agents share one journal.

    Incidents, policies (`policy/<name>`: who watches its trigger) and the agents' own stream are leased alike. The
    store checks the lease of an incident's stream in the append itself; the rest only share out the work.
    """

    def watch(self, streams: Sequence[str]) -> None:
        """Compete for these streams beside all open incidents: those of the policies in use, and `agent`."""
        ...

    def held(self) -> Mapping[str, Lease]:
        """What this agent holds now; nothing whose `start_before_s` has passed. Never raises, never waits."""
        ...

    def ticked(self, *, blind: bool) -> None:
        """The loop is alive: without this, leases run out. One that is blind leaves its work to others."""
        ...

    def release(self) -> None:
        """Give everything back: this agent stops. Never raises."""
        ...


class LateOutcomes(Protocol):
    """How an agent that no longer answers for an incident tells its new owner what became of an action it started."""

    def put(self, incident: str, key: str, done: Done) -> None:
        """Leave word, durably and once per key; repeating it is harmless. Raises JournalWriteError."""
        ...

    def collect(self, keys: Iterable[str]) -> Mapping[str, Done]:
        """What was left under these keys. Raises JournalError."""
        ...


class Executor(Protocol):
    """Routes commands to actuators; `act.executor` is the one that does."""

    def carry_out(self, command: Command) -> None:
        """Start or cancel an action. Raises ActuatorError."""
        ...

    def report(self, key: str, actuator: str) -> Report | None:
        """Say what became of an action; None when the actuator cannot be asked now."""
        ...

    def artifact(self, key: str, actuator: str) -> bytes | None:
        """All that was kept of an ended action's output, as `Done.output_sha256` has it. Raises ActuatorError."""
        ...

    def reaches_anywhere(self, actuator: str) -> bool:
        """Whether any host may ask after its actions, not only the one that started them."""
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

    def settled(self, policy: str, error: JournalError | None) -> None:
        """What was just handed over for a policy is journalled, or why it is not: nothing was written then."""
        ...


class Notifier(Protocol):
    """Tells people what the journal says, beside the loop and never on its thread."""

    def collect(self, now: float) -> Sequence[Entry]:
        """Hand over what was sent, or given up on, since; for the stream `notify`. Never raises, never waits."""
        ...

    def settled(self, error: JournalError | None) -> None:
        """What was just handed over is journalled, or why it is not: it is handed over again then."""
        ...

    def stop(self) -> None:
        """Begin nothing more; give what is on its way a bounded time to end. Never raises."""
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
