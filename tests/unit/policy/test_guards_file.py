from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.model.errors import PolicyError
from homeostat.model.guards import NO_GUARDS, Rate
from homeostat.policy.guards_file import guards_from, load_guards

FULL = """\
rates:
- {per: [policy, target], max: 2, within: 15m}
- {per: [], max: 20, within: 1h}
blast_radius:
- {targets: "node/*", max: 3, max_percent: 10%, eligible: nodes_total, within: 1h}
storm: {incidents: 5, within: 10m}
recurrence: [{incidents: 2, within: 6h, actions: 'db.*'}]
maintenance:
- {name: weekly, days: [sun], from: "02:00", to: "04:00"}
- {name: move, from: 2026-12-01T22:00:00Z, to: 2026-12-02T02:00:00Z, targets: ["db/*"]}
telemetry: {known_min: 60%, if: prometheus_up == 1}
signals: {nodes_total: 'count(up{job="node"})', prometheus_up: 'up{job="prometheus"}'}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        guards_from(text, "guards.yaml")
    return [str(problem) for problem in raised.value.problems]


def test_every_guard_is_read() -> None:
    guards = guards_from(FULL, "guards.yaml")
    assert guards.rates == (Rate(frozenset({"policy", "target"}), 2, 900.0), Rate(frozenset(), 20, 3600.0))
    (radius,) = guards.blast_radius
    assert (radius.targets, radius.count_max, radius.share_max, radius.eligible) == ("node/*", 3, 0.1, "nodes_total")
    assert guards.storm is not None
    assert (guards.storm.incidents_max, guards.storm.within_s) == (5, 600.0)
    (recurrence,) = guards.recurrence
    assert (recurrence.incidents_max, recurrence.actions, recurrence.targets) == (2, "db.*", "*")
    weekly, move = guards.maintenance
    assert (weekly.days, weekly.from_s, weekly.to_s, weekly.targets) == (frozenset({6}), 7200.0, 14400.0, ("*",))
    assert (move.days, move.to_s - move.from_s, move.targets) == (None, 4 * 3600.0, ("db/*",))
    assert guards.telemetry is not None
    assert guards.telemetry.known_min == 0.6
    assert guards.telemetry.condition is not None
    assert guards.telemetry.condition.evaluate({"prometheus_up": 1.0}) is True
    assert set(guards.signals) == {"nodes_total", "prometheus_up"}


def test_without_a_file_nothing_is_guarded(tmp_path: Path) -> None:
    assert load_guards(tmp_path) is NO_GUARDS
    (tmp_path / "guards.yaml").write_text(FULL)
    assert load_guards(tmp_path).text == FULL
    assert len(load_guards(tmp_path).hash) == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "guards.yaml:1:1: E112 guards are a mapping of keys like 'rates' and 'storm', not an empty list"),
        ("rats: []", "guards.yaml:1:1: E110 unknown key 'rats'; did you mean 'rates'?"),
        ("rates: [{per: [host], max: 1, within: 1h}]", "E112 'host' will not do: it is one of policy, action, target"),
        ("rates: [{per: [], max: -1, within: 1h}]", "E112 -1 will not do: it is at least 0"),
        ("rates: [{per: [], max: 1, within: 8d}]", "E113 guards look back more than 0 and at most 7d"),
        ("rates: [{per: [], max: 1, within: 0}]", "E113 guards look back more than 0 and at most 7d"),
        ("rates: [{per: [], max: 1}]", "E111 the key 'within' is missing"),
        ("blast_radius: [{targets: 'a/*', within: 1h}]", "E111 a blast radius has a 'max', a 'max_percent', or both"),
        ("blast_radius: [{targets: 'a/*', max_percent: 5%, within: 1h}]", "E111 'max_percent' goes with 'eligible'"),
        (
            "blast_radius: [{targets: 'a/*', max_percent: 5%, eligible: nodes, within: 1h}]",
            "E121 no signal of this file is named 'nodes'",
        ),
        ("blast_radius: [{targets: 'a b', max: 1, within: 1h}]", "E112 a pattern over targets or policies is wanted"),
        ("storm: {incidents: 0, within: 1h}", "E112 0 will not do: it is at least 1"),
        ("telemetry: {known_min: 0.6}", "E112 a percentage from 0% to 100% is wanted, not 0.6"),
        ("telemetry: {known_min: 160%}", "E112 a percentage from 0% to 100% is wanted, not '160%'"),
        ("telemetry: {if: prometheus_up == 1}", "E121 no signal is named 'prometheus_up'"),
        ("maintenance: [{name: x, from: '02:00', to: '04:00'}]", "E112 with 'days', from and to are times of day"),
        ("maintenance: [{name: x, from: 2026-12-01T22:00:00, to: '04:00'}]", "is neither a time of day in UTC like"),
        (
            "maintenance: [{name: x, from: 2026-12-02T22:00:00Z, to: 2026-12-01T22:00:00Z}]",
            "E112 it ends before it begins",
        ),
        ("maintenance: [{name: x, days: [], from: '02:00', to: '04:00'}]", "E112"),
        ("signals: {x: 'sum('}", "E134 not usable PromQL"),
        ("a: {", "E101 not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, expected: str) -> None:
    found = problems(text)
    assert any(expected in problem for problem in found), found
    assert all(problem.startswith("guards.yaml:") for problem in found)
