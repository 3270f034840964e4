"""How it is usually done, so that the search for crashes has something to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.simulation.crash_world import STAGE_S, Hands, Runner, World

from homeostat.decide.identity import dormant_incident
from homeostat.decide.projection import fold
from homeostat.loop import Outside
from homeostat.model import entries as e
from homeostat.model.commands import Command, Done, NeverStarted, Report, Running, StartAction
from homeostat.model.incident import Incident
from homeostat.model.policy import Do, Policy
from homeostat.model.ports import Batch
from homeostat.model.reasons import AttemptVerdict, Result


class ForgetfulHands(Hands):
    """Keeps what it has started in its own memory, and runs again whatever it does not remember."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._mine: dict[str, Runner] = {}

    def carry_out(self, command: Command) -> None:
        if not isinstance(command, StartAction):
            return
        self._world.reach("before start")
        runner = Runner(command, self._life, self._world.now + STAGE_S)
        self._mine[command.key] = runner
        self._world.runners.append(runner)
        self._world.reach("after start")

    def report(self, key: str, actuator: str) -> Report | None:
        runner = self._mine.get(key)
        if runner is None:
            return NeverStarted()
        return runner.done or Running("1")


class OutcomeOnly:
    """A durable workflow as libraries run it: each step acts first, and only its outcome is recorded.

    Takes the place of `Loop` for plans that are a plain list of steps.
    """

    def __init__(
        self,
        outside: Outside,
        policies: Mapping[str, Policy],
        agent: str,
        seed: int,
        *,
        people: Mapping[str, frozenset[str]],
    ) -> None:
        del agent, people
        self._outside = outside
        (self._policy,) = policies.values()
        self._seed = seed
        self._running: str | None = None

    @property
    def incidents(self) -> list[Incident]:
        journal = self._outside.journal
        return [fold(record.entry for record in journal.read(stream)) for stream in journal.open_incidents()]

    def recover(self, version: str) -> None:
        """Nothing to take up: the next step without an outcome is run again."""

    def tick(self) -> None:
        now = self._outside.clock.now()
        values = self._outside.sensor.read(self._policy.signals, now).values(self._policy.signals, now)
        well = self._policy.resolved.condition.evaluate(values)
        found = self.incidents
        if not found:
            if not well:
                self._open(now)
            return
        (incident,) = found
        leaf = next((leaf for leaf in self._policy.leaves.values() if leaf.id not in incident.attempts), None)
        if leaf is not None:
            self._run(incident, leaf, now)
        elif well:
            self._append(incident, [e.Recovered(at=now), e.Closed(at=now, result=Result.RECOVERED)])

    def _open(self, now: float) -> None:
        policy, incident = self._policy, dormant_incident(self._policy, now, self._seed)
        opened = e.Suspected(
            at=now,
            incident=incident.id,
            policy=policy.name,
            policy_hash=policy.hash,
            dedup_key=policy.dedup_key,
            seed=incident.seed,
        )
        self._append(incident, [opened, e.Confirmed(at=now)])

    def _run(self, incident: Incident, leaf: Do, now: float) -> None:
        key = f"{incident.id}/{leaf.id}/1"
        if self._running != key:
            self._running = key
            self._outside.executor.carry_out(StartAction(key, leaf.action, leaf.target, leaf.arguments, leaf.timeout_s))
            return
        report = self._outside.executor.report(key, leaf.action.actuator)
        if isinstance(report, Done):
            self._append(incident, _step(incident, leaf, key, report, now))

    def _append(self, incident: Incident, entries: Sequence[e.Entry]) -> None:
        self._outside.journal.append([Batch(incident.id, incident.seq, entries)])


def _step(incident: Incident, leaf: Do, key: str, done: Done, now: float) -> list[e.Entry]:
    """Everything about a step, written when it is over."""
    intended = e.ActionIntended(
        at=now,
        incident=incident.id,
        key=key,
        node=leaf.id,
        action=leaf.action.name,
        target=leaf.target,
        arguments=leaf.arguments,
        effect=leaf.effect,
        number=1,
        deadline_at=now,
        policy=incident.policy,
    )
    ended = e.ActionEnded(at=now, key=key, status=done.status, duration_s=done.duration_s)
    verdict = e.AttemptEnded(at=now, key=key, verdict=AttemptVerdict.INCONCLUSIVE, succeeded=True)
    return [intended, ended, verdict]
