"""What people have said since the last tick: pauses are journalled at once, the rest waits for its incident's turn."""

from __future__ import annotations

from collections.abc import Sequence

from homeostat.decide.answers import HEARD_ONCE, sort_answers
from homeostat.loop.standing import Standing
from homeostat.loop.tenure import Tenure
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.errors import JournalError
from homeostat.model.ports import Inbox, Observer
from homeostat.model.streams import AGENT_STREAM


class Hearing:
    """Takes from the inbox what is this agent's to judge. Without an inbox nobody says anything."""

    def __init__(self, inbox: Inbox | None, standing: Standing, tenure: Tenure, observer: Observer) -> None:
        self._inbox = inbox
        self._standing = standing
        self._tenure = tenure
        self._observer = observer
        self._by_incident: dict[str, list[Answer]] = {}

    def about(self, incident: str) -> Sequence[Answer]:
        """What was said about an incident, in the order in which it was."""
        return self._by_incident.get(incident, [])

    def take(self, now: float) -> None:
        """Collect answers, and journal what concerns no single incident."""
        self._by_incident = {}
        if self._inbox is None:
            return
        said = self._inbox.collect()
        if not said:
            return
        mine = {incident.id for incident in self._standing.incidents.values()}
        known = {None, *self._standing.open_streams.values()}
        try:
            if any(answer.incident not in known for answer in said):
                self._standing.refresh()  # it may have begun elsewhere a moment ago
            answers = [answer for answer in said if answer.incident in mine or self._is_for_us(answer)]
            if not answers:
                return
            kinds = {answer.kind for answer in answers}
            resumes = AnswerKind.RESUME in kinds
            # Nothing is lifted on a journal that has moved on since: the switch may have been pulled again.
            after = self._standing.head_seq(AGENT_STREAM) if resumes else None
            heard = self._standing.heard() if kinds & HEARD_ONCE else frozenset()
            found = sort_answers(answers, mine, heard, now)
            self._standing.say(AGENT_STREAM, found.said, after=after)
        except JournalError as error:
            self._standing.in_doubt = True
            self._observer.failed("inbox", error)
            return
        self._by_incident = found.by_incident
        self.settle(found.settled)

    def settle(self, answers: Sequence[str]) -> None:
        """Forget these answers, by id: what they said is in the journal."""
        if answers and self._inbox is not None:
            self._inbox.settle(answers)

    def _is_for_us(self, answer: Answer) -> bool:
        """Whether an answer about none of our incidents is ours to judge: we speak in the agents' own stream."""
        if not self._tenure.holds(AGENT_STREAM):
            return False
        return answer.incident not in self._standing.open_streams.values()
