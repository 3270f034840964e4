"""A plant with a recorder, and one fault met by one remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from homeostat.model.commands import Done, StartAction
from homeostat.model.policy import ActionSpec, Scalar
from homeostat.model.reasons import OutcomeStatus
from homeostat.simulate.sandbox import faults
from homeostat.simulate.sandbox.faults import Fault
from homeostat.simulate.sandbox.plant import Plant
from homeostat.simulate.sandbox.plant_actuator import PlantActuator
from homeostat.simulate.sandbox.remedies import REMEDIES

START_AT = 1_700_000_000.0
ARGUMENTS: dict[str, dict[str, Scalar]] = {"pool.scale_up": {"by": 0.5, "max": 80}}


class Nowhere:
    """Forgets every sample."""

    def append(self, metric: str, labels: Mapping[str, str], at: float, value: float) -> None:
        pass


@dataclass
class Recorder:
    """Keeps every sample: (metric, its label values joined by commas) -> [(at, value), ...]."""

    series: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)

    def append(self, metric: str, labels: Mapping[str, str], at: float, value: float) -> None:
        self.series.setdefault((metric, ",".join(labels.values())), []).append((at, value))

    def last(self, metric: str, label: str = "") -> float:
        return self.series[metric, label][-1][1]

    def values(self, metric: str, label: str = "", since: float = -math.inf) -> list[float]:
        return [value for at, value in self.series[metric, label] if at >= since]

    def increase(self, metric: str, label: str = "", scrapes: int = 12) -> float:
        values = self.series[metric, label]
        return values[-1][1] - values[-1 - scrapes][1]

    def error_share(self, scrapes: int = 12) -> float:
        by_code = {code: self.increase("payments_requests_total", code, scrapes) for code in ("200", "500", "503")}
        return (by_code["500"] + by_code["503"]) / sum(by_code.values())


def start_action(
    name: str, key: str = "key", arguments: Mapping[str, Scalar] | None = None, timeout_s: float = 900.0
) -> StartAction:
    given = ARGUMENTS.get(name, {}) if arguments is None else arguments
    return StartAction(key, ActionSpec(name, "plant", {}), REMEDIES[name].target, given, timeout_s)


def finish(plant: Plant, actuator: PlantActuator, key: str = "key") -> Done:
    """Let time pass until the action has ended."""
    for _ in range(400):
        report = actuator.lookup(key)
        if isinstance(report, Done):
            return report
        plant.advance(plant.now + 5.0)
    raise AssertionError(f"{key} has not ended after 2000 s")


def await_health(plant: Plant, wanted: bool, within_s: float) -> float | None:
    """Let time pass until the users' view is `wanted`; give the seconds that took."""
    since = plant.now
    while plant.now < since + within_s:
        plant.advance(plant.now + 5.0)
        if plant.healthy is wanted:
            return plant.now - since
    return None


def stays_healthy(plant: Plant, for_s: float, within_s: float) -> bool:
    """Whether the users are content for `for_s` without a break, at the latest `within_s` from now."""
    until = plant.now + within_s
    good_s = 0.0
    while plant.now < until and good_s < for_s:
        plant.advance(plant.now + 5.0)
        good_s = good_s + 5.0 if plant.healthy else 0.0
    return good_s >= for_s


@dataclass(frozen=True)
class Trial:
    """How a remedy fared: was it verified (2 min within 5 min), and were the users content 15 min later?

    Attributes:
        onset_s: from the fault to the users' first complaint; None: they never complained.
        room: share of the standby site's capacity that was free when the remedy was started.
    """

    fault: Fault
    onset_s: float | None
    status: OutcomeStatus
    verified: bool
    lasting: bool
    room: float


def trial(fault_name: str, remedy: str | None, seed: int) -> Trial:
    """Draw a fault of that name, wait until the users complain, wait 45 s, apply the remedy, watch."""
    rng = Random(f"{fault_name}/{seed}")
    samples = Recorder()
    plant = Plant(samples, seed, START_AT + rng.uniform(0.0, 86_400.0))
    actuator = PlantActuator(plant)
    plant.advance(plant.now + 60.0)
    fault = faults.draw_named(fault_name, rng)
    plant.inject(fault, plant.now)
    onset_s = await_health(plant, wanted=False, within_s=300.0)
    plant.advance(plant.now + 45.0)
    room = samples.last("standby_capacity_ratio")
    status = OutcomeStatus.OK
    if remedy is not None:
        actuator.start(start_action(remedy))
        status = finish(plant, actuator).status
    verified = stays_healthy(plant, for_s=120.0, within_s=300.0)
    plant.advance(plant.now + 900.0)
    return Trial(fault, onset_s, status, verified, verified and plant.healthy, room)
