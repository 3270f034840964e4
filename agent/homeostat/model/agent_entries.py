"""Entries about an agent and what it uses. Read them as `entries`, with all the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from homeostat.model.entry import Entry, entry_type


@entry_type
class PolicyLoaded(Entry, frozen=True, kw_only=True):
    """A policy version came into use; `sources` are the texts it can be loaded from again."""

    TYPE: ClassVar[str] = "policy.loaded"
    policy: str
    policy_hash: str
    sources: Mapping[str, str]
    environment: str | None = None


@entry_type
class GuardsLoaded(Entry, frozen=True, kw_only=True):
    """These shared guards came into use; `text` is their file. In the agent's stream."""

    TYPE: ClassVar[str] = "guards.loaded"
    hash: str
    text: str


@entry_type
class PolicyRefused(Entry, frozen=True, kw_only=True):
    """A changed policy file was invalid; the version in use stays."""

    TYPE: ClassVar[str] = "policy.refused"
    file: str
    problems: tuple[str, ...]


@entry_type
class AgentStarted(Entry, frozen=True, kw_only=True):
    """An agent process came up."""

    TYPE: ClassVar[str] = "agent.started"
    agent: str
    version: str
    seed: int


@entry_type
class AgentStopped(Entry, frozen=True, kw_only=True):
    """An agent process went down in order; `running` are the keys it left running, to be re-attached."""

    TYPE: ClassVar[str] = "agent.stopped"
    agent: str
    running: tuple[str, ...] = ()


@entry_type
class LeaseAcquired(Entry, frozen=True, kw_only=True):
    """Another agent answers for this incident from here on. `fence` grows with every owner."""

    TYPE: ClassVar[str] = "lease.acquired"
    agent: str
    fence: int


@entry_type
class JournalInterrupted(Entry, frozen=True, kw_only=True):
    """The journal could not be written from `since` (Unix seconds) until now; nothing was started meanwhile."""

    TYPE: ClassVar[str] = "journal.interrupted"
    agent: str
    since: float
    error: str
