"""The `kubernetes_job` actuator: one container, run once as a Job of the cluster that the agent runs in.

Parameters: `image`, `argv` (as of `command`; it takes the place of the image's entry point), `env` (names to text,
`{target: ...}`, `{with: ...}` or `{secret: k8s:NAMESPACE/NAME/KEY}` of the Job's own namespace, which the kubelet looks
up), `service_account` (if not given, the container has no token).

The Job is in the agent's namespace, and its name is drawn from the key: the API server refuses a second one (409), on
whatever host the agent is. So that this holds, a Job is never deleted here but by its `ttlSecondsAfterFinished`; one
that is cancelled gets no pods and a deadline that has passed, and a key that is withdrawn a Job that never had any.
What its containers print stays in the cluster, since nobody could take secrets out of it that the agent never knew.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from homeostat.act.command import KEY_VARIABLE
from homeostat.act.context import ActuatorContext
from homeostat.act.kubernetes_api import Answer, Cluster, KubernetesError
from homeostat.act.secret import is_reference
from homeostat.act.substitution import RefusedError, as_argument, as_text
from homeostat.act.values import timeout_of
from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus

KEEP_S = 7 * 86400
"""How long a finished Job keeps its name taken; longer than any incident waits for a start."""

NAMESPACE_VARIABLE = "HOMEOSTAT_JOB_NAMESPACE"
"""Names another namespace for Jobs than the agent's own."""

KEY_ANNOTATION = "homeostat/key"
WITHDRAWN_ANNOTATION = "homeostat/withdrawn"
CANCELLED_ANNOTATION = "homeostat/cancelled"

_LABELS = {"app.kubernetes.io/managed-by": "homeostat"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NO_IMAGE = "never-run"


class KubernetesJobActuator:
    """Implements `model.ports.Actuator` on Jobs (https://kubernetes.io/docs/concepts/workloads/controllers/job/).

    Attributes:
        may_block: it asks over the network.
        reach: any agent of the namespace can ask after a Job.
    """

    may_block = True
    reach = "anywhere"

    def __init__(self, context: ActuatorContext) -> None:
        self._environment = context.environment

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not run an action here: see `context.Choosy`."""
        del action
        try:
            Cluster(self._environment)
            self._namespace()
        except (KubernetesError, ActuatorError) as error:
            return str(error)
        return None

    def start(self, command: StartAction) -> None:
        """Create the Job, unless one of its name was ever created. Raises ActuatorError."""
        try:
            job = self._job(command)
        except RefusedError as refused:
            self.withdraw(command.key, OutcomeStatus.ERROR, f"nothing was run: {refused}")
            return
        if command.timeout_s <= 0:
            self.withdraw(command.key, OutcomeStatus.TIMEOUT, "nothing was run: its time-out is 0 s")
            return
        answer = self._call("POST", "", job)
        if answer.status == 422:
            self.withdraw(command.key, OutcomeStatus.ERROR, f"nothing was run: {answer.message}")
        elif answer.status not in (200, 201, 202, 409):
            raise ActuatorError(f"the Job of {command.key} was not created: {answer.message}")

    def lookup(self, key: str) -> Report:
        """Say what became of the Job. Raises ActuatorError."""
        job = self._get(key)
        return NeverStarted() if job is None else _report(job, key)

    def cancel(self, key: str) -> None:
        """Have its pods ended; a key without a Job never gets one. Raises ActuatorError."""
        if self.withdraw(key, OutcomeStatus.CANCELLED, "nothing was run: cancelled before it began"):
            return
        job = self._get(key)
        if job is None:
            raise ActuatorError(f"the Job of {key} was there and is gone; somebody else deletes Jobs")
        if _finished(job) is not None:
            return
        answer = self._call(
            "PATCH",
            f"/{job_name(key)}",
            {
                "metadata": {"annotations": {CANCELLED_ANNOTATION: "true"}},
                "spec": {"parallelism": 0, "activeDeadlineSeconds": 1},
            },
            content_type="application/merge-patch+json",
        )
        if answer.status != 200:
            raise ActuatorError(f"the Job of {key} was not cancelled: {answer.message}")

    def withdraw(self, key: str, status: OutcomeStatus, detail: str) -> bool:
        """Take the key's name with a Job that has no pods; False if it is taken. Raises ActuatorError."""
        annotations = {WITHDRAWN_ANNOTATION: json.dumps([status.value, detail])}
        container = {"name": "action", "image": _NO_IMAGE}
        job = _job(key, annotations, {"containers": [container], "restartPolicy": "Never"}, deadline_s=1, parallelism=0)
        answer = self._call("POST", "", job)
        if answer.status not in (200, 201, 202, 409):
            raise ActuatorError(f"{key} could not be withdrawn: {answer.message}")
        return answer.status != 409

    def _job(self, command: StartAction) -> dict[str, Any]:
        parameters = command.action.parameters
        image, argv = parameters.get("image"), parameters.get("argv")
        if not isinstance(image, str) or not image.strip():
            raise RefusedError("image is the name of a container image")
        if not isinstance(argv, list | tuple) or not argv or not isinstance(argv[0], str) or not argv[0]:
            raise RefusedError("argv is a list that begins with the program's name")
        container = {
            "name": "action",
            "image": image,
            "command": [as_argument(argument, command) for argument in argv],
            "env": list(self._variables(command)),
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        pod: dict[str, Any] = {
            "containers": [container],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        }
        account = parameters.get("service_account")
        if account is not None:
            if not isinstance(account, str) or _ACCOUNT.fullmatch(account) is None:
                raise RefusedError(f"service_account is a name in the agent's namespace, not {account!r}")
            pod |= {"serviceAccountName": account, "automountServiceAccountToken": True}
        return _job(command.key, {}, pod, deadline_s=max(1, math.ceil(timeout_of(command))), parallelism=1)

    def _variables(self, command: StartAction) -> Iterator[dict[str, Any]]:
        env: object = command.action.parameters.get("env") or {}
        if not isinstance(env, Mapping):
            raise RefusedError("env is a mapping of names to values; the agent's own variables are not the container's")
        for name, value in env.items():
            if not isinstance(name, str) or _VARIABLE.fullmatch(name) is None:
                raise RefusedError(f"{name!r} is not the name of an environment variable")
            if isinstance(value, Mapping) and set(value) == {"secret"}:
                yield {"name": name, "valueFrom": {"secretKeyRef": self._secret_key(name, value["secret"])}}
            else:
                yield {"name": name, "value": as_text(value, command)}
        yield {"name": KEY_VARIABLE, "value": command.key_for_target}

    def _secret_key(self, name: str, reference: object) -> dict[str, str]:
        own = self._namespace()
        if not is_reference(reference) or not str(reference).startswith(f"k8s:{own}/"):
            raise RefusedError(
                f"the secret of {name} must read k8s:{own}/NAME/KEY: a Job's secrets are of its namespace"
            )
        _, secret, key = str(reference).removeprefix("k8s:").split("/")
        return {"name": secret, "key": key}

    def _get(self, key: str) -> dict[str, Any] | None:
        answer = self._call("GET", f"/{job_name(key)}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ActuatorError(f"the Job of {key} could not be looked up: {answer.message}")
        return answer.content

    def _namespace(self) -> str:
        try:
            return self._environment.get(NAMESPACE_VARIABLE) or Cluster(self._environment).namespace()
        except KubernetesError as error:
            raise ActuatorError(str(error)) from error

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content_type: str = "application/json"
    ) -> Answer:
        jobs = f"/apis/batch/v1/namespaces/{self._namespace()}/jobs"
        try:
            return Cluster(self._environment).call(method, jobs + path, body, content_type=content_type)
        except KubernetesError as error:
            raise ActuatorError(str(error)) from error


def job_name(key: str) -> str:
    """The name of a key's Job: the same on every host, and a DNS label."""
    return f"homeostat-{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def _job(
    key: str, annotations: Mapping[str, str], pod: Mapping[str, Any], *, deadline_s: int, parallelism: int
) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(key), "labels": _LABELS, "annotations": {KEY_ANNOTATION: key, **annotations}},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": parallelism,
            "activeDeadlineSeconds": deadline_s,
            "ttlSecondsAfterFinished": KEEP_S,
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }


def _report(job: Mapping[str, Any], key: str) -> Report:
    try:
        annotations = job["metadata"].get("annotations") or {}
        if annotations.get(KEY_ANNOTATION) != key:
            return InDoubt(f"the Job {job_name(key)} is not this action's; somebody else made it")
        if WITHDRAWN_ANNOTATION in annotations:
            status, detail = json.loads(annotations[WITHDRAWN_ANNOTATION])
            return Done(OutcomeStatus(status), 0.0, detail=str(detail))
        finished = _finished(job)
        if finished is None:
            return Running(f"job {job_name(key)}")
        return _done(job, finished, cancelled=CANCELLED_ANNOTATION in annotations)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ActuatorError(f"the Job of {key} cannot be understood: {type(error).__name__}: {error}") from error


def _finished(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The condition that says how it ended; None while a pod of it may still run."""
    status = job.get("status") or {}
    if status.get("active") or status.get("terminating"):
        return None
    ended = ("Complete", "Failed")
    conditions = status.get("conditions") or []
    return next((one for one in conditions if one.get("type") in ended and one.get("status") == "True"), None)


def _done(job: Mapping[str, Any], condition: Mapping[str, Any], *, cancelled: bool) -> Done:
    status = job["status"]
    ended = status.get("completionTime") or condition.get("lastTransitionTime")
    began = status.get("startTime")
    duration_s = max(0.0, _unix_s(ended) - _unix_s(began)) if ended and began else 0.0
    why = ": ".join(filter(None, (condition.get("reason"), condition.get("message"))))
    if condition["type"] == "Complete":
        return Done(OutcomeStatus.OK, duration_s)
    if cancelled:
        return Done(OutcomeStatus.CANCELLED, duration_s, detail=f"cancelled; its pods were ended ({why})")
    if condition.get("reason") == "DeadlineExceeded":
        seconds = job["spec"]["activeDeadlineSeconds"]
        return Done(OutcomeStatus.TIMEOUT, duration_s, detail=f"no end within {seconds} s ({why})")
    return Done(OutcomeStatus.ERROR, duration_s, detail=why or "the Job failed")


def _unix_s(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
