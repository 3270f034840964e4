"""The agent as its command line starts it, against real processes and a real Prometheus."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.live.shop import Shop

from homeostat.model import entries as e
from homeostat.model.incident import Incident
from homeostat.model.reasons import AttemptVerdict, OutcomeStatus, Result

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("prometheus_binary"), pytest.mark.timeout(150)]


def closed(shop: Shop, count: int) -> Callable[[], bool]:
    return lambda: sum(incident.result is not None for incident in shop.incidents()) >= count


def recovered(shop: Shop) -> list[Incident]:
    return [incident for incident in shop.incidents() if incident.result is Result.RECOVERED]


def intents(shop: Shop) -> list[e.ActionIntended]:
    return [entry for entry in shop.entries() if isinstance(entry, e.ActionIntended)]


def homeostat(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("homeostat")
    return subprocess.run(
        [program, *arguments], cwd=shop.folder, capture_output=True, text=True, timeout=60, check=False
    )


def get(shop: Shop, path: str, token: str | None) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{shop.listen}{path}")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_each_fault_is_healed_by_the_action_that_helps(tmp_path: Path) -> None:
    with Shop(tmp_path / "shop") as shop:
        shop.wait_for_load()
        shop.start_agent()

        shop.hurt("payments", signal.SIGKILL)
        shop.wait_for("the killed payments service to be healed", lambda: len(recovered(shop)) == 1)
        shop.hurt("auth", signal.SIGSTOP)
        shop.wait_for("the stopped auth service to be healed", lambda: len(recovered(shop)) == 2)
        shop.misconfigure()
        shop.wait_for("the bad configuration to be rolled back", lambda: len(recovered(shop)) == 3)

        done = [(intent.action, intent.target) for intent in intents(shop)]
        assert done == [
            ("service.restart", "service/payments"),
            ("service.restart", "service/auth"),
            ("config.rollback", "service/payments"),
        ]
        ends = [effect for effect in shop.effects() if effect.startswith("end")]
        assert ends[-1:] == ["end rollback payments"]
        verdicts = {entry.verdict for entry in shop.entries() if isinstance(entry, e.AttemptEnded)}
        assert verdicts == {AttemptVerdict.EFFECTIVE}
        assert shop.faults_of_journal() == []

        told = homeostat(shop, "explain", recovered(shop)[1].id)
        assert told.returncode == 0
        assert "restart_auth" in told.stdout
        assert "auth_up 0" in told.stdout
        quiet = homeostat(shop, "explain", "--policy", "shop-live")
        assert "its trigger is known and not true" in quiet.stdout
        listed = homeostat(shop, "incidents")
        assert listed.stdout.count("recovered") == 3

        token = (shop.folder / "state" / "token").read_text()
        assert get(shop, "/metrics", None)[0] == 401
        assert get(shop, "/healthz", "wrong")[0] == 401
        status, metrics = get(shop, "/metrics", token)
        assert status == 200
        assert 'homeostat_incidents_closed_total{result="recovered"} 3.0' in metrics
        assert get(shop, "/healthz", token) == (200, '{"healthy": true, "reason": null}')
        assert shop.stop_agent() == 0


def test_an_agent_that_is_told_to_stop_in_mid_action_takes_it_up_again_and_runs_it_once(tmp_path: Path) -> None:
    """`test_sqlite_crashes.py` and `test_many_agents.py` have those that are killed."""
    with Shop(tmp_path / "shop", restart_takes_s=4.0) as shop:
        shop.wait_for_load()
        shop.start_agent()
        shop.hurt("payments", signal.SIGKILL)
        shop.wait_for("the action to begin", lambda: "begin restart payments" in shop.effects())
        shop.stop_agent(signal.SIGTERM)
        assert "end restart payments" not in shop.effects(), "the action ended before the agent did"
        shop.start_agent()
        shop.wait_for("the incident to be closed", closed(shop, 1))

        assert shop.effects() == ["begin restart payments", "end restart payments"]
        assert len(intents(shop)) == 1
        (incident,) = shop.incidents()
        assert incident.result is Result.RECOVERED
        outcomes = [entry.status for entry in shop.entries() if isinstance(entry, e.ActionEnded)]
        assert outcomes == [OutcomeStatus.OK]
        assert shop.faults_of_journal() == []


def test_without_telemetry_nothing_is_done(tmp_path: Path) -> None:
    with Shop(tmp_path / "shop") as shop:
        shop.wait_for_load()
        shop.start_agent()
        shop.prometheus.kill()
        shop.hurt("payments", signal.SIGKILL)
        shop.wait_for("the loss to be noticed", lambda: "telemetry.lost" in shop.log())
        time.sleep(3.0)
        assert shop.effects() == []
        assert shop.incidents() == []
        told = homeostat(shop, "explain")
        assert "missing data never acts" in told.stdout
        shop.prometheus.start()
        shop.wait_for("the service to be healed once data are back", lambda: len(recovered(shop)) == 1)


def test_a_reload_takes_valid_policies_and_refuses_invalid_ones(tmp_path: Path) -> None:
    with Shop(tmp_path / "shop") as shop:
        shop.wait_for_load()
        shop.start_agent()
        policy = shop.folder / "policies" / "shop-live.homeostat.yaml"
        good = policy.read_text()
        policy.write_text(good.replace("auth_up < 1", "auth_upp < 1"))
        assert shop.agent is not None
        os.kill(shop.agent.pid, signal.SIGHUP)
        shop.wait_for("the refusal", lambda: "policies.refused" in shop.log())
        assert "did you mean 'auth_up'" in shop.log()
        told = homeostat(shop, "explain", "--policy", "shop-live")
        assert "a change of the policies was refused" in told.stdout

        policy.write_text(
            good.replace("owner: shop-sre", "owner: others").replace("for: 2s}\nresolved", "for: 1s}\nresolved")
        )
        os.kill(shop.agent.pid, signal.SIGHUP)
        shop.wait_for("the reload", lambda: "policies.reloaded" in shop.log())
        shop.hurt("payments", signal.SIGKILL)
        shop.wait_for("the fault to be healed", lambda: len(recovered(shop)) == 1)
