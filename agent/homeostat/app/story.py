"""An incident told as it happens, for people who watch the demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from homeostat.app.explain import value_text
from homeostat.model import entries as e
from homeostat.model.signals import Snapshot


class Storyteller:
    """Implements `model.ports.Observer`: says the turning points of incidents while `telling`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began_at = 0.0
        self.telling = False

    def begin(self, at: float) -> None:
        """Count seconds from here."""
        self._began_at = at

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """See `model.ports.Observer`."""

    def failed(self, what: str, error: Exception) -> None:
        """Failures are always told."""
        self._say(f"   ! {what}: {error}")

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Tell what a person would want to hear."""
        del stream
        if not self.telling:
            return
        snapshot: Snapshot | None = None
        for entry in entries:
            if isinstance(entry, e.Observed):
                snapshot = entry.snapshot
            sentence = _sentence(entry, snapshot)
            if sentence is not None:
                self._say(f"   {entry.at - self._began_at:+6.0f}s  {sentence}")


def _sentence(entry: e.Entry, snapshot: Snapshot | None) -> str | None:
    match entry:
        case e.Suspected():
            return "detected   the trigger is true; is it more than a blip?"
        case e.Confirmed():
            return "confirmed  the trigger held for its window"
        case e.Dismissed():
            return f"dismissed  {entry.reason}: nothing was done, and nothing needed to be"
        case e.Decided(kind="choose" | "try" | "decide", chosen=str(chosen)):
            passed_over = [f"{o.id} ({o.reason})" for o in entry.options if o.reason and o.reason != "already_tried"]
            return f"decided    {entry.node}: {chosen}" + (f"; not {', '.join(passed_over)}" if passed_over else "")
        case e.ActionIntended():
            return f"action     {entry.action} on {entry.target}"
        case e.ActionEnded():
            return f"ended      {entry.status} after {entry.duration_s:.0f} s"
        case e.AttemptEnded():
            return f"verified   {entry.verdict}{_signals(snapshot)}"
        case e.Escalated():
            return f"escalated  to {entry.to}: {entry.reason}"
        case e.Recovered():
            return f"recovered  'resolved' held for its window{_signals(snapshot)}"
        case _:
            return None


def _signals(snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return ""
    named = ("http_5xx", "payments_rps")
    found = [f"{name} {value_text(snapshot.readings[name].value)}" for name in named if name in snapshot.readings]
    return f" ({', '.join(found)})" if found else ""
