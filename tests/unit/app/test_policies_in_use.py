from dataclasses import replace
from pathlib import Path

import pytest

from homeostat.app.policies_in_use import _unwatchable
from homeostat.app.settings import Settings
from homeostat.policy.load import load_policy

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("only_learnt_from", [False, True])
def test_a_signal_without_a_window_may_be_older_than_the_looks_at_it(only_learnt_from: bool) -> None:
    policy = load_policy(ROOT / "policies/payments-5xx.homeostat.yaml")
    name, spec = next(iter(policy.signals.items()))
    short = replace(policy, signals={**policy.signals, name: replace(spec, max_age_s=0.5)})
    found = list(_unwatchable(Settings(root=ROOT), replace(short, learns_from=(name,) if only_learnt_from else ())))
    assert [problem.code for problem in found] == ([] if only_learnt_from else ["E008"])
