"""The version of a policy that a review is about: what it decides, in every environment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Policy
from homeostat.policy.load import Draft, read_draft
from homeostat.policy.schema import PolicyFile
from homeostat.policy.sources import Sources


@dataclass(frozen=True, slots=True)
class Version:
    """A policy as it is now.

    Attributes:
        draft, fields, policy: as read without an environment, or in the first one where it cannot do without.
        hash: the policy's own where it has no environments, else one over all of theirs, so that it is the same for
            whoever asks. Comments, layout and `review_by` are not in it.
    """

    draft: Draft
    fields: PolicyFile
    policy: Policy
    hash: str


def read_version(sources: Sources, name: str) -> Version:
    """Read a policy in all its environments.

    Raises:
        PolicyError: it cannot be loaded in one of them.
    """
    draft = read_draft(sources, name)
    data = draft.document.data
    environments = data.get("environments") if isinstance(data, dict) else None
    hashes: list[str] = []
    for environment in sorted(environments) if isinstance(environments, dict) else ():
        other = read_draft(sources, name, environment)
        hashes.append(f"{environment} {_loaded(other)[1].hash}")
        draft = draft if draft.policy is not None else other
    fields, policy = _loaded(draft)
    joint = hashlib.sha256("\n".join([f"{draft.environment} {policy.hash}", *hashes]).encode()).hexdigest()
    return Version(draft, fields, policy, joint if hashes else policy.hash)


def _loaded(draft: Draft) -> tuple[PolicyFile, Policy]:
    if draft.fields is None or draft.policy is None or draft.problems:
        raise PolicyError(list(dict.fromkeys(draft.problems)))
    return draft.fields, draft.policy
