"""Alerts on their way from the listener's threads to the loop, which alone writes the journal.

Bounded in every direction: what waits, what is known, and what goes into the journal in a minute.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from homeostat.model import entries as e
from homeostat.model.alerts import Alert, AlertState

JOURNALLED_PER_MINUTE_MAX = 60
WAITING_MAX = 10_000
KNOWN_MAX = 20_000
REFRESH_S = 86_400.0
"""What is said again after so long is journalled again: it is still so, and a look back of a few days finds it."""
_MINUTE_S = 60.0

_Key = tuple[str, str]
_SUMMARIES = ("summary", "description", "message")


class _Known(NamedTuple):
    """What the journal says of an alert."""

    state: AlertState
    at: float
    said_at: float | None


class AlertIntake:
    """Implements `model.ports.Alerts`; `take` may be called from any thread.

    Args:
        ring: wakes the loop.
        per_minute_max: entries about alerts in a minute.
        waiting_max: alerts that wait for the loop.
        known_max: alerts whose state is remembered; of what is forgotten the next word counts as a change.
    """

    def __init__(
        self,
        ring: Callable[[], None] = lambda: None,
        *,
        per_minute_max: int = JOURNALLED_PER_MINUTE_MAX,
        waiting_max: int = WAITING_MAX,
        known_max: int = KNOWN_MAX,
    ) -> None:
        self._ring = ring
        self._per_minute_max = per_minute_max
        self._waiting_max = waiting_max
        self._known_max = known_max
        self._lock = threading.Lock()
        self._waiting: dict[_Key, tuple[Alert, tuple[str, ...]]] = {}
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._offered: list[tuple[_Key, tuple[Alert, tuple[str, ...]], e.AlertReceived]] = []
        self._minute_began_at = 0.0
        self._in_this_minute = 0
        self._left_out: Counter[str] = Counter()
        self._truncated: Counter[str] = Counter()
        self._left_out_since: float | None = None
        self._told: e.AlertsLeftOut | None = None
        self._now = 0.0

    def take(self, alerts: Sequence[tuple[Alert, tuple[str, ...]]], truncated: Mapping[str, int]) -> bool:
        """Take alerts in, all or none, each with its policies; False when too many wait for the loop already.

        The loop is woken when any of them is news.
        """
        with self._lock:
            fresh = {(alert.source, alert.fingerprint) for alert, _ in alerts} - self._waiting.keys()
            news = [key for key in fresh if key not in self._known]
            if len(self._waiting) + len(news) > self._waiting_max:
                return False
            changed = [self._hear(alert, policies) for alert, policies in alerts]
            self._truncated.update({source: number for source, number in truncated.items() if number})
        if any(changed):
            self._ring()
        return True

    def _hear(self, alert: Alert, policies: tuple[str, ...]) -> bool:
        """Note one alert; whether it says something that the journal does not."""
        key = (alert.source, alert.fingerprint)
        known, waits = self._known.get(key), self._waiting.get(key)
        last: Alert | _Known | None = waits[0] if waits else known
        if last is not None and alert.said_at is not None and last.said_at is not None and alert.said_at < last.said_at:
            return False  # deliveries overtake each other, and old ones are sent again
        if known is not None and known.state is alert.state and self._now - known.at < REFRESH_S:
            self._waiting.pop(key, None)
            return False
        self._waiting[key] = (alert, policies)
        return waits is None or waits[0].state is not alert.state

    def known(self, entries: Iterable[e.Entry]) -> None:
        """See `model.ports.Alerts`."""
        with self._lock:
            for entry in entries:
                if isinstance(entry, e.AlertReceived):
                    self._remember(entry)

    def _remember(self, entry: e.AlertReceived) -> None:
        key = (entry.source, entry.fingerprint)
        self._known[key] = _Known(entry.state, entry.at, entry.said_at)
        self._known.move_to_end(key)
        while len(self._known) > self._known_max:
            self._known.popitem(last=False)

    def collect(self, now: float) -> Sequence[e.Entry]:
        """See `model.ports.Alerts`."""
        with self._lock:
            self._now = now
            if not 0.0 <= now - self._minute_began_at < _MINUTE_S:
                self._minute_began_at, self._in_this_minute = now, 0
            self._drop_what_is_known()
            room = max(0, self._per_minute_max - self._in_this_minute)
            # The end of what the journal says is going on comes first, and is never left out.
            corrections = [key for key in self._waiting if key in self._known]
            new = [key for key in self._waiting if key not in self._known]
            chosen = [*corrections, *new][:room]
            for key in new[max(0, room - len(corrections)) :]:
                self._left_out[key[0]] += 1
                del self._waiting[key]
            self._offered = [(key, self._waiting[key], _entry(*self._waiting[key], now)) for key in chosen]
            return [*(entry for _, _, entry in self._offered), *self._tell(now)]

    def _drop_what_is_known(self) -> None:
        """Another agent of the same store may have journalled the same meanwhile."""
        for key, (alert, _) in list(self._waiting.items()):
            known = self._known.get(key)
            if known is not None and known.state is alert.state and self._now - known.at < REFRESH_S:
                del self._waiting[key]

    def _tell(self, now: float) -> Sequence[e.Entry]:
        """What was left out, once a minute."""
        self._told = None
        if not self._left_out and not self._truncated:
            return []
        if self._left_out_since is None or now < self._left_out_since:
            self._left_out_since = now
        elif now - self._left_out_since >= _MINUTE_S:
            since = self._left_out_since
            self._told = e.AlertsLeftOut(
                at=now, since=since, left_out=dict(self._left_out), truncated=dict(self._truncated)
            )
        return [] if self._told is None else [self._told]

    def settled(self, *, written: bool) -> None:
        """See `model.ports.Alerts`."""
        with self._lock:
            offered, self._offered = self._offered, []
            told, self._told = self._told, None
            if not written:
                return
            self._in_this_minute += len(offered)
            for key, waited, entry in offered:
                self._remember(entry)
                if self._waiting.get(key) is waited:
                    del self._waiting[key]
            if told is not None:
                self._left_out -= Counter(told.left_out)
                self._truncated -= Counter(told.truncated)
                self._left_out_since = None


def _entry(alert: Alert, policies: tuple[str, ...], now: float) -> e.AlertReceived:
    summary = next((alert.annotations[key] for key in _SUMMARIES if alert.annotations.get(key)), "")
    return e.AlertReceived(
        at=now,
        source=alert.source,
        fingerprint=alert.fingerprint,
        name=alert.name,
        state=alert.state,
        severity=alert.severity,
        labels=alert.labels,
        summary=summary,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        said_at=alert.said_at,
        url=alert.url,
        policies=policies,
    )
