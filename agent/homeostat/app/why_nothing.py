"""Why nothing is being done: kill switches that are pulled, an agent that is not there, a trigger that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homeostat.app.explain import scope_of
from homeostat.model import entries as e


def paused_now(agent_entries: Iterable[e.Entry]) -> list[e.Paused]:
    """The kill switches that are pulled, oldest first, given the agent's stream."""
    pulled: dict[str | None, e.Paused] = {}
    for entry in agent_entries:
        if isinstance(entry, e.Paused):
            pulled[entry.policy] = entry
        elif isinstance(entry, e.Resumed):
            pulled = {} if entry.policy is None else {key: it for key, it in pulled.items() if key != entry.policy}
    return list(pulled.values())


def why_paused(policy: str, agent_entries: Iterable[e.Entry], now: float) -> list[str]:
    """Say which kill switches hold a policy back, by whom, since when and why."""
    told = []
    for pause in paused_now(agent_entries):
        if pause.policy in (None, policy):
            note = f" ({pause.note})" if pause.note else ""
            lift = f"homeostat resume --policy {policy}" if pause.policy else "homeostat resume"
            since = f"for {now - pause.at:.0f} s{note}"
            told.append(f"{scope_of(pause)} has been paused by {pause.by} {since}: nothing starts before `{lift}`")
    return told


def why_nothing(
    policy_entries: Sequence[e.Entry], agent_entries: Sequence[e.Entry], now: float, agent_trouble: str | None = None
) -> list[str]:
    """Say, for one policy without an open incident, what there is to say about why nothing is being done.

    Args:
        policy_entries: the policy's own stream.
        agent_entries: the agent's stream.
        now: Unix seconds.
        agent_trouble: what is wrong with the agent at this moment, if anything is.
    """
    sentences: list[str] = []
    up = [entry for entry in agent_entries if isinstance(entry, (e.AgentStarted, e.AgentStopped))]
    if not up:
        sentences.append("no agent has ever run on this journal")
    elif isinstance(up[-1], e.AgentStopped):
        sentences.append(f"no agent is running: {up[-1].agent} stopped {now - up[-1].at:.0f} s ago")
    elif agent_trouble is not None:
        sentences.append(f"{agent_trouble}; the last one to come up was {up[-1].agent}")
    refused = [entry for entry in agent_entries if isinstance(entry, e.PolicyRefused)]
    loaded = [entry for entry in policy_entries if isinstance(entry, e.PolicyLoaded)]
    if refused and (not loaded or refused[-1].at > loaded[-1].at):
        sentences.append(f"a change of the policies was refused: {refused[-1].problems[0]}")
    if not loaded:
        sentences.append("no agent has ever loaded this policy")
    blind = [entry for entry in policy_entries if isinstance(entry, e.DecisionWithheld)]
    if blind and blind[-1].reason is not None:
        since = now - blind[-1].at
        sentences.append(
            f"its trigger has been unknown for {since:.0f} s ({blind[-1].detail}); missing data never acts"
        )
    return sentences or ["its trigger is known and not true: there is nothing to do"]
