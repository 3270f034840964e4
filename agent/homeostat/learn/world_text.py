"""A fitted world as the text of a `*.world.yaml`, with what it rests on and what it could not know as comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from homeostat.learn.world_fit import TRIED_MIN, FittedAction, FittedCause, FittedWorld
from homeostat.model.policy import Policy
from homeostat.model.signals import Value

SPREAD_MAX = 5.0
_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z0-9][A-Za-z0-9_.-]*[A-Za-z_]", re.IGNORECASE)
"""What stands in YAML without quotes and can be nothing but text."""


def world_text(fitted: FittedWorld, policy: Policy, interval_s: float, said: Sequence[str]) -> str:
    """Give the file's text.

    Args:
        fitted: from `fit_world`.
        policy: whose incidents they were.
        interval_s: how often the agent polls.
        said: sentences for the head: how well the world reproduces its history.
    """
    lines = [f"# Fitted to {fitted.incidents} recorded incidents of {policy.name}; docs/worlds.md explains the format."]
    lines += [f"# {sentence}" for sentence in (*said, *unknown_of(fitted, policy))]
    lines += [f"world: {policy.name}-fitted", f"interval: {_seconds(interval_s)}"]
    known = {name: value for name, value in fitted.healthy.items() if value is not None}
    lines.append(f"signals: {{{_pairs(known)}}}")
    lines.append("causes:   # one for each recorded incident, its signals as they were at confirmation")
    for number, cause in enumerate(fitted.causes, start=1):
        lines += _cause(fitted, cause, number)
    lines.append("actions:")
    lines += [line for name, action in fitted.actions.items() for line in _action(name, action)]
    lines += list(_faults(fitted))
    return "\n".join(lines) + "\n"


def unknown_of(fitted: FittedWorld, policy: Policy) -> list[str]:
    """What the history could not say, in sentences."""
    told = []
    never = sorted(
        f"{leaf.action.name} {leaf.target}"
        for leaf in policy.leaves.values()
        if not leaf.is_manual and f"{leaf.action.name} {leaf.target}" not in fitted.names
    )
    if never:
        told.append(f"Never tried, so it cures nothing here and takes what is declared: {', '.join(never)}.")
    guessed = int((fitted.tried < TRIED_MIN).sum())
    if guessed:
        told.append(f"{guessed} of {fitted.tried.size} chances to cure rest on the prior alone, marked 'prior' below.")
    unseen = sorted(name for name, value in fitted.healthy.items() if value is None)
    if unseen:
        told.append(f"Never seen after a recovery, so always missing here: {', '.join(unseen)}.")
    if any(leaf.approval is not None or leaf.is_manual for leaf in policy.leaves.values()):
        told.append("How people answer is not fitted: here they agree at once.")
    told.append("Not in the history: what actions do to signals that they do not cure, causes that heal while they are")
    told.append("being treated, incidents that were never confirmed, and causes that have not struck yet.")
    return told


def _cause(fitted: FittedWorld, cause: FittedCause, number: int) -> Iterator[str]:
    prior = [fitted.names[place] for place in np.flatnonzero(fitted.tried[cause.hidden] < TRIED_MIN)]
    yield f"- name: hidden{cause.hidden + 1}_{number:03d}   # {_key(cause.incident)}"
    yield f"  sets: {{{_pairs(cause.sets)}}}"
    chances = zip(fitted.names, fitted.cures[cause.hidden], strict=True)
    cures = ", ".join(f"{_key(name)}: {_share(float(chance))}" for name, chance in chances)
    yield f"  cures: {{{cures}}}" + (f"   # prior: {', '.join(prior)}" if prior else "")
    if cause.heals_s is not None:
        yield f"  heals: {{after: {_seconds(cause.heals_s)}}}"


def _action(name: str, action: FittedAction) -> Iterator[str]:
    """How long it takes, and how often it ends well."""
    terms = [f"succeeds: {_share(action.succeeds)}"]
    if action.mean_s is not None:
        spread = min(action.spread, SPREAD_MAX)
        takes = (
            f"{{mean: {_seconds(action.mean_s)}, spread: {spread:.2f}}}" if spread >= 0.01 else _seconds(action.mean_s)
        )
        terms.insert(0, f"takes: {takes}")
    yield f"  {_key(name)}: {{{', '.join(terms)}}}   # {action.runs} durations of {action.tried} attempts"


def _faults(fitted: FittedWorld) -> Iterator[str]:
    faults = [f"missing: {_share(fitted.missing)}"] if fitted.missing > 0.0 else []
    if fitted.relapses is not None:
        share, after_s = fitted.relapses
        faults.append(f"relapses: {{probability: {_share(share)}, after: {_seconds(after_s)}}}")
    if faults:
        yield f"faults: {{{', '.join(faults)}}}"


def _pairs(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{_key(name)}: {_value(value)}" for name, value in values.items())


def _key(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name)


def _value(value: Value) -> str:
    if isinstance(value, float):
        return np.format_float_positional(value, precision=6, fractional=False, trim="-")
    return json.dumps(value)


def _share(share: float) -> str:
    return f"{100.0 * share:.1f}%"


def _seconds(seconds: float) -> str:
    return f"{round(seconds)}s" if seconds >= 10.0 else f"{max(round(seconds * 1000.0), 1)}ms"
