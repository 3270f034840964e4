"""What people are told of alerts: the command, why nothing happens, and the console."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat

from homeostat.app.alerts_now import alerts_now, fold_alerts
from homeostat.app.explain import explain, render
from homeostat.app.settings import load_settings
from homeostat.console.alert_rows import ALERTS_MAX
from homeostat.console.views import overview
from homeostat.loop.told import LOOK_BACK_S
from homeostat.model import entries as e
from homeostat.model.alerts import AlertState
from homeostat.model.ports import Batch
from homeostat.model.streams import AGENT_STREAM, ALERTS_STREAM, policy_stream
from homeostat.policy.load import load_policy
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

POLICY = """\
policy: shop
owner: team
signals: {errors: up}
actions: {}
trigger: {if: errors > 5, for: 0s}
resolved: {if: errors < 1, for: 0s, within: 1m}
escalate: {to: oncall}
steps: [{wait: 1m}]
"""


def said(
    name: str, at: float, state: AlertState = AlertState.FIRING, *, policies: tuple[str, ...] = (), source: str = "am"
) -> e.AlertReceived:
    return e.AlertReceived(
        at=at, source=source, fingerprint=name, name=name, state=state, severity="critical", labels={"job": "shop"},
        summary="it is down", starts_at=at - 60.0, policies=policies, url="http://prometheus/graph",
    )  # fmt: skip


def test_the_last_word_on_each_alert_counts() -> None:
    entries = [
        said("a", 10.0), said("b", 5.0), said("a", 20.0, AlertState.RESOLVED), said("c", 30.0, AlertState.ACKNOWLEDGED),
        said("a", 40.0, source="other"),
        e.AlertsLeftOut(at=50.0, since=0.0, left_out={"am": 3}, truncated={"am": 4}),
    ]  # fmt: skip
    now = fold_alerts(entries, 60.0)
    assert [(alert.source, alert.name) for alert in now.going_on] == [("am", "b"), ("am", "c"), ("other", "a")]
    assert (len(now.alerts), now.left_out, now.truncated) == (4, 3, 4)


def test_what_was_last_heard_of_long_ago_is_not_known_any_more() -> None:
    journal = MemoryJournal()
    journal.append([Batch(ALERTS_STREAM, None, [said("old", 100.0), said("new", 200.0)])])
    assert [alert.name for alert in alerts_now(journal, 150.0 + LOOK_BACK_S).going_on] == ["new"]


def test_explain_says_what_was_said() -> None:
    left_out = e.AlertsLeftOut(at=70.0, since=10.0, left_out={"am": 3}, truncated={"am": 4})
    text = render(explain([said("Down", 10.0, policies=("shop",)), left_out]))
    assert "am said that alert 'Down' is firing" in text
    assert "job=shop" in text
    assert "about shop" in text
    assert "alerts of 60 s are not all here" in text
    assert "am: 3 more than are journalled in a minute" in text
    assert "am: 4 left out by itself" in text


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "homeostat.toml").write_text('[alerts.sources.am]\nkind = "alertmanager"\n')
    file = tmp_path / "policies/shop.homeostat.yaml"
    file.write_text(POLICY)
    policy = load_policy(file)
    now = time.time()
    loaded = e.PolicyLoaded(at=now - 9.0, policy="shop", policy_hash=policy.hash, sources=policy.sources)
    started = e.AgentStarted(at=now - 10.0, agent="a", version="1", seed=1)
    journal = SqliteJournal(tmp_path / "state/journal.sqlite")
    journal.append([
        Batch(AGENT_STREAM, None, [started]),
        Batch(policy_stream("shop"), None, [loaded]),
        Batch(ALERTS_STREAM, None, [said("Down", now - 5.0, policies=("shop",)), said("Other", now - 4.0)]),
        Batch(ALERTS_STREAM, None, [said("Gone", now - 3.0, AlertState.RESOLVED)]),
        Batch(ALERTS_STREAM, None, [e.AlertsLeftOut(at=now - 1.0, since=now - 61.0, left_out={"am": 12})]),
    ])  # fmt: skip
    journal.close()
    return tmp_path


def test_the_command_shows_what_goes_on(workspace: Path) -> None:
    rows = json.loads(homeostat(workspace, "--json", "alerts").stdout)
    assert [(row["alert"], row["state"], row["policies"]) for row in rows] == [
        ("Down", "firing", "shop"),
        ("Other", "firing", None),
    ]
    everything = json.loads(homeostat(workspace, "--json", "alerts", "--all").stdout)
    assert [row["alert"] for row in everything] == ["Down", "Other", "Gone"]
    assert "in the last hour 12 were more" in homeostat(workspace, "alerts").stdout


def test_without_a_source_the_command_says_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "homeostat.toml").write_text("")
    told = homeostat(tmp_path, "alerts")
    assert (told.returncode, "[alerts.sources.NAME]" in told.stdout + told.stderr) == (0, True)


def test_why_nothing_happens_names_the_alert_about_the_policy(workspace: Path) -> None:
    rows = json.loads(homeostat(workspace, "--json", "explain", "--policy", "shop").stdout)
    (about,) = [row["why"] for row in rows if "alert" in row["why"]]
    assert about.startswith("alert 'Down' of am fires since ")
    assert about.endswith("its trigger is `errors > 5`, and only signals decide")


def test_the_console_shows_them_and_how_many_are_missing(workspace: Path) -> None:
    settings = load_settings(workspace / "homeostat.toml")
    seen = overview(settings)
    assert [(alert.name, alert.policies) for alert in seen.alerts] == [("Down", ["shop"]), ("Other", [])]
    assert seen.alerts_left_out == 12
    journal = SqliteJournal(workspace / "state/journal.sqlite")
    journal.append([Batch(ALERTS_STREAM, None, [said(f"n{number}", time.time()) for number in range(ALERTS_MAX)])])
    journal.close()
    assert (len(overview(settings).alerts), overview(settings).alerts_left_out) == (ALERTS_MAX, 14)
