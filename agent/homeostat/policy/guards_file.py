"""`guards.yaml`: the guards that all policies of a folder share, from text to `model.guards.Guards`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from homeostat.model.errors import PolicyError, Problem
from homeostat.model.guards import (
    NO_GUARDS,
    WINDOW_S_MAX,
    BlastRadius,
    Guards,
    Maintenance,
    Rate,
    Recurrence,
    Storm,
    Telemetry,
)
from homeostat.policy.catalogues import Signals, read_signals
from homeostat.policy.fields import ConditionField, Duration, Name, Share, ValidationContext, Whole, shown, wrong
from homeostat.policy.parts import LINK, Part
from homeostat.policy.schema_errors import validated
from homeostat.policy.sources import FolderSources, SourceError
from homeostat.policy.yaml_tree import Document, read_yaml

FILE_NAME = "guards.yaml"
ENTRIES_MAX = 100
STARTS_MAX = 4000
"""A rate may not allow more starts than the ledger remembers."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_GLOB = re.compile(r"[A-Za-z0-9_.:/@*?\[\]!-]{1,200}", re.ASCII)


def _glob(value: object) -> str:
    if not isinstance(value, str) or _GLOB.fullmatch(value) is None:
        raise wrong("E112", f"a pattern over targets or policies is wanted, like node/*, not {shown(value)}")
    return value


def _instant(value: object) -> float:
    """A time of day as seconds after midnight (negative: none such), or a moment as Unix seconds."""
    if isinstance(value, str):
        time_of_day = _TIME_OF_DAY.fullmatch(value)
        if time_of_day is not None:
            return int(time_of_day[1]) * 3600.0 + int(time_of_day[2]) * 60.0
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return moment.timestamp()
    raise wrong(
        "E112", f'{shown(value)} is neither a time of day in UTC like "02:00" nor a moment like 2026-12-01T22:00:00Z'
    )


Glob = Annotated[str, PlainValidator(_glob), WithJsonSchema({"type": "string"})]
Instant = Annotated[float, PlainValidator(_instant), WithJsonSchema({"type": "string"})]


class _Windowed(Part):
    within: Duration

    @model_validator(mode="after")
    def _is_remembered(self) -> Self:
        if not 0.0 < self.within <= WINDOW_S_MAX:
            raise wrong("E113", f"guards look back more than 0 and at most {WINDOW_S_MAX / 86400:g}d")
        return self


class RateFields(_Windowed):
    """At most `max` starts within a window, counted together or per policy, action and target."""

    per: list[Literal["policy", "action", "target"]] = Field(max_length=3)
    actions: Glob = "*"
    targets: Glob = "*"
    starts_max: Annotated[Whole, Field(ge=0, le=STARTS_MAX)] = Field(alias="max")


class BlastRadiusFields(_Windowed):
    """How many distinct targets may be touched within a window, as a number and as a share of those there are."""

    targets: Glob
    count_max: Annotated[Whole, Field(ge=0)] | None = Field(None, alias="max")
    share_max: Share | None = Field(None, alias="max_percent")
    eligible: int | str | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.count_max is None and self.share_max is None:
            raise wrong("E111", "a blast radius has a 'max', a 'max_percent', or both")
        if (self.share_max is None) is not (self.eligible is None):
            raise wrong(
                "E111", "'max_percent' goes with 'eligible': how many such targets there are, or the signal that tells"
            )
        return self


class StormFields(_Windowed):
    """So many incidents within a window."""

    incidents: Annotated[Whole, Field(ge=1)]


class RecurrenceFields(_Windowed):
    """What has been used in so many incidents within a window is no cure in the next."""

    incidents: Annotated[Whole, Field(ge=1)]
    actions: Glob = "*"
    targets: Glob = "*"


class MaintenanceFields(Part):
    """A time in which the agent keeps its hands off: once, or on weekdays."""

    name: Name
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = Field(
        None, min_length=1, max_length=7
    )
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    policies: list[Glob] = Field(default_factory=lambda: ["*"], min_length=1, max_length=ENTRIES_MAX)
    targets: list[Glob] = Field(default_factory=lambda: ["*"], min_length=1, max_length=ENTRIES_MAX)

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        recurring = (self.start < 86400.0, self.end < 86400.0)
        if recurring != (self.days is not None,) * 2:
            raise wrong("E112", "with 'days', from and to are times of day; without, they are moments")
        if self.days is None and self.end <= self.start:
            raise wrong("E112", "it ends before it begins")
        return self


class TelemetryFields(Part):
    """When the data are too poor to act on."""

    known_min: Share = 0.0
    condition: ConditionField | None = Field(None, alias="if")


class GuardsFile(Part):
    """The root of `guards.yaml`."""

    rates: list[RateFields] = Field(default_factory=list, max_length=ENTRIES_MAX)
    blast_radius: list[BlastRadiusFields] = Field(default_factory=list, max_length=ENTRIES_MAX)
    storm: StormFields | None = None
    recurrence: list[RecurrenceFields] = Field(default_factory=list, max_length=ENTRIES_MAX)
    maintenance: list[MaintenanceFields] = Field(default_factory=list, max_length=ENTRIES_MAX)
    telemetry: TelemetryFields | None = None
    signals: Annotated[dict[str, Any], WithJsonSchema({LINK: "Signals"})] = Field(default_factory=dict)


def load_guards(folder: Path) -> Guards:
    """Read the guards of a folder of policies; without a file nothing is guarded.

    Raises:
        PolicyError: every problem found, each with its position.
    """
    if not (folder / FILE_NAME).exists():
        return NO_GUARDS
    sources = FolderSources(folder)
    try:
        text = sources.read(FILE_NAME)
    except SourceError as error:
        raise PolicyError([Problem(Document(sources.display(FILE_NAME), "").at(()), "E100", str(error))]) from error
    return guards_from(text, sources.display(FILE_NAME))


def guards_from(text: str, file: str) -> Guards:
    """Read guards from their file's text.

    Raises:
        PolicyError: every problem found, each with its position.
    """
    document = read_yaml(text, file)
    guards, problems = _read(document, text)
    if guards is None or problems:
        raise PolicyError(problems)
    return guards


def _read(document: Document, text: str) -> tuple[Guards | None, list[Problem]]:
    problems = list(document.problems)
    if not isinstance(document.data, dict):
        if not problems:
            message = f"guards are a mapping of keys like 'rates' and 'storm', not {shown(document.data)}"
            problems.append(Problem(document.at(()), "E112", message))
        return None, problems
    signals = Signals(document, ("signals",), inline=True)
    if document.data.get("signals"):
        signals, wrong_signals = read_signals(document.data["signals"], document, ("signals",), inline=True)
        problems += wrong_signals
    fields = validated(GuardsFile, document.data, document, (), ValidationContext(signals.specs))
    if isinstance(fields, list):
        return None, [*problems, *fields]
    problems += _unknown_signals(fields, signals, document)
    return _guards(fields, signals, text), problems


def _unknown_signals(fields: GuardsFile, signals: Signals, document: Document) -> Iterable[Problem]:
    for place, radius in enumerate(fields.blast_radius):
        if isinstance(radius.eligible, str) and radius.eligible not in signals.specs:
            message = f"no signal of this file is named '{radius.eligible}'"
            yield Problem(document.at(("blast_radius", place, "eligible")), "E121", message)


def _guards(fields: GuardsFile, signals: Signals, text: str) -> Guards:
    telemetry = fields.telemetry
    return Guards(
        rates=tuple(
            Rate(frozenset(rate.per), rate.starts_max, rate.within, rate.actions, rate.targets) for rate in fields.rates
        ),
        blast_radius=tuple(
            BlastRadius(radius.targets, radius.within, radius.count_max, radius.share_max, radius.eligible)
            for radius in fields.blast_radius
        ),
        storm=Storm(fields.storm.incidents, fields.storm.within) if fields.storm else None,
        recurrence=tuple(
            Recurrence(known.incidents, known.within, known.actions, known.targets) for known in fields.recurrence
        ),
        maintenance=tuple(_maintenance(window) for window in fields.maintenance),
        telemetry=Telemetry(telemetry.known_min, telemetry.condition) if telemetry else None,
        signals=signals.specs,
        hash=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        text=text,
    )


def _maintenance(fields: MaintenanceFields) -> Maintenance:
    days = None if fields.days is None else frozenset(_DAYS.index(day) for day in fields.days)
    return Maintenance(fields.name, fields.start, fields.end, days, tuple(fields.policies), tuple(fields.targets))
