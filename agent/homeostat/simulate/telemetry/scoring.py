"""What a policy noticed, beside what was there: recall, precision, F1 and delay against fault labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from statistics import median

from homeostat.record.fault_labels import FaultLabel
from homeostat.simulate.telemetry.detection import Detection

UNLABELLED_END_S = 900.0
"""A fault whose end nobody labelled is taken to last so long, or until the next one starts."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """One confirmed incident: the fault it notices, if any.

    Attributes:
        repeats: the fault had an incident already.
        during: another labelled fault, of those the policy is not for, that lasted meanwhile.
    """

    detection: Detection
    fault: FaultLabel | None
    repeats: bool = False
    during: FaultLabel | None = None

    @property
    def kind(self) -> str:
        """In a word or two: what the incident is."""
        if self.fault is None:
            return "other fault" if self.during is not None else "false alarm"
        return "repeat" if self.repeats else "fault"

    @property
    def delay_s(self) -> float | None:
        """From the labelled start of the fault to the confirmation."""
        confirmed_s = self.detection.confirmed_s
        return None if self.fault is None or confirmed_s is None else confirmed_s - self.fault.start_s


@dataclass(frozen=True, slots=True)
class Score:
    """A policy's incidents against the faults it is for.

    `precision` counts a fault's second incident against the policy, as it counts a false alarm: each would start
    actions. Both shares are None where there is nothing to divide by.

    Attributes:
        noticed: every confirmed incident. missed: faults without one.
    """

    noticed: tuple[Noticed, ...]
    missed: tuple[FaultLabel, ...]

    @property
    def hits(self) -> int:
        """Faults that have an incident."""
        return sum(one.fault is not None and not one.repeats for one in self.noticed)

    @property
    def repeats(self) -> int:
        """Incidents of a fault that has one already."""
        return sum(one.repeats for one in self.noticed)

    @property
    def false_alarms(self) -> int:
        """Incidents while none of the faults lasted."""
        return sum(one.fault is None for one in self.noticed)

    @property
    def unlabelled(self) -> int:
        """False alarms while no fault of any type was labelled: nobody said that all was well then either."""
        return sum(one.fault is None and one.during is None for one in self.noticed)

    def within_labels(self) -> Score:
        """The same without the incidents while nothing was labelled."""
        kept = tuple(one for one in self.noticed if one.fault is not None or one.during is not None)
        return replace(self, noticed=kept)

    @property
    def recall(self) -> float | None:
        """The share of the faults that have an incident."""
        faults = self.hits + len(self.missed)
        return self.hits / faults if faults else None

    @property
    def precision(self) -> float | None:
        """The share of the incidents that are a fault's first."""
        return self.hits / len(self.noticed) if self.noticed else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of recall and precision (van Rijsbergen, "Information Retrieval", 1979)."""
        total = 2 * self.hits + len(self.missed) + self.false_alarms + self.repeats
        return 2 * self.hits / total if total else None

    @property
    def delay_s(self) -> float | None:
        """The median from a fault's labelled start to its incident's confirmation."""
        delays = [one.delay_s for one in self.noticed if one.delay_s is not None and not one.repeats]
        return median(delays) if delays else None


def score(detections: Sequence[Detection], labels: Sequence[FaultLabel], faults: str = "*") -> Score:
    """Match confirmed incidents with labelled faults.

    An incident notices a fault when it was confirmed while the fault lasted: from its labelled start to its end, or,
    where no end is labelled, to the start of the next fault or `UNLABELLED_END_S` later.

    Args:
        detections: what a policy found.
        labels: of one recording.
        faults: shell pattern of the fault types that the policy is for.
    """
    spans = _spans(labels)
    wanted = [(label, end_s) for label, end_s in spans if fnmatchcase(label.fault_type, faults)]
    others = [(label, end_s) for label, end_s in spans if not fnmatchcase(label.fault_type, faults)]
    seen: set[str] = set()
    noticed = []
    for detection in sorted(detections, key=lambda one: one.suspected_s):
        if detection.confirmed_s is None:
            continue
        fault = _lasting(wanted, detection.confirmed_s)
        during = None if fault is not None else _lasting(others, detection.confirmed_s)
        noticed.append(Noticed(detection, fault, fault is not None and fault.id in seen, during))
        if fault is not None:
            seen.add(fault.id)
    return Score(tuple(noticed), tuple(label for label, _ in wanted if label.id not in seen))


def _spans(labels: Sequence[FaultLabel]) -> list[tuple[FaultLabel, float]]:
    """Each fault with the time at which it is taken to end, in order of their starts."""
    ordered = sorted(labels, key=lambda label: (label.start_s, label.id))
    next_starts = [*(label.start_s for label in ordered), math.inf][1:]
    return [
        (label, min(next_s, label.start_s + UNLABELLED_END_S) if label.end_s is None else label.end_s)
        for label, next_s in zip(ordered, next_starts, strict=True)
    ]


def _lasting(spans: Sequence[tuple[FaultLabel, float]], at_s: float) -> FaultLabel | None:
    """The fault that lasts at a time; of several the one that started last."""
    lasting = [label for label, end_s in spans if label.start_s <= at_s <= end_s]
    return lasting[-1] if lasting else None
