from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kubernetes_cluster import Cluster

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.kubernetes_job import KubernetesJobActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator

EFFECT = 'echo "$HOMEOSTAT_ACTION_KEY" >> "$1"'


class TestKubernetesJobActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _cluster(self, tmp_path: Path) -> Iterator[None]:
        self.state = tmp_path
        self.ledger = tmp_path / "effects"
        self.cluster = Cluster(tmp_path / "cluster")
        yield
        self.cluster.close()

    def fresh(self) -> Actuator:
        """As if on another host: no state is shared but the cluster's."""
        return KubernetesJobActuator(ActuatorContext(self.state / "nothing-here", self.cluster.environment))

    def quick(self, key: str) -> StartAction:
        return self._job(key, EFFECT)

    def endless(self, key: str) -> StartAction:
        return self._job(key, f"{EFFECT}; sleep 600")

    def failing(self, key: str) -> StartAction:
        return self._job(key, "exit 4")

    def impossible(self, key: str) -> StartAction:
        return self._job(key, EFFECT, {"with": "replicas"})

    def effects(self, key: str) -> int:
        return self.ledger.read_text().split().count(key) if self.ledger.exists() else 0

    def _job(self, key: str, script: str, *more: object) -> StartAction:
        parameters = {"image": "shop/tools:1", "argv": ["sh", "-c", script, "sh", str(self.ledger), *more]}
        return StartAction(key, ActionSpec("restart", "kubernetes_job", parameters), "deploy/pay", {}, timeout_s=60.0)
