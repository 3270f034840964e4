"""The exception tree. Every error says, by its `disposition`, who can do something about it.

HomeostatError
|-- PolicyError            TERMINAL    a policy, signals, actions or settings file is wrong (has a position)
|-- UsageError             TERMINAL    a command was called with something that does not exist or is refused
|-- SensorError            TRANSIENT   the telemetry source could not be read
|-- ActuatorError          TRANSIENT   an action could not be started, looked up or cancelled
|-- WorkersError           TRANSIENT   the processes or machines that share a computation were lost
|-- JournalError           TERMINAL    the journal cannot be used
|   |-- JournalWriteError  TRANSIENT   an append did not become durable; nothing was started
|   |-- JournalConflict    PROGRAMMER  somebody else appended to the stream first
|   |   |-- FactsMovedOn   TRANSIENT   a fact that may forbid a start was written after the writer last looked
|   |   `-- LeaseLost      TRANSIENT   another agent answers for the incident now
|   |-- JournalCorrupt     TERMINAL    the hash chain or a record's meaning is broken
|   `-- JournalTooNew      TERMINAL    written by a newer release
`-- InvariantError         PROGRAMMER  a bug in Homeostat; the incident it happened in is stopped
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What may be done about an error: try again, change something, or report a bug."""

    TRANSIENT = "transient"
    TERMINAL = "terminal"
    PROGRAMMER = "programmer"


class HomeostatError(Exception):
    """Base of everything Homeostat raises on purpose. The message is written for the person who must act."""

    disposition: ClassVar[Disposition] = Disposition.TERMINAL


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text file. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with an input file: where, what, and a stable code for tools (`E101`)."""

    position: Position
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.position}: {self.code} {self.message}"


def printable(problem: Problem) -> Problem:
    """Escape what a terminal would obey or not show; a message quotes the file it complains of."""
    characters = (character if character.isprintable() else ascii(character)[1:-1] for character in problem.message)
    return replace(problem, message="".join(characters))


class PolicyError(HomeostatError):
    """An input file is wrong. `problems` holds every finding, not only the first, in words that can be shown."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(map(printable, problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(HomeostatError):
    """What was asked for does not exist or is refused; the message names the nearest thing that does."""


class AlreadyDecided(UsageError):
    """What was asked for is so already."""


class SensorError(HomeostatError):
    """The telemetry source did not give a usable answer."""

    disposition = Disposition.TRANSIENT


class ActuatorError(HomeostatError):
    """An actuator could not start, look up or cancel an action."""

    disposition = Disposition.TRANSIENT


class WorkersError(HomeostatError):
    """Other processes or machines did not do their part of a computation. Nothing depends on it having begun."""

    disposition = Disposition.TRANSIENT


class JournalError(HomeostatError):
    """The journal cannot be used as it is."""


class JournalWriteError(JournalError):
    """An append did not become durable. Whatever it would have allowed must not be started."""

    disposition = Disposition.TRANSIENT


class JournalConflict(JournalError):
    """The stream's head is not where the writer believed it to be."""

    disposition = Disposition.PROGRAMMER


class FactsMovedOn(JournalConflict):
    """A start was decided on facts that are no longer all there are: decide again."""

    disposition = Disposition.TRANSIENT


class LeaseLost(JournalConflict):
    """The incident is not this agent's any more; whoever has it now decides."""

    disposition = Disposition.TRANSIENT


class JournalCorrupt(JournalError):
    """A record's hash, order or meaning is broken."""


class JournalTooNew(JournalError):
    """The journal was written by a newer release than this one."""


class InvariantError(HomeostatError):
    """Something that cannot happen did. A bug in Homeostat."""

    disposition = Disposition.PROGRAMMER
