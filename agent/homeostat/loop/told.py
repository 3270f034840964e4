"""What other systems have said since the last tick: it is journalled, and nothing follows from it."""

from __future__ import annotations

from itertools import islice

from homeostat.loop.standing import Standing
from homeostat.model.alert_entries import AlertReceived
from homeostat.model.errors import HomeostatError, InvariantError
from homeostat.model.ports import Alerts, Journal, Observer
from homeostat.model.streams import ALERTS_STREAM

LOOK_BACK_S = 7 * 86_400.0
"""How far back the journal is read for what is still going on; what goes on for longer is journalled daily."""

READ_MAX = 20_000
"""Alerts of the journal that are read in one turn: a noisy week leaves many, and decisions wait meanwhile."""


class Told:
    """Writes alerts down. Agents that share a journal look first what the others have written.

    Two that are told the same within one tick may both write it: the second entry says what the first one said.
    """

    def __init__(
        self, alerts: Alerts | None, journal: Journal, standing: Standing, observer: Observer, *, is_alone: bool
    ) -> None:
        self._alerts = alerts
        self._journal = journal
        self._standing = standing
        self._observer = observer
        self._is_alone = is_alone
        self._position: int | None = None
        self._is_behind = False

    def take(self, now: float) -> None:
        """Journal what is new. A journal that fails is the matter of the turns after this one."""
        if self._alerts is None:
            return
        try:
            if not self._catch_up(now, self._alerts):
                return  # what was said meanwhile waits, bounded, for what the journal says of it
            entries = self._alerts.collect(now)
            if not entries:
                return
            self._standing.say(ALERTS_STREAM, entries)
            self._alerts.settled(written=True)
        except HomeostatError as error:
            self._alerts.settled(written=False)
            self._observer.failed("alerts", error)
        except Exception as error:  # noqa: BLE001 - what others say must never hold up what the policies see
            self._observer.failed("alerts", InvariantError(f"{type(error).__name__}: {error}"))

    def _catch_up(self, now: float, alerts: Alerts) -> bool:
        """Know what the journal says: first all of the last days, then what was added; False while there is more."""
        if self._position is None:
            head = self._journal.position()
            first = next(iter(self._journal.since(max(0.0, now - LOOK_BACK_S), {AlertReceived.TYPE})), None)
            self._position = head if first is None else first.position - 1
            self._is_behind = first is not None
        elif not self._is_alone and self._standing.position > self._position:
            self._is_behind = True
        if not self._is_behind:
            return True
        head = self._journal.position()
        records = list(islice(self._journal.after(self._position, {AlertReceived.TYPE}), READ_MAX))
        alerts.known(record.entry for record in records)
        self._is_behind = len(records) == READ_MAX
        self._position = records[-1].position if self._is_behind else head
        return not self._is_behind
