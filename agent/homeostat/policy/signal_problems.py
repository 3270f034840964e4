"""What is wrong with where a policy looks: a proof that reads no signal, and what is to be learnt from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Do, Steps, Wait, walk_nodes
from homeostat.policy.catalogues import Signals
from homeostat.policy.plan import Origin
from homeostat.policy.schema import PolicyFile
from homeostat.policy.yaml_tree import Document


def signal_problems(
    document: Document, fields: PolicyFile, signals: Signals | None, root: Steps, origins: Mapping[str, Origin]
) -> Iterator[Problem]:
    """Give what a policy's conditions and rankings would never see.

    Args:
        document: the policy's.
        fields: what is written in it.
        signals: None where the catalogue could not be read, which is a problem of its own.
        root: its plan.
        origins: by id of the nodes in the plan.
    """
    if signals is None:
        return
    for place, name in enumerate(fields.learning.signals):
        if name not in signals.specs:
            at = document.at(("learning", "signals", place))
            yield Problem(at, "E121", f"no signal is named '{name}'{did_you_mean(name, signals.specs)}")
    yield from _blind_proofs(document, fields, root, origins)


def _blind_proofs(
    document: Document, fields: PolicyFile, root: Steps, origins: Mapping[str, Origin]
) -> Iterator[Problem]:
    """What opens, closes or proves must look at the world: a condition that reads no signal never does."""
    for key, condition in (("trigger", fields.trigger.condition), ("resolved", fields.resolved.condition)):
        if not condition.signals:
            yield Problem(document.at((key,)), "E163", f"'{key}' reads no signal; it would never look at the world")
    for node in walk_nodes(root):
        probe = node.probe if isinstance(node, Do) else None
        if probe is not None and not probe.condition.signals:
            yield _blind(origins[node.id], f"the probe of '{node.id}' reads no signal")
        proof = node.verify.condition if isinstance(node, Do) and node.verify else None
        proof = node.until if isinstance(node, Wait) else proof
        if proof is not None and not proof.signals:
            yield _blind(origins[node.id], f"what proves '{node.id}' reads no signal")


def _blind(origin: Origin, what: str) -> Problem:
    return Problem(origin.document.at(origin.path), "E163", f"{what}; it would never look at the world")
