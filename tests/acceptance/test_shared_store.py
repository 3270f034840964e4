"""A workspace whose journal is in PostgreSQL: every command finds it there, and nobody ever sees the password."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.acceptance import command_line
from tests.acceptance.people_workspace import PROGRAM
from tests.acceptance.test_readme import ROOT, commands, shown
from tests.postgres_cluster import PASSWORD, Cluster

POLICY = """\
policy: shop
owner: team
signals: {errors: errors_total}
actions: {restart: {actuator: command, argv: ["/bin/true"], effect: safe}}
trigger: {if: errors > 5, for: 10s}
resolved: {if: errors < 1, for: 10s}
escalate: {to: oncall}
steps:
- {do: restart, target: svc/shop, timeout: 1m}
"""
SETTINGS = """\
[agent]
poll_interval_s = 0.2
listen = "127.0.0.1:0"
[prometheus]
url = "http://127.0.0.1:9"
[store]
url = "{url}"
password = "env:SHOP_JOURNAL_PASSWORD"
lease_ttl_s = 2.0
"""


@pytest.fixture
def workspace(cluster: Cluster, tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.homeostat.yaml").write_text(POLICY)
    url = urlsplit(cluster.database())
    without_password = f"postgresql://{url.username}@{url.hostname}:{url.port}{url.path}"
    (tmp_path / "homeostat.toml").write_text(SETTINGS.format(url=without_password))
    return tmp_path


def homeostat(workspace: Path, *words: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    found = command_line.homeostat(workspace, *words, environment={"SHOP_JOURNAL_PASSWORD": password})
    assert PASSWORD not in found.stdout + found.stderr
    return found


@pytest.fixture
def agent(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = workspace / "agent.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [PROGRAM, "run", "--log-format", "json"],
            cwd=workspace,
            env={**os.environ, "SHOP_JOURNAL_PASSWORD": PASSWORD},
            stderr=file,
        )
    try:
        deadline = time.monotonic() + 60
        while "blind" not in homeostat(workspace, "agents").stdout:
            assert time.monotonic() < deadline, log.read_text()
            assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert PASSWORD not in log.read_text()


def test_commands_reach_an_agent_through_the_shared_store(workspace: Path, agent: subprocess.Popen[bytes]) -> None:
    paused = homeostat(workspace, "pause", "--as", "ann", "--note", "deploy")
    assert paused.returncode == 0, paused.stderr
    page = (ROOT / "docs/operations/many-agents.md").read_text()
    told = [line for block in shown(page, "console") for line in commands(block) if " health" not in line]
    assert told == ["homeostat run", "homeostat agents", "homeostat doctor"], "what this module runs"
    assert "everything" in homeostat(workspace, "doctor").stdout
    assert "nothing is started until" in homeostat(workspace, "pending").stdout
    assert homeostat(workspace, "resume", "--as", "ann").returncode == 0
    assert homeostat(workspace, "incidents").returncode == 0
    verified = homeostat(workspace, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_second_agent_on_the_same_state_folder_is_refused(workspace: Path, agent: subprocess.Popen[bytes]) -> None:
    second = subprocess.run(
        [PROGRAM, "run", "--ticks", "1"],
        cwd=workspace,
        env={**os.environ, "SHOP_JOURNAL_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 3
    assert PASSWORD not in second.stdout + second.stderr
    assert f"process {agent.pid}, works in this state folder" in second.stderr


def test_a_command_that_would_look_past_the_agent_here_is_refused(
    workspace: Path, agent: subprocess.Popen[bytes]
) -> None:
    """As after `run --store URL`: the settings name no store, and a kill switch would lie where nobody looks."""
    settings = workspace / "homeostat.toml"
    settings.write_text(settings.read_text().partition("[store]")[0])
    for words in (["pause", "--wait", "0"], ["incidents"], ["explain"], ["agents"], ["audit", "anchor"], ["doctor"]):
        told = homeostat(workspace, *words)
        said = " ".join((told.stdout + told.stderr).split())
        assert told.returncode in (1, 2), said
        assert f"process {agent.pid}, shares its journal in a store that homeostat.toml does not name" in said, words
    assert not (workspace / "state" / "journal.sqlite").exists()


@pytest.mark.parametrize(
    ("password", "said"),
    [("", "is empty"), ("wrong", "password")],
)
def test_a_password_that_does_not_fit_is_said_and_not_shown(workspace: Path, password: str, said: str) -> None:
    refused = homeostat(workspace, "incidents", password=password)
    assert refused.returncode in (2, 3)
    assert said in refused.stderr
    assert "wrong" not in refused.stderr


def test_a_url_that_holds_a_password_is_refused_unseen(workspace: Path) -> None:
    settings = workspace / "homeostat.toml"
    settings.write_text(settings.read_text().replace("@127", ":topsecret@127"))
    refused = homeostat(workspace, "incidents")
    assert refused.returncode == 2
    assert "must not hold a password" in refused.stderr
    assert "topsecret" not in refused.stderr
    assert "homeostat.toml:7:1: E002" in refused.stderr
