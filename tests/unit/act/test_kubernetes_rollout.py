"""When a rollout is complete: each rule of kubectl's, by the objects that the API gives."""

from __future__ import annotations

from typing import Any

import pytest

from homeostat.act.kubernetes_objects import selector_of
from homeostat.act.kubernetes_rollout import progress_of

DONE = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}
SAME = {"currentRevision": "a", "updateRevision": "a"}
SCHEDULED = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}


def told(kind: str, status: dict[str, Any], **spec: Any) -> str:
    progress = progress_of(kind, {"metadata": {"generation": 2}, "spec": {"replicas": 3, **spec}, "status": status})
    return f"{'complete' if progress.complete else 'failed' if progress.failed else 'waits'}: {progress.told}"


@pytest.mark.parametrize(
    ("kind", "status", "says"),
    [
        ("deployment", DONE, "complete: 3 replicas are updated and available"),
        ("deployment", {}, "waits: its controller has not seen the change yet"),
        ("deployment", {**DONE, "observedGeneration": 1}, "waits: its controller has not seen the change yet"),
        ("deployment", {**DONE, "updatedReplicas": 1}, "waits: 1 of 3 replicas are updated"),
        ("deployment", {**DONE, "replicas": 4}, "waits: 1 old replicas have not ended yet"),
        ("deployment", {**DONE, "availableReplicas": None}, "waits: 0 of 3 updated replicas are available"),
        ("statefulset", {**DONE, **SAME}, "complete: 3 replicas are updated and ready"),
        ("statefulset", {**DONE, **SAME, "readyReplicas": 2}, "waits: 2 of 3 replicas are ready"),
        ("statefulset", {**DONE, "currentRevision": "b"}, "waits: 3 of 3 replicas are updated"),
        ("daemonset", {**DONE, **SCHEDULED}, "complete: 3 pods are updated and available"),
        ("daemonset", {**DONE, **SCHEDULED, "updatedNumberScheduled": 2}, "waits: 2 of 3 pods are updated"),
        ("daemonset", {**DONE, **SCHEDULED, "numberAvailable": 1}, "waits: 1 of 3 updated pods are available"),
    ],
)
def test_a_rollout_is_as_far_as_kubectl_says(kind: str, status: dict[str, Any], says: str) -> None:
    assert told(kind, status) == says


def test_a_deadline_counts_for_the_generation_that_it_is_of() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "stuck"}
    assert told("deployment", {**DONE, "conditions": [late]}) == "failed: it exceeded its progress deadline (stuck)"
    assert told("deployment", {**DONE, "observedGeneration": 1, "conditions": [late]}).startswith("waits: ")


def test_below_a_partition_nothing_is_waited_for() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    status = {**DONE, "currentRevision": "a", "updateRevision": "b", "updatedReplicas": 0}
    assert told("statefulset", status, updateStrategy=strategy) == (
        "waits: 0 of 1 replicas from the partition on are updated"
    )
    assert told("statefulset", {**status, "updatedReplicas": 1}, updateStrategy=strategy).startswith("complete: ")


def test_a_selector_is_spelled_as_a_query_takes_it() -> None:
    rules = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "track", "operator": "NotIn", "values": ["canary"]},
        {"key": "x", "operator": "Exists"},
        {"key": "y", "operator": "DoesNotExist"},
    ]
    assert selector_of({"matchLabels": {"app": "pay"}, "matchExpressions": rules}) == (
        "app=pay,tier in (a,b),track notin (canary),x,!y"
    )
