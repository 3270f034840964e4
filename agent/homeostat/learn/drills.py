"""When drills ran, and which incidents are theirs: those that opened while a fault was injected on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from homeostat.model.entries import DrillRan, Entry
from homeostat.model.ports import Journal, Record


class Drills:
    """The times in which this journal's agent was drilled. What was drilled elsewhere has its incidents elsewhere.

    Attributes:
        spans: (from, to) of each drill, Unix seconds, both ends included.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    @classmethod
    def of(cls, journal: Journal) -> Drills:
        """Those that a journal tells of."""
        drills = cls()
        for record in drill_records(journal):
            drills.note(record.entry)
        return drills

    def note(self, entry: Entry) -> None:
        """Take in an entry, if it is a drill's."""
        if isinstance(entry, DrillRan) and not entry.elsewhere:
            self.spans.append((entry.began_at, entry.at))

    def noting(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records; the drills among them are noted as they pass."""
        for record in records:
            self.note(record.entry)
            yield record

    def hold(self, opened_at: float) -> bool:
        """Whether an incident that opened then (Unix seconds) is a drill's."""
        return any(began <= opened_at <= ended for began, ended in self.spans)


def drill_records(journal: Journal) -> Iterator[Record]:
    """The records that tell of drills, in order of writing."""
    return journal.since(0.0, {DrillRan.TYPE})
