"""Any JSON, by a mapping that says where an alert's parts stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from homeostat.model.alerts import Alert, AlertState
from homeostat.sense.alerts.payload import (
    ALERTS_MAX,
    KEY_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    digest,
    fingerprint_of,
    fingerprint_of_labels,
    labels_of,
    shown,
    text_of,
    time_of,
    url_of,
)
from homeostat.sense.alerts.places import Place
from homeostat.sense.alerts.refusal import AlertRefusal, Delivery, Refused

IGNORED = "ignored"
"""A word of the source that changes no state."""

_PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}")
_TAGS_MAX = 200


@dataclass(frozen=True, slots=True)
class AlertMapping:
    """Where the parts of an alert stand. Of several places the first that holds something counts.

    Attributes:
        alerts: the list of alerts (one object counts as a list of one); None: the whole payload is one alert.
        states: the source's word -> `firing`, `acknowledged`, `resolved` or `ignored`; letter case does not count.
        state_if_absent: for sources that say no state. "": that is refused.
        fingerprint: all of these together; where none is given, the name and all labels.
        labels: label -> its place. tags: places of objects, lists or comma-separated texts of `key:value`.
    """

    name: Sequence[Place]
    state: Sequence[Place] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    state_if_absent: str = ""
    alerts: Place | None = None
    fingerprint: Sequence[Place] = ()
    severity: Sequence[Place] = ()
    summary: Sequence[Place] = ()
    starts_at: Sequence[Place] = ()
    ends_at: Sequence[Place] = ()
    url: Sequence[Place] = ()
    labels: Mapping[str, Place] = field(default_factory=dict)
    tags: Sequence[Place] = ()


def generic(source: str, payload: Any, mapping: AlertMapping) -> Delivery:
    """Read a delivery by a mapping. Raises Refused."""
    found = [payload] if mapping.alerts is None else mapping.alerts.of(payload)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"where the alerts should be stands {shown(found)}")
    if len(found) > ALERTS_MAX:
        raise Refused(AlertRefusal.TOO_MANY, f"{len(found)} alerts, of at most {ALERTS_MAX}")
    if not found:
        return Delivery(ignored="it holds no alerts")
    known: dict[Place, Any] = {}
    alerts = [_Reader(source, payload, one, mapping, known).alert() for one in found]
    said = {alert.fingerprint: alert for alert in alerts if alert is not None}
    return Delivery(tuple(said.values()), ignored="" if said else "it changes no state")


class _Reader:
    """One alert of a delivery. `known`: what places of the whole payload hold, looked up once for all its alerts."""

    def __init__(self, source: str, payload: Any, one: Any, mapping: AlertMapping, known: dict[Place, Any]) -> None:
        if not isinstance(one, dict):
            raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"an alert is an object, and not {shown(one)}")
        self._source, self._payload, self._one, self._mapping, self._known = source, payload, one, mapping, known

    def alert(self) -> Alert | None:
        mapping = self._mapping
        name = self._text(mapping.name, NAME_CHARACTERS_MAX)
        if not name:
            raise Refused(AlertRefusal.NO_NAME, "no place of `name` holds a text")
        if _PLACEHOLDER.search(name):
            raise Refused(AlertRefusal.NOT_AN_EVENT, f"its name {shown(name)} is not filled in")
        word = self._state()
        if word == IGNORED:
            return None
        labels = labels_of(self._labels())
        summary = self._text(mapping.summary)
        state = AlertState(word)
        ends_at = next((time for time in map(time_of, self._values(mapping.ends_at)) if time is not None), None)
        return Alert(
            source=self._source,
            fingerprint=self._fingerprint(name, labels),
            name=name,
            state=state,
            severity=self._text(mapping.severity),
            labels=labels,
            annotations={"summary": summary} if summary else {},
            starts_at=next((time for time in map(time_of, self._values(mapping.starts_at)) if time is not None), None),
            ends_at=ends_at if state is AlertState.RESOLVED else None,
            url=next(filter(None, map(url_of, self._values(mapping.url))), ""),
        )

    def _state(self) -> str:
        said = self._text(self._mapping.state)
        if not said:
            if self._mapping.state_if_absent:
                return self._mapping.state_if_absent
            raise Refused(AlertRefusal.NO_STATE, "no place of `state` holds a text")
        states = {word.casefold(): state for word, state in self._mapping.states.items()}
        if said.casefold() not in states:
            known = ", ".join(self._mapping.states) or "none"
            raise Refused(AlertRefusal.NO_STATE, f"the state {shown(said)} is not among the words known: {known}")
        return states[said.casefold()]

    def _fingerprint(self, name: str, labels: Mapping[str, str]) -> str:
        if not self._mapping.fingerprint:
            return fingerprint_of_labels(name, labels)
        parts = [_whole(self._value(place)) for place in self._mapping.fingerprint]
        if not any(parts):
            raise Refused(AlertRefusal.NO_FINGERPRINT, "no place of `fingerprint` holds a text")
        return fingerprint_of(parts[0]) if len(parts) == 1 else digest(*parts)

    def _labels(self) -> Iterator[tuple[str, str]]:
        for place in self._mapping.tags:
            yield from _tags(self._value(place))
        for label, place in self._mapping.labels.items():
            yield label, _joined(self._value(place))

    def _text(self, places: Sequence[Place], characters_max: int | None = None) -> str:
        texts = (text_of(value, characters_max) if characters_max else text_of(value) for value in self._values(places))
        return next(filter(None, texts), "")

    def _values(self, places: Sequence[Place]) -> Iterator[Any]:
        return (self._value(place) for place in places)

    def _value(self, place: Place) -> Any:
        if place.root == "alert":
            return place.of(self._one)
        if place not in self._known:
            self._known[place] = place.of(self._payload)
        return self._known[place]


def _whole(value: Any) -> str:
    """A part of a fingerprint, uncut."""
    if isinstance(value, str):
        return value
    return _joined(value)


def _joined(value: Any) -> str:
    """A scalar, or the scalars of a list, as one text."""
    return ",".join(filter(None, map(text_of, value[:_TAGS_MAX]))) if isinstance(value, list) else text_of(value)


def _tags(value: Any) -> Iterator[tuple[str, str]]:
    """Labels of an object, of a list of `key:value`, or of such a list in one text; a tag without a value is true."""
    if isinstance(value, dict):
        yield from ((key, text_of(item)) for key, item in value.items())
        return
    tags = value.split(",", _TAGS_MAX)[:_TAGS_MAX] if isinstance(value, str) else value
    for tag in tags[:_TAGS_MAX] if isinstance(tags, list) else ():
        key, separator, item = text_of(tag, KEY_CHARACTERS_MAX + 300).partition(":")
        if key.strip():
            yield key.strip(), item.strip() if separator else "true"
