"""Bad input of any kind: a clear message and the right exit code, never a traceback, nothing lost or half done."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat

HOMEOSTAT = Path(sys.executable).with_name("homeostat")


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `homeostat init` writes, made once."""
    above = tmp_path_factory.mktemp("initialised")
    assert agent(above, "init", "workspace").returncode == 0
    settings = above / "workspace/homeostat.toml"
    settings.write_text(settings.read_text().replace("127.0.0.1:9464", "127.0.0.1:0"))
    return above / "workspace"


@pytest.fixture
def workspace(initialised: Path, tmp_path: Path) -> Path:
    return shutil.copytree(initialised, tmp_path / "workspace")


def agent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, as for everything that runs an agent."""
    result = subprocess.run(
        [HOMEOSTAT, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result


def make_journal(workspace: Path) -> Path:
    assert agent(workspace, "run", "--ticks", "1").returncode == 0
    return workspace / "state" / "journal.sqlite"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"policy: [", "payments-5xx.homeostat.yaml:2:1"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "empty"),
        (b"policy: a\npolicy: b\n", "2:1"),
        (b"a: &x 1\nb: *x\n", "payments-5xx.homeostat.yaml:1:"),
        (b"x: " + b"[" * 5000, "payments-5xx.homeostat.yaml:1:"),
    ],
)
def test_an_invalid_policy_is_refused_with_its_place(workspace: Path, content: bytes, expected: str) -> None:
    (workspace / "policies" / "payments-5xx.homeostat.yaml").write_bytes(content)
    linted = homeostat(workspace, "lint")
    assert linted.returncode == 1
    assert expected in linted.stdout
    ran = agent(workspace, "run", "--ticks", "1")
    assert ran.returncode == 2
    assert expected in ran.stderr
    assert not (workspace / "state" / "journal.sqlite").exists(), "an agent that cannot start leaves nothing"


def test_a_missing_policy_folder_or_file_is_named(workspace: Path) -> None:
    (workspace / "policies").rename(workspace / "elsewhere")
    ran = agent(workspace, "run", "--ticks", "1")
    assert ran.returncode == 2
    assert "policies" in ran.stderr
    assert homeostat(workspace, "lint", "none.homeostat.yaml").returncode == 1


def test_a_policy_name_that_is_not_there_gets_the_nearest(workspace: Path) -> None:
    result = homeostat(workspace, "simulate", "payments-5x")
    assert result.returncode == 2
    assert "did you mean 'payments-5xx'" in result.stderr
    assert "did you mean 'simulate'" in homeostat(workspace, "simulat").stderr


def test_acting_needs_hands(workspace: Path) -> None:
    ran = agent(workspace, "run", "--mode", "auto", "--ticks", "1")
    assert ran.returncode == 2
    assert "needs actuator 'plant'" in ran.stderr


def test_a_prometheus_out_of_reach_is_told_and_nothing_is_done(workspace: Path) -> None:
    ran = agent(workspace, "run", "--ticks", "1")
    assert ran.returncode == 0
    assert "telemetry.lost" in ran.stderr
    assert "missing data never acts" in homeostat(workspace, "explain").stdout


def test_a_corrupt_journal_stops_every_command_that_needs_it(workspace: Path) -> None:
    journal = make_journal(workspace)
    content = bytearray(journal.read_bytes())
    content[0:100] = b"\x00" * 100
    journal.write_bytes(bytes(content))
    for command in (["run", "--ticks", "1"], ["incidents"], ["explain"], ["rankings", "show"]):
        result = (agent if "run" in command else homeostat)(workspace, *command)
        assert result.returncode == 3, result.stdout
        assert "journal.sqlite" in result.stderr
    assert bytes(content) == journal.read_bytes(), "a journal that is not understood is not touched"


def test_a_tampered_journal_does_not_start_an_agent_that_needs_it(workspace: Path) -> None:
    journal = make_journal(workspace)
    with sqlite3.connect(journal) as connection:
        connection.execute("DROP TRIGGER IF EXISTS journal_no_update")
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute(
            "UPDATE journal SET body = replace(body, 'payments', 'paymentz') WHERE type = 'policy.loaded'"
        )
    connection.close()
    assert homeostat(workspace, "doctor").returncode == 1
    ran = agent(workspace, "run", "--ticks", "1")
    assert ran.returncode == 3


def test_a_newer_journal_is_refused(workspace: Path) -> None:
    journal = make_journal(workspace)
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    ran = agent(workspace, "run", "--ticks", "1")
    assert ran.returncode == 3
    assert "newer" in ran.stderr


def test_a_second_agent_is_refused_and_the_first_goes_on(workspace: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = workspace / "homeostat.toml"
    settings.write_text(settings.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    with (workspace / "log").open("wb") as log:
        first = subprocess.Popen([HOMEOSTAT, "run"], cwd=workspace, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while b"agent.ready" not in (workspace / "log").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        second = agent(workspace, "run", "--ticks", "1")
        assert second.returncode in (2, 3)
        assert str(first.pid) in second.stderr or "listen" in second.stderr
        assert first.poll() is None
        asked = homeostat(workspace, "retrain")
        assert "the running agent retrains now" in asked.stdout
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_state_folder_that_cannot_be_written_is_named(workspace: Path) -> None:
    workspace.chmod(0o500)
    ran = agent(workspace, "run", "--ticks", "1")
    workspace.chmod(0o700)
    assert ran.returncode == 3
    assert "state" in ran.stderr


def test_an_incident_that_is_not_there_is_told(workspace: Path) -> None:
    make_journal(workspace)
    result = homeostat(workspace, "explain", "0000")
    assert result.returncode == 2
    assert "no incident '0000'" in result.stderr


def test_init_never_overwrites(workspace: Path) -> None:
    before = (workspace / "homeostat.toml").read_text()
    result = homeostat(workspace.parent, "init", str(workspace))
    assert result.returncode == 2
    assert "exists already" in result.stderr
    assert (workspace / "homeostat.toml").read_text() == before


def test_a_broken_recording_is_told_and_the_others_are_replayed(workspace: Path) -> None:
    recordings = sorted((workspace / "history").glob("payments-5xx-*.jsonl"))
    for path in recordings[3:]:
        path.unlink()
    recordings[0].write_text("{}\n")
    result = homeostat(workspace, "simulate", "payments-5xx")
    assert result.returncode == 1
    assert "payments-5xx-001.jsonl:1:" in result.stderr
    assert "2 recorded incidents" in result.stdout
