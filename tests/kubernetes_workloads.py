"""The stand-in for a Kubernetes API server, with workloads, nodes and the controllers that roll them out.

Beside what `kubernetes_cluster.py` checks: RBAC by verb, resource, namespace and name; the type and the fields of a
patch; the version that it names. A rollout goes on by `pods_per_turn` pods a turn of its controller.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.kubernetes_cluster import NAMESPACE, Cluster, Refusal

Object = dict[str, Any]

KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet", "nodes": "Node"}
LISTS = ("replicasets", "controllerrevisions", "horizontalpodautoscalers")
FIELDS = {
    "metadata": {"annotations", "resourceVersion"},
    "spec": {"replicas", "template", "unschedulable"},
    "template": {"metadata", "spec", "$patch"},
}
ALL_RIGHTS = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
REVISION = "deployment.kubernetes.io/revision"


class WorkloadCluster(Cluster):
    """`rules` are those of a Role (and a ClusterRole for nodes) that the token has."""

    def __init__(self, folder: Path) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.owned: dict[str, list[Object]] = {name: [] for name in LISTS}
        self.rules: list[dict[str, Any]] = ALL_RIGHTS
        self.pods_per_turn = 1000
        self.fails = False
        self.conflicts = 0
        self.lose_answers = 0
        self.before_patch: Callable[[], None] = lambda: None
        self.patches: list[Object] = []
        self._version = 100
        super().__init__(folder)

    def add(self, resource: str, name: str, replicas: int = 3, **spec: Any) -> Object:
        labels = {"app": name}
        made: Object = {
            "kind": KINDS[resource],
            "metadata": {"name": name, "uid": f"uid-{resource}-{name}"},
            "spec": spec,
        }
        if resource != "nodes":
            template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": f"{name}:1"}]}}
            made["spec"] = {"selector": {"matchLabels": labels}, "template": template, **spec}
            made["metadata"]["generation"] = 1
            made["status"] = {}
            if resource != "daemonsets":
                made["spec"]["replicas"] = replicas
        with self.lock:
            self.objects[resource, name] = made
            self._moved(made)
            if resource != "nodes":
                self._turn(resource, made, pods=1000)
        return made

    def set_image(self, resource: str, name: str, image: str) -> None:
        """As somebody else does, whole."""
        with self.lock:
            made = self.objects[resource, name]
            made["spec"]["template"]["spec"]["containers"][0]["image"] = image
            self.touch(made)
            self._turn(resource, made, pods=1000)

    def touch(self, made: Object) -> None:
        """Its spec has changed."""
        made["metadata"]["generation"] += 1
        self._moved(made)

    def keyed(self, key: str) -> int:
        """How many patches that were carried out have brought this key in."""
        return sum(json.loads(patch["metadata"]["annotations"]["homeostat/keys"])[-1] == key for patch in self.patches)

    def serve(self, method: str, path: str, headers: Any, content: bytes) -> tuple[int, dict[str, Any]]:
        url = urlsplit(path)
        match url.path.strip("/").split("/"):
            case ["api", "v1", "nodes", name]:
                group, namespace, rest = "", None, ["nodes", name]
            case ["apis", ("apps" | "autoscaling") as group, "v1" | "v2", "namespaces", namespace, *rest]:
                pass
            case _:
                return super().serve(method, path, headers, content)
        if headers.get("Authorization") != f"Bearer {self.token}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        self.requests.append((method, path))
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        verb = {"GET": "get" if len(rest) == 2 else "list", "PATCH": "patch"}[method]
        self._authorize(verb, group, namespace, rest)
        if len(rest) == 1:
            return 200, self._list(rest[0], query)
        found = self.objects.get((rest[0], rest[1]))
        if found is None or namespace not in (None, NAMESPACE):
            raise Refusal(404, "NotFound", f'{rest[0]} "{rest[1]}" not found')
        if method == "GET":
            return 200, found
        return 200, self._patched(rest[0], found, headers, query, json.loads(content))

    def _authorize(self, verb: str, group: str, namespace: str | None, rest: list[str]) -> None:
        def covers(rule: dict[str, Any]) -> bool:
            asked = {"apiGroups": group, "resources": rest[0], "verbs": verb}
            if any("*" not in rule[part] and value not in rule[part] for part, value in asked.items()):
                return False
            names = rule.get("resourceNames")
            return not names or (len(rest) > 1 and rest[1] in names)

        if namespace not in (None, NAMESPACE) or not any(map(covers, self.rules)):
            where = f' in the namespace "{namespace}"' if namespace else ""
            raise Refusal(403, "Forbidden", f'cannot {verb} resource "{rest[0]}" in API group "{group}"{where}')

    def _list(self, resource: str, query: dict[str, str]) -> Object:
        """One object a page where pages are wanted, so that whoever wants them must ask for the rest."""
        wanted = dict(part.split("=") for part in query.get("labelSelector", "").split(",") if part)
        found = [one for one in self.owned[resource] if wanted.items() <= one["metadata"].get("labels", {}).items()]
        if "limit" not in query:
            return {"kind": "List", "metadata": {}, "items": found}
        at = int(query.get("continue", "0"))
        more = {"continue": str(at + 1)} if at + 1 < len(found) else {}
        return {"kind": "List", "metadata": more, "items": found[at : at + 1]}

    def _patched(self, resource: str, found: Object, headers: Any, query: dict[str, str], patch: Object) -> Object:
        if headers.get("Content-Type") != "application/strategic-merge-patch+json":
            raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        patch.setdefault("metadata", {})
        if query.get("fieldValidation") == "Strict":
            _check_fields(patch)
        self.before_patch()
        if self.conflicts > 0:
            self.conflicts -= 1
            self._moved(found)
        version = patch["metadata"].pop("resourceVersion", None)
        if version is not None and version != found["metadata"]["resourceVersion"]:
            raise Refusal(
                409, "Conflict", "the object has been modified; please apply your changes to the latest version"
            )
        for value in patch["metadata"].get("annotations", {}).values():
            if not isinstance(value, str):
                raise Refusal(
                    400, "BadRequest", "cannot unmarshal into Go struct field ObjectMeta.metadata.annotations"
                )
        before = copy.deepcopy(found["spec"])
        merged = _merged(found, patch)
        if _labels(merged) != _labels(found):
            raise Refusal(422, "Invalid", "spec.template.metadata.labels: `selector` does not match template `labels`")
        found.update(merged)
        if found["spec"] != before and "generation" in found["metadata"]:
            found["metadata"]["generation"] += 1
        self._moved(found)
        self.patches.append(patch)
        if self.lose_answers > 0:
            self.lose_answers -= 1
            raise Refusal(504, "Timeout", "the server was unable to return a response in the time allotted")
        return found

    def _moved(self, made: Object) -> None:
        self._version += 1
        made["metadata"]["resourceVersion"] = str(self._version)

    def _control(self) -> None:
        while not self._over.wait(0.01):
            with self.lock:
                for (resource, _), made in self.objects.items():
                    if resource != "nodes":
                        self._turn(resource, made, self.pods_per_turn)

    def _turn(self, resource: str, made: Object, pods: int) -> None:
        """One turn of the controller: it sees the newest generation, makes a revision, and replaces some pods."""
        spec, before = made["spec"], copy.deepcopy(made["status"])
        status = made["status"]
        wanted = spec.get("replicas", 3)
        if status.get("observedGeneration") != made["metadata"]["generation"]:
            status["observedGeneration"] = made["metadata"]["generation"]
            if not spec.get("paused"):
                self._revise(resource, made)
        updated = min(status.get("updatedReplicas", 0) + pods, wanted)
        if resource == "daemonsets":
            status |= {"desiredNumberScheduled": wanted, "updatedNumberScheduled": updated, "numberAvailable": wanted}
        status |= {"replicas": wanted, "updatedReplicas": updated, "availableReplicas": wanted, "readyReplicas": wanted}
        if updated == wanted and resource == "statefulsets":
            status["currentRevision"] = status["updateRevision"]
        reason = "ProgressDeadlineExceeded" if self.fails and updated < wanted else "ReplicaSetUpdated"
        if resource == "deployments":
            message = f'ReplicaSet "{made["metadata"]["name"]}" has timed out progressing.'
            status["conditions"] = [{"type": "Progressing", "reason": reason, "message": message}]
        if status != before:
            self._moved(made)

    def _revise(self, resource: str, made: Object) -> None:
        """A template that was seen before gets a new number; one that was not gets a revision, and no updated pods."""
        template, metadata = copy.deepcopy(made["spec"]["template"]), made["metadata"]
        is_deployment = resource == "deployments"
        kept = self.owned["replicasets" if is_deployment else "controllerrevisions"]
        mine = [one for one in kept if one["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]]
        number = 1 + max(map(_number, mine), default=0)
        same = [one for one in mine if one["template"] == template]
        if same and _number(same[0]) == number - 1:
            return
        if not same:
            name = f"{metadata['name']}-{number}"
            owner = {"uid": metadata["uid"], "controller": True}
            labels = {**template["metadata"]["labels"], **({"pod-template-hash": name} if is_deployment else {})}
            identity = {"name": name, "uid": f"uid-{name}", "labels": labels, "ownerReferences": [owner]}
            one = {"metadata": identity, "template": template}
            if is_deployment:
                hashed = {**template, "metadata": {**template["metadata"], "labels": labels}}
                one["spec"] = {"template": hashed}
            else:
                one["data"] = {"spec": {"template": {**template, "$patch": "replace"}}}
            kept.append(one)
            same = [one]
        if is_deployment:
            same[0]["metadata"]["annotations"] = {REVISION: str(number)}
        else:
            same[0]["revision"] = number
            made["status"]["updateRevision"] = same[0]["metadata"]["name"]
        made["status"]["updatedReplicas"] = 0


def _number(revision: Object) -> int:
    return int(revision.get("revision") or revision["metadata"]["annotations"][REVISION])


def _labels(made: Object) -> Any:
    return made["spec"].get("template", {}).get("metadata", {}).get("labels")


def _check_fields(patch: Object) -> None:
    """What the API server does with fieldValidation=Strict, for the fields that a patch may have here."""
    for where, part in (("metadata", patch["metadata"]), ("spec", patch["spec"])):
        for field in part.keys() - FIELDS[where]:
            raise Refusal(400, "BadRequest", f'strict decoding error: unknown field "{where}.{field}"')
    for field in patch["spec"].get("template", {}).keys() - FIELDS["template"]:
        raise Refusal(400, "BadRequest", f'strict decoding error: unknown field "spec.template.{field}"')


def _merged(old: Any, patch: Any) -> Any:
    """A strategic merge, as far as maps go; a list of containers is only ever replaced with its template here."""
    if not isinstance(patch, dict) or not isinstance(old, dict) or patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"} if isinstance(patch, dict) else patch
    merged = {**old, **{key: _merged(old.get(key, {}), value) for key, value in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}
