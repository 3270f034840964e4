"""What a report is made of, whatever it is written as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from homeostat.policy.units import format_seconds

UNKNOWN = "unknown"
_EXACT_S = 10.0


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a report; `note` stands above it, and alone when there are no rows."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One run in the chart; times in seconds since the opening. `ended_s`: of the action; `verdict_s`: of the run."""

    label: str
    began_s: float
    ended_s: float
    verdict_s: float
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """What the chart shows.

    Attributes:
        end_s: of the incident, or of what is known of it so far.
        moments: (seconds since the opening, what it was).
    """

    end_s: float
    bars: Sequence[Bar]
    moments: Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Report:
    """What is written about one incident."""

    title: str
    summary: str
    course: Course
    sections: tuple[Section, ...]


def visible(text: str) -> str:
    """The text with what a page would obey or not show written out: controls, what turns its direction, halves."""
    return "".join(it if it.isprintable() or it == "\n" else ascii(it)[1:-1] for it in text)


def moment(at: float) -> str:
    """A time (Unix seconds) in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(at: float, began_at: float) -> str:
    """A time (Unix seconds) in UTC; the day is left out where it is that of the beginning."""
    then, began = (datetime.fromtimestamp(it, UTC) for it in (at, began_at))
    return then.strftime("%H:%M:%S" if then.date() == began.date() else "%Y-%m-%d %H:%M:%S")


def duration(seconds: float | None) -> str:
    """A length of time as people say it: to the second, short ones to a tenth; None is unknown."""
    if seconds is None:
        return UNKNOWN
    return format_seconds(round(seconds, 1) if abs(seconds) < _EXACT_S else round(seconds))


def after(seconds: float) -> str:
    """How long after the opening."""
    return f"+{duration(seconds)}"
