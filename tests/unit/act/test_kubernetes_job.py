"""The `kubernetes_job` actuator beside its contract: what it asks for, and what it makes of strange answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kubernetes_cluster import Cluster

from homeostat.act.context import ActuatorContext
from homeostat.act.executor import Executor
from homeostat.act.kubernetes_job import (
    KEEP_S,
    KEY_ANNOTATION,
    WITHDRAWN_ANNOTATION,
    KubernetesJobActuator,
    _report,
    job_name,
)
from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus

KEY = "i1/restart/1"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    cluster.close()


def actuator(cluster: Cluster, **more: str) -> KubernetesJobActuator:
    return KubernetesJobActuator(ActuatorContext(Path("/nowhere"), {**cluster.environment, **more}))


def job(*argv: object, key: str = KEY, **parameters: Any) -> StartAction:
    given = {"image": "shop/tools:1", "argv": list(argv or ["true"]), **parameters}
    return StartAction(key, ActionSpec("run", "kubernetes_job", given), "deploy/pay", {"n": 6}, timeout_s=90.0)


def until(look: Callable[[], Report], kind: type[Any]) -> Any:
    give_up_at = time.monotonic() + 20
    while not isinstance(report := look(), kind):
        assert time.monotonic() < give_up_at, report
        time.sleep(0.01)
    return report


def test_a_job_is_run_once_bounded_and_with_little_power(cluster: Cluster) -> None:
    actuator(cluster).start(replace(job("echo", {"target": "name"}, {"with": "n"}), effect_key="i1/restart/0"))
    made = cluster.jobs[job_name(KEY)]
    spec = made["spec"]
    assert made["metadata"]["annotations"]["homeostat/key"] == KEY
    assert (spec["backoffLimit"], spec["completions"], spec["activeDeadlineSeconds"]) == (0, 1, 90)
    assert spec["ttlSecondsAfterFinished"] == KEEP_S
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"]) == ("Never", False)
    container = pod["containers"][0]
    assert (container["image"], container["command"]) == ("shop/tools:1", ["echo", "pay", "6"])
    assert container["env"] == [{"name": "HOMEOSTAT_ACTION_KEY", "value": "i1/restart/0"}]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_a_secret_is_looked_up_by_the_cluster_and_is_not_in_the_job(cluster: Cluster) -> None:
    cluster.secrets["shop", "db"] = {"token": "hunter2"}
    ours = actuator(cluster)
    ours.start(job("sh", "-c", 'test "${#T}" = 7', env={"T": {"secret": "k8s:shop/db/token"}, "N": {"with": "n"}}))
    assert until(lambda: ours.lookup(KEY), Done).status is OutcomeStatus.OK
    assert "hunter2" not in str(cluster.jobs)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"env": {"T": {"secret": "env:TOKEN"}}}, "must read k8s:shop/NAME/KEY"),
        ({"env": {"T": {"secret": "k8s:other/db/token"}}}, "must read k8s:shop/NAME/KEY"),
        ({"env": ["PATH"]}, "env is a mapping"),
        ({"env": {"A-B": "x"}}, "not the name of an environment variable"),
        ({"image": ""}, "image is the name of a container image"),
        ({"argv": []}, "argv is a list"),
        ({"service_account": "Admin"}, "service_account is a name"),
        ({"image": " shop"}, "must not have whitespace around it"),
    ],
)
def test_what_cannot_be_run_is_an_outcome(cluster: Cluster, parameters: dict[str, Any], why: str) -> None:
    ours = actuator(cluster)
    ours.start(job("true", **parameters))
    report = ours.lookup(KEY)
    assert isinstance(report, Done)
    assert report.status is OutcomeStatus.ERROR
    assert report.detail.startswith("nothing was run: ")
    assert why in report.detail


def test_a_service_account_is_given_only_where_it_is_named(cluster: Cluster) -> None:
    actuator(cluster).start(job(service_account="restarter"))
    pod = cluster.jobs[job_name(KEY)]["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("restarter", True)


def test_every_host_sees_the_same(cluster: Cluster) -> None:
    actuator(cluster).start(job("sleep", "600"))
    assert isinstance(actuator(cluster).lookup(KEY), Running)
    assert Executor({"kubernetes_job": actuator(cluster)}).reaches_anywhere("kubernetes_job")


def test_a_job_of_somebody_else_under_our_name_is_not_taken_for_ours(cluster: Cluster) -> None:
    actuator(cluster).start(job())
    cluster.jobs[job_name(KEY)]["metadata"]["annotations"]["homeostat/key"] = "another"
    assert isinstance(actuator(cluster).lookup(KEY), InDoubt)


def test_a_job_is_not_over_while_a_pod_of_it_ends(cluster: Cluster) -> None:
    ours = actuator(cluster)
    ours.start(job())
    until(lambda: ours.lookup(KEY), Done)
    cluster.jobs[job_name(KEY)]["status"]["terminating"] = 1
    assert isinstance(ours.lookup(KEY), Running)


def test_a_cluster_that_cannot_be_asked_gives_no_news(cluster: Cluster) -> None:
    ours = actuator(cluster)
    ours.start(job())
    (cluster.folder / "token").write_text("expired")
    for ask in (lambda: ours.lookup(KEY), lambda: ours.cancel(KEY), lambda: ours.start(job(key="i2/a/1"))):
        with pytest.raises(ActuatorError, match="HTTP 401"):
            ask()
    told: list[Exception] = []
    executor = Executor({"kubernetes_job": ours}, lambda _what, error: told.append(error))
    assert executor.report(KEY, "kubernetes_job") is None
    assert len(told) == 1


def test_outside_a_cluster_nothing_is_started_and_it_is_said_why() -> None:
    ours = KubernetesJobActuator(ActuatorContext(Path("/nowhere"), {}))
    with pytest.raises(ActuatorError, match="this host is in no Kubernetes cluster"):
        ours.start(job())


def test_a_namespace_that_is_not_ours_is_refused_by_the_cluster(cluster: Cluster) -> None:
    with pytest.raises(ActuatorError, match='cannot create resource "jobs" in the namespace "bank"'):
        actuator(cluster, HOMEOSTAT_JOB_NAMESPACE="bank").start(job())
    assert actuator(cluster).lookup(KEY) == NeverStarted()


def test_a_status_that_cannot_be_understood_is_no_news(cluster: Cluster) -> None:
    ours = actuator(cluster)
    ours.start(job())
    until(lambda: ours.lookup(KEY), Done)
    cluster.jobs[job_name(KEY)]["status"]["startTime"] = "yesterday"
    with pytest.raises(ActuatorError, match="cannot be understood"):
        ours.lookup(KEY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CONDITIONS = st.lists(
    st.fixed_dictionaries({}, optional={"type": st.sampled_from(["Complete", "Failed"]) | JSON, "status": JSON}),
    max_size=2,
)
STATUS = JSON | st.fixed_dictionaries(
    {}, optional={"active": JSON, "terminating": JSON, "conditions": CONDITIONS | JSON, "startTime": JSON}
)


@settings(max_examples=200, deadline=None)
@given(status=STATUS, annotations=JSON | st.dictionaries(st.sampled_from([KEY_ANNOTATION, WITHDRAWN_ANNOTATION]), JSON))
def test_whatever_a_cluster_answers_is_a_report_or_an_actuator_error(status: object, annotations: object) -> None:
    try:
        report = _report({"metadata": {"annotations": annotations}, "spec": {}, "status": status}, KEY)
    except ActuatorError:
        return
    assert isinstance(report, Done | InDoubt | Running)
