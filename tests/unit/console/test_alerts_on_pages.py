"""Alerts on the console's pages: shown, escaped, and beside the incident of their policy."""

from __future__ import annotations

import time
from contextlib import closing

from tests.unit.console.console_rig import Shop, ask, bearer, sign_in

from homeostat.console.gatekeeper import Gatekeeper
from homeostat.model import entries as e
from homeostat.model.alerts import AlertState
from homeostat.model.ports import Batch
from homeostat.model.streams import ALERTS_STREAM
from homeostat.record.sqlite import SqliteJournal


def told(shop: Shop, name: str, *policies: str, state: AlertState = AlertState.FIRING) -> None:
    alert = e.AlertReceived(
        at=time.time(), source="am", fingerprint=name, name=name, state=state, policies=policies, url="https://x/y"
    )
    with closing(SqliteJournal(shop.settings.journal)) as journal:
        journal.append([Batch(ALERTS_STREAM, None, [alert])])


def test_the_home_page_lists_what_goes_on_and_runs_none_of_it(app: Gatekeeper, shop: Shop) -> None:
    told(shop, "<script>alert(1)</script>")
    told(shop, "Gone", state=AlertState.RESOLVED)
    page = ask(app, "GET", "/", sign_in(app, shop.tokens["vera"])).body.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
    assert 'href="https://x/y" rel="noreferrer"' in page
    assert "Gone" not in page


def test_an_open_incident_shows_the_alerts_about_its_policy(app: Gatekeeper, shop: Shop) -> None:
    told(shop, "ShopDown", "shop")
    told(shop, "Elsewhere", "other")
    shop.world.errors = 10.0
    shop.ticks(1)
    with closing(SqliteJournal(shop.settings.journal, read_only=True)) as journal:
        (incident,) = journal.open_incidents()
    page = ask(app, "GET", f"/incidents/{incident}", sign_in(app, shop.tokens["vera"])).body.decode()
    assert "ShopDown" in page
    assert "Elsewhere" not in page
    seen = ask(app, "GET", f"/api/v1/incidents/{incident}", bearer(shop.tokens["vera"])).json()
    assert [alert["name"] for alert in seen["alerts"]] == ["ShopDown"]
