"""Entries about drills. Read them as `entries`, with all the others."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct, field

from homeostat.model.entry import Entry, entry_type

TABLETOP = "tabletop"
"""The tier of a drill in words, which breaks nothing."""


class TabletopVerdict(StrEnum):
    """What people's answer at a tabletop comes to, beside what the policy does.

    agrees: the same. partly: some of what the policy does, and nothing else. differs: something else, or too much.
    forbidden: a step that the policy would refuse at that moment.
    """

    AGREES = "agrees"
    PARTLY = "partly"
    DIFFERS = "differs"
    FORBIDDEN = "forbidden"


class TabletopAnswer(Struct, frozen=True):
    """One answer of a tabletop.

    Attributes:
        after_s: when it was asked, in seconds of the scenario.
        expected: what the policy does: ids of steps, `nothing` or `escalate`. picked: what people would have done.
        took_s: how long they thought.
    """

    after_s: float
    expected: tuple[str, ...]
    picked: tuple[str, ...]
    verdict: TabletopVerdict
    took_s: float
    comment: str = ""


@entry_type
class DrillRan(Entry, frozen=True, kw_only=True):
    """A fault was injected on purpose, from `began_at` on; incidents of that time teach nothing, unless `elsewhere`.

    Or, at a tabletop, people were led through a scenario in words.

    Attributes:
        fault: what was injected; at a tabletop the scenario.
        began_at: Unix seconds.
        passed, why: the drill's verdict, by what users saw; at a tabletop by what people answered.
        tier: what was broken: `sandbox`, `local`, `binaries` or `root`, or `tabletop`; "" in journals of older
            releases.
        policies: name -> SHA-256 (`Policy.hash`) of the policies the fault is for, as they were tried.
        elsewhere: the drilled agent had another journal, so no incident of this one is the drill's.
        answer: by which the running agent was told; None where no agent had to be.
        people: who sat at a tabletop. answers: theirs, in order.
        whole_s: what a tabletop's incident takes, with the time that people thought; None where it has no end.
        control: nothing was to be done, so it shows nothing of the plan's steps.
    """

    TYPE: ClassVar[str] = "drill.ran"
    fault: str
    began_at: float
    passed: bool
    why: str = ""
    tier: str = ""
    policies: Mapping[str, str] = field(default_factory=dict)
    elsewhere: bool = False
    answer: str | None = None
    people: tuple[str, ...] = ()
    answers: tuple[TabletopAnswer, ...] = ()
    whole_s: float | None = None
    control: bool = False
