"""Mutated policies, guards and conditions by the hundred thousand: none may crash, hang, or be refused without a place.

With `--parser NAME` (or `all`) instead whatever else comes from outside: see `tests/unit/outside`.

Every second case is a condition, the others are the shipped policies and those of `tests/unit/policy/fuzz_corpus.py`.
A case is told by its number alone, so that `--case N` repeats it. Also prints what 1,000 nodes cost to load and lint.

    python -m benchmarks.fuzz [--cases 200000] [--processes 2] [--case N] [--parser NAME]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from tests.unit.outside.parsers import PARSERS as AT_ONCE
from tests.unit.outside.parsers import check as parse_one
from tests.unit.outside.parsers import mutant
from tests.unit.outside.served import SERVED
from tests.unit.policy.fuzzing import TODAY, check, check_condition, corpus, mutated, mutated_condition
from tests.unit.policy.huge import policy_of_nodes

from homeostat.policy.lint import lint
from homeostat.policy.load import load_policy

CHUNK = 500
CRASHES_SHOWN = 20
ADDRESS_SPACE_BYTES_MAX = 6 << 30
PARSERS = {**AT_ONCE, **{parser.name: parser for parser in SERVED}}


@dataclass
class Tally:
    """What came of many cases. `crashes`: number of the case and the last line of its traceback."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    crashes: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.counts += other.counts
        self.slowest = max(self.slowest, other.slowest)
        self.crashes += other.crashes


def carry_out(numbers: range, seed: int) -> Tally:
    """Run some cases in this process."""
    tally, seeds = Tally(), corpus()
    with tempfile.TemporaryDirectory() as name:
        for number in numbers:
            random = Random(f"{seed}/{number}")
            kind = "condition" if number % 2 else "policy"
            try:
                if number % 2:
                    outcome = check_condition(mutated_condition(random))
                else:
                    outcome = check(mutated(random.choice(seeds), random), Path(name))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                where = traceback.extract_tb(error.__traceback__)[-1]
                tally.crashes.append((number, f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"))
                continue
            tally.counts[f"{kind} {'accepted' if outcome.accepted else 'rejected'}"] += 1
            tally.slowest = max(tally.slowest, (outcome.cpu_s, number))
    return tally


def parse_all(numbers: range, name: str, seed: int) -> Tally:
    """Have one parser parse some cases, in this process and in bounded memory."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES_MAX, ADDRESS_SPACE_BYTES_MAX))
    tally, chosen = Tally(), PARSERS[name]
    with tempfile.TemporaryDirectory() as folder, chosen.opened(Path(folder)) as parse:
        for number in numbers:
            try:
                outcome = parse_one(parse, mutant(chosen, number, seed))
            except Exception as error:  # noqa: BLE001 - every crash is what is looked for
                where = traceback.extract_tb(error.__traceback__)[-1]
                tally.crashes.append((number, f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"))
                continue
            tally.counts["accepted" if outcome.accepted else "refused"] += 1
            tally.slowest = max(tally.slowest, (outcome.cpu_s, number))
    return tally


def _fuzz_parser(name: str, asked: argparse.Namespace) -> int:
    if asked.case is not None:
        print(mutant(PARSERS[name], asked.case, asked.seed))
        print(parse_all(range(asked.case, asked.case + 1), name, asked.seed))
        return 0
    began, total = time.monotonic(), Tally()
    with multiprocessing.Pool(asked.processes) as pool:
        for tally in pool.imap_unordered(partial(parse_all, name=name, seed=asked.seed), _chunks(asked.cases)):
            total.add(tally)
            _show_progress(total, asked.cases, began)
    print(f"{name}: ", end="")
    _show(total, time.monotonic() - began)
    return 1 if total.crashes else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int)
    parser.add_argument("--parser", choices=["all", *PARSERS])
    asked = parser.parse_args()
    if asked.parser is not None:
        names = list(PARSERS) if asked.parser == "all" else [asked.parser]
        return max([_fuzz_parser(name, asked) for name in names])
    if asked.case is not None:
        print(carry_out(range(asked.case, asked.case + 1), asked.seed))
        return 0
    began = time.monotonic()
    total = Tally()
    with multiprocessing.Pool(asked.processes) as pool:
        for tally in pool.imap_unordered(partial(carry_out, seed=asked.seed), _chunks(asked.cases)):
            total.add(tally)
            _show_progress(total, asked.cases, began)
    _show(total, time.monotonic() - began)
    _show_size()
    return 1 if total.crashes else 0


def _chunks(cases: int) -> Iterator[range]:
    for first in range(0, cases, CHUNK):
        yield range(first, min(first + CHUNK, cases))


def _show_progress(total: Tally, cases: int, began: float) -> None:
    if sys.stderr.isatty():
        done = sum(total.counts.values()) + len(total.crashes)
        print(f"\r{done} of {cases} cases, {time.monotonic() - began:.0f} s", end="", file=sys.stderr)


def _show(total: Tally, took_s: float) -> None:
    cases = sum(total.counts.values()) + len(total.crashes)
    print(f"{cases} cases in {took_s:.0f} s")
    for what in sorted(total.counts):
        print(f"  {what}: {total.counts[what]}")
    print(f"  slowest: {total.slowest[0] * 1e3:.0f} ms of CPU (case {total.slowest[1]})")
    print(f"  crashes: {len(total.crashes)}")
    for number, said in total.crashes[:CRASHES_SHOWN]:
        print(f"    case {number}: {said[:300]}")


def _show_size() -> None:
    with tempfile.TemporaryDirectory() as name:
        for nodes in (100, 1000):
            path = Path(name) / f"nodes{nodes}.homeostat.yaml"
            path.write_text(policy_of_nodes(nodes))
            began = time.process_time()
            policy = load_policy(path)
            loaded = time.process_time()
            lint(path, today=TODAY)
            linted = time.process_time()
            count = sum(1 for _ in policy.nodes())
            print(f"{count} nodes: load {loaded - began:.3f} s, load and lint {linted - loaded:.3f} s of CPU")
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
