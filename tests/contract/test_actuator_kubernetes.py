from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kubernetes_cluster import NAMESPACE
from tests.kubernetes_workloads import WorkloadCluster

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.kubernetes import KubernetesActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


class TestKubernetesActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _cluster(self, tmp_path: Path) -> Iterator[None]:
        self.state = tmp_path
        self.cluster = WorkloadCluster(tmp_path / "cluster")
        for name in ("quick", "endless", "failing"):
            self.cluster.add("deployments", name)
        yield
        self.cluster.close()

    def fresh(self) -> Actuator:
        return KubernetesActuator(ActuatorContext(self.state, self.cluster.environment))

    def quick(self, key: str) -> StartAction:
        return self._restart(key, "quick", wait="none")

    def endless(self, key: str) -> StartAction:
        self.cluster.pods_per_turn = 0
        return self._restart(key, "endless")

    def failing(self, key: str) -> StartAction:
        self.cluster.pods_per_turn, self.cluster.fails = 0, True
        return self._restart(key, "failing")

    def impossible(self, key: str) -> StartAction:
        return self._restart(key, {"with": "workload"})

    def effects(self, key: str) -> int:
        return self.cluster.keyed(key)

    def _restart(self, key: str, name: object, wait: str = "rollout") -> StartAction:
        parameters = {
            "operation": "restart",
            "kind": "deployment",
            "name": name,
            "namespace": NAMESPACE,
            "wait": wait,
        }
        return StartAction(key, ActionSpec("restart", "kubernetes", parameters), "deploy/pay", {}, timeout_s=60.0)
