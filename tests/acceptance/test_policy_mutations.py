"""The tests shipped beside a policy notice when something is wrong with it.

By default a sample of mutants is hunted; `HOMEOSTAT_MUTANTS_MAX=1000 pytest -s` hunts all of them and names those that
get away. Measured over all policies shipped in November 2026: 396 of 401 are caught; four of the five that survive swap
branches or candidates whose conditions never hold together, the fifth drops a retry of none. Of 75 mutants whose proof
need not hold as long, only 11 are caught: few tests let a signal get well for a moment.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.acceptance.mutants import Mutant, hunt, is_caught, mutants_of

from homeostat.policy.load import SUFFIX
from homeostat.simulate.bench.suite import suite_paths

POLICIES = Path(__file__).parents[2] / "policies"
MUTANTS_MAX = int(os.environ.get("HOMEOSTAT_MUTANTS_MAX", "5"))
FLOOR = 0.75
"""Of a small sample, two survivors more than of all mutants."""


def suites_of(policy: Path) -> list[Path]:
    return [path for path in suite_paths(policy.parent) if f"\npolicy: {policy.name}\n" in f"\n{path.read_text()}"]


TESTED = [path for path in sorted(POLICIES.rglob(f"*{SUFFIX}")) if suites_of(path)]


def test_policies_with_tests_are_found() -> None:
    assert {"payments-5xx.homeostat.yaml", "shop-restore.homeostat.yaml"} <= {path.name for path in TESTED}


@pytest.mark.parametrize("policy", TESTED, ids=lambda path: path.name)
def test_its_tests_catch_what_is_wrong(policy: Path) -> None:
    hunted = hunt(policy, suites_of(policy), MUTANTS_MAX, windows=False)
    print(hunted)
    assert hunted.total >= min(MUTANTS_MAX, 8)
    assert hunted.killed >= FLOOR * hunted.total, str(hunted)


@pytest.mark.skipif(MUTANTS_MAX < 100, reason="a report, for HOMEOSTAT_MUTANTS_MAX=1000")
@pytest.mark.parametrize("policy", TESTED, ids=lambda path: path.name)
def test_windows_of_proof_are_reported(policy: Path) -> None:
    print(hunt(policy, suites_of(policy), MUTANTS_MAX, windows=True))


def test_mutants_are_made_of_everything_that_protects() -> None:
    whats = {mutant.what.split(" at ")[0] for mutant in mutants_of(POLICIES, "payments-5xx.homeostat.yaml")}
    assert {"negate if", "drop if", "drop cooldown", "drop verify", "drop harm", "swap 0 and 1"} <= whats


def test_a_policy_that_has_not_changed_is_no_mutant() -> None:
    name = "shop-restore.homeostat.yaml"
    same = Mutant("nothing", name, (POLICIES / name).read_text())
    assert is_caught(suites_of(POLICIES / name), same) is None
