"""What the journal says now: the fold of all that is open, kept up to date with what is appended here and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from homeostat.decide.ledger import LEDGER_TYPES, LOOK_BACKS, account
from homeostat.decide.projection import fold, promoted_ranking
from homeostat.decide.rulings import speak_of
from homeostat.model import entries as e
from homeostat.model.commands import Quiet, Step
from homeostat.model.errors import JournalConflict, JournalError
from homeostat.model.evolve import evolve
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import COOLDOWN_S_MAX, Policy
from homeostat.model.ports import Batch, Journal, Observer, Record
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import Phase
from homeostat.model.streams import AGENT_STREAM, POLICY_STREAMS, policy_stream
from homeostat.policy.load import load_journalled

_RANKED = {e.RankingPromoted.TYPE, e.RankingRolledBack.TYPE}
_FOLLOWED = LEDGER_TYPES | _RANKED | {e.Closed.TYPE, e.CancelRequested.TYPE}
"""What other agents write that this one must know."""

POLICIES_MAX = 20
"""Policy versions that share one append: each brings its sources, and an append must be over within its time."""


class Standing:
    """Incidents, ledger and rankings, all of them a fold of the journal.

    Attributes:
        incidents: those this agent answers for, by dedup key.
        open_streams: of every open incident, whoever has it: dedup key -> stream.
        ledger: facts of all streams that guards share.
        position: the write position up to which `ledger` and `open_streams` are known.
        in_doubt: an append failed, and only the journal knows what was written.
        quiet: what the last steps have said of the looks to come, by dedup key.
        trouble: since when the journal cannot be written, and why; None while it can.
        lost: incidents that were let go since somebody last asked.
        cancelled: keys whose cancellation another agent has journalled.
    """

    def __init__(self, journal: Journal, observer: Observer) -> None:
        self._journal = journal
        self._observer = observer
        self.incidents: dict[str, Incident] = {}
        self.open_streams: dict[str, str] = {}
        self.ledger = Ledger()
        self.position = 0
        self.in_doubt = False
        self.quiet: dict[str, Quiet | None] = {}
        self.trouble: tuple[float, str] | None = None
        self.lost: list[Incident] = []
        self.cancelled: set[str] = set()
        self._pinned: dict[str, Policy] = {}
        self._rankings: dict[str, Ranking | None] = {}

    def fold_everything(self, now: float, is_mine: Callable[[str], bool]) -> list[Incident]:
        """Take everything from the journal alone: at the start, and whenever an append is in doubt.

        Args:
            now: Unix seconds.
            is_mine: whether this agent answers for an incident's stream.

        Returns:
            The open incidents of others.

        Raises:
            JournalError: the journal cannot be read; nothing has changed here.
        """
        journal = self._journal
        position = journal.position()
        mine: dict[str, Incident] = {}
        others: list[Incident] = []
        facts: dict[int, e.Entry] = {}
        for stream in journal.open_incidents():
            records = [record for record in journal.read(stream) if record.position <= position]
            if not records or isinstance(records[-1].entry, e.Closed):
                continue
            incident = fold(record.entry for record in records)
            if is_mine(stream):
                mine[incident.dedup_key] = incident
            else:
                others.append(incident)
            facts |= {record.position: record.entry for record in records if record.entry.at < now - COOLDOWN_S_MAX}
        for seconds, types in LOOK_BACKS:
            found = (r for r in journal.since(max(0.0, now - seconds), types) if r.position <= position)
            facts |= {record.position: record.entry for record in found}
        self.incidents, self.ledger, self.position = mine, _ledger(facts, (*mine.values(), *others)), position
        self.open_streams = {incident.dedup_key: incident.id for incident in (*mine.values(), *others)}
        self.in_doubt = False
        return others

    def refresh(self) -> None:
        """Take in what other agents have written since. Raises JournalError."""
        upto = self._journal.position()
        self._take_in(self._journal.after(self.position, _FOLLOWED), upto)

    def _take_in(self, records: Iterable[Record], position: int) -> None:
        for record in records:
            if record.position > position:
                break
            self._follow(record)
        self.position = max(self.position, position)

    def _follow(self, record: Record) -> None:
        entry = record.entry
        self.ledger = account(self.ledger, entry)
        match entry:
            case e.Suspected():
                self.open_streams[entry.dedup_key] = record.stream
            case e.Closed():
                self.open_streams = {key: name for key, name in self.open_streams.items() if name != record.stream}
            case e.CancelRequested():
                self.cancelled.add(entry.key)
            case e.RankingPromoted() | e.RankingRolledBack():
                self.load_ranking(record.stream.removeprefix(POLICY_STREAMS))

    def append(self, batches: Sequence[Batch]) -> None:
        """Make entries durable, fold them into the ledger, and know what others wrote meanwhile.

        Raises:
            JournalConflict: others were first, and nothing was written; what they wrote is known now.
            JournalError: it is in doubt whether anything was written (`in_doubt`).
            InvariantError: the entries cannot be stored, and nothing was written.
        """
        count = sum(len(batch.entries) for batch in batches)
        if not count:
            return
        try:
            position = self._written(batches, count)
        except JournalConflict:
            raise
        except JournalError as error:
            self.lose_touch(next(entry.at for batch in batches for entry in batch.entries), error)
            raise
        self.position, self.trouble = position, None
        for batch in batches:
            for entry in batch.entries:
                self.ledger = account(self.ledger, entry)
            self._observer.appended(batch.stream, batch.entries)

    def _written(self, batches: Sequence[Batch], count: int) -> int:
        """Append, and take in what others wrote before. Half of that taken in leaves all of it in doubt."""
        try:
            position = self._journal.append(batches, seen=self.position)
        except JournalConflict:
            self.refresh()
            raise
        if position - count > self.position:
            self._take_in(self._journal.after(self.position, _FOLLOWED), position - count)
        return position

    def lose_touch(self, now: float, error: JournalError) -> None:
        """Note that the journal failed: nothing is decided until it was read again and can be written."""
        self.in_doubt = True
        self.trouble = (self.trouble[0] if self.trouble else now, str(error))

    def say(self, stream: str, entries: Sequence[e.Entry], *, after: int | None = None) -> None:
        """Append to a stream that is not an incident's, after the given record or whatever is there.

        Raises JournalError.
        """
        if entries:
            self.append([Batch(stream, after, entries)])

    def head_seq(self, stream: str) -> int:
        """The last seq of a stream. Raises JournalError."""
        return self._journal.head_seq(stream)

    def remember(self, policy: Policy, decided: Step) -> None:
        """Take over the incident of a step that is durable."""
        incident = decided.incident
        self.quiet[incident.dedup_key] = decided.quiet
        if incident.phase is Phase.DORMANT:
            return  # there is none; what is open under its dedup key is another agent's
        if incident.phase is Phase.CLOSED:
            self.incidents.pop(incident.dedup_key, None)
            self.open_streams.pop(incident.dedup_key, None)
        else:
            self.take(incident)
            self._pinned[incident.policy_hash] = policy

    def take(self, incident: Incident) -> None:
        """Answer for this incident from now on."""
        self.incidents[incident.dedup_key] = incident
        self.open_streams[incident.dedup_key] = incident.id

    def let_go(self, incident: Incident) -> None:
        """Another agent answers for this incident now."""
        if self.incidents.pop(incident.dedup_key, None) is not None:
            self.lost.append(incident)

    def forget_unused_policies(self) -> None:
        """Drop policy versions that no open incident is pinned to."""
        open_hashes = {incident.policy_hash for incident in self.incidents.values()}
        self._pinned = {known: policy for known, policy in self._pinned.items() if known in open_hashes}

    def pinned_policy(self, incident: Incident, in_use: Mapping[str, Policy]) -> Policy:
        """The policy version an open incident began with, from memory or from the journal.

        Raises:
            JournalError, PolicyError: it cannot be had.
        """
        pinned = self._pinned.get(incident.policy_hash)
        current = in_use.get(incident.policy)
        if pinned is None and current is not None and current.hash == incident.policy_hash:
            pinned = current
        if pinned is None:
            history = [record.entry for record in self._journal.read(policy_stream(incident.policy))]
            pinned = load_journalled(history, incident.policy_hash)
        self._pinned[incident.policy_hash] = pinned
        return pinned

    def note_policies(self, policies: Iterable[Policy], now: float) -> None:
        """Journal the versions that are new, some in one append, and know their rankings. Raises JournalError."""
        new: list[Batch] = []
        for policy in policies:
            stream = policy_stream(policy.name)
            entries = [record.entry for record in self._journal.read(stream)]
            loaded = [entry.policy_hash for entry in entries if isinstance(entry, e.PolicyLoaded)]
            if not loaded or loaded[-1] != policy.hash:
                entry = e.PolicyLoaded(
                    at=now,
                    policy=policy.name,
                    policy_hash=policy.hash,
                    sources=policy.sources,
                    environment=policy.environment,
                )
                new.append(Batch(stream, None, [entry]))
            self._rankings[policy.name] = promoted_ranking(entries)
        for first in range(0, len(new), POLICIES_MAX):
            self.append(new[first : first + POLICIES_MAX])

    def note_guards(self, digest: str, text: str, now: float) -> None:
        """Journal the shared guards where they are new. Raises JournalError."""
        records = self._journal.since(0.0, {e.GuardsLoaded.TYPE})
        hashes = [record.entry.hash for record in records if isinstance(record.entry, e.GuardsLoaded)]
        if digest != (hashes[-1] if hashes else ""):
            self.say(AGENT_STREAM, [e.GuardsLoaded(at=now, hash=digest, text=text)])

    def ranking(self, policy: str) -> Ranking | None:
        """The promoted ranking of a policy, if there is one."""
        return self._rankings.get(policy)

    def take_ranking(self, policy: str, entries: Sequence[e.Entry]) -> None:
        """Journal what was trained, or said of rankings, and go by it.

        Raises:
            JournalCorrupt: it would let rule what was never trained; nothing was written.
            JournalConflict: it was said of a ranking that no longer rules; nothing was written. Other JournalErrors.
        """
        stream = policy_stream(policy)
        records = list(self._journal.read(stream))
        history = [record.entry for record in records]
        ranking = promoted_ranking([*history, *entries])
        if not speak_of(promoted_ranking(history), entries):
            raise JournalConflict(f"what rules '{policy}' has changed since this was found: it is left undone")
        self.say(stream, entries, after=records[-1].seq if records else 0)
        self._rankings[policy] = ranking

    def load_ranking(self, policy: str) -> None:
        """Read a policy's ranking anew. Raises JournalError."""
        history = (record.entry for record in self._journal.read(policy_stream(policy)))
        self._rankings[policy] = promoted_ranking(history)

    def heard(self) -> frozenset[str]:
        """Ids of the answers that have lifted the kill switch, or brought a survey or a drill. Raises JournalError."""
        records = self._journal.since(0.0, {e.Resumed.TYPE, e.FeedbackGiven.TYPE, e.DrillRan.TYPE})
        heard = (r.entry.answer for r in records if isinstance(r.entry, (e.Resumed, e.FeedbackGiven, e.DrillRan)))
        return frozenset(answer for answer in heard if answer is not None)


def _ledger(facts: Mapping[int, e.Entry], open_incidents: Sequence[Incident]) -> Ledger:
    """Fold facts in the order in which they were written: clocks differ, and are set back.

    What is older than any guard looks back to is known of open incidents only, so none of it may hold a lock for ever.
    """
    ledger = Ledger()
    for _, entry in sorted(facts.items()):
        ledger = account(ledger, entry)
    at_work = {attempt.key for incident in open_incidents for attempt in incident.open_attempts()}
    return evolve(ledger, locks={target: lock for target, lock in ledger.locks.items() if lock.key in at_work})
