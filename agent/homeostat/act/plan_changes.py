"""What a plan would do, counted from its JSON. Standard library only.

The format is Terraform's "JSON Output Format" (https://developer.hashicorp.com/terraform/internals/json-format), which
OpenTofu keeps: `resource_changes[].change.actions` is one of ["no-op"], ["create"], ["read"], ["update"],
["delete", "create"], ["create", "delete"], ["delete"], and since 1.7 ["forget"].
"""

from __future__ import annotations

import json
from typing import NamedTuple

_KNOWN = frozenset({"no-op", "create", "read", "update", "delete", "forget"})
_NOTHING = frozenset({"no-op", "read"})
_NAMED_MAX = 5


class PlanError(Exception):
    """The plan cannot be judged, so it must not be applied."""


class Changes(NamedTuple):
    """Addresses of resources, by what would become of them. One that is replaced is among the destroyed."""

    changed: tuple[str, ...]
    destroyed: tuple[str, ...]

    def sentence(self) -> str:
        """For people."""
        return f"{len(self.changed)} to change, {len(self.destroyed)} of them to destroy"

    def objection(self, *, changes_max: float, destroys_max: float) -> str | None:
        """Why it must not be applied; None where it is within bounds."""
        if len(self.destroyed) > destroys_max:
            which = _named(self.destroyed)
            return f"the plan destroys {len(self.destroyed)} ({which}), and destroys_max is {destroys_max:g}"
        if len(self.changed) > changes_max:
            which = _named(self.changed)
            return f"the plan changes {len(self.changed)} ({which}), and changes_max is {changes_max:g}"
        return None


def changes_of(shown: str) -> Changes:
    """Count what `show -json` of a plan says. Raises PlanError for anything that is not understood."""
    try:
        plan = json.loads(shown)
        if not isinstance(plan["format_version"], str) or plan.get("errored", False):
            raise PlanError("the plan is not whole: planning ended with an error")
        listed = [
            (str(entry["address"]), frozenset(entry["change"]["actions"]))
            for entry in plan.get("resource_changes") or ()
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PlanError(f"the plan's JSON is not understood ({type(error).__name__}: {error})") from error
    unknown = sorted({action for _, actions in listed for action in actions} - _KNOWN)
    if unknown or any(not actions for _, actions in listed):
        raise PlanError(f"the plan has actions that are not known here: {', '.join(unknown) or 'none at all'}")
    return Changes(
        changed=tuple(address for address, actions in listed if not actions <= _NOTHING),
        destroyed=tuple(address for address, actions in listed if "delete" in actions),
    )


def _named(addresses: tuple[str, ...]) -> str:
    more = len(addresses) - _NAMED_MAX
    return ", ".join(addresses[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
