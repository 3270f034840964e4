"""Expressions that spoil a batch for the others: left alone for a while, or asked in small company."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from homeostat.model.signals import Absence

_DOUBLINGS_MAX = 32


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an expression has no answer."""

    absence: Absence
    detail: str


@dataclass(slots=True)
class _Record:
    company_max: int
    unanswered: int = 0
    convictions: int = 0
    until: float = 0.0
    fault: Fault | None = None


class Quarantine:
    """What is remembered, from one read to the next, of expressions that gave trouble.

    Times are the caller's `now`. An expression on its own at fault is not asked again for `first_s`, then twice as
    long, up to `longest_s`; when its time is over it is asked alone. One that was merely in bad company travels in
    batches of at most `company_max`, which doubles with every clean answer.
    """

    def __init__(self, *, first_s: float, longest_s: float, size_max: int) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._size_max = size_max
        self._records: dict[str, _Record] = {}

    def fault(self, query: str, now: float) -> Fault | None:
        """Say why `query` is not to be asked at `now`; None when it may be."""
        record = self._records.get(query)
        # A clock that was set back must not lengthen the time.
        if record is None or record.fault is None or not 0 < record.until - now <= self._longest_s:
            return None
        wait_s = record.until - now
        return Fault(record.fault.absence, f"{record.fault.detail} (asked again in {wait_s:.0f} s)")

    def company_max(self, query: str) -> int:
        """Say how many expressions may share a query with `query`, itself included."""
        record = self._records.get(query)
        return self._size_max if record is None else record.company_max

    def convict(self, query: str, fault: Fault, now: float) -> None:
        """Note that `query`, asked alone, was at fault at `now`."""
        record = self._records.setdefault(query, _Record(company_max=1))
        record.company_max = 1
        record.fault = fault
        record.until = now + min(self._first_s * 2.0 ** min(record.convictions, _DOUBLINGS_MAX), self._longest_s)
        record.convictions += 1

    def suspect(self, queries: Iterable[str], company_max: int) -> None:
        """Note that one of `queries` gave trouble, and which one can only be seen in smaller company."""
        for query in queries:
            record = self._records.setdefault(query, _Record(company_max))
            record.company_max = max(1, min(record.company_max, company_max))

    def held_up_by(self, queries: Iterable[str]) -> None:
        """Note that `queries`, which are suspects, shared one query that was never answered."""
        for query in queries:
            self._records[query].unanswered += 1

    def unanswered(self, query: str) -> int:
        """How often in a row `query` was in one that was never answered."""
        record = self._records.get(query)
        return 0 if record is None else record.unanswered

    def acquit(self, queries: Collection[str]) -> None:
        """Note that `queries` shared one query and its answer was clean."""
        if not self._records:
            return
        company_max = 2 * len(queries)
        for query in queries:
            record = self._records.get(query)
            if record is None:
                continue
            if company_max >= self._size_max:
                del self._records[query]
            else:
                record.company_max = max(record.company_max, company_max)
                record.unanswered = 0
                record.convictions, record.until, record.fault = 0, 0.0, None

    def forget_except(self, queries: Collection[str]) -> None:
        """Forget whatever is no longer asked."""
        for query in self._records.keys() - set(queries):
            del self._records[query]

    def __len__(self) -> int:
        return len(self._records)
