"""The imperative shell: one tick is one visible list of calls.

Promise: it decides nothing. It reads, asks `decide.step`, makes the answer durable, and only then acts. It has no
clock, no network and no file of its own; all of them are handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from homeostat.decide.answers import sort_answers
from homeostat.decide.identity import dormant_incident
from homeostat.decide.ledger import LEDGER_TYPES, PAUSE_TYPES, account
from homeostat.decide.lifecycle import ACTIVE
from homeostat.decide.projection import fold, promoted_ranking
from homeostat.decide.step import give_up, step
from homeostat.decide.turn import Moment
from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Command, Report, Step
from homeostat.model.errors import HomeostatError, InvariantError, JournalError, PolicyError
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import COOLDOWN_S_MAX, Mode, Policy
from homeostat.model.ports import Batch, Clock, Executor, Inbox, Journal, Observer, Retrainer, Sensor
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import Phase
from homeostat.model.signals import SignalSpec, Snapshot, Value
from homeostat.model.streams import AGENT_STREAM, policy_stream
from homeostat.policy.load import load_journalled

GUARDS = "guards"
"""Before the names of the guards' own signals, where a policy's hash stands before its."""

FAILURES_MAX = 3
"""An open incident whose step has failed so often without a success in between is handed to people."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything the loop touches that is not pure."""

    clock: Clock
    sensor: Sensor
    executor: Executor
    journal: Journal
    observer: Observer
    retrainer: Retrainer | None = None
    inbox: Inbox | None = None


class Loop:
    """The agent's state between ticks, all of it a fold of the journal.

    Args:
        outside: everything that is not pure.
        policies: the policies that open new incidents, by name.
        agent: this process's name, for the journal.
        seed: origin of incident ids and of every random choice; journalled with `agent.started`.
        mode: how far the agent may go; `observe` starts nothing, also in incidents that an acting agent left open.
        guards: shared by all policies. people: role -> names of who has it.
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
    ) -> None:
        self._outside = outside
        self._policies = dict(policies)
        self._agent = agent
        self._seed = seed
        self._mode = mode
        self._guards = guards
        self._people = dict(people or {})
        self._answers: dict[str, list[Answer]] = {}
        self._incidents: dict[str, Incident] = {}
        self._pinned: dict[str, Policy] = {}
        self._in_doubt = False
        self._failures: Counter[str] = Counter()
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
        now = self._outside.clock.now()
        self._fold_everything(now)
        started = e.AgentStarted(at=now, agent=self._agent, version=version, seed=self._seed)
        self._append([self._batch(AGENT_STREAM, [started])])
        self.use_policies(self._policies, self._guards)

    def use_policies(self, policies: Mapping[str, Policy], guards: Guards = NO_GUARDS) -> None:
        """Take these policies for new incidents, and the guards for all; open ones keep the version they began with."""
        now = self._outside.clock.now()
        if guards.hash != self._guards_hash():
            self._append([self._batch(AGENT_STREAM, [e.GuardsLoaded(at=now, hash=guards.hash, text=guards.text)])])
        self._guards = guards
        for policy in policies.values():
            stream = policy_stream(policy.name)
            entries = [record.entry for record in self._outside.journal.read(stream)]
            loaded = [entry.policy_hash for entry in entries if isinstance(entry, e.PolicyLoaded)]
            if not loaded or loaded[-1] != policy.hash:
                entry = e.PolicyLoaded(
                    at=now,
                    policy=policy.name,
                    policy_hash=policy.hash,
                    sources=policy.sources,
                    environment=policy.environment,
                )
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
        if self._in_doubt and not self._settled(now):
            return
        self._take_answers(now)
        work = self._work(now)
        specs = {f"{GUARDS}/{name}": spec for name, spec in self._guards.signals.items()}
        snapshot = self._read(specs | _specs(policy for policy, _ in work), now)
        guard_values = _own(snapshot, GUARDS, self._guards.signals).values(self._guards.signals, now)
        for policy, incident in work:
            if self._in_doubt:
                break  # nobody knows which locks are held: fold the journal before anything else is decided
            try:
                self._turn(policy, incident, _own(snapshot, policy.hash, policy.signals), guard_values, now)
                del self._failures[incident.id]
            except JournalError as error:
                self._outside.observer.failed(f"policy {policy.name}", error)
            except Exception as error:  # noqa: BLE001 - one policy's bug must not hold up the others
                self._contain(policy, incident, error, now)
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
        open_hashes = {incident.policy_hash for incident in self.incidents}
        self._pinned = {known: policy for known, policy in self._pinned.items() if known in open_hashes}
        work: list[tuple[Policy, Incident]] = []
        for incident in self.incidents:
            try:
                work.append((self._pinned_policy(incident), incident))
            except HomeostatError as error:
                self._outside.observer.failed(f"incident {incident.id}", error)
        quiet = [policy for policy in self._policies.values() if policy.dedup_key not in self._incidents]
        return work + [(policy, dormant_incident(policy, now, self._seed)) for policy in quiet]

    def _turn(
        self, policy: Policy, incident: Incident, snapshot: Snapshot, guard_values: Mapping[str, Value], now: float
    ) -> None:
        answers = self._answers.get(incident.id, [])
        moment = Moment(
            now=now,
            snapshot=snapshot,
            ledger=self.ledger,
            ranking=self._rankings.get(policy.name),
            reports=self._reports(policy, incident),
            mode=self._mode,
            guards=self._guards,
            guard_values=guard_values,
            answers=answers,
            people=self._people,
        )
        decided = step(policy, incident, moment)
        self._journal(policy, incident, decided)
        self._remember(policy, decided)
        self._carry_out(decided.commands)
        self._settle([answer.id for answer in answers])

    def _take_answers(self, now: float) -> None:
        """Collect what people said: pauses are journalled at once, the rest waits for its incident's turn."""
        inbox = self._outside.inbox
        self._answers = {}
        if inbox is None:
            return
        answers = inbox.collect()
        try:
            lifted = self._lifted() if any(answer.kind is AnswerKind.RESUME for answer in answers) else frozenset()
            found = sort_answers(answers, {incident.id for incident in self.incidents}, lifted, now)
            self._append([self._batch(AGENT_STREAM, found.said)] if found.said else [])
        except JournalError as error:
            self._in_doubt = True
            self._outside.observer.failed("inbox", error)
            return
        for entry in found.said:
            self.ledger = account(self.ledger, entry)
        self._answers = found.by_incident
        self._settle(found.settled)

    def _lifted(self) -> frozenset[str]:
        """Ids of the answers that have lifted the kill switch."""
        records = self._outside.journal.since(0.0, {e.Resumed.TYPE})
        return frozenset(record.entry.answer for record in records if isinstance(record.entry, e.Resumed))

    def _settle(self, answers: Sequence[str]) -> None:
        if answers and self._outside.inbox is not None:
            self._outside.inbox.settle(answers)

    def _settled(self, now: float) -> bool:
        """After a failed append only the journal knows what was written."""
        try:
            self._fold_everything(now)
        except JournalError as error:
            self._outside.observer.failed("journal", error)
            return False
        return True

    def _contain(self, policy: Policy, incident: Incident, error: Exception, now: float) -> None:
        """A step that fails again and again is a bug: its incident goes to people, and the others go on."""
        bug = error if isinstance(error, HomeostatError) else InvariantError(f"{type(error).__name__}: {error}")
        self._outside.observer.failed(f"policy {policy.name}", bug)
        if incident.phase not in (Phase.CONFIRMING, *ACTIVE):
            return
        self._failures[incident.id] += 1
        if self._failures[incident.id] >= FAILURES_MAX:
            given_up = give_up(policy, incident, Moment(now, Snapshot(now), self.ledger), str(bug))
            try:
                self._journal(policy, incident, given_up)
            except JournalError as journal_error:
                self._outside.observer.failed(f"policy {policy.name}", journal_error)
                return
            self._remember(policy, given_up)
            self._carry_out(given_up.commands)

    def _reports(self, policy: Policy, incident: Incident) -> dict[str, Report]:
        reports: dict[str, Report] = {}
        for attempt in incident.open_attempts():
            if attempt.in_flight:
                actuator = policy.leaf(attempt.node).action.actuator
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
            self._in_doubt = True
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
                history = (record.entry for record in self._outside.journal.read(stream))
                self._rankings[policy] = promoted_ranking(history)
            except JournalError as error:
                self._outside.observer.failed(f"ranking of {policy}", error)

    def _append(self, batches: Sequence[Batch]) -> None:
        if not batches:
            return
        self._outside.journal.append(batches)
        for batch in batches:
            self._outside.observer.appended(batch.stream, batch.entries)

    def _batch(self, stream: str, entries: Sequence[e.Entry]) -> Batch:
        return Batch(stream, self._outside.journal.head_seq(stream), entries)

    def _fold_everything(self, now: float) -> None:
        """Take incidents and ledger from the journal alone: at the start, and whenever an append is in doubt."""
        journal = self._outside.journal
        incidents: dict[str, Incident] = {}
        old: list[e.Entry] = []
        for stream in journal.open_incidents():
            entries = [record.entry for record in journal.read(stream)]
            incident = fold(entries)
            incidents[incident.dedup_key] = incident
            old += [entry for entry in entries if entry.at < now - COOLDOWN_S_MAX]
        ledger = Ledger()
        for entry in sorted(old, key=lambda entry: entry.at):
            ledger = account(ledger, entry)
        for record in journal.since(0.0, PAUSE_TYPES):
            ledger = account(ledger, record.entry)
        for record in journal.since(now - COOLDOWN_S_MAX, LEDGER_TYPES - PAUSE_TYPES):
            ledger = account(ledger, record.entry)
        self._incidents, self.ledger, self._in_doubt = incidents, ledger, False

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

    def _guards_hash(self) -> str:
        """The hash of the guards last journalled; "" where there never were any."""
        records = self._outside.journal.since(0.0, {e.GuardsLoaded.TYPE})
        hashes = [record.entry.hash for record in records if isinstance(record.entry, e.GuardsLoaded)]
        return hashes[-1] if hashes else ""

    def _policy_from_journal(self, incident: Incident) -> Policy:
        history = [record.entry for record in self._outside.journal.read(policy_stream(incident.policy))]
        return load_journalled(history, incident.policy_hash)


def _specs(policies: Iterable[Policy]) -> dict[str, SignalSpec]:
    """All signals of all policies, by policy version and name: two versions may mean different things by one name."""
    return {f"{policy.hash}/{name}": spec for policy in policies for name, spec in policy.signals.items()}


def _own(snapshot: Snapshot, owner: str, signals: Mapping[str, SignalSpec]) -> Snapshot:
    """The part of a snapshot that one policy version, or the guards, asked for, under its own names."""
    keys = {name: f"{owner}/{name}" for name in signals}
    readings = {name: snapshot.readings[key] for name, key in keys.items() if key in snapshot.readings}
    return Snapshot(snapshot.at, readings, snapshot.warnings, snapshot.error)
