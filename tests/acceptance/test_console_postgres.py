"""The console over the journal and the inbox that many agents share in a PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from tests.acceptance.people_workspace import TOKEN, PeopleWorkspace
from tests.postgres_cluster import PASSWORD, Cluster
from tests.unit.console.console_rig import bearer, served, wait_for

from homeostat.app.access import AccessList, Role
from homeostat.app.settings import load_settings

STEPS = """\
- id: restore
  do: act
  target: db/shop
  mode: suggest
  approval: {from: dba}
  verify: {if: errors < 1, for: 0s, within: 5m}
"""

pytestmark = pytest.mark.timeout(120)


def test_an_approval_goes_through_the_shared_store(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_JOURNAL_PASSWORD", PASSWORD)
    monkeypatch.setenv("PEOPLE_TOKEN", TOKEN)
    at = urlsplit(cluster.database())
    store = f'[store]\nurl = "postgresql://{at.username}@{at.hostname}:{at.port}{at.path}"\n'
    people = f'[people]\ndba = ["dana", "eli"]\n{store}password = "env:SHOP_JOURNAL_PASSWORD"\nlease_ttl_s = 2.0\n'
    with PeopleWorkspace(tmp_path / "w", STEPS, people=people) as shop:
        settings = load_settings(shop.folder / "homeostat.toml")
        access = AccessList(settings.state)
        tokens = {name: access.grant(name, Role.APPROVER) for name in ("dana", "eli")}
        shop.start()
        shop.errors = 10.0
        with served(settings) as port:

            def get(path: str) -> Any:
                url = f"http://127.0.0.1:{port}/api/v1{path}"
                return requests.get(url, headers=bearer(tokens["dana"]), timeout=20).json()

            def say(who: str, act: str) -> requests.Response:
                (asked,) = get("/pending")
                at = f"/incidents/{asked['incident']}"
                until = "" if asked["until"] is None else f"{asked['until']:.3f}"
                said = {"act": act, "plan": get(at)["plan"], "until": until}
                url = f"http://127.0.0.1:{port}/api/v1{at}/steps/restore"
                return requests.post(url, json=said, headers=bearer(tokens[who]), timeout=20)

            def waits(kind: str) -> bool:
                return [one["kind"] for one in get("/pending")] == [kind]

            wait_for(lambda: waits("request"))
            assert say("dana", "request").json()["counts"] is True
            wait_for(lambda: waits("approval"))
            assert say("dana", "approve").status_code == 409, "she asked for it herself"
            assert shop.effects() == []
            assert say("eli", "approve").json()["counts"] is True
            wait_for(shop.effects)
            shop.errors = 0.0
            wait_for(lambda: [row["result"] for row in get("/overview")["recent"]] == ["recovered"])
        assert shop.effects() == ["db/shop"]
