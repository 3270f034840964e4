"""Rules about the plan: its branches, its actions, its bounds, and secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from homeostat.model.errors import Problem
from homeostat.model.policy import Choose, Decide, Do, Effect, Policy, walk_nodes
from homeostat.policy.catalogues import Actions
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
    if review_by is not None and review_by < linted.given.today:
        yield linted.warn_key("review_by", "W205", f"the review was due on {review_by}; today is {linted.given.today}")


def overdue_drill(linted: Linted) -> Iterator[Problem]:
    """W241: a plan nobody has practised in time. Only where it is known what was drilled; whole days are counted."""
    fields, drilled, today = linted.fields.drills, linted.given.drilled, linted.given.today
    if fields is None or drilled is None:
        return
    due_at = fields.schedule.due_at(drilled.get(linted.policy.name, {}))
    if due_at is None:
        kinds = " or ".join(kind.value for kind in fields.kinds)
        yield linted.warn_key("drills", "W241", f"no drill of it was ever passed ({kinds}); hold one")
    elif (due := datetime.fromtimestamp(due_at, UTC).date()) < today:
        yield linted.warn_key("drills", "W241", f"its drill was due on {due}; today is {today}")


def retry_of_unsafe(linted: Linted) -> Iterator[Problem]:
    """W208: a second run may do harm. People who are asked twice see for themselves what they did."""
    for leaf in linted.policy.leaves.values():
        risky = leaf.effect is Effect.UNSAFE and not leaf.is_manual
        if risky and leaf.retry.explicit and leaf.retry.times_max > 0:
            message = f"'{leaf.id}' is unsafe to run twice, and is retried {leaf.retry.times_max} times"
            yield linted.warn_node(leaf.id, "W208", message, "retry")


def secrets_in_arguments(linted: Linted) -> Iterator[Problem]:
    """W212: arguments are journalled and shown; a secret belongs into the executor's environment."""
    for leaf in linted.policy.leaves.values():
        for key, value in linted.origins[leaf.id].arguments.items():
            if isinstance(value, str) and _looks_secret(key, value):
                message = f"'{key}' looks like a secret in clear text; it would be journalled"
                yield linted.warn_node(leaf.id, "W212", message, "with", key)


def secrets_in_catalogue(policy: Policy, actions: Actions) -> Iterator[Problem]:
    """W212, in the parameters of the actions that a policy uses. What people do by hand has none."""
    used = {leaf.action.name for leaf in (*policy.leaves.values(), *policy.undos.values()) if not leaf.is_manual}
    for name in sorted(used):
        path = (*actions.base, name)
        for key, value in _texts(actions.actions[name].spec.parameters):
            if _looks_secret(key, value):
                message = f"the action '{name}' holds what looks like a secret in clear text ('{key}'); "
                hint = "use {secret: env:NAME} in a header, or let the program look it up itself"
                yield Problem(actions.document.key_at(path), "W212", message + hint)


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


def candidates_without_history(linted: Linted) -> Iterator[Problem]:
    """W217: what was never tried is ranked by its written order alone. Only where recordings are given."""
    if linted.given.tried is None:
        return
    tried = linted.given.tried.get(linted.policy.name, {})
    for node in linted.policy.nodes():
        for candidate in node.children if isinstance(node, Choose) else ():
            leaves = [leaf.id for leaf in walk_nodes(candidate) if isinstance(leaf, Do)]
            if leaves and not any(tried.get(leaf, 0) for leaf in leaves):
                message = f"'{candidate.id}' was tried in none of the recorded incidents; its place is only a guess"
                yield linted.warn_node(candidate.id, "W217", message)


PLAN_RULES: tuple[Rule, ...] = (
    decide_without_else,
    missing_verify,
    missing_timeout,
    past_review,
    overdue_drill,
    retry_of_unsafe,
    secrets_in_arguments,
    candidates_without_history,
)
