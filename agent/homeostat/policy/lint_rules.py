"""Rules about the plan: its branches, its actions, its bounds, and secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from homeostat.model.errors import Problem
from homeostat.model.policy import Decide, Effect, Policy
from homeostat.policy.bounds import attempts_bound, incident_worst_case_s
from homeostat.policy.catalogues import Actions, Signals
from homeostat.policy.linted import Linted
from homeostat.policy.units import format_seconds

Rule = Callable[[Linted], Iterator[Problem]]

_SECRET_NAME = re.compile(r"passw(or)?d|secret|token|api_?key|credential|private_?key|authorization", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|\bBearer\s+\S{8,}|\bBasic\s+[A-Za-z0-9+/]{12,}={0,2}|://[^/\s:@]+:[^/\s@]+@"
)


def decide_without_else(linted: Linted) -> Iterator[Problem]:
    """W201: when no branch is true, the plan fails there."""
    for node in linted.policy.nodes():
        if isinstance(node, Decide) and all(branch.condition is not None for branch in node.branches):
            message = (
                f"'{node.id}' has no else: when no branch is true the plan fails; add {{else: {{escalate: {{}}}}}}"
            )
            yield linted.warn_node(node.id, "W201", message)


def missing_verify(linted: Linted) -> Iterator[Problem]:
    """W202: an action whose effect nothing proves."""
    for leaf in linted.policy.leaves.values():
        if not linted.origins[leaf.id].has_verify:
            message = (
                f"'{leaf.id}' has no verify: that it ran will count as success; say 'verify: none' if that is meant"
            )
            yield linted.warn_node(leaf.id, "W202", message)


def missing_timeout(linted: Linted) -> Iterator[Problem]:
    """W203: a time-out that nobody chose."""
    for leaf in linted.policy.leaves.values():
        if not linted.origins[leaf.id].has_timeout:
            chosen = format_seconds(leaf.timeout_s)
            message = f"'{leaf.id}' has no timeout, nor has its action or the policy's defaults; {chosen} is taken"
            yield linted.warn_node(leaf.id, "W203", message)


def past_review(linted: Linted) -> Iterator[Problem]:
    """W205: a plan nobody has looked at in time is a plan for another system."""
    review_by = linted.fields.review_by
    if review_by is not None and review_by < linted.today:
        yield linted.warn_key("review_by", "W205", f"the review was due on {review_by}; today is {linted.today}")


def too_slow(linted: Linted) -> Iterator[Problem]:
    """W206, W207: the plan may take longer than the business or the policy itself allows."""
    policy = linted.policy
    worst_s = incident_worst_case_s(policy.trigger, policy.root, policy.resolved)
    worst = format_seconds(worst_s)
    if policy.rto_s is not None and worst_s > policy.rto_s:
        rto = format_seconds(policy.rto_s)
        yield linted.warn_key("rto", "W206", f"the worst case takes {worst}, longer than the rto of {rto}")
    if worst_s > policy.timeout_s:
        limit = format_seconds(policy.timeout_s)
        message = f"the worst case takes {worst}, longer than the timeout of {limit}; later steps may never run"
        yield linted.warn_key("timeout", "W207", message)


def retry_of_unsafe(linted: Linted) -> Iterator[Problem]:
    """W208: a second run may do harm."""
    for leaf in linted.policy.leaves.values():
        if leaf.effect is Effect.UNSAFE and leaf.retry.explicit and leaf.retry.times_max > 0:
            message = f"'{leaf.id}' is unsafe to run twice, and is retried {leaf.retry.times_max} times"
            yield linted.warn_node(leaf.id, "W208", message, "retry")


def idle_attempts_max(linted: Linted) -> Iterator[Problem]:
    """W214: a limit that limits nothing."""
    given, bound = linted.fields.attempts_max, attempts_bound(linted.policy.root)
    if given is not None and given > bound:
        message = f"attempts_max is {given}, but the plan never makes more than {bound} attempts"
        yield linted.warn_key("attempts_max", "W214", message)


def secrets_in_arguments(linted: Linted) -> Iterator[Problem]:
    """W212: arguments are journalled and shown; a secret belongs into the executor's environment."""
    for leaf in linted.policy.leaves.values():
        for key, value in linted.origins[leaf.id].arguments.items():
            if isinstance(value, str) and _looks_secret(key, value):
                message = f"'{key}' looks like a secret in clear text; it would be journalled"
                yield linted.warn_node(leaf.id, "W212", message, "with", key)


def secrets_in_catalogue(policy: Policy, actions: Actions) -> Iterator[Problem]:
    """W212, in the parameters of the actions that a policy uses."""
    for name in sorted({leaf.action.name for leaf in policy.leaves.values() if not leaf.is_manual}):
        path = (*actions.base, name)
        for key, value in _texts(actions.actions[name].spec.parameters):
            if _looks_secret(key, value):
                message = f"the action '{name}' holds what looks like a secret in clear text ('{key}'); "
                hint = "use {secret: env:NAME} in a header, or let the program look it up itself"
                yield Problem(actions.document.key_at(path), "W212", message + hint)


def unused_signals(signals: Signals, used: set[str] | None) -> Iterator[Problem]:
    """W204: declared and read by nobody; often a condition that was forgotten. `used` None: nobody can say."""
    for name in signals.specs if used is not None else ():
        if used is not None and name not in used:
            who = "this policy" if signals.inline else "any policy beside it"
            at = signals.document.key_at((*signals.base, name))
            yield Problem(at, "W204", f"the signal '{name}' is not read by a condition of {who}")


def _looks_secret(key: str, value: str) -> bool:
    return _SECRET_NAME.search(key) is not None or _SECRET_VALUE.search(value) is not None


def _texts(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every literal text in a parameter, with the nearest key around it."""
    match value:
        case str():
            yield key, value
        case list():
            for inner in value:
                yield from _texts(inner, key)
        case {"secret": _} | {"with": _} | {"target": _}:
            return
        case dict():
            for name, inner in value.items():
                yield from _texts(inner, str(name))


PLAN_RULES: tuple[Rule, ...] = (
    decide_without_else,
    missing_verify,
    missing_timeout,
    past_review,
    too_slow,
    retry_of_unsafe,
    idle_attempts_max,
    secrets_in_arguments,
)
