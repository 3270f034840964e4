"""What an action changes of a workload or a node, by what it is now. Standard library only.

Restart and undo are what `kubectl rollout restart` and `kubectl rollout undo` do
(k8s.io/kubectl/pkg/polymorphichelpers: objectrestarter.go, rollback.go).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from homeostat.act.kubernetes_objects import Objects, RefusedByClusterError
from homeostat.act.kubernetes_rollout import follows_no_rollout

RESTARTED_ANNOTATION = "kubectl.kubernetes.io/restartedAt"
KEY_ANNOTATION = "homeostat/key"
"""Of the pod template, where a restart has put it."""
KEYS_ANNOTATION = "homeostat/keys"
"""Of the object: the keys of the last changes, oldest first, as a JSON list."""
KEYS_MAX = 20

_REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
_HASH_LABEL = "pod-template-hash"


class Change(NamedTuple):
    """What to do. `patch` is None where nothing is left to do; `told` says what has been done once it has.

    Attributes:
        replicas: how many there are to be; None where it is not about their number.
    """

    patch: Mapping[str, Any] | None
    told: str
    replicas: int | None = None


def keys_of(found: Mapping[str, Any]) -> list[str]:
    """The keys of the actions that have changed this object. Raises RefusedByClusterError where nobody can tell."""
    text = (found["metadata"].get("annotations") or {}).get(KEYS_ANNOTATION)
    try:
        keys = json.loads(text) if text is not None else []
    except (ValueError, RecursionError):
        keys = None
    if not isinstance(keys, list) or any(not isinstance(key, str) for key in keys):
        raise RefusedByClusterError(f"the annotation {KEYS_ANNOTATION} is not a list of keys; remove it")
    return keys


def is_done(job: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the object shows that the action was carried out. Raises RefusedByClusterError."""
    if job["object_kind"] == "node":
        return bool(found["spec"].get("unschedulable")) is (job["operation"] == "cordon")
    template = (found["spec"]["template"].get("metadata") or {}).get("annotations") or {}
    key: str = job["remote_key"]
    return template.get(KEY_ANNOTATION) == key or key in keys_of(found)


def must_be_unchanged(before: Mapping[str, Any] | None, found: Mapping[str, Any], told: str) -> None:
    """Raises RefusedByClusterError where somebody has changed what was decided by."""
    if before is not None and decided_by(before) != decided_by(found):
        raise RefusedByClusterError(f"{told} was changed by somebody in the meantime")


def decided_by(found: Mapping[str, Any]) -> list[object]:
    """What the decision rests on; the version moves with every heartbeat and status, this with a change alone."""
    metadata = found["metadata"]
    return [metadata["uid"], metadata.get("generation"), bool(found["spec"].get("unschedulable"))]


def change_of(objects: Objects, job: Mapping[str, Any], found: Mapping[str, Any], written_now: str) -> Change:
    """What the action changes.

    Args:
        objects: to look for revisions.
        job: of `kubernetes.py`.
        found: the object now.
        written_now: RFC 3339.

    Raises:
        RefusedByClusterError: it cannot be done to what is there. KubernetesError: nobody could say.
    """
    operation = job["operation"]
    if operation in ("cordon", "uncordon"):
        return Change({"spec": {"unschedulable": operation == "cordon"}}, f"{objects.told} was {operation}ed")
    if found["metadata"].get("deletionTimestamp"):
        raise RefusedByClusterError(f"{objects.told} is being deleted")
    why = follows_no_rollout(objects.kind, found)
    if why is not None and (operation != "scale" if objects.kind == "deployment" else job["wait"]):
        raise RefusedByClusterError(f"{objects.told} rolls nothing out: {why}")
    if operation == "scale":
        change = _scaled(objects, job["scale"], found)
    elif operation == "restart":
        annotations = {RESTARTED_ANNOTATION: written_now, KEY_ANNOTATION: job["remote_key"]}
        change = Change(
            {"spec": {"template": {"metadata": {"annotations": annotations}}}}, f"{objects.told} was restarted"
        )
    else:
        template, revision = _previous(objects, found)
        patch = {"spec": {"template": {**template, "$patch": "replace"}}}
        change = Change(patch, f"{objects.told} was taken back to revision {revision}")
    if change.patch is None:
        return change
    keys = json.dumps([*keys_of(found), job["remote_key"]][-KEYS_MAX:])
    return change._replace(patch={**change.patch, "metadata": {"annotations": {KEYS_ANNOTATION: keys}}})


def _scaled(objects: Objects, scale: Mapping[str, int | None], found: Mapping[str, Any]) -> Change:
    has, by, least, most = int(found["spec"].get("replicas", 1)), scale["by"], scale["min"] or 0, scale["max"] or 0
    wanted = scale["replicas"]
    if wanted is None:
        wanted = has + (by or 0)
        # What is beyond a bound already is not for a step in the same direction to bring back.
        wanted = max(min(wanted, most), has) if (by or 0) > 0 else min(max(wanted, least), has)
        if wanted == has:
            raise RefusedByClusterError(f"{objects.told} has {has} replicas, and may have {least} to {most}")
    if wanted == has:
        return Change(None, f"{objects.told} has {has} replicas already", wanted)
    return Change({"spec": {"replicas": wanted}}, f"{objects.told} was scaled from {has} to {wanted} replicas", wanted)


def _previous(objects: Objects, found: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The template before the newest, and its revision. Raises RefusedByClusterError, KubernetesError."""
    if int((found.get("status") or {}).get("observedGeneration") or 0) < int(found["metadata"]["generation"]):
        raise RefusedByClusterError(f"{objects.told} has a change that its controller has not made a revision of yet")
    if objects.kind == "deployment":
        numbered = [
            (int(revision), one["spec"]["template"])
            for one in objects.owned(found, "replicasets")
            if (revision := (one["metadata"].get("annotations") or {}).get(_REVISION_ANNOTATION, "")).isdecimal()
        ]
    else:
        revisions = objects.owned(found, "controllerrevisions")
        numbered = [(int(one["revision"]), one["data"]["spec"]["template"]) for one in revisions]
    numbered.sort(key=lambda one: one[0])
    if len(numbered) < 2:
        raise RefusedByClusterError(f"{objects.told} has no revision before this one")
    revision, template = numbered[-2]
    if _bare(template) == _bare(found["spec"]["template"]):
        raise RefusedByClusterError(f"{objects.told} is at revision {revision} already")
    return _bare(template), revision


def _bare(template: Mapping[str, Any]) -> dict[str, Any]:
    """A template without what only a revision's has, and without what is empty."""
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {key: value for key, value in (metadata.get("labels") or {}).items() if key != _HASH_LABEL}
    bare = {key: value for key, value in template.items() if key != "$patch"}
    return {**bare, "metadata": {key: value for key, value in metadata.items() if value}}


def autoscalers_of(objects: Objects, name: str) -> list[str]:
    """The autoscalers that set the number of replicas too. Raises RefusedByClusterError, KubernetesError."""
    return sorted(
        one["metadata"]["name"]
        for one in objects.listed("autoscaling/v2", "horizontalpodautoscalers")
        if (target := one["spec"]["scaleTargetRef"])["name"] == name and target["kind"].lower() == objects.kind
    )
