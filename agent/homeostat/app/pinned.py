"""The version of a policy that an incident was handled by, where the journal keeps its text."""

from __future__ import annotations

from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_journalled


def pinned_policy(journal: Journal, policy: str, policy_hash: str) -> Policy | None:
    """That version; None where its text is not journalled (recordings have none) or no longer understood.

    Raises:
        JournalError: the journal cannot be read.
    """
    try:
        return load_journalled((record.entry for record in journal.read(policy_stream(policy))), policy_hash)
    except (PolicyError, UsageError):
        return None
