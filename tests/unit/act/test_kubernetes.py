"""Workloads and nodes beside the actuator's contract: conflicts, lost answers, killed runners, rights, revisions."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kubernetes_cluster import NAMESPACE
from tests.kubernetes_workloads import ALL_RIGHTS, WorkloadCluster
from tests.unit.act.act_world import KEY, ActWorld, end, running_pid, until, until_done, until_gone

from homeostat.act import run_kubernetes
from homeostat.act.job_files import Ending, JobFiles
from homeostat.act.kinds import DoubtError
from homeostat.act.kubernetes import KubernetesActuator
from homeostat.act.output import OutputFile
from homeostat.act.redaction import Redactor
from homeostat.act.substitution import RefusedError
from homeostat.act.wakeup import Wakeup
from homeostat.model.commands import Done, InDoubt, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus

ERROR, OK = OutcomeStatus.ERROR, OutcomeStatus.OK


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[WorkloadCluster]:
    server = WorkloadCluster(tmp_path / "cluster")
    yield server
    server.close()


def agent(world: ActWorld, cluster: WorkloadCluster) -> KubernetesActuator:
    world.environment |= cluster.environment
    return KubernetesActuator(world.context())


def action(operation: str = "restart", kind: str = "deployment", key: str = KEY, **more: Any) -> StartAction:
    where = {} if kind == "node" else {"namespace": NAMESPACE}
    parameters = {"operation": operation, "kind": kind, "name": {"target": "name"}, **where, **more}
    return StartAction(key, ActionSpec("act", "kubernetes", parameters), "service/pay", {}, 60.0)


def run(world: ActWorld, cluster: WorkloadCluster, command: StartAction) -> Ending:
    """What a runner does, in this process."""
    files = JobFiles(world.state / command.key.replace("/", "-"))
    files.folder.mkdir()
    job = agent(world, cluster).job(command)
    values = {name: cluster.environment[source["inherit"]] for name, source in job["values"].items()}
    output = OutputFile(files.output, 1 << 20, Redactor([]))
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
    }
    try:
        return run_kubernetes.run(files, job, values, output, Wakeup())
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        output.finish()


def said(ended: Ending | Done) -> tuple[OutcomeStatus, str]:
    return OutcomeStatus(ended.status), ended.detail


def killed_in_its_rollout(world: ActWorld, cluster: WorkloadCluster, command: StartAction) -> KubernetesActuator:
    """SIGKILL a runner whose change has been made and whose rollout stands still; give the agent that comes next."""
    cluster.pods_per_turn = 0
    actuator = agent(world, cluster)
    actuator.start(command)
    until(lambda: cluster.patches or None, "the change")
    pid = running_pid(actuator.lookup(KEY))
    end(pid, signal.SIGKILL)
    until_gone(pid)
    return agent(world, cluster)


@pytest.mark.parametrize("kind", ["deployment", "statefulset", "daemonset"])
def test_a_restart_is_kubectls_and_ends_with_its_rollout(world: ActWorld, cluster: WorkloadCluster, kind: str) -> None:
    made = cluster.add(f"{kind}s", "pay")
    done = run(world, cluster, action(kind=kind))
    assert done.status == OK
    assert done.detail.startswith(f"{kind}/pay was restarted: 3 ")
    annotations = made["spec"]["template"]["metadata"]["annotations"]
    assert annotations.keys() == {"kubectl.kubernetes.io/restartedAt", "homeostat/key"}
    assert made["metadata"]["annotations"] == {"homeostat/keys": f'["{KEY}"]'}


@pytest.mark.parametrize("kind", ["deployment", "statefulset", "daemonset"])
def test_undo_brings_the_template_before_the_newest_back(world: ActWorld, cluster: WorkloadCluster, kind: str) -> None:
    made = cluster.add(f"{kind}s", "pay")
    first = made["spec"]["template"]["spec"]["containers"]
    cluster.set_image(f"{kind}s", "pay", "pay:2")
    cluster.set_image(f"{kind}s", "pay", "pay:3")
    done = run(world, cluster, action("undo", kind))
    assert done.detail.startswith(f"{kind}/pay was taken back to revision 2: 3 ")
    assert made["spec"]["template"]["spec"]["containers"] == [{"name": "app", "image": "pay:2"}]
    assert made["spec"]["template"]["metadata"] == {"labels": {"app": "pay"}}
    assert first == [{"name": "app", "image": "pay:3"}], "others' lists are changed in place; ours is replaced"


def test_what_cannot_be_taken_back_is_refused(world: ActWorld, cluster: WorkloadCluster) -> None:
    made = cluster.add("deployments", "pay")
    assert said(run(world, cluster, action("undo"))) == (
        ERROR,
        "nothing was run: deployment/pay has no revision before this one",
    )
    made["spec"]["paused"] = True
    paused = "deployment/pay rolls nothing out: it is paused; kubectl rollout resume goes on with it"
    assert said(run(world, cluster, action(key="i1/r/2"))) == (ERROR, f"nothing was run: {paused}")
    strategy = {"type": "OnDelete"}
    cluster.add("statefulsets", "pay", updateStrategy=strategy)
    done = run(world, cluster, action(kind="statefulset", key="i1/r/3"))
    assert "its updateStrategy is OnDelete" in done.detail
    assert cluster.patches == []


@pytest.mark.parametrize(
    ("more", "has", "told"),
    [
        ({"replicas": 5}, 5, "was scaled from 3 to 5 replicas"),
        ({"replicas": 3}, 3, "has 3 replicas already"),
        ({"by": 4, "max": 5}, 5, "was scaled from 3 to 5 replicas"),
        ({"by": -9, "max": 5}, 1, "was scaled from 3 to 1 replicas"),
    ],
)
def test_scaling_stays_in_its_bounds(
    world: ActWorld, cluster: WorkloadCluster, more: dict[str, Any], has: int, told: str
) -> None:
    made = cluster.add("deployments", "pay")
    done = run(world, cluster, action("scale", **more))
    assert said(done) == (OK, f"deployment/pay {told}: {has} replicas are updated and available")
    assert made["spec"]["replicas"] == has


def test_a_step_that_a_bound_leaves_nothing_of_is_no_success(world: ActWorld, cluster: WorkloadCluster) -> None:
    cluster.add("deployments", "pay", replicas=7)
    done = run(world, cluster, action("scale", by=1, max=5))
    assert said(done) == (ERROR, "nothing was run: deployment/pay has 7 replicas, and may have 1 to 5")


def test_an_autoscaler_is_told_of(world: ActWorld, cluster: WorkloadCluster) -> None:
    cluster.add("statefulsets", "pay")
    for name, kind in (("other", "Deployment"), ("pays", "StatefulSet")):
        target = {"kind": kind, "name": "pay"}
        cluster.owned["horizontalpodautoscalers"].append(
            {"metadata": {"name": name}, "spec": {"scaleTargetRef": target}}
        )
    done = run(world, cluster, action("scale", "statefulset", replicas=4))
    assert done.detail.endswith("; the autoscaler pays sets its replicas too")


def test_nodes_are_cordoned_and_uncordoned(world: ActWorld, cluster: WorkloadCluster) -> None:
    node = cluster.add("nodes", "pay")
    assert said(run(world, cluster, action("cordon", "node"))) == (OK, "node/pay was cordoned")
    assert node["spec"]["unschedulable"] is True
    assert said(run(world, cluster, action("cordon", "node", key="i1/r/2"))) == (OK, "node/pay was cordoned already")
    assert said(run(world, cluster, action("uncordon", "node", key="i1/r/3"))) == (OK, "node/pay was uncordoned")
    assert node["spec"]["unschedulable"] is False


def test_a_version_that_has_moved_is_tried_again_while_nothing_was_changed(
    world: ActWorld, cluster: WorkloadCluster
) -> None:
    cluster.add("deployments", "pay")
    cluster.conflicts = 3
    assert run(world, cluster, action("scale", by=1, max=9)).status == OK
    assert len(cluster.patches) == 1


def test_a_change_that_somebody_makes_meanwhile_is_not_written_over(world: ActWorld, cluster: WorkloadCluster) -> None:
    made = cluster.add("deployments", "pay")

    def autoscaler() -> None:
        made["spec"]["replicas"] = 8
        cluster.touch(made)

    cluster.before_patch = autoscaler
    done = run(world, cluster, action("scale", by=1, max=9))
    assert said(done) == (ERROR, "nothing was run: deployment/pay was changed by somebody in the meantime")
    assert made["spec"]["replicas"] == 8


def test_of_many_steps_at_once_none_is_lost(world: ActWorld, cluster: WorkloadCluster) -> None:
    made = cluster.add("deployments", "pay")
    agents = {f"i{number}/scale/1": agent(world, cluster) for number in range(4)}
    for key, actuator in agents.items():
        actuator.start(action("scale", key=key, by=1, max=9, wait="none"))
    ends = [until_done(actuator, key) for key, actuator in agents.items()]
    taken = [done for done in ends if done.status == OK]
    assert taken
    assert made["spec"]["replicas"] == 3 + len(taken) == 3 + len(cluster.patches)
    assert all("was changed by somebody in the meantime" in done.detail for done in ends if done.status != OK)


def test_conflicts_do_not_go_on_for_ever(
    world: ActWorld, cluster: WorkloadCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add("deployments", "pay")
    cluster.conflicts = 1000
    monkeypatch.setattr(run_kubernetes, "CONFLICTS_MAX", 3)
    done = run(world, cluster, action())
    assert said(done) == (ERROR, "nothing was run: deployment/pay changed 3 times meanwhile")


def test_a_change_whose_answer_is_lost_is_seen_and_not_made_again(world: ActWorld, cluster: WorkloadCluster) -> None:
    cluster.add("deployments", "pay")
    cluster.lose_answers = 1
    assert run(world, cluster, action("scale", by=1, max=9)).detail.startswith("deployment/pay was scaled from 3 to 4")
    assert len(cluster.patches) == 1


def test_a_lost_answer_that_nobody_can_ask_about_is_in_doubt(
    world: ActWorld, cluster: WorkloadCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add("deployments", "pay")
    cluster.lose_answers = 1
    cluster.before_patch = lambda: setattr(cluster, "rules", [])
    with pytest.raises(DoubtError, match=r"the answer was lost .* cannot be seen: .* HTTP 403"):
        run(world, cluster, action())
    cluster.rules = ALL_RIGHTS
    monkeypatch.setattr(run_kubernetes, "ASK_S_MAX", 0.2)

    def break_down() -> None:
        cluster.answer_raw = b"<html>"

    cluster.before_patch = break_down
    with pytest.raises(DoubtError, match=r"the answer was lost .*, and the cluster cannot be asked"):
        run(world, cluster, action(key="i1/r/2"))
    assert len(cluster.patches) == 2


def test_an_attempt_with_the_key_of_one_in_doubt_changes_nothing(world: ActWorld, cluster: WorkloadCluster) -> None:
    cluster.add("deployments", "pay")
    run(world, cluster, action("scale", by=1, max=9))
    run(world, cluster, action(key="i2/other/1"))
    done = run(world, cluster, replace(action("scale", by=1, max=9, key="i1/restart/2"), effect_key=KEY))
    assert done.status == OK
    assert "had this change already, under the same key" in done.detail
    assert len(cluster.patches) == 2


def test_a_runner_killed_in_the_rollout_is_found_out_and_nothing_is_doubled(
    world: ActWorld, cluster: WorkloadCluster
) -> None:
    cluster.add("deployments", "pay")
    command = action("scale", by=1, max=9)
    later = killed_in_its_rollout(world, cluster, command)
    running_pid(later.lookup(KEY))
    cluster.pods_per_turn = 1000
    done = until_done(later)
    assert done.status == OK
    later.start(command)
    assert agent(world, cluster).lookup(KEY) == done
    assert cluster.keyed(KEY) == len(cluster.patches) == 1
    written = b"".join(path.read_bytes() for path in world.files().folder.rglob("*") if path.is_file())
    assert cluster.token.encode() not in written


def test_a_change_that_a_killed_runner_never_made_is_known_as_such(world: ActWorld, cluster: WorkloadCluster) -> None:
    made = cluster.add("deployments", "pay")
    kept = (made["metadata"]["generation"], made["spec"]["template"]["metadata"])
    later = killed_in_its_rollout(world, cluster, action())
    with cluster.lock:
        made["metadata"] |= {"generation": kept[0], "annotations": {}}
        made["spec"]["template"]["metadata"] = kept[1]
    done = until_done(later)
    assert said(done) == (ERROR, "its runner was killed, and nothing was changed: deployment/pay is as it was")
    assert len(cluster.patches) == 1


def test_a_change_that_was_written_over_is_in_doubt(world: ActWorld, cluster: WorkloadCluster) -> None:
    made = cluster.add("deployments", "pay")
    later = killed_in_its_rollout(world, cluster, action())
    with cluster.lock:
        made["metadata"]["annotations"] = {}
        made["spec"]["template"]["metadata"] = {"labels": {"app": "pay"}}
        cluster.touch(made)
    report = until(lambda: found if isinstance(found := later.lookup(KEY), InDoubt) else None, "doubt")
    assert report == InDoubt("its runner was killed, and deployment/pay was changed since, without the action's key")


def test_cancelled_it_says_how_far_the_rollout_is(world: ActWorld, cluster: WorkloadCluster) -> None:
    cluster.add("deployments", "pay")
    cluster.pods_per_turn = 0
    actuator = agent(world, cluster)
    actuator.start(action())
    until(lambda: cluster.patches or None, "the change")
    actuator.cancel(KEY)
    done = until_done(actuator)
    assert done.status is OutcomeStatus.CANCELLED
    assert done.detail.startswith("cancelled; deployment/pay was restarted and stays so: ")


def test_a_rollout_over_its_deadline_is_a_failure(world: ActWorld, cluster: WorkloadCluster) -> None:
    cluster.add("deployments", "pay")
    cluster.pods_per_turn, cluster.fails = 0, True
    done = run(world, cluster, action())
    assert done.status == ERROR
    assert done.detail.startswith("deployment/pay was restarted: it exceeded its progress deadline (ReplicaSet ")


def test_an_autoscaler_that_sets_it_back_is_told_of(world: ActWorld, cluster: WorkloadCluster) -> None:
    made = cluster.add("deployments", "pay")
    cluster.pods_per_turn = 0
    actuator = agent(world, cluster)
    actuator.start(action("scale", replicas=9))
    until(lambda: cluster.patches or None, "the change")
    with cluster.lock:
        made["spec"]["replicas"] = 2
        cluster.touch(made)
    done = until_done(actuator)
    assert said(done) == (ERROR, "deployment/pay was scaled from 3 to 9 replicas, and somebody has set it to 2 since")


def test_one_that_is_made_anew_meanwhile_is_not_the_one_that_was_restarted(
    world: ActWorld, cluster: WorkloadCluster
) -> None:
    made = cluster.add("deployments", "pay")
    cluster.pods_per_turn = 0
    anew = threading.Timer(0.05, lambda: made["metadata"].update(uid="another"))
    cluster.before_patch = anew.start
    done = run(world, cluster, action())
    assert said(done) == (ERROR, "deployment/pay was restarted, and was deleted and made anew since")


def test_another_cluster_is_reached_by_a_token_by_reference(world: ActWorld, cluster: WorkloadCluster) -> None:
    cluster.add("deployments", "pay")
    world.environment["ELSEWHERE"] = cluster.token
    api = f"https://127.0.0.1:{cluster.environment['KUBERNETES_SERVICE_PORT']}"
    more: dict[str, Any] = {
        "api": api,
        "token": {"secret": "env:ELSEWHERE"},
        "ca": {"secret": f"file:{cluster.folder}/ca.crt"},
    }
    actuator = KubernetesActuator(world.context())
    assert actuator.unusable(action().action) is not None
    assert actuator.unusable(action(**more).action) is None
    actuator.start(action(**more))
    assert until_done(actuator).status is OK
    actuator.start(action(key="i1/r/2", **(more | {"ca": None})))
    assert "the API server's certificate is not trusted" in until_done(actuator, "i1/r/2").detail


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (action(name="Pay"), "name is the name of an object"),
        (action(namespace=None), "text is wanted"),
        (action("scale", by=1), "goes with max"),
        (action("scale", replicas={"with": "n"}), "the step gives no argument 'n'"),
        (
            replace(action("scale", replicas={"with": "n"}, max=5), arguments={"n": 6}),
            "replicas is 6, and must be 0 to 5",
        ),
        (
            replace(action("scale", replicas={"with": "n"}), arguments={"n": 1.5}),
            "replicas is a whole number, not '1.5'",
        ),
        (action("scale", "daemonset", replicas=1), "scale does not go with kind 'daemonset'"),
        (action("cordon"), "cordon does not go with kind 'deployment'"),
        (action(api="http://x", token={"secret": "env:T"}), "api reads https://HOST:PORT"),
        (action(token={"secret": "env:T"}), "token and ca go with api"),
    ],
)
def test_what_must_not_be_sent_is_refused(
    world: ActWorld, cluster: WorkloadCluster, command: StartAction, told: str
) -> None:
    with pytest.raises(RefusedError, match=re.escape(told)):
        agent(world, cluster).job(command)


def test_what_is_not_there_or_not_allowed_is_said(world: ActWorld, cluster: WorkloadCluster) -> None:
    assert "HTTP 404 NotFound" in run(world, cluster, action()).detail
    cluster.rules = []
    done = run(world, cluster, action(key="i1/r/2"))
    assert 'HTTP 403 Forbidden: cannot get resource "deployments"' in done.detail
    assert "docs/actuators.md has the rights" in done.detail


def test_the_rights_that_the_page_shows_are_enough(world: ActWorld, cluster: WorkloadCluster) -> None:
    page = (Path(__file__).parents[3] / "docs/actuators.md").read_text()
    (told,) = re.findall(r"```yaml\n(# role\.yaml\n.*?)```", page, re.DOTALL)
    roles = yaml.safe_load_all(told.replace("[web]", "[pay]"))
    for resource in ("deployments", "statefulsets", "daemonsets", "nodes"):
        cluster.add(resource, "pay")
        cluster.add(resource, "other")
        if resource != "nodes":
            cluster.set_image(resource, "pay", "pay:2")
    cluster.rules = [rule for role in roles for rule in role["rules"]]
    for number, (operation, kind, more) in enumerate(
        [
            ("restart", "deployment", {}),
            ("undo", "statefulset", {}),
            ("undo", "daemonset", {}),
            ("undo", "deployment", {}),
            ("scale", "statefulset", {"replicas": 4}),
            ("cordon", "node", {}),
        ]
    ):
        done = run(world, cluster, action(operation, kind, f"i1/{number}/1", **more))
        assert done.status == OK, done.detail
        assert "is not known" not in done.detail
    other = run(world, cluster, action(name="other", key="i1/other/1"))
    assert "HTTP 403 Forbidden" in other.detail


def test_a_damaged_list_of_keys_stops_what_could_be_a_repeat(world: ActWorld, cluster: WorkloadCluster) -> None:
    made = cluster.add("deployments", "pay")
    made["metadata"]["annotations"] = {"homeostat/keys": "{"}
    done = run(world, cluster, action())
    assert said(done) == (ERROR, "nothing was run: the annotation homeostat/keys is not a list of keys; remove it")
