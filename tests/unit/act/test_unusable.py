"""What can be told before an incident: that an action could never run on this host."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kubernetes_cluster import Cluster

from homeostat.act import command
from homeostat.act.command import CommandActuator
from homeostat.act.context import ActuatorContext, Choosy
from homeostat.act.kubernetes_job import KubernetesJobActuator
from homeostat.app.policies_in_use import unrunnable
from homeostat.app.settings import Settings
from homeostat.model.policy import ActionSpec
from homeostat.policy.load import load_policy_sources

UNIT = ActionSpec("reload", "command", {"argv": ["true"], "run_with": "systemd"})
JOB = ActionSpec("rebuild", "kubernetes_job", {"image": "shop/tools:1", "argv": ["true"]})


def commands(folder: Path) -> CommandActuator:
    return CommandActuator(ActuatorContext(folder, {"PATH": str(folder)}))


def test_units_need_systemd_and_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SYSTEMD_FOLDER", str(tmp_path / "absent"))
    assert "is not there" in str(commands(tmp_path).unusable(UNIT))
    monkeypatch.setattr(command, "SYSTEMD_FOLDER", str(tmp_path))
    assert "needs systemd-run, and it is not on the agent's PATH" in str(commands(tmp_path).unusable(UNIT))
    (tmp_path / "systemd-run").touch(mode=0o755)
    assert commands(tmp_path).unusable(UNIT) is None
    assert commands(tmp_path).unusable(ActionSpec("restart", "command", {"argv": ["true"]})) is None


def test_jobs_need_a_cluster_and_its_account(tmp_path: Path) -> None:
    outside = KubernetesJobActuator(ActuatorContext(tmp_path, {}))
    assert isinstance(outside, Choosy)
    assert "in no Kubernetes cluster" in str(outside.unusable(JOB))
    cluster = Cluster(tmp_path / "cluster")
    try:
        assert KubernetesJobActuator(ActuatorContext(tmp_path, cluster.environment)).unusable(JOB) is None
        (cluster.folder / "namespace").unlink()
        inside = KubernetesJobActuator(ActuatorContext(tmp_path, cluster.environment))
        assert "namespace is missing" in str(inside.unusable(JOB))
    finally:
        cluster.close()


def test_a_policy_that_could_never_act_is_not_loaded_for_acting(tmp_path: Path) -> None:
    text = """policy: shop
owner: team
signals: {errors: error_ratio}
actions: {rebuild: {actuator: kubernetes_job, image: shop/tools:1, argv: [rebuild], timeout: 2m}}
trigger: {if: errors > 5%}
resolved: {if: errors < 1%}
escalate: {to: oncall}
steps: [{do: rebuild, target: svc/a, verify: {if: errors < 1%, within: 2m}}]
"""
    policy = load_policy_sources({"shop.homeostat.yaml": text}, "shop.homeostat.yaml")
    hands = {"kubernetes_job": KubernetesJobActuator(ActuatorContext(tmp_path, {}))}
    (problem,) = unrunnable(Settings(root=tmp_path), policy, hands)
    assert problem.code == "E007"
    assert "action 'rebuild' cannot run here: this host is in no Kubernetes cluster" in problem.message
