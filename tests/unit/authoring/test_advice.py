from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.authoring.advice import RULES, Model, advise
from homeostat.authoring.starter import MODES, starter_files
from homeostat.authoring.systems import (
    SYSTEMS_MAX,
    Facts,
    Team,
    mermaid,
    read_needs,
    read_signals,
    read_systems,
    read_takes,
)
from homeostat.authoring.workspace_files import put
from homeostat.model.errors import UsageError
from homeostat.model.policy import Choose, Dag, Do
from homeostat.policy.lint import lint
from homeostat.policy.load import load_policy

ROOT = Path(__file__).parents[3]


def facts(systems: str = "web,app,db", depends: str = "", takes: str = "", **rest: object) -> Facts:
    names = read_systems(systems)
    return replace(Facts(read_takes(takes, names), read_needs(depends, names)), **rest)  # type: ignore[arg-type] # by name


SHOP = facts(
    depends="app:db,web:app", takes="db=30m,app=3m,web=2m", team=Team.BEGINNER, rto_s=2400.0, causes_known=True
)
ENTERPRISE = facts(
    "replica,servers,cache,switch",
    "switch:replica,switch:servers,switch:cache",
    "replica=45m,servers=60m,cache=15m,switch=2m",
    rto_s=4200.0,
    causes_known=True,
    signals=5,
)
PAYMENTS = facts("pay", team=Team.ADVANCED, causes_known=False, signals=9, changes_often=True)
MIXED = replace(ENTERPRISE, causes_known=False, signals=9, team=Team.ADVANCED)


@pytest.mark.parametrize(
    ("case", "model"),
    [(SHOP, Model.LINEAR), (ENTERPRISE, Model.PARALLEL), (PAYMENTS, Model.ADAPTIVE), (MIXED, Model.HYBRID)],
)
def test_the_known_scenarios_get_their_models(case: Facts, model: Model) -> None:
    assert advise(case).model is model


def test_times_are_the_sum_and_the_longest_chain() -> None:
    assert ENTERPRISE.sequential_s == (45 + 60 + 15 + 2) * 60
    assert ENTERPRISE.critical_path_s == 62 * 60
    assert SHOP.sequential_s == SHOP.critical_path_s == 35 * 60


def test_every_rule_can_apply_and_moves_a_score() -> None:
    cases = [SHOP, ENTERPRISE, PAYMENTS, MIXED, facts("a,b,c,d,e", rto_s=60.0), facts("a,b", rto_s=86400.0)]
    applied = {rule.name for case in cases for rule, _ in advise(case).reasons}
    assert applied == {rule.name for rule in RULES}
    assert all(any(rule.points.values()) for rule in RULES)


def test_scores_are_the_sum_of_the_table() -> None:
    advice = advise(MIXED)
    for model in Model:
        assert advice.scores[model] == sum(rule.points.get(model, 0) for rule, _ in advice.reasons)
    assert advice.scores[advice.model] == max(advice.scores.values())


def test_what_no_model_mends_is_said() -> None:
    warnings = " ".join(advise(facts("a,b", "b:a", "a=2h", rto_s=60.0)).warnings)
    assert "no model keeps the RTO" in warnings
    assert "the times of b are assumed" in " ".join(advise(facts("a,b", "", "a=2h", assumed=("b",))).warnings)


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("case", [SHOP, ENTERPRISE, PAYMENTS], ids=["shop", "enterprise", "payments"])
def test_every_starter_lints_without_an_error(case: Facts, model: Model, tmp_path: Path) -> None:
    put(starter_files(case, replace(advise(case), model=model)), tmp_path)
    report = lint(tmp_path / "recovery.homeostat.yaml", today=date(2026, 11, 27))
    assert not report.has_errors, report.findings
    policy = load_policy(tmp_path / "recovery.homeostat.yaml")
    assert policy.mode.value == MODES[case.team]
    assert policy.rto_s == case.rto_s
    kinds = {type(node) for node in policy.nodes()}
    assert (Dag in kinds) == (model in (Model.PARALLEL, Model.HYBRID))
    assert (Choose in kinds) == (model in (Model.ADAPTIVE, Model.HYBRID))
    assert all(leaf.action.parameters["argv"][0] == "/bin/false" for leaf in policy.leaves.values())  # type: ignore[index] # a list


def test_a_parallel_starter_has_the_dependencies_that_were_given(tmp_path: Path) -> None:
    put(starter_files(ENTERPRISE, replace(advise(ENTERPRISE), model=Model.PARALLEL)), tmp_path)
    policy = load_policy(tmp_path / "recovery.homeostat.yaml")
    (dag,) = (node for node in policy.nodes() if isinstance(node, Dag))
    assert set(dag.needs["restore-switch"]) == {"restore-replica", "restore-servers", "restore-cache"}


def test_a_linear_starter_comes_in_an_order_that_works(tmp_path: Path) -> None:
    put(starter_files(SHOP, advise(SHOP)), tmp_path)
    policy = load_policy(tmp_path / "recovery.homeostat.yaml")
    assert [node.id for node in policy.nodes() if isinstance(node, Do)] == ["restore-db", "restore-app", "restore-web"]


def test_the_most_systems_that_are_allowed(tmp_path: Path) -> None:
    names = [f"system-with-a-long-name-{number:03}" for number in range(SYSTEMS_MAX)]
    case = facts(",".join(names))
    put(starter_files(case, replace(advise(case), model=Model.HYBRID)), tmp_path)
    assert not lint(tmp_path / "recovery.homeostat.yaml", today=date(2026, 11, 27)).has_errors


def test_the_graph_draws_every_need() -> None:
    drawn = mermaid(SHOP)
    assert drawn.startswith("flowchart LR\n")
    assert "    s_db --> s_app" in drawn
    assert drawn.count("-->") == 2
    assert 's_db["db 30m"]' in drawn


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda: read_systems(""), "1 to 40 systems"),
        (lambda: read_systems("Web"), "--systems: 'Web' will not do"),
        (lambda: read_systems("a,a"), "there twice"),
        (lambda: read_systems("a-b,a_b"), "differ only"),
        (lambda: read_needs("webb:app", ("web", "app")), "no system 'webb'; did you mean 'web'?"),
        (lambda: read_needs("x:app", ("web", "app")), "no system 'x'; the systems are web, app"),
        (lambda: read_needs("web", ("web", "app")), "'web' is not a pair"),
        (lambda: read_needs("web:app,app:web", ("web", "app")), "wait for each other: app -> web -> app"),
        (lambda: read_needs("web:web", ("web",)), "wait for each other: web -> web"),
        (lambda: read_takes("dbb=1m", ("db",)), "did you mean 'db'?"),
        (lambda: read_takes("db:1m", ("db",)), "write db=45m"),
        (lambda: read_takes("db=1", ("db",)), "'1' is not a duration"),
        (lambda: read_takes("db=0", ("db",)), "longer than 0"),
        (lambda: read_signals("-5"), "0 to 10000"),
        (lambda: read_signals("9" * 5000), "0 to 10000"),
    ],
)
def test_wrong_answers_are_refused_with_what_is_wrong(wrong: object, expected: str) -> None:
    with pytest.raises(UsageError, match=expected.replace("?", r"\?")):
        wrong()  # type: ignore[operator] # a function


def test_signals_are_a_number_or_names() -> None:
    assert read_signals("7") == 7
    assert read_signals("http_5xx, db_pool_used,http_5xx") == 2
    assert read_signals("http_5xx") == 1


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=8))
def test_any_answers_are_facts_or_are_refused(systems: str, depends: str, takes: str, signals: str) -> None:
    try:
        names = read_systems(systems)
        case = Facts(read_takes(takes, names), read_needs(depends, names), signals=read_signals(signals))
    except UsageError as error:
        told = str(error)
    else:
        told = advise(case).model.value
    assert told


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_graph_without_a_cycle_starts(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    pairs = [f"s{a}:s{data.draw(st.integers(0, a - 1))}" for a in range(1, count) if data.draw(st.booleans())]
    case = facts(",".join(f"s{number}" for number in range(count)), ",".join(pairs))
    assert case.critical_path_s <= case.sequential_s
    order = case.order
    assert all(order.index(need) < order.index(system) for system in case.systems for need in case.needs[system])
    for model in Model:
        starter_files(case, replace(advise(case), model=model))  # raises where the loader refuses it
