"""The imperative shell: one tick is one visible list of calls.

Promise: it decides nothing. It reads, asks `decide.step`, makes the answer durable, and only then acts. It has no
clock, no network and no file of its own; all of them are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from homeostat.decide.identity import dormant_incident
from homeostat.decide.projection import LEDGER_TYPES, account, fold, promoted_ranking
from homeostat.decide.step import step
from homeostat.decide.turn import Moment
from homeostat.model import entries as e
from homeostat.model.commands import Command, Report, Step
from homeostat.model.errors import HomeostatError, InvariantError, JournalError, PolicyError
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch, Clock, Executor, Journal, Observer, Retrainer, Sensor
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import Phase
from homeostat.model.signals import SignalSpec, Snapshot
from homeostat.model.streams import AGENT_STREAM, policy_stream
from homeostat.policy.load import SUFFIX, load_policy_sources

LEDGER_HORIZON_S = 7 * 86400.0
"""How far back guards look over incidents; the policy loader allows no longer cooldown."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything the loop touches that is not pure."""

    clock: Clock
    sensor: Sensor
    executor: Executor
    journal: Journal
    observer: Observer
    retrainer: Retrainer | None = None


class Loop:
    """The agent's state between ticks, all of it a fold of the journal.

    Args:
        seed: origin of incident ids and of every random choice; journalled with `agent.started`.
    """

    def __init__(self, outside: Outside, policies: Mapping[str, Policy], agent: str, seed: int) -> None:
        self._outside = outside
        self._policies = dict(policies)
        self._agent = agent
        self._seed = seed
        self._incidents: dict[str, Incident] = {}
        self._pinned: dict[str, Policy] = {}
        self._in_doubt: set[str] = set()
        self._rankings: dict[str, Ranking | None] = {}
        self.ledger = Ledger()

    @property
    def incidents(self) -> list[Incident]:
        """All open incidents."""
        return list(self._incidents.values())

    @property
    def policies(self) -> Mapping[str, Policy]:
        """The policies that open new incidents, by name."""
        return self._policies

    def recover(self, version: str) -> None:
        """Take up where the journal ends: fold what is open, remember what guards must know.

        Raises:
            JournalError: the journal cannot be read; the agent must not start.
        """
        journal = self._outside.journal
        now = self._outside.clock.now()
        old: list[e.Entry] = []
        for stream in journal.open_incidents():
            entries = [record.entry for record in journal.read(stream)]
            incident = fold(entries)
            self._incidents[incident.dedup_key] = incident
            old += [entry for entry in entries if entry.at < now - LEDGER_HORIZON_S]
        for entry in sorted(old, key=lambda entry: entry.at):
            self.ledger = account(self.ledger, entry)
        for record in journal.since(now - LEDGER_HORIZON_S, LEDGER_TYPES):
            self.ledger = account(self.ledger, record.entry)
        started = e.AgentStarted(at=now, agent=self._agent, version=version, seed=self._seed)
        self._append([self._batch(AGENT_STREAM, [started])])
        self.use_policies(self._policies)

    def use_policies(self, policies: Mapping[str, Policy]) -> None:
        """Take these policies for new incidents; open ones keep the version they began with."""
        now = self._outside.clock.now()
        for policy in policies.values():
            stream = policy_stream(policy.name)
            entries = [record.entry for record in self._outside.journal.read(stream)]
            loaded = [entry.policy_hash for entry in entries if isinstance(entry, e.PolicyLoaded)]
            if not loaded or loaded[-1] != policy.hash:
                entry = e.PolicyLoaded(at=now, policy=policy.name, policy_hash=policy.hash, sources=policy.sources)
                self._append([self._batch(stream, [entry])])
            self._rankings[policy.name] = promoted_ranking(entries)
        self._policies = dict(policies)

    def refuse_policies(self, file: str, error: PolicyError) -> None:
        """Note that changed policy files were invalid; the ones in use stay."""
        problems = tuple(str(problem) for problem in error.problems)
        refused = e.PolicyRefused(at=self._outside.clock.now(), file=file, problems=problems)
        self._append([self._batch(AGENT_STREAM, [refused])])

    def tick(self) -> None:
        """One turn of the loop: read once, then decide, journal and act for each policy."""
        now = self._outside.clock.now()
        work = self._work(now)
        snapshot = self._read(_specs(policy for policy, _ in work), now)
        for policy, incident in work:
            try:
                self._turn(policy, incident, _own(snapshot, policy), now)
            except HomeostatError as error:
                self._outside.observer.failed(f"policy {policy.name}", error)
            except Exception as error:  # noqa: BLE001 - one policy's bug must not hold up the others
                self._outside.observer.failed(
                    f"policy {policy.name}", InvariantError(f"{type(error).__name__}: {error}")
                )
        self._take_rankings(now)
        self._outside.observer.ticked(now, snapshot, len(self._incidents))

    def stop(self) -> None:
        """Say goodbye in the journal. Running actions are left running, to be re-attached."""
        running = tuple(a.key for incident in self.incidents for a in incident.open_attempts() if a.in_flight)
        stopped = e.AgentStopped(at=self._outside.clock.now(), agent=self._agent, running=running)
        self._append([self._batch(AGENT_STREAM, [stopped])])

    def _read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        try:
            return self._outside.sensor.read(specs, now)
        except Exception as error:  # noqa: BLE001 - a sensor plugin's bug is a source that cannot be read
            self._outside.observer.failed("sensor", InvariantError(f"{type(error).__name__}: {error}"))
            return Snapshot(at=now, error=f"the sensor failed: {error}")

    def _work(self, now: float) -> list[tuple[Policy, Incident]]:
        """Pair every policy with its open incident, or with the one it might open now."""
        self._reread_doubtful()
        work: list[tuple[Policy, Incident]] = []
        for incident in self.incidents:
            try:
                work.append((self._pinned_policy(incident), incident))
            except HomeostatError as error:
                self._outside.observer.failed(f"incident {incident.id}", error)
        quiet = [policy for policy in self._policies.values() if policy.dedup_key not in self._incidents]
        return work + [(policy, dormant_incident(policy, now, self._seed)) for policy in quiet]

    def _turn(self, policy: Policy, incident: Incident, snapshot: Snapshot, now: float) -> None:
        reports = self._reports(policy, incident)
        moment = Moment(now, snapshot, self.ledger, self._rankings.get(policy.name), reports)
        decided = step(policy, incident, moment)
        self._journal(policy, incident, decided)
        self._remember(policy, decided)
        self._carry_out(decided.commands)

    def _reports(self, policy: Policy, incident: Incident) -> dict[str, Report]:
        reports: dict[str, Report] = {}
        for attempt in incident.open_attempts():
            if attempt.in_flight:
                actuator = policy.leaves[attempt.node].action.actuator
                report = self._outside.executor.report(attempt.key, actuator)
                if report is not None:
                    reports[attempt.key] = report
        return reports

    def _journal(self, policy: Policy, incident: Incident, decided: Step) -> None:
        """Make the step durable; if that fails nothing of it happens, and the stream is read again."""
        batches = []
        if decided.entries:
            batches.append(Batch(incident.id, incident.seq, decided.entries))
        if decided.policy_entries:
            batches.append(self._batch(policy_stream(policy.name), decided.policy_entries))
        try:
            self._append(batches)
        except JournalError:
            self._in_doubt.add(incident.dedup_key)
            raise

    def _remember(self, policy: Policy, decided: Step) -> None:
        self.ledger = decided.ledger
        incident = decided.incident
        if incident.phase in (Phase.CLOSED, Phase.DORMANT):
            self._incidents.pop(incident.dedup_key, None)
        else:
            self._incidents[incident.dedup_key] = incident
            self._pinned[incident.policy_hash] = policy

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            try:
                self._outside.executor.carry_out(command)
            except HomeostatError as error:
                self._outside.observer.failed(f"action {command.key}", error)

    def _take_rankings(self, now: float) -> None:
        if self._outside.retrainer is None:
            return
        for policy, entries in self._outside.retrainer.collect(now).items():
            stream = policy_stream(policy)
            try:
                self._append([self._batch(stream, entries)])
            except JournalError as error:
                self._outside.observer.failed(f"ranking of {policy}", error)
                continue
            history = (record.entry for record in self._outside.journal.read(stream))
            self._rankings[policy] = promoted_ranking(history)

    def _append(self, batches: Sequence[Batch]) -> None:
        if not batches:
            return
        self._outside.journal.append(batches)
        for batch in batches:
            self._outside.observer.appended(batch.stream, batch.entries)

    def _batch(self, stream: str, entries: Sequence[e.Entry]) -> Batch:
        return Batch(stream, self._outside.journal.head_seq(stream), entries)

    def _reread_doubtful(self) -> None:
        """After a failed append only the journal knows what was written: fold it anew before deciding again."""
        for dedup_key in tuple(self._in_doubt):
            try:
                known = [
                    fold(r.entry for r in self._outside.journal.read(s)) for s in self._outside.journal.open_incidents()
                ]
            except JournalError as error:
                self._outside.observer.failed(f"journal of {dedup_key}", error)
                return
            self._incidents = {incident.dedup_key: incident for incident in known}
            self._in_doubt.discard(dedup_key)

    def _pinned_policy(self, incident: Incident) -> Policy:
        """The policy version an open incident began with, from memory or from the journal."""
        pinned = self._pinned.get(incident.policy_hash)
        current = self._policies.get(incident.policy)
        if pinned is None and current is not None and current.hash == incident.policy_hash:
            pinned = current
        if pinned is None:
            pinned = self._policy_from_journal(incident)
        self._pinned[incident.policy_hash] = pinned
        return pinned

    def _policy_from_journal(self, incident: Incident) -> Policy:
        for record in self._outside.journal.read(policy_stream(incident.policy)):
            entry = record.entry
            if isinstance(entry, e.PolicyLoaded) and entry.policy_hash == incident.policy_hash:
                main = next(name for name in entry.sources if name.endswith(SUFFIX))
                return load_policy_sources(entry.sources, main)
        raise InvariantError(f"incident {incident.id} needs policy {incident.policy_hash}, which the journal lacks")


def _specs(policies: Iterable[Policy]) -> dict[str, SignalSpec]:
    """All signals of all policies, by policy version and name: two versions may mean different things by one name."""
    return {f"{policy.hash}/{name}": spec for policy in policies for name, spec in policy.signals.items()}


def _own(snapshot: Snapshot, policy: Policy) -> Snapshot:
    """The part of a snapshot that one policy version asked for, under its own names."""
    keys = {name: f"{policy.hash}/{name}" for name in policy.signals}
    readings = {name: snapshot.readings[key] for name, key in keys.items() if key in snapshot.readings}
    return Snapshot(snapshot.at, readings, snapshot.warnings, snapshot.error)
