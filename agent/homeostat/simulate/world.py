"""The agent's loop over the sandbox plant, in virtual time: the demo, the shipped history and the tests run in it.

Only the clock is virtual. The loop, `step`, the journal, the executor and the sensor are the production ones; the
sensor reads the plant through the Prometheus HTTP API on loopback.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random

from homeostat.act.executor import Executor
from homeostat.loop import Loop, Outside
from homeostat.model.policy import Policy
from homeostat.model.ports import Actuator, Journal, Observer, Retrainer, Sensor
from homeostat.model.reasons import Phase
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings
from homeostat.simulate.sandbox.faults import Fault, draw
from homeostat.simulate.sandbox.plant import Plant
from homeostat.simulate.sandbox.plant_actuator import PlantActuator
from homeostat.simulate.sandbox.server import SandboxServer
from homeostat.simulate.sandbox.store import SampleStore

AGENT = "sandbox"
START = 1_767_225_600.0
"""The virtual clock begins at 2026-01-01T00:00:00Z."""
RETENTION_S = 3600.0
ACTUATOR = "plant"
"""The name under which policies know the plant's remedies."""
POLL_INTERVAL_S = 15.0
CALM_S = 2 * 3600.0
"""Quiet time between two faults: windows of the signals must have forgotten the last one."""
INCIDENT_S_MAX = 4 * 3600.0
"""After this long the next shift repairs the plant by hand, whatever the agent is doing."""
UNNOTICED_S = 600.0
"""A fault that has opened no incident by then never will."""
RELAPSE_WATCH_S = 600.0
"""A cure that does not hold shows within this; the next shift comes after it."""


class PlantClock:
    """Implements `model.ports.Clock` on the plant's own virtual time: waiting lets the plant run on."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def now(self) -> float:
        """Virtual Unix seconds."""
        return self._plant.now

    def wait(self, seconds: float) -> bool:
        """Let the plant run for `seconds`; nobody ever asks it to stop."""
        self._plant.advance(self._plant.now + seconds)
        return False


class World:
    """A plant and an agent that looks after it.

    Args:
        seed: origin of faults, incident ids and decisions. The plant has its own.
        actuator_name: the name under which policies know the plant's remedies.
    """

    def __init__(
        self,
        plant: Plant,
        sensor: Sensor,
        journal: Journal,
        observer: Observer,
        policies: Mapping[str, Policy],
        seed: int,
        retrainer: Retrainer | None = None,
        poll_interval_s: float = POLL_INTERVAL_S,
    ) -> None:
        self.plant = plant
        self._poll_interval_s = poll_interval_s
        self.clock = PlantClock(plant)
        self.actuator = PlantActuator(plant)
        self._faults = Random(seed)
        actuators: Mapping[str, Actuator] = {ACTUATOR: self.actuator}
        outside = Outside(self.clock, sensor, Executor(actuators), journal, observer, retrainer)
        self.journal = journal
        self.loop = Loop(outside, policies, AGENT, seed)

    def start(self, version: str) -> None:
        """Let the plant come to its usual state, and the agent come up."""
        self.clock.wait(CALM_S)
        self.loop.recover(version)

    def draw(self) -> Fault:
        """Draw the next fault of the plant's mix."""
        return draw(self._faults)

    def strike(self, fault: Fault) -> str | None:
        """Let a fault strike and the agent deal with it; give the last incident's id, None if it noticed nothing.

        Afterwards the next shift brings the plant back to normal, and calm returns.
        """
        struck_at = self.clock.now()
        self.plant.inject(fault, struck_at)
        incident: str | None = None
        quiet_since = struck_at
        while self.clock.now() - struck_at < INCIDENT_S_MAX and not self._with_people():
            self._tick()
            if self.loop.incidents:
                incident = self.loop.incidents[-1].id
                quiet_since = self.clock.now()
            elif self.clock.now() - quiet_since >= (UNNOTICED_S if incident is None else RELAPSE_WATCH_S):
                break
        self.plant.reset()
        self._calm()
        return incident

    def run_for(self, seconds: float) -> None:
        """Let the agent watch the plant for a while."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self._tick()

    def _tick(self) -> None:
        self.loop.tick()
        self.clock.wait(self._poll_interval_s)

    def _with_people(self) -> bool:
        return any(incident.phase is Phase.ESCALATED for incident in self.loop.incidents)

    def _calm(self) -> None:
        """Until nothing is open, and then until the signals have had time to forget."""
        limit = self.clock.now() + INCIDENT_S_MAX
        while self.loop.incidents and self.clock.now() < limit:
            self._tick()
        self.clock.wait(CALM_S)


@contextmanager
def sandbox(
    policies: Mapping[str, Policy],
    journal: Journal,
    observer: Observer,
    seed: int,
    retrainer: Retrainer | None = None,
    *,
    store: SampleStore | None = None,
    poll_interval_s: float = POLL_INTERVAL_S,
) -> Iterator[World]:
    """A world whose sensor reads the plant over HTTP on loopback, behind a token; taken apart afterwards.

    `store` keeps the plant's samples; a new one of `RETENTION_S` where none is given.
    """
    store = SampleStore(retention_s=RETENTION_S) if store is None else store
    plant = Plant(store, seed, START)
    token = secrets.token_urlsafe(16)
    server = SandboxServer(store, PlantClock(plant), token)
    reach = PrometheusSettings(url=server.url, token="env:SANDBOX_TOKEN")  # noqa: S106 - a reference
    sensor = PrometheusSensor(reach, environ={"SANDBOX_TOKEN": token})
    try:
        yield World(plant, sensor, journal, observer, policies, seed, retrainer, poll_interval_s)
    finally:
        sensor.close()
        server.close()
