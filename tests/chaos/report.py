"""The report: what was done, what came of it, and every broken promise, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.promises import Findings
from tests.chaos.stage import POLL_INTERVAL_S, TTL_S
from tests.chaos.takeovers import TAKEOVER_SLACK_S, Fault

_COLUMNS = (
    "scenario",
    "faults",
    "incidents",
    "effects",
    "duplicates",
    "takeovers",
    "slowest",
    "policies handed on",
    "slowest",
    "broken promises",
)


@dataclass(slots=True)
class Played:
    """One scenario as it went. `skipped` says why it was not played."""

    name: str
    findings: Findings = field(default_factory=Findings)
    faults: Sequence[Fault] = ()
    seconds: float = 0.0
    skipped: str = ""


def render(played: Sequence[Played], naive_duplicates: int, seed: int, store_version: str) -> str:
    """Write the report."""
    took_s = sum(one.seconds for one in played)
    count = "and so can count" if naive_duplicates else "and so CANNOT COUNT"
    lines = [
        f"""\
# Chaos report

PostgreSQL {store_version}, Linux {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} cores.
Leases of {TTL_S:g} s, agents poll every {POLL_INTERVAL_S:g} s, seed {seed}, {took_s:.0f} s in all.

Effects and duplicates are counted by the witness. A takeover counts from the fault to the next owner's
`lease.acquired`, and may take {TTL_S + TAKEOVER_SLACK_S:g} s; a policy is handed on when another agent holds its lease.

| {" | ".join(_COLUMNS)} |
|---|{"---:|" * (len(_COLUMNS) - 1)}""",
        *(_row(one) for one in played),
        "",
        f"Counter-check: two agents share no store; the witness counts {naive_duplicates} duplicates, {count}.",
        "",
    ]
    for one in played:
        lines += _section(one)
    return "\n".join(lines) + "\n"


def _row(one: Played) -> str:
    if one.skipped:
        return f"| {one.name} | skipped: {one.skipped} {'| ' * (len(_COLUMNS) - 2)}|"
    found = one.findings
    cells = [one.name, len(one.faults), found.incidents, found.effects, len(found.duplicates)]
    for times in (found.takeovers_s, found.handovers_s):
        cells += [len(times), f"{max(times):.2f} s" if times else ""]
    return f"| {' | '.join(str(cell) for cell in [*cells, len(found.broken)])} |"


def _section(one: Played) -> list[str]:
    if one.skipped:
        return []
    ends = ", ".join(f"{count} {result}" for result, count in sorted(one.findings.results.items()))
    lines = [f"## {one.name}", "", f"{one.seconds:.0f} s. Incidents: {ends}.", ""]
    lines += [f"- **broken**: {sentence}" for sentence in one.findings.broken]
    kinds = sorted({fault.kind for fault in one.faults})
    counts = {kind: sum(fault.kind == kind for fault in one.faults) for kind in kinds}
    return [*lines, *(f"- {count} x {kind}" for kind, count in counts.items()), ""]
