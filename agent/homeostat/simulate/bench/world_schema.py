"""The shape of a `*.world.yaml` file: the one source of its validation. `docs/worlds.md` explains every key."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, PlainValidator, Tag, model_validator

from homeostat.policy.fields import ConditionField, Duration, Name, PositiveDuration, is_number, shown, wrong
from homeostat.policy.parts import Part
from homeostat.policy.units import parse_quantity
from homeostat.simulate.bench.suite_schema import Interval, Mapping

CAUSES_MAX = 1000
TICKS_MAX = 100_000
"""An incident is watched for so many ticks at the most."""
SPREAD_MAX = 5.0
FACTOR_MAX = 1000.0


def _share(value: object) -> float:
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, str) and value.endswith("%"):
        try:
            share = parse_quantity(value)
        except ValueError as error:
            raise wrong("E112", str(error)) from None
        if share <= 1.0:
            return share
    raise wrong("E112", f"a probability from 0% to 100% is wanted, not {shown(value)}")


def _bounded(value: object, above: float, maximum: float) -> float:
    if not isinstance(value, int | float) or not is_number(value) or not above < value <= maximum:
        raise wrong("E112", f"a number above {above:g}, at most {maximum:g}, is wanted, not {shown(value)}")
    return float(value)


def _spread(value: object) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else _bounded(value, 0.0, SPREAD_MAX)


Share = Annotated[float, PlainValidator(_share)]
Spread = Annotated[float, PlainValidator(_spread)]
Weight = Annotated[float, PlainValidator(lambda value: _bounded(value, 0.0, 1e6))]
Factor = Annotated[float, PlainValidator(lambda value: _bounded(value, 0.0, FACTOR_MAX))]


class DurationFields(Part):
    """A lognormal duration.

    Attributes:
        spread: standard deviation as a share of the mean; 0: always the mean.
    """

    mean: Duration
    spread: Spread = 0.0


def _is_mapping(value: object) -> str:
    return "<mapping>" if isinstance(value, dict) else "<other>"


Takes = Annotated[
    Annotated[DurationFields, Tag("<mapping>")] | Annotated[Duration, Tag("<other>")], Discriminator(_is_mapping)
]
"""A duration, fixed (seconds) or drawn."""


class WorldActionFields(Part):
    """How an action goes, and what it does. What is not given under a cause is as it is otherwise."""

    takes: Takes | None = None
    succeeds: Share | None = None
    sets: Mapping | None = None
    requires: ConditionField | None = None
    delay: Duration | None = None
    cures: Share | None = None


class HealsFields(Part):
    """A cause that may go by itself."""

    after: Takes
    probability: Share = 1.0


class CauseFields(Part):
    """One way to break."""

    name: Name
    weight: Weight = 1.0
    sets: Mapping
    cures: dict[str, Share] = Field(default_factory=dict)
    heals: HealsFields | None = None
    actions: dict[str, WorldActionFields] = Field(default_factory=dict)


class PeopleFields(Part):
    """How people answer."""

    answer: Takes = 0.0
    agree: Share = 1.0


class SlowFields(Part):
    """Runs that take longer than they should."""

    share: Share
    factor: Factor


class LateFields(Part):
    """Signals whose samples come old: in a share of incidents each, by a time that is drawn once."""

    share: Share
    by: Takes


class LyingFields(Part):
    """Signals that show their healthy values all through a share of incidents each.

    Attributes:
        signals: those that may; None: any.
    """

    share: Share
    signals: list[str] | None = None


class RestartFields(Part):
    """In a share of incidents the agent stops so long after the strike, and begins again from its journal.

    Attributes:
        down: how long nobody looks.
    """

    share: Share
    after: Takes
    down: Duration = 30.0


class RelapseFields(Part):
    """Cures that do not last: the cause strikes again so long after."""

    probability: Share
    after: Takes


class FaultsFields(Part):
    """What goes wrong beside the incident.

    Attributes:
        failing: share of runs that end with an error, whatever the actions' own `succeeds` say.
    """

    missing: Share = 0.0
    late: LateFields | None = None
    lying: LyingFields | None = None
    slow: SlowFields | None = None
    failing: Share = 0.0
    restarts: RestartFields | None = None
    relapses: RelapseFields | None = None


class WorldFields(Part):
    """The root of a world file."""

    world: Name
    interval: Interval = 30.0
    signals: dict[str, Any]
    incident_max: PositiveDuration = 43200.0
    causes: Annotated[list[CauseFields], Field(min_length=1, max_length=CAUSES_MAX)]
    actions: dict[str, WorldActionFields] = Field(default_factory=dict)
    people: PeopleFields = PeopleFields()
    faults: FaultsFields = FaultsFields()

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.incident_max / self.interval > TICKS_MAX:
            raise wrong("E192", f"incident_max is more than {TICKS_MAX} times the interval")
        return self
