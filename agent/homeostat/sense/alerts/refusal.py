"""What a delivery comes to: alerts, or the reason why there are none, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from homeostat.model.alerts import Alert


class AlertRefusal(StrEnum):
    """Why nothing was taken from a delivery. Sending the same again never helps."""

    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY = "too_many"
    DUPLICATE_KEYS = "duplicate_keys"
    UNKNOWN_SHAPE = "unknown_shape"
    UNSUPPORTED_VERSION = "unsupported_version"
    TRUNCATED = "truncated"
    NOT_AN_EVENT = "not_an_event"
    NO_NAME = "no_name"
    NO_FINGERPRINT = "no_fingerprint"
    NO_STATE = "no_state"


ADVICE: Mapping[AlertRefusal, str] = {
    AlertRefusal.NOT_JSON: "send JSON in UTF-8",
    AlertRefusal.TOO_LARGE: "let the source send fewer alerts at once (Alertmanager: max_alerts)",
    AlertRefusal.TOO_DEEP: "send a flatter payload",
    AlertRefusal.TOO_MANY: "let the source send fewer alerts at once (Alertmanager: max_alerts)",
    AlertRefusal.DUPLICATE_KEYS: "an object must hold each key once, or nobody knows which one counts",
    AlertRefusal.UNKNOWN_SHAPE: "see `kind` and the mapping of this source in homeostat.toml",
    AlertRefusal.UNSUPPORTED_VERSION: "see `kind` of this source in homeostat.toml, and the sender's version",
    AlertRefusal.TRUNCATED: "raise the sender's bound on alerts in one delivery",
    AlertRefusal.NOT_AN_EVENT: "send the events that are made of it",
    AlertRefusal.NO_NAME: "give the alert a name, or name its place in the mapping of this source",
    AlertRefusal.NO_FINGERPRINT: "name places in the mapping that every delivery fills",
    AlertRefusal.NO_STATE: "name the place and the words of the state in the mapping of this source",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing was taken: `reason`, and in `detail` where it is and what it says."""

    reason: AlertRefusal
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}; {ADVICE[self.reason]}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was taken.

    Attributes:
        alerts: each (source, fingerprint) once, as it was said last.
        truncated: how many more the source says it has left out.
        ignored: why a delivery without alerts is none that need be refused: a test of the connection, a comment.
    """

    alerts: tuple[Alert, ...] = ()
    truncated: int = 0
    ignored: str = ""


class Refused(Exception):
    """Carries a refusal out of a parser; `parse` gives it as a value."""

    def __init__(self, reason: AlertRefusal, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(reason, detail)
