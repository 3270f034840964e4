"""Entries about drills. Read them as `entries`, with all the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from homeostat.model.entry import Entry, entry_type


@entry_type
class DrillRan(Entry, frozen=True, kw_only=True):
    """A fault was injected on purpose, from `began_at` on; incidents of that time teach nothing, unless `elsewhere`.

    Attributes:
        began_at: Unix seconds.
        passed, why: the drill's verdict, by what users saw.
        tier: what was broken: `sandbox`, `local`, `binaries` or `root`; "" in journals of older releases.
        policies: name -> SHA-256 (`Policy.hash`) of the policies the fault is for, as they were tried.
        elsewhere: the drilled agent had another journal, so no incident of this one is the drill's.
        answer: by which the running agent was told; None where no agent had to be.
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
