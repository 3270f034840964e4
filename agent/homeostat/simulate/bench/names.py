"""What tests and worlds may call the actions of a policy."""

from __future__ import annotations

from homeostat.model.policy import Policy


def known_names(policy: Policy) -> frozenset[str]:
    """Every name by which a start of this policy may be meant: steps, undos, actions, actions with their target."""
    leaves = {**policy.leaves, **policy.undos}
    names = set(leaves)
    for leaf in leaves.values():
        names |= {leaf.action.name, f"{leaf.action.name} {leaf.target}"}
    return frozenset(names)
