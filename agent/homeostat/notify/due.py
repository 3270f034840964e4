"""What is due now, to whom: a pure function of what the journal says.

Nothing is remembered beside: whoever asks again after a crash, or on another host, is told the same, less what was
journalled as sent or given up on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from homeostat.notify.facts import Demand, Facts, News, Story
from homeostat.notify.message import Message
from homeostat.notify.routing import Chain, Routing
from homeostat.notify.wording import LINE_MAX, TITLE_MAX, clipped

NEWS_S = 3600.0
"""What is older is no news and is not told any more. What wants somebody never grows too old."""


@dataclass(frozen=True, slots=True)
class Due:
    """One message for one channel.

    Attributes:
        id: of the message, see `Message.id`. subject: of the record it is about: what is due twice is said once.
        due_at: Unix seconds.
        urgent: it wants somebody. alone: it must not be joined with others.
        digest_s: joined over so long.
    """

    id: str
    subject: str
    channel: str
    due_at: float
    message: Message
    conversation: str = ""
    urgent: bool = False
    alone: bool = False
    digest_s: float = 0.0


def due(facts: Facts, routing: Routing, now: float) -> list[Due]:
    """All that is due at `now` (Unix seconds) and neither sent nor given up on, oldest first."""
    found = [one for story in facts.stories.values() for one in _of_story(facts, story, routing, now)]
    open_ones = [one for one in found if one.channel in routing.channels]
    return sorted(open_ones, key=lambda one: (one.due_at, one.id))


def _of_story(facts: Facts, story: Story, routing: Routing, now: float) -> Iterator[Due]:
    for demand in story.demands:
        if demand.stands(now):
            chains = [chain for chain in map(routing.chain_of, demand.to) if chain is not None]
            for chain in {chain.name: chain for chain in chains}.values():
                yield from _of_chain(facts, story, demand, chain, routing, now)
    for news in story.news:
        for channel, digest_s in _told_of(story, news, routing).items():
            if (news.id, channel) not in facts.outcomes and now - news.at < NEWS_S + 2 * digest_s:
                yield Due(
                    news.id,
                    news.id,
                    channel,
                    news.at,
                    _message(story, news, news.id, story.severity, routing),
                    story.conversations.get(channel, ""),
                    alone=channel in routing.singly and channel in story.told,
                    digest_s=digest_s,
                )


def _told_of(story: Story, news: News, routing: Routing) -> dict[str, float]:
    """Channels that a piece of news goes to, and over how long it is joined there."""
    channels: dict[str, float] = {}
    for route in routing.routes:
        if route.matches(news.topic, story.policy, story.severity):
            for channel in route.to:
                channels.setdefault(channel, route.digest_s)
    if news.follows:
        for channel, since in story.told.items():
            if news.at >= since and (channel not in routing.singly or channel in story.told_singly):
                channels[channel] = 0.0
    return channels


def _of_chain(facts: Facts, story: Story, demand: Demand, chain: Chain, routing: Routing, now: float) -> Iterator[Due]:
    """Walk a chain as far as it has come by now."""
    begins_at = demand.at
    for number in range(len(chain.steps) * (chain.repeat_max + 1)):
        if begins_at > now:
            return
        step = chain.steps[number % len(chain.steps)]
        identity = f"{demand.id}/{chain.name}/{number + 1}"
        for channel in step.to:
            if (identity, channel) not in facts.outcomes:
                yield Due(
                    identity,
                    demand.id,
                    channel,
                    begins_at,
                    _message(story, demand, identity, demand.severity, routing),
                    story.conversations.get(channel, ""),
                    urgent=True,
                )
        begins_at = _next_begins_at(facts, identity, step.to, begins_at, step.wait_s)


def _next_begins_at(facts: Facts, identity: str, channels: tuple[str, ...], begins_at: float, wait_s: float) -> float:
    """Whoever was told is waited for from then on; where nobody could be told, nobody is waited for."""
    outcomes = [facts.outcomes[identity, channel] for channel in channels if (identity, channel) in facts.outcomes]
    sent_at = [outcome.at for outcome in outcomes if outcome.sent]
    if sent_at:
        return min(sent_at) + wait_s
    if len(outcomes) == len(channels):
        return max(outcome.at for outcome in outcomes)
    return begins_at + wait_s


def _message(story: Story, said: Demand | News, identity: str, severity: str, routing: Routing) -> Message:
    url = f"{routing.console_url}/incidents/{story.incident}" if story.incident else routing.console_url
    links = (("console", url if routing.console_url else ""), ("runbook", story.runbook))
    return Message(
        id=identity,
        topic=said.topic,
        at=said.at,
        title=clipped(said.title, TITLE_MAX),
        incident=story.incident,
        policy=story.policy,
        severity=severity,
        lines=tuple(clipped(line, LINE_MAX) for line in said.lines),
        question=said.question if isinstance(said, Demand) else None,
        links=tuple((label, address) for label, address in links if address),
        node=said.node if isinstance(said, News) else "",
    )
