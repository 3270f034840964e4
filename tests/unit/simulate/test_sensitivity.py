"""Sensitivity: what a change comes to in the very same incidents, and how what-ifs are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.simulate.bench_texts import policy_in, trials_in, world_in

from homeostat.model.errors import UsageError
from homeostat.simulate.bench.sensitivity import Sensitivity, read_changes
from homeostat.simulate.bench.tornado_html import tornado_html
from homeostat.simulate.bench.world import Change

WORLD = """\
interval: 10s
signals: {errors: 0.1%, phase: old}
causes: [{name: leak, sets: {errors: 8%}, cures: {restart: 50%, rollback: 100%}}]
actions: {restart: {takes: 50s}, rollback: {takes: 100s}}
"""
STEPS = """\
steps:
- try:
  - {id: again, do: restart, target: svc/a}
  - {id: back, do: rollback, target: svc/a, if: phase == "old"}
  id: cure
  verify: {if: errors < 1%, for: 30s, within: 1m}
"""


def sensitivity(folder: Path, count: int = 12) -> Sensitivity:
    policy = policy_in(folder, STEPS)
    return Sensitivity(policy, world_in(folder, WORLD, policy), count, 1)


def test_a_step_that_always_runs_costs_what_it_takes(tmp_path: Path) -> None:
    played = sensitivity(tmp_path)
    factors = {(factor.name, factor.kind): factor for factor in played.factors()}
    again = factors["again", "duration"]
    assert (again.less.difference_s, again.more.difference_s) == (-10.0, 10.0)
    assert (again.more.low_s, again.more.high_s) == (10.0, 10.0)
    assert again.less.before_s is not None
    assert again.elasticity == pytest.approx(50.0 / again.less.before_s)
    assert again.more.recovered_after == 1.0
    back = factors["back", "duration"]
    share = sum("back" in trial.starts for trial in played.trials) / 12
    assert back.more.incidents == 12 * share
    assert back.more.difference_s == pytest.approx(20.0 * share)


def test_what_cures_less_often_takes_longer_and_the_widest_swing_comes_first(tmp_path: Path) -> None:
    factors = sensitivity(tmp_path, 24).factors()
    assert [factor.swing_s for factor in factors] == sorted((factor.swing_s for factor in factors), reverse=True)
    restart = next(factor for factor in factors if (factor.name, factor.kind) == ("restart", "cures"))
    assert restart.less.difference_s is not None
    assert restart.less.difference_s > 0.0
    assert restart.elasticity is not None
    assert restart.elasticity < 0.0
    assert (restart.less.low_s or 0.0) <= restart.less.difference_s <= (restart.less.high_s or 0.0)


def test_a_change_is_the_same_as_the_world_written_otherwise(tmp_path: Path) -> None:
    played = sensitivity(tmp_path)
    effect = played.effect(read_changes(("restart=80s", "rollback.cures=40%"), policy_in(tmp_path, STEPS)))
    written = WORLD.replace("takes: 50s", "takes: 80s").replace("rollback: 100%", "rollback: 40%")
    times = [trial.recovered_s for trial in trials_in(tmp_path, written, 12, steps=STEPS)]
    assert effect.recovered_after == sum(time is not None for time in times) / 12 < 1.0
    both = [time for time in times if time is not None]
    assert effect.after_s == pytest.approx(sum(both) / len(both))
    assert effect.rto_after == effect.recovered_after


def test_what_ifs_by_several_names_of_a_step_come_together(tmp_path: Path) -> None:
    policy = policy_in(tmp_path, STEPS)
    assert read_changes(("again=2m", "restart.cures=90%"), policy) == {"again": Change(takes_s=120.0, cures=0.9)}
    for said, told in (
        ("restrt=2m", "does no 'restrt'; did you mean 'restart'"),
        ("restart", "says no value; write STEP=20m"),
        ("restart.cures=2", "a probability from 0% to 100% is wanted, not '2'"),
        ("restart=soon", "--what-if 'restart=soon': "),
    ):
        with pytest.raises(UsageError, match=told.replace("?", r"\?")):
            read_changes((said,), policy)


def test_the_page_shows_every_factor_that_swings(tmp_path: Path) -> None:
    factors = sensitivity(tmp_path).factors()
    page = tornado_html("<title>", factors, [{"what": factor.name} for factor in factors], ["What if & so on"])
    assert "&lt;title&gt;" in page
    assert "What if &amp; so on" in page
    for factor in factors:
        assert (f"{factor.name} ({factor.kind})" in page) == (factor.swing_s > 0.0)
