"""CPU seconds that `lint` takes for policies of 1,000 nodes: one long list, one wide dag, one deep mixture.

Each is written to a file and linted as the command line does it, loading included; imports are not counted. The
best of the rounds counts, since whatever else runs on the machine only adds.

    python benchmarks/lint.py [--nodes N] [--rounds N] [--profile SHAPE]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from homeostat.policy.lint import lint
from homeostat.policy.scalar import print_scalar

CPU_S_MAX = 1.0
TODAY = date(2026, 11, 27)

HEAD = """\
policy: big
owner: team
signals: {http_5xx: errors, rps: 'sum(rate(requests_total[1m]))', phase: {expr: info, type: text, label: phase}}
actions:
  restart: {actuator: command, argv: [systemctl, restart, {target: name}], effect: safe, timeout: 1m}
  scale: {actuator: command, argv: [scale, {with: replicas}], effect: safe, timeout: 1m, with: {replicas: integer}}
trigger: {if: http_5xx > 5%, for: 1m}
resolved: {if: http_5xx < 1% and rps > 1, for: 2m, within: 10m}
escalate: {to: oncall}
timeout: 30d
steps:
"""


def leaf(number: int, extra: str = "") -> str:
    """Give one leaf with a verify of its own; no two are the same."""
    what = "do: restart" if number % 2 else f"do: scale, with: {{replicas: {number}}}"
    proof = f"{{if: http_5xx < {number % 90 + 1}% and rps > {number}, for: 1m, within: 4m}}"
    return f"{{id: s{number}, {what}, target: deploy/d{number}, verify: {proof}{extra}}}"


def long_list(nodes: int) -> str:
    """A linear plan."""
    return "".join(f"- {leaf(number)}\n" for number in range(nodes - 1))


def wide_dag(nodes: int) -> str:
    """One dag in layers of ten, each child after two of the layer before."""
    lines = ["- id: all\n  concurrency: 4\n  dag:\n"]
    for number in range(nodes - 2):
        needs = f", needs: [s{number - 10}, s{number - 9}]" if number >= 10 else ""
        lines.append(f"  - {leaf(number, needs)}\n")
    return "".join(lines)


def mixture(nodes: int) -> str:
    """Decisions between tries, chooses and dags, each of a handful of leaves."""
    lines, number, used = [], 0, 1
    kinds = ("try", "choose", "dag", "steps")
    while used + 8 <= nodes:
        leaves = [leaf(number + place) for place in range(6)]
        kind, number, used = kinds[number // 6 % len(kinds)], number + 6, used + 9
        first = f"{{if: rps > {number}, id: n{number}, {kind}: [{', '.join(leaves)}]}}"
        lines.append(f"- {{id: d{number}, decide: [{first}, {{else: {{escalate: {{}}}}}}]}}\n")
    return "".join(lines)


SHAPES: dict[str, Callable[[int], str]] = {"list": long_list, "dag": wide_dag, "mixture": mixture}


def cpu_s(path: Path) -> float:
    """Lint a file and give the CPU seconds it took, from cold caches. Raises SystemExit when it does not load."""
    print_scalar.cache_clear()
    began = time.process_time()
    report = lint(path, today=TODAY)
    took = time.process_time() - began
    if report.has_errors:
        raise SystemExit(f"{path.name}: {report.findings[0]}")
    return took


def main() -> None:
    """Measure each shape; exit code 1 when one is over the bound."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", choices=SHAPES)
    options = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for shape, write in SHAPES.items():
            path = Path(folder) / shape / "big.homeostat.yaml"
            path.parent.mkdir()
            path.write_text(HEAD + write(options.nodes))
            if options.profile == shape:
                profile = cProfile.Profile()
                profile.runcall(cpu_s, path)
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            best = min(cpu_s(path) for _ in range(options.rounds))
            worst = max(worst, best)
            print(f"{shape:8} {options.nodes} nodes  {best:.3f} s of CPU, {best / options.nodes * 1e6:.0f} us a node")
    if worst > CPU_S_MAX:
        sys.exit(f"over {CPU_S_MAX} s")


if __name__ == "__main__":
    main()
