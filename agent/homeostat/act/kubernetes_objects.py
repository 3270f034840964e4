"""One object of a cluster: read, patched, and what belongs to it listed. Standard library only.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from homeostat.act.kubernetes_api import Answer, Cluster, KubernetesError

WORKLOADS = ("deployment", "statefulset", "daemonset")

PATCH_TYPE = "application/strategic-merge-patch+json"
PAGE_OBJECTS_MAX = 250
PAGES_MAX = 20
"""Of one list."""

_SURELY_REFUSED = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
_CONFLICT, _TOO_MANY = 409, 429


class RefusedByClusterError(Exception):
    """The API server will not have it, or shows what the action cannot be done to: nothing was changed by this."""


class ChangedMeanwhileError(Exception):
    """The object is not any more what the change was made for, or the server was too busy to look: not changed."""


class Objects:
    """The object that a job is about, and what is in its namespace."""

    def __init__(self, cluster: Cluster, job: Mapping[str, Any]) -> None:
        self._cluster = cluster
        self.kind: str = job["object_kind"]
        self.told = f"{self.kind}/{job['name']}"
        self._namespace = ""
        if self.kind == "node":
            self._path = f"/api/v1/nodes/{quote(job['name'], safe='')}"
        else:
            self._namespace = f"/namespaces/{quote(job['namespace'], safe='')}"
            self._path = f"/apis/apps/v1{self._namespace}/{self.kind}s/{quote(job['name'], safe='')}"

    def read(self) -> dict[str, Any]:
        """The object now.

        Raises:
            RefusedByClusterError: it is not there, or may not be read. KubernetesError: nobody could say.
        """
        return _content(self._cluster.call("GET", self._path), self.told)

    def patch(self, change: Mapping[str, Any], version: str) -> dict[str, Any]:
        """Change it, if it is still of this version; give it as it is then.

        Raises:
            ChangedMeanwhileError, RefusedByClusterError: it was not changed.
            KubernetesError: nobody knows whether it was.
        """
        metadata = {**change.get("metadata", {}), "resourceVersion": version}
        query = urlencode({"fieldManager": "homeostat", "fieldValidation": "Strict"})
        body = {**change, "metadata": metadata}
        answer = self._cluster.call("PATCH", f"{self._path}?{query}", body, content_type=PATCH_TYPE)
        if answer.status in (_CONFLICT, _TOO_MANY):
            raise ChangedMeanwhileError(answer.message)
        return _content(answer, self.told)

    def listed(self, group: str, resource: str, selector: str = "") -> list[dict[str, Any]]:
        """All of a resource in the object's namespace. Raises as `read` does."""
        found: list[dict[str, Any]] = []
        query = {"limit": str(PAGE_OBJECTS_MAX), **({"labelSelector": selector} if selector else {})}
        for _ in range(PAGES_MAX):
            path = f"/apis/{group}{self._namespace}/{resource}?{urlencode(query)}"
            page = _content(self._cluster.call("GET", path), resource)
            found += page.get("items") or []
            more = (page.get("metadata") or {}).get("continue")
            if not more:
                return found
            query["continue"] = more
        raise RefusedByClusterError(f"there are more than {PAGES_MAX * PAGE_OBJECTS_MAX} {resource}")

    def owned(self, owner: Mapping[str, Any], resource: str) -> list[dict[str, Any]]:
        """Those of a resource of apps/v1 that the object controls. Raises as `read` does."""
        uid = owner["metadata"]["uid"]
        return [
            one
            for one in self.listed("apps/v1", resource, selector_of(owner["spec"]["selector"]))
            if any(ref.get("controller") and ref["uid"] == uid for ref in one["metadata"].get("ownerReferences") or ())
        ]


def selector_of(selector: Mapping[str, Any]) -> str:
    """A LabelSelector as a query takes it.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
    """
    parts = [f"{label}={value}" for label, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        label, values = rule["key"], ",".join(rule.get("values") or ())
        spelled = {
            "In": f"{label} in ({values})",
            "NotIn": f"{label} notin ({values})",
            "Exists": label,
            "DoesNotExist": f"!{label}",
        }
        parts.append(spelled[rule["operator"]])
    return ",".join(parts)


def _content(answer: Answer, what: str) -> dict[str, Any]:
    if answer.status in (200, 201):
        return answer.content
    if answer.status in _SURELY_REFUSED:
        hint = {401: "; is the token right?", 403: "; docs/actuators.md has the rights that it needs"}
        raise RefusedByClusterError(f"{what}: the cluster says {answer.message}{hint.get(answer.status, '')}")
    raise KubernetesError(f"{what}: the cluster says {answer.message}")
