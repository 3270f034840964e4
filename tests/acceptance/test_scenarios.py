"""The scenarios that ship under policies/scenarios: clean, tested to the last branch, and as fast as promised."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from homeostat.model import entries as e
from homeostat.policy.lint import lint_all
from homeostat.policy.load import policy_paths
from homeostat.simulate.bench import testing
from homeostat.simulate.bench.case import run_case
from homeostat.simulate.bench.suite import load_suite

ROOT = Path(__file__).parents[2] / "policies/scenarios"
SCENARIOS = sorted(folder.name for folder in ROOT.iterdir())
BEFORE_REVIEW = dt.date(2026, 11, 27)


def run_of(scenario: str) -> testing.Tested:
    """How a scenario's tests went."""
    return testing.run_suites(testing.load_suites([ROOT / scenario]))


def test_there_are_the_seven_of_the_article() -> None:
    assert SCENARIOS == [
        "database-restore",
        "enterprise-shop",
        "hybrid-restore",
        "payments",
        "small-saas",
        "three-tier-shop",
        "trading-platform",
    ]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_its_policies_are_clean(scenario: str) -> None:
    reports = lint_all(policy_paths(ROOT / scenario), today=BEFORE_REVIEW)
    assert reports
    assert [str(finding) for report in reports for finding in report.findings] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_ships_whole(scenario: str) -> None:
    names = {path.name for path in (ROOT / scenario).iterdir()}
    assert {"README.md", "signals.yaml", "actions.yaml", "guards.yaml", f"{scenario}.world.yaml"} <= names
    for path in policy_paths(ROOT / scenario):
        assert path.name.replace(".homeostat.yaml", ".test.yaml") in names


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_its_policy_tests_pass_and_reach_everything(scenario: str) -> None:
    run = run_of(scenario)
    assert [(outcome.case.name, [str(miss) for miss in outcome.misses]) for outcome in run.failed] == []
    assert len(run.outcomes) >= 30
    missed = {name: [str(item) for item in covered.missed] for name, covered in run.coverage.items()}
    assert {name: items for name, items in missed.items() if items} == {}


def recovered_after_min(scenario: str, policy: str) -> float:
    """Minutes from the first sign to recovery in the first test of a policy: the one where all goes well."""
    course = run_case(load_suite(ROOT / scenario / f"{policy}.test.yaml").cases[0])
    (recovered,) = (entry for entry in course.of_incidents() if isinstance(entry, e.Recovered))
    return course.after_s(recovered) / 60


def test_the_parallel_failover_takes_under_50_minutes_and_the_sequential_one_over_120() -> None:
    assert recovered_after_min("enterprise-shop", "enterprise-shop") < 50
    assert recovered_after_min("enterprise-shop", "enterprise-shop-sequential") > 120


def test_the_linear_runbook_takes_35_minutes_and_the_adaptive_plan_under_ten() -> None:
    assert recovered_after_min("three-tier-shop", "three-tier-shop") <= 35
    assert recovered_after_min("payments", "payments-adaptive") < 10
