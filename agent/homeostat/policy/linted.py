"""What a lint rule looks at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date

from homeostat.model.drill_schedule import DrillKind
from homeostat.model.errors import Position, Problem
from homeostat.model.policy import ActionSpec, Policy
from homeostat.policy.catalogues import Actions, Signals
from homeostat.policy.plan import Origin
from homeostat.policy.schema import PolicyFile
from homeostat.policy.yaml_tree import Document

Allowed = Callable[[str, ActionSpec, str], str | None]
"""Policy, action, target -> why it must not be run; None where it may."""

Drilled = Mapping[str, Mapping[DrillKind, float]]
"""Policy -> kind of drill -> when the last passed one ended, Unix seconds."""


@dataclass(frozen=True, slots=True)
class Given:
    """What lint is told beside the files.

    Attributes:
        today: the day that `review_by` is held against.
        scrape_interval_s: of the Prometheus that will be read.
        people: names of people and roles that exist; None: nobody can say.
        tried: policy -> node id -> attempts in recorded incidents; None: no recordings were given.
        allowed: policy, action, target -> why it must not be run; None where it may, and where nobody can say.
        drilled: policy -> kind of drill -> when the last passed one ended, Unix seconds; None: nobody can say.
    """

    today: date
    scrape_interval_s: float
    people: Collection[str] | None = None
    tried: Mapping[str, Mapping[str, int]] | None = None
    allowed: Allowed | None = None
    drilled: Drilled | None = None


@dataclass(frozen=True, slots=True)
class Linted:
    """A policy that loads, with where everything in it is written."""

    policy: Policy
    fields: PolicyFile
    document: Document
    origins: Mapping[str, Origin]
    signals: Signals
    actions: Actions
    given: Given

    def at_node(self, node_id: str, *keys: str) -> Position:
        """The position of a step, or of a value in it; of what is around it where the value was not written here."""
        origin = self.origins[node_id]
        return origin.document.at((*origin.path, *keys))

    def at_key(self, *keys: str) -> Position:
        """The position of a key of the policy file."""
        return self.document.key_at(keys) if keys in self.document.keys else self.document.key_at(("policy",))

    def warn_node(self, node_id: str, code: str, message: str, *keys: str) -> Problem:
        """A problem at a step."""
        return Problem(self.at_node(node_id, *keys), code, message)

    def warn_key(self, key: str, code: str, message: str) -> Problem:
        """A problem at a key of the policy file."""
        return Problem(self.at_key(key), code, message)
