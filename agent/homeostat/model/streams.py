"""The names of the journal's streams. An incident's stream is named by its id."""

from __future__ import annotations

AGENT_STREAM = "agent"
"""What happens to the agent itself: starts, stops, refused files."""

ALERTS_STREAM = "alerts"
"""What other systems say is wrong."""

NOTIFY_STREAM = "notify"
"""What people were told, and what could not be said."""

POLICY_STREAMS = "policy/"
"""What the names of policies' streams begin with."""


def policy_stream(policy: str) -> str:
    """The stream of what concerns a policy and no single incident: versions, rankings, blindness."""
    return f"{POLICY_STREAMS}{policy}"
