"""The shape of a `*.test.yaml` file: the one source of its validation. `docs/policy-tests.md` explains every key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainValidator, model_validator

from homeostat.model.policy import Mode
from homeostat.model.reasons import AnswerRefusal, AttemptVerdict, EscalationReason, Phase, Reason
from homeostat.policy.fields import Duration, Name, PositiveDuration, Text, Whole, shown, wrong
from homeostat.policy.parts import Names, Part
from homeostat.policy.units import parse_duration

ENTRIES_MAX = 2000
INTERVAL_S_MIN = 1.0
RESULTS = ("none", "open", "resolved", "recovered", "self_healed", "escalated", "dismissed")

_MAPPING = "a mapping is wanted, not {}"


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > ENTRIES_MAX:
        raise wrong("E112", _MAPPING.format(shown(value)))
    return value


def _entries(value: object) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= ENTRIES_MAX:
        raise wrong("E112", f"a list of 1 to {ENTRIES_MAX} entries is wanted, not {shown(value)}")
    return value


def _moment(value: object) -> float:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise wrong("E112", f"{shown(value)} is not a time; write it like 2026-12-01T22:15:00Z")
    return moment.timestamp()


def _attempts(value: object) -> bool | int | tuple[int, ...]:
    """Which attempts: all (true), the first so many, or those listed."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value >= 0:
        return value
    if isinstance(value, list) and all(type(number) is int and number > 0 for number in value):
        return tuple(value)
    raise wrong("E112", f"true, a number of first attempts, or a list of attempts is wanted, not {shown(value)}")


def _starts(value: object) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise wrong("E112", f"a list of actions or steps is wanted, not {shown(value)}")
    return names


def _guards(value: object) -> str | dict[str, Any]:
    if isinstance(value, dict) or (isinstance(value, str) and value.strip()):
        return value
    raise wrong("E112", f"the name of a guards file, or guards, is wanted, not {shown(value)}")


def _interval(value: object) -> float:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else 0.0
    except ValueError as error:
        raise wrong("E113", str(error)) from None
    if seconds < INTERVAL_S_MIN:
        raise wrong("E192", f"a duration of at least {INTERVAL_S_MIN:g}s is wanted, like 30s, not {shown(value)}")
    return seconds


Interval = Annotated[float, PlainValidator(_interval)]
Mapping = Annotated[dict[str, Any], PlainValidator(_mapping)]
Entries = Annotated[list[Any], PlainValidator(_entries)]
Moment = Annotated[float, PlainValidator(_moment)]
Attempts = Annotated[bool | int | tuple[int, ...], PlainValidator(_attempts)]
Starts = Annotated[list[str], PlainValidator(_starts)]


class ConductFields(Part):
    """How an action runs."""

    ENDINGS: ClassVar = ("refused", "lost", "deaf", "hang", "fails")

    takes: Duration | None = None
    fails: Attempts = False
    hang: Attempts = False
    deaf: Attempts = False
    lost: Attempts = False
    refused: Attempts = False


class EffectFields(Part):
    """The long form of an entry of `after`."""

    set: Mapping
    delay: Duration = 0.0


class AnswerFields(Part):
    """What a person says, and when."""

    KINDS: ClassVar = ("approve", "deny", "request", "done", "failed", "take_over", "pause", "resume")

    at: Duration
    by: Text
    approve: Text | None = None
    deny: Text | None = None
    request: Text | None = None
    done: Text | None = None
    failed: Text | None = None
    take_over: Text | None = None
    pause: Text | None = None
    resume: Text | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if len([kind for kind in self.KINDS if getattr(self, kind) is not None]) != 1:
            raise wrong("E112", f"an answer says one of {', '.join(self.KINDS)}")
        return self

    @property
    def said(self) -> tuple[str, str]:
        """The kind, and the step or policy it is about."""
        return next((kind, getattr(self, kind)) for kind in self.KINDS if getattr(self, kind) is not None)


class SettingFields(Part):
    """What a test runs in; a file gives it for all its tests."""

    environment: Name | None = None
    guards: Annotated[str | dict[str, Any], PlainValidator(_guards)] | None = None
    people: dict[str, Names] | None = None
    actions: dict[str, ConductFields] = Field(default_factory=dict)
    after: Mapping = Field(default_factory=dict)
    answers: Annotated[list[AnswerFields], Field(max_length=ENTRIES_MAX)] | None = None
    mode: Annotated[Mode, Field(strict=False)] | None = None
    clock: Moment | None = None


class ExpectFields(Part):
    """One expectation: exactly one of `KINDS`, with what goes with it."""

    KINDS: ClassVar = (
        "start", "order", "together", "never", "count", "result", "state", "withheld", "decided", "verdict",
        "asked", "refused",
    )  # fmt: skip
    TIMED: ClassVar = ("start", "state", "asked")
    NOT_TIMED: ClassVar = ("order", "together", "never", "count")

    at: Duration | None = None
    start: Starts | None = None
    order: Starts | None = None
    together: Starts | None = None
    never: Starts | None = None
    count: dict[str, Annotated[Whole, Field(ge=0)]] | None = None
    result: Literal["none", "open", "resolved", "recovered", "self_healed", "escalated", "dismissed"] | None = None
    to: Text | None = None
    severity: Text | None = None
    reason: Annotated[EscalationReason, Field(strict=False)] | None = None
    state: Annotated[Phase, Field(strict=False)] | None = None
    withheld: dict[str, Annotated[Reason, Field(strict=False)]] | None = None
    decided: dict[str, Text] | None = None
    verdict: dict[str, Annotated[AttemptVerdict, Field(strict=False)]] | None = None
    asked: Starts | None = None
    refused: dict[str, Annotated[AnswerRefusal, Field(strict=False)]] | None = None

    @model_validator(mode="after")
    def _expects_one_thing(self) -> Self:
        given = [kind for kind in self.KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise wrong("E112", f"an expectation says one of {', '.join(self.KINDS)}")
        if given[0] not in self.TIMED and not getattr(self, given[0]):
            raise wrong("E112", f"'{given[0]}' names nothing, so nothing is expected")
        if self.at is None and given[0] in self.TIMED:
            raise wrong("E111", f"'{given[0]}' is expected at a time: say it with 'at'")
        if self.at is not None and given[0] in self.NOT_TIMED:
            raise wrong("E112", f"'{given[0]}' is about the whole test and goes without 'at'")
        if self.result != "escalated" and (self.to or self.severity or self.reason):
            raise wrong("E112", "'to', 'severity' and 'reason' go with 'result: escalated'")
        return self

    @property
    def kind(self) -> str:
        """Which of `KINDS` it is."""
        return next(kind for kind in self.KINDS if getattr(self, kind) is not None)


class CaseFields(SettingFields):
    """One test."""

    name: Text
    signals: Mapping = Field(default_factory=dict)
    until: PositiveDuration | None = None
    expect: Entries


class SuiteFields(SettingFields):
    """The root of a test file."""

    policy: Text
    interval: Interval = 30.0
    defaults: Mapping = Field(default_factory=dict)
    tests: Entries
