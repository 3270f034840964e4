"""What tests and worlds may call the actions of a policy."""

from __future__ import annotations

from homeostat.model.policy import Do, Policy


def known_names(policy: Policy) -> frozenset[str]:
    """Every name by which a start of this policy may be meant: steps, undos, actions, actions with their target."""
    return frozenset().union(*map(names_of, (*policy.leaves.values(), *policy.undos.values())))


def names_of(leaf: Do) -> set[str]:
    """Every name by which a start of this step may be meant."""
    return {leaf.id, leaf.action.name, f"{leaf.action.name} {leaf.target}"}
