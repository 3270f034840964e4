"""Ask many queries in few requests, and when one fails find out which expression is at fault."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from homeostat.model.errors import SensorError
from homeostat.model.signals import Absence
from homeostat.sense.batch import Batch, compose, distribute, halves, pack
from homeostat.sense.client import Answer, PrometheusClient, QueryRefused, QueryTimedOut, QueryUnanswered
from homeostat.sense.envelope import Series
from homeostat.sense.excerpt import excerpt
from homeostat.sense.quarantine import Fault, Quarantine
from homeostat.sense.settings import PrometheusSettings

FAILURES_MAX = 3
"""After so many failed requests in a row the source is given up for this read."""

WARNINGS_MAX = 20
"""More of what a source says beside its answers is not kept."""


@dataclass(slots=True)
class Findings:
    """What became of every query: its series, or the fault that kept them away.

    Attributes:
        warnings: what the source said beside its answers, each once.
        answered: whether the source gave any sensible answer at all, if only a refusal.
        failure: the first failure of the source as a whole.
    """

    series: dict[str, list[Series]] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    answered: bool = False
    failure: str | None = None

    def warn(self, text: str) -> None:
        """Keep a warning, if there is room."""
        if len(self.warnings) < WARNINGS_MAX:
            self.warnings[excerpt(text)] = None


class Inquiry:
    """One read's questions to the source. Bounded by a deadline and by the number of extra queries.

    A refused batch is halved until the expression at fault stands alone; a batch with a warning likewise, since a
    warning does not name its expression. The halves are asked after all other batches, so that one bad expression
    takes nothing from the others. What cannot be finished now is remembered in the quarantine and goes on next time.
    """

    def __init__(
        self,
        client: PrometheusClient,
        quarantine: Quarantine,
        settings: PrometheusSettings,
        monotonic: Callable[[], float],
        *,
        at: float,
        deadline: float,
    ) -> None:
        self._client = client
        self._quarantine = quarantine
        self._settings = settings
        self._monotonic = monotonic
        self._at = at
        self._deadline = deadline
        self._pending: deque[Batch] = deque()
        self._extra_queries = settings.extra_queries_max
        self._failures_in_a_row = 0
        self._findings = Findings()

    def ask(self, queries: Collection[str]) -> Findings:
        """Ask every query once, at one moment. Never raises for what the source does."""
        free: list[str] = []
        for query in queries:
            fault = self._quarantine.fault(query, self._at)
            if fault is None:
                free.append(query)
            else:
                self._findings.faults[query] = fault
        self._pending.extend(self._plan(free))
        while self._pending:
            self._ask_batch(self._pending.popleft())
        return self._findings

    def _plan(self, queries: list[str]) -> list[Batch]:
        """Pack queries into batches: full ones first, then suspects in small company, as many as the bound allows."""
        size_max, bytes_max = self._settings.batch_size_max, self._settings.query_bytes_max
        by_company: dict[int, list[str]] = {}
        for query in queries:
            by_company.setdefault(self._quarantine.company_max(query), []).append(query)
        whole = by_company.pop(size_max, [])
        small: list[Batch] = []
        for company_max in sorted(by_company, reverse=True):
            last = sorted(by_company[company_max], key=self._quarantine.unanswered)
            for batch in pack(last, company_max, bytes_max):
                if len(small) < self._settings.extra_queries_max:
                    small.append(batch)
                else:
                    whole.extend(batch)
        return pack(whole, size_max, bytes_max) + small

    def _ask_batch(self, batch: Batch) -> None:
        if self._failures_in_a_row >= FAILURES_MAX:
            self._fail(batch, f"not asked, after {FAILURES_MAX} failed requests: {self._findings.failure}")
            return
        if self._monotonic() >= self._deadline:
            self._fail(batch, f"not asked in time ({self._settings.timeout_s:g} s for all signals)")
            return
        try:
            answer = self._client.query(compose(batch), self._at, self._deadline)
            series = distribute(batch, answer.series)
        except QueryRefused as error:
            self._answered()
            self._blame(batch, Fault(Absence.REFUSED, str(error)))
        except QueryTimedOut as error:
            self._answered()
            self._slow(batch, Fault(Absence.UNREACHABLE, str(error)))
        except QueryUnanswered as error:
            self._failures_in_a_row += 1
            self._fail(batch, str(error))
            self._doubt(batch, str(error))
        except SensorError as error:
            self._failures_in_a_row += 1
            self._fail(batch, str(error))
        else:
            self._answered()
            self._accept(batch, answer, series)

    def _answered(self) -> None:
        self._findings.answered = True
        self._failures_in_a_row = 0

    def _accept(self, batch: Batch, answer: Answer, series: dict[str, list[Series]]) -> None:
        for text in (*answer.warnings, *answer.infos):
            self._findings.warn(text)
        if not answer.warnings:
            self._findings.series.update(series)
            self._quarantine.acquit(batch)
            return
        detail = excerpt("; ".join(answer.warnings))
        if len(batch) == 1:
            self._quarantine.suspect(batch, 1)
            self._findings.faults[batch[0]] = Fault(Absence.PARTIAL, detail)
        elif not self._split(batch):
            shared = f"one of {len(batch)} expressions asked together, this one perhaps: {detail}"
            self._set_faults(batch, Fault(Absence.PARTIAL, shared))

    def _blame(self, batch: Batch, fault: Fault) -> None:
        if len(batch) == 1:
            self._quarantine.convict(batch[0], fault, self._at)
            self._findings.faults[batch[0]] = fault
        elif not self._split(batch):
            self._fail(batch, "asked together with one that the server refuses; asked apart in the next reads")

    def _slow(self, batch: Batch, fault: Fault) -> None:
        """Deal with a query the server found too slow. Asking its halves at once would only add to the load."""
        if len(batch) == 1:
            self._quarantine.convict(batch[0], fault, self._at)
        else:
            self._quarantine.suspect(batch, len(batch) // 2)
        self._set_faults(batch, fault)

    def _doubt(self, batch: Batch, message: str) -> None:
        """Deal with a query that was never answered, which has used up the time of those after it.

        In the next reads it is asked after the others and in smaller company. Whether the server or one expression is
        at fault shows when that stands alone, and others were answered.
        """
        if len(batch) == 1 and self._findings.answered:
            self._quarantine.convict(batch[0], Fault(Absence.UNREACHABLE, message), self._at)
        else:
            self._quarantine.suspect(batch, max(1, len(batch) // 2))
            self._quarantine.held_up_by(batch)

    def _split(self, batch: Batch) -> bool:
        """Have the halves asked, if there is room; else remember that they are to be asked apart next time."""
        if self._extra_queries < 2 or self._monotonic() >= self._deadline:
            self._quarantine.suspect(batch, len(batch) // 2)
            return False
        self._extra_queries -= 2
        self._pending.extend(halves(batch))
        return True

    def _fail(self, batch: Batch, message: str) -> None:
        self._findings.failure = self._findings.failure or message
        self._set_faults(batch, Fault(Absence.UNREACHABLE, message))

    def _set_faults(self, batch: Batch, fault: Fault) -> None:
        for query in batch:
            self._findings.faults[query] = fault
