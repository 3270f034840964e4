"""The local tier: real processes, broken and put back, on loopback alone, and nothing left of them."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from homeostat.model.errors import UsageError
from homeostat.rig import rig
from homeostat.rig.drill import read_effects
from homeostat.rig.effects import act
from homeostat.rig.layout import Layout
from homeostat.rig.local import system
from homeostat.rig.local.effector import ACTIONS
from homeostat.rig.local.exporter import metrics
from homeostat.rig.local.paid import count_payments
from homeostat.rig.web import fetch

FAULTS = system.local_faults()


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    made = system.up(tmp_path_factory.mktemp("local"))
    yield made
    rig.down(made.folder)
    assert not made.folder.exists()
    assert [fetch(made.url(port), timeout_s=0.2) for port in system.PORTS] == [0] * len(system.PORTS)


def pay(layout: Layout, payment: str) -> int:
    return fetch(layout.url("payments", f"/pay?id={payment}"), timeout_s=2.0)


def test_a_payment_is_kept_once_its_user_is_told_and_not_otherwise(layout: Layout) -> None:
    assert pay(layout, "one") == 200
    system.LOCAL.inject(layout, FAULTS["auth_killed"].inject)
    assert pay(layout, "two") == 503
    assert 'local_process_running{name="auth"} 0' in metrics(layout)
    assert "auth_answers 0" in metrics(layout)
    before = len(read_effects(layout))
    act(layout, "auth.restart", ACTIONS)
    assert [(effect["action"], effect["phase"]) for effect in read_effects(layout)[before:]] == [
        ("auth.restart", "begin"),
        ("auth.restart", "end"),
    ]
    assert pay(layout, "three") == 200
    assert [count_payments(layout, [name]) for name in ("one", "two", "three")] == [1, 0, 1]


def test_whatever_was_broken_is_put_back(layout: Layout) -> None:
    for name in ("auth_slow", "crash_loop", "payments_hung"):
        system.LOCAL.inject(layout, FAULTS[name].inject)
    assert pay(layout, "four") != 200
    system.reset(layout, FAULTS["auth_slow"])
    assert pay(layout, "five") == 200
    assert {"auth_answers 1", "payments_answers 1"} <= set(metrics(layout).splitlines())


def test_its_prometheus_asks_for_a_token_that_its_owner_alone_can_read(layout: Layout) -> None:
    assert layout.token.stat().st_mode & 0o077 == 0
    request = urllib.request.Request(layout.url("prometheus", "/api/v1/query?query=up"))
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=2.0)


def test_a_folder_in_use_is_refused(layout: Layout) -> None:
    with pytest.raises(UsageError, match="is not empty"):
        system.up(layout.folder)


def test_every_fault_has_actions_that_help_or_is_a_control() -> None:
    assert len([fault for fault in FAULTS.values() if not fault.control]) >= 3
    assert len([fault for fault in FAULTS.values() if fault.control]) >= 1
    assert {fault.tier for fault in FAULTS.values()} == {"local"}
