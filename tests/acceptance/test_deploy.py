"""What is shipped for running agents: chart, manifests, container file, unit, and the audit of dependencies."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # shipped without types
import pytest
import yaml
from click.testing import CliRunner
from tests.acceptance.test_readme import commands, shown

from homeostat.act.kubernetes_job import NAMESPACE_VARIABLE
from homeostat.app.settings import Settings, load_settings
from homeostat.cli import main
from homeostat.model.policy import Mode
from homeostat.policy.load import load_policies

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/homeostat"
SEARCHED = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
KUBERNETES_VERSIONS = ("1.27", "1.33", "1.37")
HOMEOSTAT = (sys.executable, "-c", "from homeostat.cli import main; main()")

ONE = {"policies": {"configMap": "shop"}}
THREE = {
    "replicaCount": 3,
    "mode": "auto",
    "environment": 'produ"ction\\',
    "image": {"digest": "sha256:" + "0" * 64},
    "prometheus": {"tokenSecret": {"name": "prometheus-token"}},
    "store": {
        "url": "postgresql://homeostat@db.svc/shop?sslmode=verify-full",
        "passwordSecret": {"name": "store"},
    },
    "people": {"dba-oncall": ["dana", "eli"], "x.y": ["Zoë <z@example.com>"]},
    "extraSettings": '[learning]\npromote = "review"',
    "policies": {"files": {"actions.yaml": "restart: {actuator: command, argv: [/bin/true]}\n", "guards.yaml": "{}"}},
    "actionSecrets": [{"name": "pager", "secretName": "pager", "key": "token"}],
    "kubernetesJobs": {"enabled": True, "namespace": "jobs"},
    "networkPolicy": {"egress": [{"ports": [{"protocol": "TCP", "port": 6443}]}]},
    "podLabels": {"team": "shop"},
    "podAnnotations": {"note": "yes"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "nodeSelector": {"pool": "ops"},
    "priorityClassName": "ops",
    "imagePullSecrets": [{"name": "pull"}],
    "persistence": {"storageClass": "fast", "size": "20Gi"},
    "serviceAccount": {"annotations": {"a": "b"}},
}

ACTING = {
    **ONE,
    "kubernetesActions": {
        "enabled": True,
        "namespaces": ["shop", "pay"],
        "resources": ["deployments", "statefulsets", "daemonsets", "nodes"],
        "names": ["web"],
    },
}


def tool(name: str) -> str:
    found = shutil.which(name, path=SEARCHED)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not on the PATH; tools/install_deploy_tools.sh puts it there")
    if found is None:
        pytest.skip(f"{name} is not on the PATH; make deploy-tools puts it there")
    return found


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def template(values: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    return run(tool("helm"), "template", "rel", str(CHART), "--namespace", "ops", "-f", str(path))


def rendered(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    result = template(values, folder)
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def one(documents: list[dict[str, Any]], kind: str, suffix: str = "") -> dict[str, Any]:
    (found,) = (d for d in documents if d["kind"] == kind and d["metadata"]["name"].endswith(suffix))
    return found


@pytest.mark.parametrize("values", [ONE, THREE, ACTING], ids=["one", "three", "acting"])
def test_what_the_chart_renders_is_valid(values: dict[str, Any], tmp_path: Path) -> None:
    lint = tmp_path / "lint.yaml"
    lint.write_text(yaml.safe_dump(values))
    result = run(tool("helm"), "lint", "--strict", str(CHART), "-f", str(lint))
    assert result.returncode == 0, result.stdout
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(template(values, tmp_path).stdout)
    for version in KUBERNETES_VERSIONS:
        checked = run(tool("kubernetes-validate"), "--strict", "-k", version, str(manifest))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert checked.stdout.count(" passed for resource ") == len(rendered(values, tmp_path))


@pytest.mark.parametrize("values", [ONE, THREE], ids=["one", "three"])
def test_a_pod_has_no_more_rights_than_it_needs(values: dict[str, Any], tmp_path: Path) -> None:
    documents = rendered(values, tmp_path)
    spec = one(documents, "StatefulSet")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
        assert not spec.get(forbidden)
    (agent,) = spec["containers"]
    context = agent["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
    assert all("hostPath" not in volume for volume in spec["volumes"])
    jobs = values.get("kubernetesJobs", {}).get("enabled", False)
    assert agent.get("env", []) == ([{"name": NAMESPACE_VARIABLE, "value": "jobs"}] if jobs else [])
    assert spec["automountServiceAccountToken"] is jobs
    assert one(documents, "ServiceAccount")["automountServiceAccountToken"] is False
    kinds = {document["kind"] for document in documents}
    assert not kinds & {"Secret", "ClusterRole", "ClusterRoleBinding"}
    assert ("Role" in kinds) is jobs
    if jobs:
        role, binding = one(documents, "Role"), one(documents, "RoleBinding")
        assert role["rules"] == [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "patch"]}]
        assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "jobs"
        assert binding["subjects"][0]["namespace"] == "ops"
    network = one(documents, "NetworkPolicy")["spec"]
    assert (network["policyTypes"], network["ingress"]) == (["Ingress", "Egress"], [])


def test_rights_to_act_on_the_cluster_are_those_that_the_page_shows_and_where_they_are_wanted(tmp_path: Path) -> None:
    page = (ROOT / "docs/actuators.md").read_text()
    (told,) = (block for block in shown(page, "yaml") if block.startswith("# role.yaml"))
    role, cluster_role = yaml.safe_load_all(told)
    documents = rendered(ACTING, tmp_path)
    roles = [document for document in documents if document["kind"] == "Role"]
    assert [role["metadata"]["namespace"] for role in roles] == ["shop", "pay"]
    assert all(found["rules"] == role["rules"] for found in roles)
    assert one(documents, "ClusterRole")["rules"] == cluster_role["rules"]
    assert one(documents, "StatefulSet")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    for binding in (document for document in documents if document["kind"].endswith("Binding")):
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", "ops")
        referred = one(
            [d for d in documents if d["kind"] == binding["roleRef"]["kind"]][:1], binding["roleRef"]["kind"]
        )
        assert referred["metadata"]["name"] == binding["roleRef"]["name"]
    small = rendered({**ONE, "kubernetesActions": {"enabled": True}}, tmp_path)
    (rule, *_) = one(small, "Role")["rules"]
    assert rule == {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}
    assert one(small, "Role")["metadata"]["namespace"] == "ops"
    assert not {document["kind"] for document in small} & {"ClusterRole", "ClusterRoleBinding"}


def test_replicas_keep_their_state_apart_and_stay_up_together(tmp_path: Path) -> None:
    documents = rendered(THREE, tmp_path)
    stateful = one(documents, "StatefulSet")["spec"]
    assert stateful["replicas"] == 3
    (claim,) = stateful["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert set(stateful["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    assert one(documents, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    pod = stateful["template"]
    terms = pod["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    for labels in (
        stateful["selector"]["matchLabels"],
        one(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(term["podAffinityTerm"]["labelSelector"]["matchLabels"] for term in terms),
    ):
        assert labels.items() <= pod["metadata"]["labels"].items()
    state = load(documents, tmp_path).state
    (mounted,) = (mount for mount in pod["spec"]["containers"][0]["volumeMounts"] if mount["name"] == "state")
    assert state.is_relative_to(mounted["mountPath"])


def load(documents: list[dict[str, Any]], folder: Path) -> Settings:
    text = one(documents, "ConfigMap", "-settings")["data"]["homeostat.toml"]
    path = folder / "homeostat.toml"
    path.write_text(text)
    return load_settings(path)


def test_only_a_loop_that_stands_still_has_a_container_restarted(tmp_path: Path) -> None:
    (agent,) = one(rendered(THREE, tmp_path), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    for restarting in ("startupProbe", "livenessProbe"):
        assert agent[restarting]["exec"]["command"][-2:] == ["health", "--alive"], restarting
    assert agent["readinessProbe"]["exec"]["command"][-1] == "health"


def test_the_settings_are_settings_and_hold_no_secret(tmp_path: Path) -> None:
    assert load(rendered(ONE, tmp_path), tmp_path).agent.mode is Mode.OBSERVE
    documents = rendered(THREE, tmp_path)
    settings = load(documents, tmp_path)
    assert settings.agent.mode is Mode.AUTO
    assert settings.agent.environment == 'produ"ction\\'
    assert settings.learning.promote == "review"
    assert settings.people == THREE["people"]
    assert settings.prometheus.token == "file:/run/secrets/homeostat-own/prometheus-token"
    store = tomllib.loads(one(documents, "ConfigMap", "-settings")["data"]["homeostat.toml"])["store"]
    assert store == {
        "url": "postgresql://homeostat@db.svc/shop?sslmode=verify-full",
        "password": "file:/run/secrets/homeostat-own/store-password",
        "lease_ttl_s": 15,
        "require_synchronous_standby": True,
    }
    spec = one(documents, "StatefulSet")["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    paths = set()
    for volume in spec["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            paths |= {f"{mounts[volume['name']]}/{item['path']}" for item in source["secret"]["items"]}
    assert paths == {
        "/run/secrets/homeostat-own/prometheus-token",
        "/run/secrets/homeostat-own/store-password",
        "/run/secrets/homeostat/pager",
    }


def test_policies_are_read_as_a_kubelet_lays_a_config_map_out(tmp_path: Path) -> None:
    versions = tmp_path / "..2026_11_28_01_00_00.1"
    versions.mkdir()
    (tmp_path / "..data").symlink_to(versions.name)
    for path in (ROOT / "policies").glob("*.yaml"):
        (versions / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).symlink_to(f"..data/{path.name}")
    policies, problems = load_policies(tmp_path)
    assert problems == []
    assert sorted(policies) == ["payments-5xx", "shop-restore"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "there are no policies"),
        ({**ONE, "replicaCount": 2}, "store.url is empty"),
        ({**ONE, "replicaCount": 0}, "/replicaCount"),
        ({**ONE, "store": {"url": "postgresql://u@h/d"}}, "store.passwordSecret.name"),
        ({**ONE, "store": {"url": "postgresql://u:p@h/d"}}, "/store/url"),
        ({**ONE, "store": {"url": "mysql://h/d"}}, "/store/url"),
        ({**ONE, "mode": "atuo"}, "/mode"),
        ({**ONE, "prometheus": {"url": "http://u:p@h"}}, "/prometheus/url"),
        ({**ONE, "prometheus": {"token": "hunter2"}}, "'token'"),
        ({**ONE, "people": {"dba": []}}, "/people/dba"),
        ({**ONE, "actionSecrets": [{"name": "../x", "secretName": "s", "key": "k"}]}, "/actionSecrets/0/name"),
        ({**ONE, "policies": {"configMap": "a", "files": {"b.yaml": "{}"}}}, "both set"),
        ({**ONE, "kubernetesActions": {"resources": ["secrets"]}}, "/kubernetesActions/resources/0"),
        ({**ONE, "replicas": 2}, "'replicas'"),
    ],
)
def test_wrong_values_are_refused_with_their_name(values: dict[str, Any], says: str, tmp_path: Path) -> None:
    result = template(values, tmp_path)
    assert result.returncode != 0
    assert says in result.stderr


def test_the_schema_knows_every_value_and_nothing_else() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)

    def compare(schema: dict[str, Any], values: dict[str, Any], where: str) -> None:
        if schema.get("additionalProperties") is False:
            assert schema["properties"].keys() - {"global"} == values.keys(), where
            for key, value in values.items():
                if isinstance(value, dict):
                    compare(schema["properties"][key], value, f"{where}/{key}")

    compare(schema, values, "")


def test_the_commands_the_chart_tells_of_are_commands(tmp_path: Path) -> None:
    notes = (CHART / "templates/NOTES.txt").read_text()
    told = re.findall(r"-- homeostat -c /etc/homeostat/homeostat\.toml (.+)$", notes, re.MULTILINE)
    assert {words.split()[0] for words in told} >= {"incidents", "pause"}
    settings = tmp_path / "homeostat.toml"
    settings.write_text("")
    for words in told:
        # `--help` at the end: every option before it is read, and nothing is done.
        result = CliRunner().invoke(main, ["-c", str(settings), *words.split(), "--help"])
        assert result.exit_code == 0, result.output


def test_the_plain_manifests_are_the_charts() -> None:
    tool("helm")
    drawn = subprocess.run(
        [ROOT / "tools/render_manifests.sh"],
        env={**os.environ, "PATH": SEARCHED},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (ROOT / "deploy/kubernetes/homeostat.yaml").read_text() == drawn.stdout
    kustomization = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text())
    assert kustomization["resources"] == ["homeostat.yaml"]


def test_the_container_file_is_clean_and_its_process_is_nobody() -> None:
    path = ROOT / "deploy/container/Containerfile"
    result = run(tool("hadolint"), "--no-color", str(path))
    assert result.returncode == 0, result.stdout
    text = re.sub(r"\\\n", "", path.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM")) :]
    assert [line for line in last if line.startswith("USER")] == ["USER 65532:65532"]
    assert json.loads(next(line for line in last if line.startswith("ENTRYPOINT")).removeprefix("ENTRYPOINT ")) == [
        "homeostat"
    ]
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    let_in = {
        line.removeprefix("!") for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = [word for line in lines if re.match(r"COPY (?!--from)", line) for word in line.split()[1:-1]]
    assert len(copied) >= 7
    for source in copied:
        assert (ROOT / source).exists(), source
        assert source in let_in, f"{source} is kept out by .containerignore"


def unit(name: str = "homeostat.service") -> Iterator[tuple[str, str]]:
    section = ""
    for line in (ROOT / "deploy/systemd" / name).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield f"{section}.{key}", value


def test_the_unit_lets_runners_live_and_asks_for_little(tmp_path: Path) -> None:
    said = dict(unit())
    assert said["Service.KillMode"] == "process"
    assert said["Service.Type"] == "notify"
    assert said["Service.Restart"] == "on-failure"
    assert said["Service.NoNewPrivileges"] == "yes"
    assert said["Service.CapabilityBoundingSet"] == ""
    assert said["Service.ProtectSystem"] == "strict"
    assert said["Service.LimitCORE"] == "0"
    assert "Service.DynamicUser" not in said
    assert "Service.PrivateTmp" not in said
    analyzed("homeostat.service", 20, tmp_path)


def test_the_consoles_unit_is_the_agents_user_and_never_in_its_way(tmp_path: Path) -> None:
    said, agents = dict(unit("homeostat-console.service")), dict(unit())
    for key in ("User", "UMask", "StateDirectory", "StateDirectoryMode", "WorkingDirectory", "LimitCORE"):
        assert said[f"Service.{key}"] == agents[f"Service.{key}"], key
    assert said["Service.ExecStart"] == agents["Service.ExecStart"].partition(" run")[0] + " serve"
    assert int(said["Service.Nice"]) > 0
    assert said["Service.RestartPreventExitStatus"] == "2"
    assert "Service.KillMode" not in said, "nothing that it starts outlives it"
    analyzed("homeostat-console.service", 20, tmp_path)


def analyzed(name: str, exposure_max: int, tmp_path: Path) -> None:
    """systemd takes the unit, and finds it exposed by no more than so many tenths."""
    analyze = tool("systemd-analyze")
    path = tmp_path / name
    text = (ROOT / "deploy/systemd" / name).read_text()
    path.write_text(text.replace("/opt/homeostat/bin/homeostat", "/bin/true"))
    result = run(analyze, "verify", "--man=no", str(path))
    assert result.returncode == 0, result.stderr
    assert name not in result.stderr
    result = run(analyze, "security", "--offline=true", "--no-pager", f"--threshold={exposure_max}", str(path))
    assert result.returncode == 0, result.stdout.splitlines()[-1]


def test_the_probe_tells_a_running_agent_from_none(tmp_path: Path) -> None:
    assert run(*HOMEOSTAT, "init", "w", cwd=tmp_path).returncode == 0
    workspace = tmp_path / "w"
    settings = workspace / "homeostat.toml"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings.write_text(settings.read_text().replace("127.0.0.1:9464", f"127.0.0.1:{port}"))
    probe = [*HOMEOSTAT, "-c", str(settings), "health"]
    result = run(*probe)
    assert (result.returncode, result.stderr) == (3, f"no agent answers on 127.0.0.1:{port}\n")
    with subprocess.Popen(
        [*HOMEOSTAT, "-c", str(settings), "run"], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as agent:
        assert agent.stderr is not None
        try:
            for line in agent.stderr:
                if "agent.ready" in line:
                    break
            for _ in range(30):
                result = run(*probe)
                if result.returncode == 0:
                    break
            assert (result.returncode, result.stdout) == (0, "the agent is well\n")
            page = (ROOT / "docs/operations/many-agents.md").read_text()
            told = [line for block in shown(page, "console") for line in commands(block)]
            probes = [line for line in told if line.startswith("homeostat health")]
            assert len(probes) == 2
            for command in probes:
                result = run(*HOMEOSTAT, "-c", str(settings), *command.split()[1:])
                assert result.returncode == 0, command
            assert result.stdout == "the loop turns\n"
        finally:
            agent.terminate()
            agent.stderr.close()


def test_every_locked_file_has_its_hash() -> None:
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert [lock.name for lock in locks] == ["core.lock", "deploy.lock", "dev.lock", "peers.lock"]
    for lock in locks:
        entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n?", "", lock.read_text(), flags=re.MULTILINE).strip())
        assert len(entries) >= 3
        for entry in entries:
            assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==\S+", entry), f"{lock.name}: {entry[:60]}"
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), f"{lock.name}: {entry[:60]}"


def test_ci_audits_every_lock_and_a_lock_that_cannot_be_audited_is_red() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition("\naudit:")[2].partition("\n\n")[0]
    commands = [line.strip() for line in recipe.splitlines()[1:]]
    audited = {command.rpartition(" ")[2] for command in commands}
    assert audited == {f"requirements/{lock.name}" for lock in (ROOT / "requirements").glob("*.lock")}
    assert all({"--strict", "--require-hashes"} <= set(command.split()) for command in commands)
    (test_rule,) = re.findall(r"^test: (.*)$", makefile, re.MULTILINE)[-1:]
    assert "audit" not in test_rule, "a suite that needs the network is no suite"
    workflow = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text())
    steps = workflow["jobs"]["audit"]["steps"]
    assert steps[-1] == {"run": "make audit"}
    assert workflow["permissions"] == {"contents": "read"}
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in steps if "uses" in step), "pin actions by commit"
    assert "schedule" in workflow[True], "what is safe today may not be tomorrow"  # YAML 1.1 reads `on` as true
