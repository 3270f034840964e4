"""What happened in a run: the journal's entries in order, and the questions tests and measures ask of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from homeostat.decide.projection import fold
from homeostat.model import entries as e
from homeostat.model.incident import Incident
from homeostat.model.streams import AGENT_STREAM, policy_stream


@dataclass(frozen=True, slots=True)
class Started:
    """One action that was started, `after_s` seconds after the beginning."""

    after_s: float
    node: str
    action: str
    target: str

    def is_called(self, name: str) -> bool:
        """Whether a test means it by this name: its step, its action, or its action and target."""
        return name in (self.node, self.action, f"{self.action} {self.target}")


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one run.

    Attributes:
        begin: Unix seconds. duration_s: until the last tick.
        entries: stream and entry, as they became durable.
        troubles: what went wrong beside the plan: answers nobody waited for, bugs.
    """

    begin: float
    duration_s: float
    entries: tuple[tuple[str, e.Entry], ...]
    troubles: tuple[str, ...]
    policy: str

    def after_s(self, entry: e.Entry) -> float:
        """When an entry was made, in seconds after the beginning."""
        return entry.at - self.begin

    def of_incidents(self) -> Iterator[e.Entry]:
        """The entries of incidents alone."""
        others = (AGENT_STREAM, policy_stream(self.policy))
        return (entry for stream, entry in self.entries if stream not in others)

    def starts(self) -> list[Started]:
        """Every start, in order."""
        return [
            Started(self.after_s(entry), entry.node, entry.action, entry.target)
            for entry in self.of_incidents()
            if isinstance(entry, e.ActionIntended)
        ]

    def streams(self) -> dict[str, list[e.Entry]]:
        """The incidents' entries by stream, oldest incident first."""
        streams: dict[str, list[e.Entry]] = {}
        others = (AGENT_STREAM, policy_stream(self.policy))
        for stream, entry in self.entries:
            if stream not in others:
                streams.setdefault(stream, []).append(entry)
        return streams

    def incident_at(self, at_s: float | None) -> Incident | None:
        """The newest incident as it stood then (None: at the end): a fold of its entries."""
        newest: Sequence[e.Entry] = ()
        for entries in self.streams().values():
            known = [entry for entry in entries if at_s is None or self.after_s(entry) <= at_s]
            newest = known or newest
        return fold(newest) if newest else None
