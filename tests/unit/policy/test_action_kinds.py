"""Actions of tools and clusters: what is presumed of them, and what is said of wrong ones."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # shipped without types
import pytest

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Do, Effect
from homeostat.policy.json_schema import SCHEMAS
from homeostat.policy.lint import lint
from homeostat.policy.load import load_policy

POLICY = """policy: shop
owner: shop-sre
signals: {{up: up}}
actions: {{act: {action}}}
trigger: {{if: up < 1, for: 1m}}
resolved: {{if: up >= 1, for: 1m, within: 5m}}
escalate: {{to: shop-oncall, severity: critical}}
steps:
- {{id: act, do: act, target: service/pay, verify: {{if: up >= 1, for: 1m, within: 5m}}}}
"""
PLAY = "actuator: ansible, playbook: /srv/plays/restart.yml, inventory: /srv/plays/hosts"
UNIT = "actuator: systemd, operation: restart, unit: pay.service"
SERVER = "actuator: haproxy, socket: /run/haproxy.sock, server: app/one, operation"
CORDON = "actuator: kubernetes, operation: cordon, kind: node, name: pay"
UNDO = "actuator: kubernetes, operation: undo, kind: deployment, name: pay, namespace: shop"
TERRAFORM = "actuator: terraform, cwd: /srv/infra, operation"


def write(folder: Path, action: str) -> Path:
    path = folder / "shop.homeostat.yaml"
    path.write_text(POLICY.format(action="{" + action + "}"))
    return path


def leaf(folder: Path, action: str) -> Do:
    policy = load_policy(write(folder, action))
    (only,) = policy.leaves.values()
    assert isinstance(only, Do)
    return only


@pytest.mark.parametrize(
    ("action", "effect"),
    [
        (PLAY, Effect.UNSAFE),
        (f"{PLAY}, check: true", Effect.SAFE),
        (f"{PLAY}, check: true, effect: unsafe", Effect.UNSAFE),
        (CORDON, Effect.SAFE),
        (UNDO, Effect.KEYED),
        (f"{UNDO}, effect: unsafe", Effect.UNSAFE),
        (UNIT, Effect.UNSAFE),
        (f"{UNIT}, effect: safe, scope: user", Effect.SAFE),
        (f"{SERVER}: weight, weight: 50%, effect: safe", Effect.SAFE),
        (f"{SERVER}: weight, weight: 0", Effect.UNSAFE),
        (f"{TERRAFORM}: plan, targets: [aws_instance.pay]", Effect.SAFE),
        (f"{TERRAFORM}: apply, plan: saved, destroys_max: 2", Effect.UNSAFE),
    ],
)
def test_what_is_presumed_of_an_action(tmp_path: Path, action: str, effect: Effect) -> None:
    assert leaf(tmp_path, action).effect is effect


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (f"{UNIT.replace('pay.service', 'pay')}", "did you mean 'pay.service'?"),
        (f"{UNIT.replace('pay.service', 'pay-*.service')}", "is a pattern"),
        (f"{UNIT.replace('restart', 'restrat')}", "did you mean 'restart'?"),
        (f"{UNIT}, scope: root", "it is one of system, user"),
        (PLAY.replace("/srv/plays/restart.yml", "restart.yml"), "an absolute path without '..' is wanted"),
        (f"{PLAY}, extra_vars: {{a-b: x}}", "'a-b' is not the name of a variable"),
        (f"{PLAY}, extra_vars: {{token: {{secret: hush}}}}", "a secret is named, not written out"),
        (f"{PLAY}, tags: web", "a list of 1 to 100 texts is wanted"),
        (f"{PLAY}, tags: ['']", "the name of one tag is wanted, not ''"),
        (f"{PLAY}, tags: ['restart,wipe']", "several are a list"),
        (f"{PLAY}, chekc: true", "did you mean 'check'?"),
        (f"{SERVER}: drian", "did you mean 'drain'?"),
        (f"{SERVER}: weight, weight: 257", "a weight is 0 to 256, or 0% to 100% of the configured one, not 257"),
        (f"{SERVER}: weight, weight: 101%", "a weight is 0 to 256"),
        (f"{SERVER}: weight, weight: true", "a weight is 0 to 256"),
        (f"{SERVER}: weight", "weight goes with operation: weight, and the other way"),
        (f"{SERVER}: ready, weight: 5", "weight goes with operation: weight, and the other way"),
        (f"{SERVER}: ready, wait_idle: true", "wait_idle goes with operation: drain or maint"),
        (f"{SERVER}: drain, wiat_idle: true", "did you mean 'wait_idle'?"),
        (f"{SERVER}: drain".replace("app/one", "app"), "a server reads BACKEND/SERVER, unlike 'app'"),
        (f"{SERVER}: drain".replace("app/one", "'app/one; show env'"), "a server reads BACKEND/SERVER"),
        (f"{SERVER}: drain".replace("/run/haproxy.sock", "'0.0.0.0:9999'"), "HOST:PORT on loopback, is wanted"),
        (f"{SERVER}: drain".replace("/run/haproxy.sock", "'127.0.0.1:65536'"), "HOST:PORT on loopback, is wanted"),
        (f"{SERVER}: drain".replace("/run/haproxy.sock", "admin.sock"), "an absolute path of at most 107 bytes"),
        (f"{TERRAFORM}: plan, destroys_max: 1", "'destroys_max' is said of an apply"),
        (f"{TERRAFORM}: apply, plan: saved, vars: {{n: '2'}}", "was settled when the plan was made"),
        (f"{TERRAFORM}: apply, destroys_max: -1", "-1 will not do: it is at least 0"),
        (f"{TERRAFORM}: apply, program: -v", "a program is wanted, like tofu"),
    ],
)
def test_what_is_said_of_a_wrong_one(tmp_path: Path, action: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        load_policy(write(tmp_path, action))
    assert said in str(refused.value)


@pytest.mark.parametrize(("more", "asks"), [("apply", True), ("apply, destructive: false", False), ("plan", False)])
def test_an_apply_without_an_approval_is_noticed(tmp_path: Path, more: str, asks: bool) -> None:
    report = lint(write(tmp_path, f"{TERRAFORM}: {more}"), today=dt.date(2026, 11, 28))
    assert any("W218" in str(found) for found in report.findings) is asks


@pytest.mark.parametrize("action", [CORDON, UNDO, PLAY, UNIT, f"{TERRAFORM}: plan", f"{SERVER}: drain"])
def test_editors_are_told_the_same(action: str) -> None:
    given = dict(pair.split(": ") for pair in action.split(", "))
    schema = SCHEMAS["actions"]()
    jsonschema.validate({"act": given}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"act": {**given, "playbok": "/x"}}, schema)
