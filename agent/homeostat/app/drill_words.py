"""Drills in words, for `explain`."""

from __future__ import annotations

from homeostat.model import entries as e
from homeostat.model.drill_entries import TABLETOP


def drilled(entry: e.DrillRan) -> tuple[str, list[str]]:
    """How a drill of any tier went."""
    if entry.tier == TABLETOP:
        return _sat_at_a_table(entry)
    tier = f" ({entry.tier})" if entry.tier else ""
    learnt = "its incidents are in another journal" if entry.elsewhere else "nothing is learnt of its incidents"
    tried = [f"policy {name} version {version[:12]}" for name, version in entry.policies.items()]
    verdict = "passed" if entry.passed else "did not pass"
    return f"drill {entry.fault}{tier} {verdict}; {learnt}", [*([entry.why] if entry.why else []), *tried]


def _sat_at_a_table(entry: e.DrillRan) -> tuple[str, list[str]]:
    verdict = "passed" if entry.passed else "did not pass"
    details = [entry.why] if entry.why else []
    details += [f"policy {name} version {version[:12]}" for name, version in entry.policies.items()]
    for answer in entry.answers:
        said = f"{', '.join(answer.picked)} where the policy has {', '.join(answer.expected)}: {answer.verdict}"
        comment = f" ({answer.comment})" if answer.comment else ""
        details.append(f"{answer.after_s:+.0f} s, after {answer.took_s:.0f} s: {said}{comment}")
    return f"tabletop '{entry.fault}' with {', '.join(entry.people)} {verdict}", details
