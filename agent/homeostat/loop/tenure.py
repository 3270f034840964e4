"""Which of the open incidents and policies are this agent's to decide, where several agents share one journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from homeostat.decide.projection import apply, fold
from homeostat.loop.standing import Standing
from homeostat.model import entries as e
from homeostat.model.commands import Command, StartAction
from homeostat.model.errors import JournalConflict, JournalError
from homeostat.model.incident import Incident
from homeostat.model.ports import Batch, Journal, Lease, Leases, Observer
from homeostat.model.reasons import Phase
from homeostat.model.streams import AGENT_STREAM, policy_stream


class Tenure:
    """Keeps `Standing` in step with this agent's leases. Without `leases` it answers for everything."""

    def __init__(self, leases: Leases | None, journal: Journal, observer: Observer, agent: str) -> None:
        self._leases = leases
        self._journal = journal
        self._observer = observer
        self._agent = agent
        self._held: Mapping[str, Lease] = {}

    def holds(self, stream: str) -> bool:
        """Whether this agent answers for a stream, as of the last `take_stock`."""
        return self._leases is None or stream in self._held

    def watch(self, policies: Iterable[str], *beside: str) -> None:
        """Compete for watching these policies, for speaking in the agents' own stream, and for those `beside`."""
        if self._leases is not None:
            self._leases.watch([AGENT_STREAM, *beside, *(policy_stream(policy) for policy in policies)])

    def take_stock(self, standing: Standing, now: float) -> list[Incident]:
        """Look at the leases: take up what is new, let go of what was lost.

        Returns:
            The incidents that were let go.

        Raises:
            JournalError: the journal cannot be read.
        """
        if self._leases is None:
            return []
        before, self._held = self._held, self._leases.held()
        standing.refresh()
        for incident in list(standing.incidents.values()):
            if not self._is_still_held(incident.id, before):
                standing.let_go(incident)
        known = {incident.id for incident in standing.incidents.values()}
        for stream in list(standing.open_streams.values()):  # what others open meanwhile comes to it
            if stream in self._held and stream not in known:
                self._take_over(standing, stream, now)
        lost, standing.lost = standing.lost, []
        return lost

    def _is_still_held(self, stream: str, before: Mapping[str, Lease]) -> bool:
        """Whether nobody else can have had it since: under a newer fence, somebody may have."""
        lease, known = self._held.get(stream), before.get(stream)
        return lease is not None and (known is None or known.fence == lease.fence)

    def _take_over(self, standing: Standing, stream: str, now: float) -> None:
        """Fold an incident that another agent had, and say that it is ours now."""
        incident = fold(record.entry for record in self._journal.read(stream))
        if incident.phase is Phase.CLOSED:
            return
        entry = e.LeaseAcquired(at=now, agent=self._agent, fence=self._held[stream].fence)
        try:
            standing.append([Batch(stream, incident.seq, [entry])])
        except JournalConflict as error:
            self._observer.failed(f"incident {stream}", error)
            return
        standing.take(apply(incident, entry))

    def bounded(self, command: Command, stream: str) -> Command:
        """Give a start the moment from which on it would come too late for its lease."""
        if self._leases is None or not isinstance(command, StartAction):
            return command
        lease = self._leases.held().get(stream)
        return replace(command, start_before_s=lease.start_before_s if lease else 0.0)

    def ticked(self, *, blind: bool) -> None:
        """Say that the loop is alive, and whether it can see."""
        if self._leases is not None:
            self._leases.ticked(blind=blind)

    def release(self) -> None:
        """Give everything back, so that others need not wait."""
        if self._leases is not None:
            self._leases.release()

    def settled(self, standing: Standing, now: float) -> list[Incident] | None:
        """After a failed append, read everything again; the incidents of others, or None if it cannot be read."""
        if self._leases is not None:
            self._held = self._leases.held()
        try:
            return standing.fold_everything(now, self.holds)
        except JournalError as error:
            self._observer.failed("journal", error)
            return None
