"""Drills on the embedded plant: the ordinary loop, sensor and executor in virtual time, judged by the plant's users.

The verdict is the plant's ground truth, which no signal shows: how many requests its users really lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from homeostat.app.drill_entries import drill_entry
from homeostat.model.entries import Entry
from homeostat.model.errors import ActuatorError, UsageError
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch, Journal
from homeostat.model.signals import Snapshot
from homeostat.model.streams import AGENT_STREAM
from homeostat.rig.drill import limit_of, policies_tried
from homeostat.rig.fault_file import Fault, Vocabulary, faults_in
from homeostat.rig.verdict import Begun, DrillResult, Seen, judge
from homeostat.simulate.sandbox.api import PrometheusApi
from homeostat.simulate.sandbox.injections import FOLDER, VERBS, inject
from homeostat.simulate.sandbox.plant import Plant
from homeostat.simulate.sandbox.remedies import REMEDIES
from homeostat.simulate.sandbox.store import SampleStore
from homeostat.simulate.world import ACTUATOR, POLL_INTERVAL_S, RELAPSE_WATCH_S, RETENTION_S, World, sandbox
from homeostat.version import __version__

LIMIT_S_MAX = 4 * 3600.0
CLEAN_S = 60.0
"""How long users must have been served well, up to the end of the drill."""
BASELINE_S = 120.0
CONTROL_S = 1800.0
STEP_S = POLL_INTERVAL_S

VOCABULARY = Vocabulary(("sandbox",), VERBS, REMEDIES, LIMIT_S_MAX)


def sandbox_faults() -> dict[str, Fault]:
    """The shipped faults of the plant by name, sorted."""
    return faults_in(FOLDER, VOCABULARY)


class _Failing:
    """Implements `model.ports.Observer`: what goes wrong beside the drill fails it as an error, not as a verdict."""

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """See `model.ports.Observer`."""

    def appended(self, stream: str, entries: Sequence[Entry]) -> None:
        """See `model.ports.Observer`."""

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""
        raise ActuatorError(f"the sandbox failed at {what}: {error}") from error


class _Users:
    """The plant's users from now on: (seconds since, whether they are served well) at each scrape."""

    def __init__(self, plant: Plant) -> None:
        self.since = plant.now
        self._plant = plant
        self._served_before = plant.served
        self._well: list[tuple[float, bool]] = []
        plant.scraped = self._note

    def _note(self, at: float) -> None:
        self._well.append((at - self.since, self._plant.healthy))

    def seen(self) -> Seen:
        """What they saw so far. The plant keeps no payments, so nobody can tell of payments that got lost later."""
        bad = [after_s for after_s, well in self._well if not well]
        ended_s = self._well[-1][0] if self._well else 0.0
        is_well = bool(self._well) and (not bad or ended_s - bad[-1] >= CLEAN_S)
        return Seen(
            visible_after_s=bad[0] if bad else None,
            clean_after_s=bad[-1] if bad and is_well else None,
            well_in_the_end=is_well,
            acknowledged=self._plant.served - self._served_before,
            lost=None,
        )


def run_sandbox_drill(fault: Fault, policies: Path, journal: Journal, seed: int) -> DrillResult:
    """Try one fault against the ordinary loop on a new plant; the drilled agent's journal is `journal`.

    Raises:
        UsageError: a policy is not there, or acts on what the plant does not have.
        PolicyError: a policy is wrong.
        ActuatorError: the sandbox itself failed.
    """
    tried = policies_tried(policies, fault)
    for policy in tried:
        _check_actions(policy)
    hashes = {policy.name: policy.hash for policy in tried}
    began_at = time.time()
    store = SampleStore(retention_s=RETENTION_S)
    with sandbox({policy.name: policy for policy in tried}, journal, _Failing(), seed, store=store) as world:
        world.start(__version__)
        world.run_for(BASELINE_S)
        if not world.plant.healthy:
            raise ActuatorError(
                f"users of the plant are not served well before the fault; try another seed than {seed}"
            )
        struck_at = world.clock.now()
        result = _broken(world, PrometheusApi(store, world.clock), fault, limit_of(fault, tried), began_at)
        ran = drill_entry(replace(result, policies=hashes, began_at=struck_at), at=world.clock.now())
        journal.append([Batch(AGENT_STREAM, None, [ran])])
    return replace(result, policies=hashes)


def _check_actions(policy: Policy) -> None:
    for step in (*policy.leaves.values(), *policy.undos.values()):
        if step.action.actuator != ACTUATOR:
            raise UsageError(
                f"{policy.name}: '{step.id}' does {step.action.name} by the actuator '{step.action.actuator}'; the"
                f" sandbox has '{ACTUATOR}' alone, and a policy that acts on anything else is drilled where that is"
            )


def _broken(world: World, api: PrometheusApi, fault: Fault, limit_s: float, began_at: float) -> DrillResult:
    users, begun_before = _Users(world.plant), len(world.actuator.begun)
    for step in fault.inject:
        for verb, what in step.items():
            inject(world.plant, VERBS[verb](what))
    cause_after_s = _watch(world, api, fault, users, limit_s)
    begun = [Begun(action, at - users.since) for at, action in world.actuator.begun[begun_before:]]
    return judge(fault, limit_s, users.seen(), begun, cause_after_s, began_at)


def _watch(world: World, api: PrometheusApi, fault: Fault, users: _Users, limit_s: float) -> float | None:
    """Let the agent work until users are served well for good, or the limit; returns when the cause was to be seen."""
    cause_after_s: float | None = None
    watch_s = CONTROL_S if fault.control else limit_s + CLEAN_S
    while (waited_s := world.clock.now() - users.since) < watch_s:
        world.run_for(STEP_S)
        if fault.cause is not None and cause_after_s is None and _yields(api, fault.cause):
            cause_after_s = round(world.clock.now() - users.since, 2)
        clean_s = users.seen().clean_after_s
        if not fault.control and clean_s is not None and waited_s - clean_s > RELAPSE_WATCH_S:
            break
    return cause_after_s


def _yields(api: PrometheusApi, expression: str) -> bool:
    """Whether an expression has a result in the plant's Prometheus. Raises UsageError: it is none."""
    answer = api.answer("/api/v1/query", {"query": [expression]})
    said = json.loads(answer.body)
    if said["status"] != "success":
        raise UsageError(f"the fault's cause cannot be asked for: {said['error']}")
    return bool(said["data"]["result"])
