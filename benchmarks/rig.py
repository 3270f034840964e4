"""Every fault of the rig against the agent, in random order, as often as wanted: a rig up, the drills, a report, down.

    python -m benchmarks.rig [--seed 7] [--rounds 2] [--report FILE.md] [--only FAULT]...

Exit code 1 if a drill did not pass. Faults this machine cannot have are named with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from statistics import mean

from homeostat.app.drills import drill
from homeostat.app.scaffold import shipped
from homeostat.model.errors import HomeostatError
from homeostat.rig import rig
from homeostat.rig.fault_file import Fault
from homeostat.rig.faults import all_faults, fault_named, why_not
from homeostat.rig.verdict import DrillResult

HEAD = (
    "| fault | passed | cause seen | users see it | clean | from the action | by hand | actions | forbidden | needless "
    "| lost of acknowledged |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    options = _options()
    faults = [fault_named(name) for name in options.only] if options.only else list(all_faults().values())
    skipped = {fault.name: reason for fault in faults if (reason := why_not(fault.tier)) is not None}
    tried = [fault for fault in faults if fault.name not in skipped]
    folder = Path(tempfile.mkdtemp(prefix="homeostat-rig-"))
    folder.chmod(0o755)
    results: list[DrillResult] = []
    broken: list[str] = []
    began = time.monotonic()
    layout = rig.up(folder / "rig")
    up_s = time.monotonic() - began
    try:
        for number in range(options.rounds):
            order = Random(f"{options.seed}-{number}").sample(tried, len(tried))
            for fault in order:
                try:
                    results.append(drill(layout, fault, shipped("policies") / "rig"))
                except HomeostatError as error:
                    broken.append(f"{fault.name}: the rig failed: {error}")
                print(results[-1] if not broken else broken[-1], file=sys.stderr, flush=True)
    finally:
        rig.down(layout.folder, keep=options.keep)
    text = report(tried, results, skipped, broken, up_s, time.monotonic() - began, options)
    print(text)
    if options.report:
        options.report.write_text(text + "\n")
    return 0 if not broken and all(result.passed for result in results) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], metavar="FAULT")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the rig's folder with its logs")
    return parser.parse_args()


def report(
    tried: Sequence[Fault],
    results: Sequence[DrillResult],
    skipped: dict[str, str],
    broken: Sequence[str],
    up_s: float,
    all_s: float,
    options: argparse.Namespace,
) -> str:
    """The report as Markdown. Several rounds of a fault stand in one line, their seconds as a mean and the worst."""
    passed = sum(result.passed for result in results)
    head = (
        f"{passed} of {len(results) + len(broken)} drills passed; seed {options.seed}, {options.rounds} rounds, "
        f"up in {up_s:.0f} s, {all_s:.0f} s in all. Seconds: mean (worst), from the injection; `from the action` from "
        "the start of the last action; `by hand`: the reference, from the helping action."
    )
    lines = [head, "", HEAD]
    for fault in sorted(tried, key=lambda fault: (fault.control, fault.name)):
        of_fault = [result for result in results if result.fault == fault.name]
        if of_fault:
            lines.append(_line(fault, of_fault))
    lines += [f"\n{result.fault} did not pass: {result.why}" for result in results if not result.passed]
    lines += [f"\n{line}" for line in broken]
    lines += [f"\n{name} was not tried: {reason}" for name, reason in skipped.items()]
    return "\n".join(lines)


def _line(fault: Fault, results: Sequence[DrillResult]) -> str:
    lost, acknowledged = (sum(r.payments_lost or 0 for r in results), sum(r.payments_acknowledged for r in results))
    cells = [
        fault.name,
        f"{sum(result.passed for result in results)}/{len(results)}",
        _seconds(result.cause_after_s for result in results),
        _seconds(result.visible_after_s for result in results),
        _seconds(result.clean_after_s for result in results),
        _seconds(result.action_to_clean_s for result in results),
        _seconds([fault.reference.clean_after_s]),
        _names(result.actions for result in results),
        _names(result.forbidden for result in results),
        _names(result.needless for result in results),
        f"{lost} of {acknowledged}",
    ]
    return f"| {' | '.join(cells)} |"


def _seconds(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{mean(known):.1f}" if len(known) == 1 else f"{mean(known):.1f} ({max(known):.1f})"


def _names(values: Iterable[tuple[str, ...]]) -> str:
    return "; ".join(sorted({" + ".join(value) for value in values if value})) or "-"


if __name__ == "__main__":
    sys.exit(main())
