from pathlib import Path

import pytest
from tests.unit.policy.policy_texts import FILE, RESTART, VERIFY, load, policy_text

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Choose, Decide, Do, Effect, Escalate, Mode, Node, Policy, Steps, Try
from homeostat.policy.builders import BUILDERS
from homeostat.policy.load import load_policies, load_policy, load_policy_sources
from homeostat.policy.step_schema import STEP_KINDS


def leaf(policy: Policy, node_id: str) -> Do:
    return policy.leaves[node_id]


def node(policy: Policy, node_id: str) -> Node:
    return next(found for found in policy.nodes() if found.id == node_id)


def test_a_leaf_has_every_default_filled_in() -> None:
    policy = load("[{do: scale, target: deploy/pay, with: {replicas: 3}, verify: none}]")
    found = leaf(policy, "scale")
    assert found.target == "deploy/pay"
    assert dict(found.arguments) == {"replicas": 3, "by": 0.5}
    assert found.effect is Effect.SAFE
    assert found.timeout_s == 60.0
    assert found.verify is None
    assert (found.retry.times_max, found.retry.explicit, found.cooldown_s) == (0, False, 0.0)
    assert policy.root.id == "plan"
    assert (policy.mode, policy.unknown_s, policy.rto_s, policy.harm) == (Mode.AUTO, 60.0, None, None)
    assert (policy.escalate.to, policy.escalate.severity) == ("oncall", "critical")


def test_the_top_level_is_taken_over() -> None:
    policy = load(
        mode="observe", unknown="2m", rto="1h", timeout="45m", attempts_max="1", harm="{if: http_5xx > 50%}",
        steps=f"[{{do: restart, target: a/b, retry: {{times: 3, wait: 5s}}, {VERIFY}}}]",
    )  # fmt: skip
    assert policy.mode is Mode.OBSERVE
    assert (policy.unknown_s, policy.rto_s, policy.timeout_s, policy.attempts_max) == (120.0, 3600.0, 2700.0, 1)
    assert policy.harm is not None
    assert policy.harm.text == "http_5xx > 50%"
    assert (policy.trigger.for_s, policy.trigger.within_s) == (60.0, None)
    assert (policy.resolved.for_s, policy.resolved.within_s) == (120.0, 600.0)


def test_only_signals_that_are_read_belong_to_the_policy() -> None:
    assert list(load().signals) == ["http_5xx", "rps"]
    assert list(load(f'[{{if: phase == "open", do: restart, target: a/b, {VERIFY}}}]').signals) == [
        "http_5xx",
        "phase",
        "rps",
    ]


@pytest.mark.parametrize(
    ("own", "outer", "default", "expected"),
    [
        ("", "", "", None),
        ("", "", "verify: {if: rps > 1, within: 1m}", "rps > 1"),
        ("", "verify: {if: rps > 2, within: 1m}", "verify: {if: rps > 1, within: 1m}", "rps > 2"),
        ("verify: {if: rps > 3, within: 1m}", "verify: {if: rps > 2, within: 1m}", "", "rps > 3"),
        ("verify: none", "verify: {if: rps > 2, within: 1m}", "verify: {if: rps > 1, within: 1m}", None),
        ("", "verify: none", "verify: {if: rps > 1, within: 1m}", None),
    ],
)
@pytest.mark.parametrize("kind", ["try", "choose", "steps"])
def test_verify_comes_from_the_nearest_that_says_one(
    kind: str, own: str, outer: str, default: str, expected: str | None
) -> None:
    inner = f"{{decide: [{{else: {{do: restart, target: a/b{', ' + own if own else ''}}}}}]}}"
    steps = f"[{{{kind}: [{inner}]{', ' + outer if outer else ''}}}]"
    verify = leaf(load(steps, defaults=f"{{{default}}}"), "restart").verify
    assert (verify.condition.text if verify else None) == expected


def test_time_out_and_retry_come_from_step_then_defaults_then_action() -> None:
    steps = "[{do: restart, target: a/b, timeout: 5s, retry: {times: 2, wait: 1s}}, {do: rollback, target: a/b}]"
    policy = load(steps, defaults="{timeout: 9s, retry: {times: 1}}")
    first, second = leaf(policy, "restart"), leaf(policy, "rollback")
    assert (first.timeout_s, first.retry.times_max, first.retry.wait_s, first.retry.explicit) == (5.0, 2, 1.0, True)
    assert (second.timeout_s, second.retry.times_max, second.retry.explicit) == (9.0, 1, False)
    assert leaf(load("[{do: rollback, target: a/b}]"), "rollback").timeout_s == 120.0
    assert leaf(load("[{do: slow, target: a/b}]"), "slow").timeout_s == 300.0


def test_a_step_may_be_stricter_than_its_action() -> None:
    assert leaf(load("[{do: restart, target: a/b, effect: unsafe}]"), "restart").effect is Effect.UNSAFE


def test_ids_are_given_or_derived_in_document_order() -> None:
    policy = load(
        "[{do: restart, target: a/b}, {try: [{do: restart, target: a/b}, {id: try-2, do: rollback, target: a/b}]},"
        " {try: [{if: rps > 1, escalate: {}}]}, {do: restart, target: a/c}, {decide: [{else: {escalate: boss}}]}]"
    )
    assert [found.id for found in policy.nodes()] == [
        "plan", "restart", "try-1", "restart-2", "try-2", "try-3", "escalate-1", "restart-3", "decide-1", "escalate-2",
    ]  # fmt: skip


def test_a_derived_id_leaves_room_for_one_given_later() -> None:
    policy = load("[{do: restart, target: a/b}, {do: restart, target: a/b}, {id: restart-2, do: restart, target: a/b}]")
    assert list(policy.leaves) == ["restart", "restart-3", "restart-2"]


def test_decide_moves_the_if_from_the_step_to_its_branch() -> None:
    policy = load(
        "[{id: pick, decide: [{if: rps > 9, do: restart, target: a/b}, {if: rps > 5, steps: [{do: slow, target: a/b}]},"
        " {else: {escalate: {to: boss, severity: warning, message: help}}}]}]"
    )
    found = node(policy, "pick")
    assert isinstance(found, Decide)
    assert [branch.condition.text if branch.condition else None for branch in found.branches] == [
        "rps > 9",
        "rps > 5",
        None,
    ]
    assert [type(branch.child) for branch in found.branches] == [Do, Steps, Escalate]
    assert all(branch.child.condition is None for branch in found.branches)


@pytest.mark.parametrize(
    ("written", "to", "severity", "message"),
    [
        ("{}", "oncall", "error", "see runbook"),
        ("", "oncall", "error", "see runbook"),
        ("boss", "boss", "error", "see runbook"),
        ("{to: boss, severity: info, message: hi}", "boss", "info", "hi"),
    ],
)
def test_an_escalate_step_falls_back_to_the_policys(written: str, to: str, severity: str, message: str) -> None:
    policy = load(f"[{{escalate: {written}}}]", escalate="{to: oncall, severity: error, message: see runbook}")
    found = node(policy, "escalate-1")
    assert isinstance(found, Escalate)
    assert (found.to, found.severity, found.message) == (to, severity, message)


def test_any_kind_may_have_an_if_and_nest() -> None:
    policy = load(f"[{{if: rps > 1, choose: [{{if: rps > 2, try: [{RESTART}]}}], rank_by: time_to_recover}}]")
    outer, inner = node(policy, "choose-1"), node(policy, "try-1")
    assert isinstance(outer, Choose)
    assert isinstance(inner, Try)
    assert outer.condition is not None
    assert inner.condition is not None
    assert (outer.condition.text, inner.condition.text) == ("rps > 1", "rps > 2")


def test_each_kind_has_a_schema_and_a_builder() -> None:
    assert set(STEP_KINDS) == {
        *("do", "manual", "steps", "dag", "try", "choose", "decide", "wait", "use", "escalate"),
    }
    assert set(BUILDERS) == set(STEP_KINDS.values())


SIGNALS = "http_5xx: errors\nrps: {expr: 'rate(x[1m])', max_age: 2m}\nunused: other\n"
ACTIONS = "restart: {actuator: command, argv: [restart, {target: name}], effect: safe, timeout: 1m}\n"


def write_folder(folder: Path) -> Path:
    (folder / "common").mkdir()
    (folder / "common/signals.yaml").write_text(SIGNALS)
    (folder / "actions.yaml").write_text(ACTIONS)
    path = folder / FILE
    path.write_text(policy_text(signals="common/signals.yaml", actions=None))
    return path


def test_files_are_read_beside_the_policy(tmp_path: Path) -> None:
    policy = load_policy(write_folder(tmp_path))
    assert policy.signals["rps"].max_age_s == 120.0
    assert policy.signals["http_5xx"].max_age_s == 60.0
    assert policy.leaves["restart"].action.parameters == {"argv": ["restart", {"target": "name"}]}
    assert set(policy.sources) == {FILE, "common/signals.yaml", "actions.yaml"}


def test_the_same_policy_comes_back_from_its_sources(tmp_path: Path) -> None:
    policy = load_policy(write_folder(tmp_path))
    again = load_policy_sources(policy.sources, FILE)
    assert again == policy
    assert again.hash == policy.hash


def test_a_missing_source_text_is_named() -> None:
    with pytest.raises(PolicyError, match=r"p\.homeostat\.yaml:3:10: E100 there is no text named 'sig\.yaml'"):
        load_policy_sources({FILE: policy_text(signals="sig.yaml")}, FILE)


def test_a_folder_gives_all_that_load_and_what_is_wrong_with_the_rest(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "twin.homeostat.yaml").write_text(policy_text())
    (tmp_path / "broken.homeostat.yaml").write_text("policy: [")
    (tmp_path / "other.yaml").write_text("policy: [")
    policies, problems = load_policies(tmp_path)
    assert list(policies) == ["p"]
    assert [(Path(problem.position.file).name, problem.code) for problem in problems] == [
        ("broken.homeostat.yaml", "E101"),
        ("twin.homeostat.yaml", "E141"),
    ]


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    policies, problems = load_policies(tmp_path / "nowhere")
    assert policies == {}
    assert [problem.code for problem in problems] == ["E100"]


BASE = policy_text(rto="1h", timeout="3h")


@pytest.mark.parametrize(
    "change",
    [
        BASE.replace("owner: team", "owner: others"),
        "# a comment\n" + BASE.replace("rto: 1h", "rto: 2h\nreview_by: 2027-01-01\ncovers: [x/**]"),
        BASE.replace("room: free", "room: other_expression"),
        BASE.replace("argv: [rollback]", "argv: [rollback, --now]"),
        BASE.replace("policy: p\nowner: team\n", "owner: team\npolicy: p\n"),
        BASE.replace("for: 1m, within: 4m", "for: 60s, within: 4m, settle: 0"),
    ],
)
def test_what_decides_nothing_leaves_the_hash(change: str) -> None:
    assert change != BASE
    assert load_policy_sources({FILE: change}, FILE).hash == load_policy_sources({FILE: BASE}, FILE).hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("policy: p", "policy: q"),
        ("http_5xx: errors", "http_5xx: errors_total"),
        ("http_5xx: errors", "http_5xx: {expr: errors, max_age: 61s}"),
        ("if: http_5xx > 5%, for: 1m", "if: http_5xx > 6%, for: 1m"),
        ("for: 2m, within: 10m", "for: 3m, within: 10m"),
        ("argv: [systemctl, restart]", "argv: [systemctl, reload]"),
        ("effect: safe, timeout: 1m}, rollback", "effect: keyed, timeout: 1m}, rollback"),
        ("target: deploy/pay", "target: deploy/pay2"),
        ("do: restart,", "do: restart, cooldown: 1m,"),
        ("do: restart,", "do: restart, retry: {times: 1},"),
        ("do: restart,", "id: other, do: restart,"),
        ("do: restart,", "do: restart, if: rps > 1,"),
        ("within: 4m", "within: 5m"),
        ("to: oncall", "to: boss"),
        ("rto: 1h", "mode: observe"),
        ("rto: 1h", "unknown: 61s"),
        ("timeout: 3h", "timeout: 1h"),
        ("rto: 1h", "harm: {if: http_5xx > 90%}"),
        ("rto: 1h", "runbook: https://wiki.example.org/p"),
    ],
)
def test_what_decides_anything_changes_the_hash(old: str, new: str) -> None:
    assert old in BASE
    changed = load_policy_sources({FILE: BASE.replace(old, new, 1)}, FILE)
    assert changed.hash != load_policy_sources({FILE: BASE}, FILE).hash
