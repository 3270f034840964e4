"""Parameters, environments and procedures."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.model.entries import PolicyLoaded
from homeostat.model.errors import PolicyError
from homeostat.model.policy import Dag, Do, Policy, Steps
from homeostat.policy.load import load_journalled, load_policy, load_policy_sources

BASE = """\
policy: p
owner: team
signals: {{errors: up, ready: up}}
actions:
  scale: {{actuator: command, effect: safe, with: {{replicas: integer}}, argv: [scale, {{with: replicas}}]}}
  restart: {{actuator: command, effect: safe, argv: [restart, {{target: name}}]}}
trigger: {{if: errors > limit, for: {{param: hold}}}}
resolved: {{if: errors < 1%, for: 5m, within: 15m}}
escalate: {{to: oncall}}
parameters: {parameters}
environments: {environments}
procedures: {procedures}
steps: {steps}
"""
PARAMETERS = "{limit: 5%, hold: {type: duration, default: 2m}, replicas: 6, db: db/main, wide: false}"
ENVIRONMENTS = "{staging: {replicas: 2, limit: 20%}, production: {replicas: 12, db: db/prod}}"
VERIFY = "verify: {if: ready >= replicas, for: 1m, within: 5m}"
STEPS = f"[{{id: grow, do: scale, target: {{param: db}}, with: {{replicas: {{param: replicas}}}}, {VERIFY}}}]"
PROCEDURES = f"{{bounce: [{{id: one, do: restart, target: a/b, {VERIFY}}}, {{do: restart, target: a/c, {VERIFY}}}]}}"


def text(**changes: str) -> str:
    given = {"parameters": PARAMETERS, "environments": ENVIRONMENTS, "procedures": PROCEDURES, "steps": STEPS}
    return BASE.format(**{**given, **changes})


def load(environment: str | None = None, **changes: str) -> Policy:
    return load_policy_sources({"p.homeostat.yaml": text(**changes)}, "p.homeostat.yaml", environment)


def problems(environment: str | None = None, **changes: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        load(environment, **changes)
    assert all(problem.position.line > 1 for problem in raised.value.problems)
    return [f"{problem.code} {problem.message}" for problem in raised.value.problems]


def grow(policy: Policy) -> Do:
    return policy.leaves["grow"]


def test_defaults_and_environments_put_whole_values_in() -> None:
    for environment, replicas, target, limit in (
        (None, 6, "db/main", 0.05),
        ("staging", 2, "db/main", 0.2),
        ("production", 12, "db/prod", 0.05),
    ):
        policy = load(environment)
        assert policy.environment == environment
        assert grow(policy).arguments == {"replicas": replicas}
        assert grow(policy).target == target
        assert policy.trigger.for_s == 120.0
        assert policy.trigger.condition.evaluate({"errors": limit + 0.01}) is True
        assert policy.trigger.condition.evaluate({"errors": limit - 0.01}) is False


def test_what_is_hashed_and_shown_has_the_values() -> None:
    assert load().trigger.condition.text == "errors > limit where limit = 0.05"
    assert len({load(environment).hash for environment in (None, "staging", "production")}) == 3
    assert load().trigger.condition.parameters == ("limit",)
    assert load().trigger.condition.signals == ("errors",)


def test_a_policy_without_environments_stands_in_all_of_them() -> None:
    assert load("anywhere", environments="{}").environment is None


def test_the_environment_is_kept_with_the_sources(tmp_path: Path) -> None:
    (tmp_path / "p.homeostat.yaml").write_text(text())
    policy = load_policy(tmp_path / "p.homeostat.yaml", "staging")
    again = load_policy_sources(policy.sources, "p.homeostat.yaml", policy.environment)
    assert again == policy


def test_the_journal_knows_the_policy_among_its_files_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "catalogues").mkdir()
    (tmp_path / "catalogues/a.homeostat.yaml").write_text("bounce: [{do: restart, target: a/b, verify: none}]\n")
    (tmp_path / "p.homeostat.yaml").write_text(
        text(procedures="catalogues/a.homeostat.yaml", steps="[{id: x, use: bounce}]")
    )
    policy = load_policy(tmp_path / "p.homeostat.yaml")
    sources = dict(sorted(policy.sources.items()))  # as the journal keeps them
    loaded = PolicyLoaded(at=1.0, policy="p", policy_hash=policy.hash, sources=sources)
    assert load_journalled([loaded], policy.hash).hash == policy.hash


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"environments": "{staging: {replcas: 2}}"}, "E160 no parameter is named 'replcas'; did you mean 'replicas'?"),
        ({"environments": "{staging: {replicas: two}}"}, "E160 'two' is not of its type, integer"),
        ({"environments": "{staging: {limit: 5}}"}, "E160 5 is not of its type, percent"),
        ({"environments": "[staging]"}, "E112 a mapping is wanted, not a list"),
        (
            {"parameters": PARAMETERS.replace("2m}", "2 minutes}")},
            "E160 'hold': '2 minutes' is not of its type, duration",
        ),
        (
            {"parameters": PARAMETERS.replace("replicas: 6", "replicas: [6]")},
            "E160 'replicas': a list is not of its type",
        ),
        ({"parameters": PARAMETERS.replace("limit", "li-mit")}, "E160 'li-mit' cannot name a parameter"),
        ({"parameters": PARAMETERS.replace("wide", "ready")}, "E160 'ready' is also the name of a signal"),
        ({"parameters": PARAMETERS.replace("replicas: 6, ", "")}, "E162 no parameter is named 'replicas'"),
        (
            {"parameters": PARAMETERS.replace("limit: 5%, ", ""), "environments": "{}"},
            "E121 no signal is named 'limit'",
        ),
    ],
)
def test_wrong_parameters_are_explained(changes: dict[str, str], expected: str) -> None:
    found = problems(**changes)
    assert any(problem.startswith(expected) for problem in found), found


def test_an_environment_must_be_known_and_chosen_where_it_is_needed() -> None:
    assert "E161 no environment 'stagin'; did you mean 'staging'?" in problems("stagin")
    needy = PARAMETERS.replace("replicas: 6", "replicas: {type: integer}")
    assert any("E161 'replicas' has no default" in problem for problem in problems(parameters=needy))
    assert grow(load("staging", parameters=needy)).arguments == {"replicas": 2}


def test_a_condition_on_parameters_alone_is_no_dead_code() -> None:
    guarded = f"[{{id: grow, if: replicas > 100, do: restart, target: a/b, {VERIFY}}}]"
    condition = grow(load(steps=guarded)).condition
    assert condition is not None
    assert condition.evaluate({}) is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("limit: 1000001, other: 1", "limit: 1000002, other: 1"),
        ("limit: 5.1234567%, other: 1", "limit: 5.1234568%, other: 1"),
        ("""limit: "x', other = 'y", other: z""", """limit: x, other: "y', other = 'z\""""),
    ],
)
def test_other_values_are_another_policy(one: str, other: str) -> None:
    """Two versions with one hash would be one to the journal, and an incident could go on with the wrong one."""
    signals = {"signals: {errors: up": "signals: {phase: {expr: up, type: text, label: l}, errors: up"}
    condition = "phase == limit or phase == other" if "'" in one else "errors > limit + other"
    versions = []
    for values in (one, other):
        given = text(parameters=f"{{{values}}}", environments="{}", procedures="{a: [{wait: 5s}]}", steps="[{use: a}]")
        for old, new in signals.items():
            given = given.replace(old, new)
        given = given.replace("{if: errors > limit, for: {param: hold}}", f"{{if: {condition}}}")
        versions.append(load_policy_sources({"p.homeostat.yaml": given}, "p.homeostat.yaml"))
    assert versions[0].hash != versions[1].hash


class TestProcedures:
    def test_a_list_is_put_in_where_it_is_used(self) -> None:
        policy = load(steps="[{id: first, use: bounce}, {id: second, use: bounce, if: errors > 1}]")
        assert list(policy.leaves) == ["first.one", "first.restart", "second.one", "second.restart"]
        first, second = policy.root.children
        assert isinstance(first, Steps)
        assert second.condition is not None

    def test_its_dags_need_their_own_steps(self) -> None:
        steps = "{id: one, wait: 5s}, {id: two, wait: 5s, needs: [one]}"
        policy = load(procedures=f"{{a: [{{id: all, dag: [{steps}]}}]}}", steps="[{id: x, use: a}, {id: y, use: a}]")
        needs = [node.needs for node in policy.nodes() if isinstance(node, Dag)]
        assert needs == [{"x.two": ("x.one",)}, {"y.two": ("y.one",)}]

    def test_it_takes_arguments(self) -> None:
        declared = (
            f"{{bounce: {{parameters: {{where: a/b}}, steps: [{{do: restart, target: {{param: where}}, {VERIFY}}}]}}}}"
        )
        policy = load(procedures=declared, steps="[{id: x, use: bounce, with: {where: c/d}}, {id: y, use: bounce}]")
        assert [leaf.target for leaf in policy.leaves.values()] == ["c/d", "a/b"]

    @pytest.mark.parametrize(
        ("procedures", "steps", "expected"),
        [
            (PROCEDURES, "[{use: bounc}]", "E158 no procedure is named 'bounc'; did you mean 'bounce'?"),
            ("{a: [{use: b}], b: [{use: a}]}", "[{use: a}]", "E159 a procedure cannot use itself: a -> b -> a"),
            ("{a: 5}", "[{use: a}]", "E112 a list of steps is wanted, not 5"),
            ("{a: []}", "[{use: a}]", "E112 a list of steps is wanted"),
            ("{a: [{wait: {param: nope}}]}", "[{use: a}]", "E162 no parameter is named 'nope'"),
            (PROCEDURES, "[{use: bounce, with: {x: 1}}]", "E131 the procedure 'bounce' takes no arguments"),
            ("{a: {steps: [{wait: 5s}], stps: 1}}", "[{use: a}]", "E110 the procedure 'a' has an unknown key 'stps'"),
            (
                "{a: {parameters: {x: 1}, steps: [{wait: 5s}]}}",
                "[{use: a, with: {x: one}}]",
                "E160 'one' is not of its type, integer",
            ),
            (
                "{a: {parameters: {errors: 0.5%}, steps: [{wait: {if: errors < 1%, for: 1m, within: 5m}}]}}",
                "[{use: a}]",
                "E160 the procedure 'a': 'errors' is also the name of a signal",
            ),
        ],
    )
    def test_wrong_ones_are_explained(self, procedures: str, steps: str, expected: str) -> None:
        found = problems(procedures=procedures, steps=steps)
        assert any(problem.startswith(expected) for problem in found), found

    def test_what_grows_without_bound_is_refused(self) -> None:
        lists = [f"p{n}: [{{use: p{n + 1}}}, {{use: p{n + 1}}}]" for n in range(20)]
        found = problems(procedures=f"{{{', '.join(lists)}, p20: [{{wait: 5s}}]}}", steps="[{use: p0}]")
        assert any(problem.startswith("E152 more than 2000 steps") for problem in found)

    def test_a_problem_in_a_file_of_its_own_is_told_there(self) -> None:
        sources = {
            "p.homeostat.yaml": text(procedures="lists.yaml", steps="[{use: bounce}]"),
            "lists.yaml": "bounce:\n- {do: restrat, target: a/b}\n",
        }
        with pytest.raises(PolicyError) as raised:
            load_policy_sources(sources, "p.homeostat.yaml")
        assert [str(problem) for problem in raised.value.problems] == [
            "lists.yaml:2:8: E130 no action is named 'restrat'; did you mean 'restart'?"
        ]
