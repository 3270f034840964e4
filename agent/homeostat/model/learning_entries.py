"""Entries about what is tried in order to learn, in a policy's stream. Read them as `entries`, with all the others."""

from __future__ import annotations

from typing import ClassVar

from homeostat.model.entry import Entry, entry_type


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
