"""Entries about what is learnt, and tried for it, in a policy's stream. Read them as `entries`, with all the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from homeostat.model.entry import Entry, entry_type
from homeostat.model.ranking import GateFigures, Ranking


@entry_type
class ExplorationStarted(Entry, frozen=True, kw_only=True):
    """An attempt of an explored pick is about to start; from here on it counts against the harm budget of `node`."""

    TYPE: ClassVar[str] = "exploration.started"
    policy: str
    node: str
    key: str


@entry_type
class ExplorationEnded(Entry, frozen=True, kw_only=True):
    """An attempt of an explored pick has its verdict. `harmful`: it did harm, or nobody can say whether it ran."""

    TYPE: ClassVar[str] = "exploration.ended"
    policy: str
    node: str
    key: str
    harmful: bool


@entry_type
class AttemptCounted(Entry, frozen=True, kw_only=True):
    """What an attempt says for or against letting the agent go further by itself with its step.

    Attributes:
        step: the content of the step, see `policy.Earning`; one that was changed begins anew.
        level_max: how many levels above its start the step can earn.
        succeeded: it worked, and harm was known to be absent before and after.
        harmful: the harm condition rose.
    """

    TYPE: ClassVar[str] = "autonomy.counted"
    policy: str
    node: str
    step: str
    incident: str
    key: str
    level_max: int
    succeeded: bool
    harmful: bool


@entry_type
class SuccessRelapsed(Entry, frozen=True, kw_only=True):
    """The incident came back soon after the step's last success: that did not last."""

    TYPE: ClassVar[str] = "autonomy.relapsed"
    policy: str
    node: str
    step: str
    incident: str


@entry_type
class RankingTrained(Entry, frozen=True, kw_only=True):
    """A ranking was trained.

    Attributes:
        gate: what the promotion gate found, in words.
        passed: whether it let the ranking pass; None in journals of older releases.
        figures: what it estimated, by id of the `choose` node.
    """

    TYPE: ClassVar[str] = "ranking.trained"
    ranking: Ranking
    gate: str
    passed: bool | None = None
    figures: Mapping[str, GateFigures] = field(default_factory=dict)


@entry_type
class RankingPromoted(Entry, frozen=True, kw_only=True):
    """From here on decisions of this policy use this ranking. `why`: what a person said; "" if the gate did it."""

    TYPE: ClassVar[str] = "ranking.promoted"
    version: str
    actor: str
    replaces: str | None = None
    why: str = ""


@entry_type
class RankingRolledBack(Entry, frozen=True, kw_only=True):
    """A ranking no longer rules.

    Attributes:
        version: of the one that ruled.
        to: the version that rules from here on; None for the written order.
        why: what it did worse, or what the person said.
    """

    TYPE: ClassVar[str] = "ranking.rolled_back"
    version: str
    to: str | None
    actor: str
    why: str
