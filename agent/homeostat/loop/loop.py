"""One turn of the loop: read once, decide for each incident, make all of it durable together, then act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from homeostat.decide.identity import dormant_incident
from homeostat.loop.hearing import Hearing
from homeostat.loop.orphans import Orphans
from homeostat.loop.outside import Outside
from homeostat.loop.standing import Standing
from homeostat.loop.tenure import Tenure
from homeostat.loop.told import Told
from homeostat.loop.turns import Look, Terms, Turns, own_part
from homeostat.model import entries as e
from homeostat.model.commands import Done, Quiet
from homeostat.model.errors import HomeostatError, InvariantError, JournalError, PolicyError
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import Mode, Policy
from homeostat.model.signals import SignalSpec, Snapshot, Value
from homeostat.model.streams import AGENT_STREAM, NOTIFY_STREAM, policy_stream

GUARDS = "guards"
"""Before the names of the guards' own signals, where a policy's hash stands before its."""

GROUP_MAX = 64
"""Incidents whose decisions become durable in one append, so that a storm costs one wait for the disk and not fifty."""


class Loop:
    """The agent's state between ticks, all of it a fold of the journal.

    Args:
        outside: everything that is not pure.
        policies: the policies that open new incidents, by name.
        agent: this process's name, for the journal.
        seed: origin of incident ids and of every random choice; journalled with `agent.started`.
        mode: how far the agent may go; `observe` starts nothing, also in incidents that an acting agent left open.
        guards: shared by all policies. people: role -> names of who has it.
        spool: the id of the state folder whose runners carry out what this agent starts; "" where there is only one.
    """

    def __init__(
        self,
        outside: Outside,
        policies: Mapping[str, Policy],
        agent: str,
        seed: int,
        *,
        mode: Mode = Mode.AUTO,
        guards: Guards = NO_GUARDS,
        people: Mapping[str, frozenset[str]] | None = None,
        spool: str = "",
    ) -> None:
        self._outside = outside
        self._policies = dict(policies)
        self._agent = agent
        self._seed = seed
        self._guards = guards
        self._standing = Standing(outside.journal, outside.observer)
        self._tenure = Tenure(outside.leases, outside.journal, outside.observer, agent)
        is_alone = outside.leases is None
        self._told = Told(outside.alerts, outside.journal, self._standing, outside.observer, is_alone=is_alone)
        self._hearing = Hearing(outside.inbox, self._standing, self._tenure, outside.observer)
        terms = Terms(mode, dict(people or {}), spool)
        self._turns = Turns(outside, self._standing, self._tenure, self._hearing, terms)
        self._orphans = Orphans(spool, outside.executor, outside.late_outcomes, outside.observer)

    @property
    def incidents(self) -> list[Incident]:
        """All open incidents that this agent answers for."""
        return list(self._standing.incidents.values())

    @property
    def policies(self) -> Mapping[str, Policy]:
        """The policies that open new incidents, by name."""
        return self._policies

    @property
    def watched(self) -> Mapping[str, Policy]:
        """Those of them that this agent watches, and no other."""
        return {name: policy for name, policy in self._policies.items() if self._tenure.holds(policy_stream(name))}

    @property
    def ledger(self) -> Ledger:
        """Facts that guards share over all incidents."""
        return self._standing.ledger

    @property
    def trouble(self) -> str | None:
        """Why the journal cannot be written and nothing is started; None while it can."""
        return None if self._standing.trouble is None else self._standing.trouble[1]

    def recover(self, version: str) -> None:
        """Take up where the journal ends: fold what is open, remember what guards must know.

        Raises:
            JournalError: the journal cannot be read; the agent must not start.
        """
        now = self._outside.clock.now()
        others = self._standing.fold_everything(now, self._tenure.holds)
        self._adopt(others)
        self._standing.say(AGENT_STREAM, [e.AgentStarted(at=now, agent=self._agent, version=version, seed=self._seed)])
        self.use_policies(self._policies, self._guards)

    def use_policies(self, policies: Mapping[str, Policy], guards: Guards = NO_GUARDS) -> None:
        """Take these policies for new incidents, and the guards for all; open ones keep the version they began with."""
        now = self._outside.clock.now()
        self._standing.note_guards(guards.hash, guards.text, now)
        self._guards = guards
        self._standing.note_policies(policies.values(), now)
        self._policies = dict(policies)
        self._tenure.watch(self._policies, *([] if self._outside.notifier is None else [NOTIFY_STREAM]))

    def refuse_policies(self, file: str, error: PolicyError) -> None:
        """Note that changed policy files were invalid; the ones in use stay."""
        problems = tuple(str(problem) for problem in error.problems)
        refused = e.PolicyRefused(at=self._outside.clock.now(), file=file, problems=problems)
        self._standing.say(AGENT_STREAM, [refused])

    def tick(self) -> None:
        """One turn of the loop: read once, then decide, journal and act."""
        now = self._outside.clock.now()
        if not self._take_stock(now):
            return  # nor does it say that it lives: what it cannot decide is soon another agent's to decide
        self._hearing.take(now)
        self._told.take(now)
        work = self._work(now)
        specs = {f"{GUARDS}/{name}": spec for name, spec in self._guards.signals.items()}
        snapshot = self._read(specs | _specs(policy for policy, _ in work), now)
        look = Look(now, snapshot, self._guards, self._guard_values(snapshot, now), self._late_outcomes())
        for first in range(0, len(work), GROUP_MAX):
            if self._standing.in_doubt:
                break  # nobody knows which locks are held: fold the journal before anything else is decided
            self._turns.take(work[first : first + GROUP_MAX], look)
        self._take_rankings(now)
        self._take_notifications(now)
        self._tenure.ticked(blind=snapshot.error is not None)
        self._outside.observer.ticked(now, snapshot, len(self._standing.incidents))

    def quiet(self, policy: Policy) -> Quiet | None:
        """What the last tick has said of the looks to come; None where any of them may bring something new."""
        return self._standing.quiet.get(policy.dedup_key)

    def look_on(self, policy: Policy, snapshots: Sequence[Snapshot]) -> None:
        """Stand for one tick each where virtual time knows that nothing changes, and `quiet` that nothing is due.

        Args:
            policy: the only one.
            snapshots: of its signals, under their own names, oldest first.

        Raises:
            JournalError: they are not in the journal.
        """
        quiet, incident = self.quiet(policy), self._standing.incidents.get(policy.dedup_key)
        if incident is not None and quiet is not None and quiet.observes:
            self._turns.look_on(policy, incident, snapshots)
            self._standing.quiet[policy.dedup_key] = quiet

    def stop(self) -> None:
        """Say goodbye in the journal. Running actions are left running, to be re-attached."""
        self._told.take(self._outside.clock.now())
        if self._outside.notifier is not None:
            self._outside.notifier.stop()
            self._take_notifications(self._outside.clock.now())
        running = tuple(sorted(self._keys_in_flight()))
        stopped = e.AgentStopped(at=self._outside.clock.now(), agent=self._agent, running=running)
        try:
            self._standing.say(AGENT_STREAM, [stopped])
        finally:
            self._tenure.release()

    def _take_stock(self, now: float) -> bool:
        """Know what the journal says and what of it is this agent's; False when the journal cannot be read."""
        try:
            if self._standing.in_doubt:
                others = self._tenure.settled(self._standing, now)
                if others is None:
                    return False
                self._adopt(others)
                self._end_interruption(now)
            self._adopt(self._tenure.take_stock(self._standing, now))
        except JournalError as error:
            self._standing.lose_touch(now, error)
            self._outside.observer.failed("journal", error)
            return False
        self._orphans.give_back(self.incidents)
        self._orphans.hand_over(self._standing.cancelled)
        if self._standing.cancelled:
            self._standing.cancelled &= self._orphans.keys | self._keys_in_flight()
        return True

    def _end_interruption(self, now: float) -> None:
        """Prove that the journal can be written again before anything is decided. Raises JournalError."""
        if self._standing.trouble is None:
            return
        since, error = self._standing.trouble
        self._standing.say(AGENT_STREAM, [e.JournalInterrupted(at=now, agent=self._agent, since=since, error=error)])

    def _adopt(self, incidents: Iterable[Incident]) -> None:
        self._orphans.adopt(incidents, lambda incident: self._standing.pinned_policy(incident, self._policies))

    def _read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        try:
            return self._outside.sensor.read(specs, now)
        except Exception as error:  # noqa: BLE001 - a sensor plugin's bug is a source that cannot be read
            self._outside.observer.failed("sensor", InvariantError(f"{type(error).__name__}: {error}"))
            return Snapshot(at=now, error=f"the sensor failed: {error}")

    def _guard_values(self, snapshot: Snapshot, now: float) -> Mapping[str, Value]:
        signals = self._guards.signals
        return own_part(snapshot, GUARDS, signals).values(signals, now) if signals else {}

    def _work(self, now: float) -> list[tuple[Policy, Incident]]:
        """Pair every policy with its open incident, or with the one it might open now."""
        self._standing.forget_unused_policies()
        work: list[tuple[Policy, Incident]] = []
        for incident in self.incidents:
            try:
                work.append((self._standing.pinned_policy(incident, self._policies), incident))
            except HomeostatError as error:
                self._outside.observer.failed(f"incident {incident.id}", error)
        quiet = [policy for policy in self.watched.values() if policy.dedup_key not in self._standing.open_streams]
        return work + [(policy, dormant_incident(policy, now, self._seed)) for policy in quiet]

    def _late_outcomes(self) -> Mapping[str, Done]:
        """What others have left word of, for actions that may be running."""
        if self._outside.late_outcomes is None:
            return {}
        keys = self._keys_in_flight()
        if not keys:
            return {}
        try:
            return self._outside.late_outcomes.collect(keys)
        except JournalError as error:
            self._outside.observer.failed("late outcomes", error)
            return {}

    def _keys_in_flight(self) -> set[str]:
        return {a.key for incident in self.incidents for a in incident.open_attempts() if a.in_flight}

    def _take_rankings(self, now: float) -> None:
        if self._outside.retrainer is None:
            return
        for policy, entries in self._outside.retrainer.collect(now).items():
            wrong: JournalError | None = None
            try:
                self._standing.take_ranking(policy, entries)
            except JournalError as error:
                wrong = error
                self._outside.observer.failed(f"ranking of {policy}", error)
            self._outside.retrainer.settled(policy, wrong)

    def _take_notifications(self, now: float) -> None:
        """Journal what people were told. That it could not be written makes no decision doubtful but is told."""
        notifier = self._outside.notifier
        if notifier is None:
            return
        entries = notifier.collect(now)
        if not entries:
            return
        wrong: JournalError | None = None
        try:
            self._standing.say(NOTIFY_STREAM, entries)
        except JournalError as error:
            wrong = error
            self._outside.observer.failed("notifications", error)
        notifier.settled(wrong)


def _specs(policies: Iterable[Policy]) -> dict[str, SignalSpec]:
    """All signals of all policies, by policy version and name: two versions may mean different things by one name."""
    return {f"{policy.hash}/{name}": spec for policy in policies for name, spec in policy.signals.items()}
