"""How far a rollout is: what `kubectl rollout status` goes by. Pure.

https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/kubectl_rollout_status/, whose rules are in
k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """How far it is. `told` says so to people; a rollout that has failed is not complete."""

    complete: bool
    failed: bool
    told: str


def follows_no_rollout(kind: str, found: Mapping[str, Any]) -> str | None:
    """Why a change of its template would replace no pods by itself; None where it does."""
    if kind == "deployment":
        return "it is paused; kubectl rollout resume goes on with it" if found["spec"].get("paused") else None
    strategy = (found["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate")
    return None if strategy == "RollingUpdate" else f"its updateStrategy is {strategy}: pods are replaced by hand"


def progress_of(kind: str, found: Mapping[str, Any]) -> Progress:
    """How far a workload is with its newest template and number of replicas."""
    status: Mapping[str, Any] = found.get("status") or {}
    observed = int(status.get("observedGeneration") or 0)
    if observed == 0 or observed < int(found["metadata"].get("generation") or 0):
        return _waits("its controller has not seen the change yet")
    if kind == "deployment":
        return _deployment(found["spec"], status)
    if kind == "statefulset":
        return _stateful_set(found["spec"], status)
    return _daemon_set(status)


def _deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Progress:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            told = f"it exceeded its progress deadline ({condition.get('message', '')})"
            return Progress(complete=False, failed=True, told=told)
    wanted = _count(spec, "replicas", 1)
    updated, total = _count(status, "updatedReplicas"), _count(status, "replicas")
    available = _count(status, "availableReplicas")
    if updated < wanted:
        return _waits(f"{updated} of {wanted} replicas are updated")
    if total > updated:
        return _waits(f"{total - updated} old replicas have not ended yet")
    if available < updated:
        return _waits(f"{available} of {updated} updated replicas are available")
    return _is_complete(f"{available} replicas are updated and available")


def _stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Progress:
    wanted, ready = _count(spec, "replicas", 1), _count(status, "readyReplicas")
    if ready < wanted:
        return _waits(f"{ready} of {wanted} replicas are ready")
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition")
    updated = _count(status, "updatedReplicas")
    if partition and updated < wanted - partition:
        return _waits(f"{updated} of {wanted - partition} replicas from the partition on are updated")
    if partition:
        return _is_complete(f"{updated} replicas from partition {partition} on are updated")
    if status.get("updateRevision") != status.get("currentRevision"):
        return _waits(f"{updated} of {wanted} replicas are updated")
    return _is_complete(f"{ready} replicas are updated and ready")


def _daemon_set(status: Mapping[str, Any]) -> Progress:
    wanted = _count(status, "desiredNumberScheduled")
    updated, available = _count(status, "updatedNumberScheduled"), _count(status, "numberAvailable")
    if updated < wanted:
        return _waits(f"{updated} of {wanted} pods are updated")
    if available < wanted:
        return _waits(f"{available} of {wanted} updated pods are available")
    return _is_complete(f"{available} pods are updated and available")


def _count(counts: Mapping[str, Any], name: str, default: int = 0) -> int:
    """The API leaves out what is 0."""
    value = counts.get(name)
    return default if value is None else int(value)


def _waits(told: str) -> Progress:
    return Progress(complete=False, failed=False, told=told)


def _is_complete(told: str) -> Progress:
    return Progress(complete=True, failed=False, told=told)
