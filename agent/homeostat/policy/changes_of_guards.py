"""Which shared guards now hold and which no longer do, in words."""

from __future__ import annotations

from collections.abc import Iterator

from homeostat.model.guards import BlastRadius, Guards, Maintenance, Rate, Recurrence
from homeostat.policy.changes_of_steps import Change
from homeostat.policy.units import format_seconds


def guard_changes(old: Guards, new: Guards) -> list[Change]:
    """Compare the guards of two versions of a folder; one that is written otherwise is a new one and an old one."""
    before, after = list(_told(old)), list(_told(new))
    found = [Change("", f"a guard is new: {told}") for told in after if told not in before]
    found += [Change("", f"a guard is gone: {told}") for told in before if told not in after]
    read = {name for name in old.signals.keys() & new.signals.keys() if old.signals[name] != new.signals[name]}
    return [*found, *(Change("", f"the guards' signal `{name}` is now read otherwise") for name in sorted(read))]


def _told(guards: Guards) -> Iterator[str]:
    yield from map(_rate, guards.rates)
    yield from map(_radius, guards.blast_radius)
    if guards.storm is not None:
        within = format_seconds(guards.storm.within_s)
        yield f"nothing is started while more than {guards.storm.incidents_max} incidents open within {within}"
    yield from map(_recurrence, guards.recurrence)
    yield from map(_maintenance, guards.maintenance)
    if guards.telemetry is not None:
        if guards.telemetry.known_min:
            yield f"nothing is started unless {guards.telemetry.known_min:.0%} of a policy's signals are known"
        if guards.telemetry.condition is not None:
            yield f"nothing is started unless `{guards.telemetry.condition.text}`"


def _rate(rate: Rate) -> str:
    per = f" per {' and '.join(sorted(rate.per))}" if rate.per else " in all"
    within = format_seconds(rate.within_s)
    return f"at most {rate.starts_max} starts of {rate.actions} on {rate.targets}{per} within {within}"


def _radius(radius: BlastRadius) -> str:
    limits = [str(radius.count_max)] if radius.count_max is not None else []
    if radius.share_max is not None:
        limits.append(f"{radius.share_max:.0%} of {radius.eligible}")
    return f"at most {' and '.join(limits)} of {radius.targets} touched within {format_seconds(radius.within_s)}"


def _recurrence(guard: Recurrence) -> str:
    within = format_seconds(guard.within_s)
    used = f"{guard.actions} on one of {guard.targets}"
    return f"{used} in at most {guard.incidents_max} incidents of a policy within {within}"


def _maintenance(window: Maintenance) -> str:
    over = f"{', '.join(window.policies)} on {', '.join(window.targets)}"
    when = "once" if window.days is None else f"on {len(window.days)} days a week"
    return f"hands off in maintenance {window.name} ({when}, {window.from_s:g} to {window.to_s:g} s) for {over}"
