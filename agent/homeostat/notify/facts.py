"""What the journal says of what people must be told, and of what they were told: a fold, record by record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from homeostat.model import entries as e
from homeostat.model.policy import MANUAL
from homeostat.model.ports import Record
from homeostat.model.reasons import EscalationReason, Result
from homeostat.notify import wording
from homeostat.notify.message import Question, Topic

TYPES = frozenset(
    kind.TYPE
    for kind in (
        e.Suspected, e.Confirmed, e.Escalated, e.Closed, e.ApprovalRequested, e.ApprovalGranted,
        e.ApprovalDenied, e.ApprovalExpired, e.ActionIntended, e.ActionEnded, e.AttemptEnded, e.IncidentAcknowledged,
        e.TakenOver, e.Paused, e.Resumed, e.NotificationSent, e.NotificationFailed,
    )
)  # fmt: skip
"""All that is folded."""

_RECENT_MAX = 64


@dataclass(frozen=True, slots=True)
class Task:
    """What a manual step asks of whom."""

    owner: str
    instructions: str


TaskOf = Callable[[str, str, str], Task | None]
"""(policy, policy hash, node) -> the manual step; None where the policy cannot be had."""

RunbookOf = Callable[[str, str], str]
"""(policy, policy hash) -> the address of its runbook; "" where it has none, or cannot be had."""


@dataclass(slots=True)
class Demand:
    """Something that wants somebody, until it has ended.

    Attributes:
        id: of the record that says so. to: whoever it wants, by name or role.
        node: of the question. key: of the attempt by hand.
        until: it ends by itself then, in Unix seconds.
    """

    id: str
    topic: Topic
    at: float
    to: tuple[str, ...]
    severity: str
    title: str
    lines: tuple[str, ...] = ()
    node: str = ""
    key: str = ""
    question: Question | None = None
    until: float | None = None
    ended: bool = False

    def stands(self, now: float) -> bool:
        """Whether it still wants somebody."""
        return not self.ended and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class News:
    """Something that wants nobody.

    Attributes:
        follows: whoever was told what it is about hears this too.
        node: of the question that it answers; "" where it answers none.
    """

    id: str
    topic: Topic
    at: float
    title: str
    lines: tuple[str, ...] = ()
    follows: bool = False
    node: str = ""


@dataclass(slots=True)
class Story:
    """One incident as far as people must be told of it; `incident` None: the agent itself.

    Attributes:
        acted: something was started or asked; then people are called, also where the rest is only observed.
        told: channel -> since when they know of it. told_singly: those that were not only told in a digest.
        conversations: by channel, the last one.
    """

    incident: str | None
    policy: str | None = None
    policy_hash: str = ""
    severity: str = "info"
    runbook: str = ""
    acted: bool = False
    demands: list[Demand] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    closed_at: float | None = None
    told: dict[str, float] = field(default_factory=dict)
    told_singly: set[str] = field(default_factory=set)
    conversations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message on one channel."""

    sent: bool
    at: float


@dataclass(slots=True)
class Facts:
    """The fold of all records so far.

    Attributes:
        outcomes: (id of a message, channel) -> what became of it.
        recent: by channel, when messages were last sent, oldest first.
        position: of the last record.
    """

    stories: dict[str, Story] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    recent: dict[str, deque[float]] = field(default_factory=dict)
    position: int = 0

    def take(self, record: Record, task_of: TaskOf, runbook_of: RunbookOf = lambda _policy, _hash: "") -> None:
        """Fold one record in; one that was folded in before changes nothing."""
        if record.position <= self.position:
            return
        self.position = record.position
        entry = record.entry
        if isinstance(entry, e.NotificationSent):
            self._take_sent(entry)
        elif isinstance(entry, e.NotificationFailed):
            for one in entry.messages:
                self.outcomes[one, entry.channel] = Outcome(sent=False, at=entry.failed_at)
        elif isinstance(entry, (e.Paused, e.Resumed)):
            story = self.stories.setdefault("", Story(None))
            topic = Topic.PAUSED if isinstance(entry, e.Paused) else Topic.RESUMED
            title = f"{topic.value}: {entry.policy or 'all policies'}, by {entry.by}"
            story.news.append(News(_id(record), topic, entry.at, title, (entry.note,) if entry.note else ()))
        elif isinstance(entry, e.Suspected):
            runbook = runbook_of(entry.policy, entry.policy_hash)
            self.stories[record.stream] = Story(entry.incident, entry.policy, entry.policy_hash, runbook=runbook)
        elif record.stream in self.stories:
            _tell(self.stories[record.stream], record, task_of)

    def forget(self, before: float) -> None:
        """Drop incidents that closed before then, with what was said of them, and old news of the agent."""
        gone = {name for name, story in self.stories.items() if (story.closed_at or before) < before}
        for name in gone:
            del self.stories[name]
        if "" in self.stories:
            self.stories[""].news = [news for news in self.stories[""].news if news.at >= before]
        self.outcomes = {
            (one, channel): outcome
            for (one, channel), outcome in self.outcomes.items()
            if outcome.at >= before or stream_of(one) in self.stories
        }

    def _take_sent(self, entry: e.NotificationSent) -> None:
        self.recent.setdefault(entry.channel, deque(maxlen=_RECENT_MAX)).append(entry.sent_at)
        for one in entry.messages:
            self.outcomes[one, entry.channel] = Outcome(sent=True, at=entry.sent_at)
            story = self.stories.get(stream_of(one))
            if story is None:
                continue
            demanded = [demand.at for demand in story.demands if one.startswith(f"{demand.id}/")]
            if demanded:
                story.told[entry.channel] = min(*demanded, story.told.get(entry.channel, demanded[0]))
                if entry.topic != Topic.DIGEST:
                    story.told_singly.add(entry.channel)
            if entry.conversation and entry.topic != Topic.DIGEST:
                story.conversations[entry.channel] = entry.conversation


def stream_of(message: str) -> str:
    """The stream of the record that a message's id names; "" for the agents' own."""
    stream = message.partition("/")[0]
    return "" if stream == "agent" else stream


def _id(record: Record) -> str:
    return f"{record.stream}/{record.seq}"


def _tell(story: Story, record: Record, task_of: TaskOf) -> None:
    """Take in one record of an incident."""
    entry, identity = record.entry, _id(record)
    match entry:
        case e.Confirmed():
            title = f"{story.policy}: incident opened"
            story.news.append(News(identity, Topic.OPENED, entry.at, title))
        case e.Escalated(reason=EscalationReason.TAKEN_OVER):
            pass  # somebody has it already: nobody is called
        case e.Escalated():
            story.severity = entry.severity.lower()
            title = f"{story.policy}: people must take over ({entry.reason.value.replace('_', ' ')})"
            lines = wording.escalated(entry, str(story.incident))
            if entry.observed and not story.acted:  # whoever tries a policy out wakes nobody with it
                story.news.append(News(identity, Topic.ESCALATED, entry.at, title, lines))
                return
            story.demands.append(Demand(identity, Topic.ESCALATED, entry.at, (entry.to,), story.severity, title, lines))
        case e.ApprovalRequested():
            story.acted = True
            story.demands.append(_asked(story, entry, identity))
        case e.ApprovalGranted() | e.ApprovalDenied() | e.ApprovalExpired():
            _end(story, node=entry.node)
            story.news.append(_answered(story, entry, identity))
        case e.ActionIntended():
            story.acted = True
            story.demands.extend(_by_hand(story, entry, task_of, identity))
        case e.ActionEnded() | e.AttemptEnded():
            _end(story, key=entry.key)
        case e.IncidentAcknowledged() | e.TakenOver():
            _end(story)
            did = "has taken over" if isinstance(entry, e.TakenOver) else "is on it"
            title = f"{story.policy}: {entry.by} {did}"
            lines = (entry.note,) if entry.note else ()
            story.news.append(News(identity, Topic.ACKNOWLEDGED, entry.at, title, lines, follows=True))
        case e.Closed():
            _end(story)
            story.closed_at = entry.at
            title = f"{story.policy}: incident over, {entry.result.value.replace('_', ' ')}"
            story.news.append(News(identity, _TOPIC_OF[entry.result], entry.at, title, follows=True))


_TOPIC_OF = {
    Result.RECOVERED: Topic.RECOVERED,
    Result.SELF_HEALED: Topic.RECOVERED,
    Result.ESCALATED: Topic.CLOSED,
    Result.DISMISSED: Topic.DISMISSED,
}


def _end(story: Story, *, node: str | None = None, key: str | None = None) -> None:
    """End what a question or an attempt wanted; without either, all that is wanted so far."""
    for demand in story.demands:
        if (node is None or (demand.topic is Topic.ASKED and demand.node == node)) and key in (None, demand.key):
            demand.ended = True


def _asked(story: Story, entry: e.ApprovalRequested, identity: str) -> Demand:
    question = Question(
        entry.node,
        story.policy_hash,
        entry.action,
        entry.target,
        entry.approvers,
        entry.requester,
        entry.expires_at,
        entry.detail,
    )
    return Demand(
        identity,
        Topic.ASKED,
        entry.at,
        entry.approvers,
        "warning",
        f"{story.policy}: may {entry.node} start {entry.action} on {entry.target}?",
        wording.asked(entry, str(story.incident)),
        node=entry.node,
        question=question,
        until=entry.expires_at,
    )


def _answered(story: Story, entry: e.ApprovalGranted | e.ApprovalDenied | e.ApprovalExpired, identity: str) -> News:
    title = f"{story.policy}: {entry.node} {wording.answered(entry)}"
    lines = () if isinstance(entry, e.ApprovalExpired) or not entry.note else (entry.note,)
    return News(identity, Topic.ANSWERED, entry.at, title, lines, follows=True, node=entry.node)


def _by_hand(story: Story, entry: e.ActionIntended, task_of: TaskOf, identity: str) -> Iterator[Demand]:
    if entry.action != MANUAL:
        return
    task = task_of(str(story.policy), story.policy_hash, entry.node)
    yield Demand(
        identity,
        Topic.MANUAL,
        entry.at,
        (task.owner if task else "",),
        "warning",
        f"{story.policy}: {entry.node} is to be done by hand",
        wording.by_hand(task.instructions if task else "", entry.node, str(story.incident), entry.deadline_at),
        node=entry.node,
        key=entry.key,
        until=entry.deadline_at,
    )
