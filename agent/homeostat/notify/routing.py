"""Who is told what: chains for what wants somebody, routes for what is only news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from homeostat.notify.message import Topic

DEMANDS = (Topic.ASKED, Topic.MANUAL, Topic.ESCALATED)
"""What wants somebody to do something; all else is news."""

STEP_WAIT_S = 300.0
"""How long a channel that stands for a chain is waited for."""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """These channels are told at once; after `wait_s` without an acknowledgement the next step is."""

    to: tuple[str, ...]
    wait_s: float = STEP_WAIT_S


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps in turn. `repeat_max`: how often it begins anew after its last step."""

    name: str
    steps: tuple[ChainStep, ...]
    repeat_max: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """News of these topics, policies (globs) and severities goes to these channels; an empty tuple means all.

    Attributes:
        digest_s: joined over so long; 0: at once.
    """

    to: tuple[str, ...]
    topics: tuple[Topic, ...] = ()
    policies: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    digest_s: float = 0.0

    def matches(self, topic: Topic, policy: str | None, severity: str) -> bool:
        """Whether a piece of news goes this way."""
        if self.topics and topic not in self.topics:
            return False
        if self.policies and not any(fnmatchcase(policy or "", glob) for glob in self.policies):
            return False
        return not self.severities or severity in self.severities


@dataclass(frozen=True, slots=True)
class Routing:
    """All of it, as the settings have it.

    Attributes:
        channels: names of all channels.
        default: the chain or channel for whoever has none of their own; None: they are not told.
        gather_s: how long something is waited for that may be joined with it.
        per_minute_max: messages a channel is given in any minute; more are joined.
        console_url: where links lead; "" for none.
        singly: channels that take word of how incidents went on one by one; see `channel.Channel`.
    """

    channels: frozenset[str] = frozenset()
    chains: Mapping[str, Chain] = field(default_factory=dict)
    routes: Sequence[Route] = ()
    default: str | None = None
    gather_s: float = 5.0
    per_minute_max: int = 6
    console_url: str = ""
    singly: frozenset[str] = frozenset()

    def chain_of(self, name: str) -> Chain | None:
        """Who is called for a policy's `escalate.to`, an approver or an owner; None: nobody."""
        found = self._own_chain(name)
        if found is None and self.default is not None:
            found = self._own_chain(self.default)
        return found

    def _own_chain(self, name: str) -> Chain | None:
        if name in self.chains:
            return self.chains[name]
        return Chain(name, (ChainStep((name,)),)) if name in self.channels else None
