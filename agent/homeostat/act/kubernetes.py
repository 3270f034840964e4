"""The `kubernetes` actuator: one operation on a workload or a node, followed until its rollout is complete.

Parameters: `operation` (`restart`, `undo`, `scale`, `cordon` or `uncordon`), `kind` (`deployment`, `statefulset`,
`daemonset`; `node` for the last two), `name` and `namespace` (text, `{target: ...}` or `{with: ...}`; a node is in no
namespace), `replicas`, or `by` with `max` and `min` (of `scale`), `wait` (`rollout`, or `none`), and for another
cluster than the agent's own `api` (https://HOST:PORT), `token` and `ca` (`{secret: REFERENCE}`).

Each change of a workload writes its key into an annotation of the object, in the same request, which names the version
that was looked at: so that a repeat finds its key, and a change that somebody else has made is a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from homeostat.act.detached import DetachedActuator
from homeostat.act.kubernetes_api import FOLDER_VARIABLE, HOST_VARIABLE, PORT_VARIABLE, Cluster, KubernetesError
from homeostat.act.kubernetes_objects import WORKLOADS
from homeostat.act.service_parameters import SETTLE_S, base_url, secret_of
from homeostat.act.substitution import RefusedError, as_text
from homeostat.act.values import Source, inherited, timeout_of
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec

NODE_OPERATIONS = ("cordon", "uncordon")
WORKLOAD_OPERATIONS = ("restart", "undo", "scale")
REPLICAS_MAX = 100_000
"""More than any cluster runs; a larger number is a slip."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


class KubernetesActuator(DetachedActuator):
    """Restarts, rolls back and scales workloads, and cordons nodes. Cancelled, it leaves things as it has set them."""

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not run an action here: see `context.Choosy`."""
        if "api" in action.parameters:
            return None
        try:
            Cluster(self._environment)
        except KubernetesError as error:
            return str(error)
        return None

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        parameters = command.action.parameters
        operation, kind = parameters.get("operation"), parameters.get("kind")
        if operation not in (*WORKLOAD_OPERATIONS, *NODE_OPERATIONS):
            raise RefusedError(f"operation is {', '.join((*WORKLOAD_OPERATIONS, *NODE_OPERATIONS))}, not {operation!r}")
        kinds = ("node",) if operation in NODE_OPERATIONS else WORKLOADS
        if kind not in kinds or (operation, kind) == ("scale", "daemonset"):
            raise RefusedError(f"{operation} does not go with kind {kind!r}")
        waits = parameters.get("wait", "none" if kind == "node" else "rollout")
        if waits not in ("rollout", "none") or (kind == "node" and waits == "rollout"):
            raise RefusedError(f"wait is rollout, of a workload, or none, not {waits!r}")
        return {
            "kind": "kubernetes",
            "resumable": True,
            "operation": operation,
            "object_kind": kind,
            "name": _name(command, "name"),
            "namespace": None if kind == "node" else _name(command, "namespace"),
            "scale": _scale(command) if operation == "scale" else None,
            "wait": waits == "rollout",
            "remote_key": command.key_for_target,
            "settle_s": SETTLE_S,
            "timeout_s": timeout_of(command),
            **_cluster(command),
        }


def _name(command: StartAction, parameter: str) -> str:
    name = as_text(command.action.parameters.get(parameter), command)
    if _NAME.fullmatch(name) is None:
        raise RefusedError(f"{parameter} is the name of an object: small letters, digits, '-' and '.', not {name!r}")
    return name


def _scale(command: StartAction) -> dict[str, int | None]:
    wanted = {name: _whole(command, name) for name in ("replicas", "by", "min", "max")}
    if (wanted["replicas"] is None) == (wanted["by"] is None):
        raise RefusedError("scale takes either replicas or by")
    if wanted["by"] == 0 or (wanted["by"] is not None and wanted["max"] is None):
        raise RefusedError("by is a number other than 0, and goes with max")
    least, most = wanted["min"], REPLICAS_MAX if wanted["max"] is None else wanted["max"]
    wanted["min"] = least = (0 if wanted["by"] is None else 1) if least is None else least
    wanted["max"] = most
    if not 0 <= least <= most <= REPLICAS_MAX:
        raise RefusedError(f"min and max are 0 to {REPLICAS_MAX}, and min is not more than max")
    if wanted["replicas"] is not None and not least <= wanted["replicas"] <= most:
        raise RefusedError(f"replicas is {wanted['replicas']}, and must be {least} to {most}")
    return wanted


def _whole(command: StartAction, parameter: str) -> int | None:
    given: object = command.action.parameters.get(parameter)
    if given is None:
        return None
    text = as_text(given, command) if isinstance(given, Mapping) else str(given)
    if isinstance(given, bool) or _WHOLE.fullmatch(text) is None:
        raise RefusedError(f"{parameter} is a whole number, not {text!r}")
    return int(text)


def _cluster(command: StartAction) -> dict[str, Any]:
    if "api" not in command.action.parameters:
        if {"token", "ca"} & set(command.action.parameters):
            raise RefusedError("token and ca go with api, which says where the cluster is")
        own: dict[str, Source] = {name: inherited(name) for name in (HOST_VARIABLE, PORT_VARIABLE, FOLDER_VARIABLE)}
        return {"api": None, "values": own}
    url = urlsplit(base_url(command, "api"))
    try:
        host, port = url.hostname, url.port or 443
    except ValueError:
        raise RefusedError("the port of api is none") from None
    if url.scheme != "https" or not host or url.path.strip("/"):
        raise RefusedError("api reads https://HOST:PORT")
    values = {"token": secret_of(command, "token")}
    if command.action.parameters.get("ca") is not None:
        values["ca"] = secret_of(command, "ca")
    return {"api": [host, port], "values": values}
