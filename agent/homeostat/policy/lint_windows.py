"""Rules about time windows: what is proved over too short, too long or unequal times."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from homeostat.model.errors import Problem
from homeostat.model.policy import Wait, Window
from homeostat.model.signals import Condition
from homeostat.policy.bounds import incident_worst_case_s
from homeostat.policy.linted import Linted
from homeostat.policy.promql import longest_range_s
from homeostat.policy.units import format_seconds

Rule = Callable[[Linted], Iterator[Problem]]

SCRAPES_MIN = 2
"""A signal that is stale after a single missed scrape flickers between known and unknown."""


def verify_too_long(linted: Linted) -> Iterator[Problem]:
    """W209: a window that cannot end before its deadline can never be proved."""
    for leaf in linted.policy.leaves.values():
        verify = leaf.verify
        if verify is not None and verify.settle_s + verify.for_s > verify.within_s:
            needed = format_seconds(verify.settle_s + verify.for_s)
            message = (
                f"verify needs {needed} (settle and for) but must be done within {format_seconds(verify.within_s)}"
            )
            yield linted.warn_node(leaf.id, "W209", f"'{leaf.id}': {message}", "verify")
    resolved = linted.policy.resolved
    if resolved.within_s is not None and resolved.for_s > resolved.within_s:
        needed, limit = format_seconds(resolved.for_s), format_seconds(resolved.within_s)
        yield linted.warn_key("resolved", "W209", f"resolved needs {needed} but must be done within {limit}")


def windows_that_do_not_match(linted: Linted) -> Iterator[Problem]:
    """W210: an incident that closes on a shorter look than it opened on relapses at once."""
    trigger, resolved = linted.policy.trigger, linted.policy.resolved
    if resolved.for_s < trigger.for_s:
        closes, opens = format_seconds(resolved.for_s), format_seconds(trigger.for_s)
        message = (
            f"it opens after {opens} but closes after {closes} already; a longer 'for' here avoids instant relapses"
        )
        yield linted.warn_key("resolved", "W210", message)
    opens_over_s, closes_over_s = _looks_back_s(linted, trigger), _looks_back_s(linted, resolved)
    if opens_over_s > closes_over_s + resolved.for_s:
        message = (
            f"the trigger looks back {format_seconds(opens_over_s)}, longer than resolved looks back and holds "
            f"({format_seconds(closes_over_s + resolved.for_s)}); it may be true again as soon as the incident closes"
        )
        yield linted.warn_key("resolved", "W210", message)


def short_max_age(linted: Linted) -> Iterator[Problem]:
    """W211: one late scrape makes it unknown."""
    signals = linted.signals
    for name, spec in linted.policy.signals.items():
        if spec.max_age_s < SCRAPES_MIN * linted.given.scrape_interval_s:
            age, scrape = format_seconds(spec.max_age_s), format_seconds(linted.given.scrape_interval_s)
            at = signals.document.at((*signals.base, name, "max_age"))
            yield Problem(at, "W211", f"'{name}' is stale after {age}, less than {SCRAPES_MIN} scrapes of {scrape}")


def proof_is_the_trigger(linted: Linted) -> Iterator[Problem]:
    """W213: what is true while the incident lasts proves no recovery."""
    trigger = linted.policy.trigger.condition
    if _same(linted.policy.resolved.condition, trigger):
        yield linted.warn_key(
            "resolved", "W213", "resolved has the trigger's own condition: it holds while all is broken"
        )
    for leaf in linted.policy.leaves.values():
        if leaf.verify is not None and _same(leaf.verify.condition, trigger):
            message = f"'{leaf.id}' is verified by the trigger's own condition, which holds while all is broken"
            yield linted.warn_node(leaf.id, "W213", message, "verify")


def approval_outlives_policy(linted: Linted) -> Iterator[Problem]:
    """W221: the incident is over before the question is."""
    timeout_s = linted.policy.timeout_s
    for leaf in linted.policy.leaves.values():
        if leaf.approval is not None and leaf.approval.timeout_s > timeout_s:
            asked, limit = format_seconds(leaf.approval.timeout_s), format_seconds(timeout_s)
            message = f"'{leaf.id}' may wait {asked} for its approval, but the policy ends after {limit}"
            yield linted.warn_node(leaf.id, "W221", message, "approval")


def wait_outlives_rto(linted: Linted) -> Iterator[Problem]:
    """W222: whoever waits longer than the objective has given it up."""
    rto_s = linted.policy.rto_s
    for node in linted.policy.nodes() if rto_s is not None else ():
        if isinstance(node, Wait) and rto_s is not None:
            waits_s = node.for_s if node.until is None else node.within_s
            if waits_s > rto_s:
                message = (
                    f"'{node.id}' may wait {format_seconds(waits_s)}, longer than the rto of {format_seconds(rto_s)}"
                )
                yield linted.warn_node(node.id, "W222", message, "wait")


def too_slow(linted: Linted) -> Iterator[Problem]:
    """W206, W207: the plan may take longer than the business or the policy itself allows.

    Where one wait or one approval is too long already, W222 or W221 says so at its place, and this says nothing.
    """
    policy = linted.policy
    worst_s = incident_worst_case_s(policy.trigger, policy.root, policy.resolved)
    worst = format_seconds(worst_s)
    if policy.rto_s is not None and worst_s > policy.rto_s and not any(wait_outlives_rto(linted)):
        rto = format_seconds(policy.rto_s)
        yield linted.warn_key("rto", "W206", f"the worst case takes {worst}, longer than the rto of {rto}")
    if worst_s > policy.timeout_s and not any(approval_outlives_policy(linted)):
        limit = format_seconds(policy.timeout_s)
        message = f"the worst case takes {worst}, longer than the timeout of {limit}; later steps may never run"
        yield linted.warn_key("timeout", "W207", message)


def retry_within_cooldown(linted: Linted) -> Iterator[Problem]:
    """W229: a cooldown counts over incidents, and a step's own retry is not held back by it."""
    for leaf in linted.policy.leaves.values():
        retries = leaf.retry.times_max > 0 and (leaf.retry.explicit or leaf.effect.repeatable)
        if retries and leaf.cooldown_s > leaf.retry.wait_s:
            cooldown, wait = format_seconds(leaf.cooldown_s), format_seconds(leaf.retry.wait_s)
            message = f"'{leaf.id}' wants {cooldown} between two starts, but retries itself after {wait}"
            yield linted.warn_node(leaf.id, "W229", message, "cooldown")


def _same(one: Condition, other: Condition) -> bool:
    return one.text.split() == other.text.split()


def _looks_back_s(linted: Linted, window: Window) -> float:
    return max((longest_range_s(linted.policy.signals[name].expr) for name in window.condition.signals), default=0.0)


WINDOW_RULES: tuple[Rule, ...] = (
    verify_too_long,
    windows_that_do_not_match,
    short_max_age,
    proof_is_the_trigger,
    approval_outlives_policy,
    wait_outlives_rto,
    retry_within_cooldown,
    too_slow,
)
