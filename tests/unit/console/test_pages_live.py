"""Policies, rankings, drills, audit and the checklist for two, on a console beside an agent that runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.console.console_workspace import FIRST, PASSED, REFUSED, ConsoleWorkspace, console_workspace

from homeostat.app.clock import SystemClock
from homeostat.app.people import cross_check
from homeostat.model import entries as e
from homeostat.model.reasons import AnswerRefusal

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleWorkspace]:
    with console_workspace(tmp_path_factory.mktemp("console") / "w") as workspace:
        workspace.wait_for(lambda: any(isinstance(one, e.PolicyLoaded) for one in workspace.entries("policy/people")))
        yield workspace


def test_the_policies_page_says_of_each_policy_what_an_operator_asks_first(shop: ConsoleWorkspace) -> None:
    text = shop.page("/policies")
    for told in ("people", "team", "errors &gt; 5", "3 auto, 1 suggest", "cannot be said"):
        assert told in text
    (row,) = shop.get_json("/policies")["rows"]
    assert row["mode"] == "auto"
    assert row["autonomy"] == "3 auto, 1 suggest"
    assert row["loaded"] == row["version"]
    assert row["stale"]["causes"] == []
    assert "git" in row["stale"]["unknown"]


def test_every_route_of_the_pages_is_in_the_api_document(shop: ConsoleWorkspace) -> None:
    paths = shop.get_json("/../openapi.json")["paths"]
    named = ("policies", "policies/{policy}", "rankings", "rankings/{policy}", "drills", "audit", "audit/verify")
    assert {f"/api/v1/{name}" for name in (*named, "incidents/{incident}/checklist/{step}")} <= set(paths)


def test_a_policy_is_paused_by_operators_and_resumed_by_approvers_from_its_page(shop: ConsoleWorkspace) -> None:
    assert "Pause this policy" not in shop.page("/policies/people", "vera")
    assert shop.post("/policies/people/switch", "vera", act="pause").status_code == 403
    assert shop.post("/policies/people/switch", "sam", act="approve").status_code == 403
    assert shop.post("/policies/people/switch", "dana", act="approve").status_code == 422
    assert shop.post("/policies/nobody/switch", "sam", act="pause").status_code == 404
    paused = shop.post("/policies/people/switch", "sam", act="pause", note="we are migrating")
    assert (paused.status_code, paused.headers["location"]) == (303, "/policies/people")
    text = shop.page("/policies/people", "sam")
    assert "sam: we are migrating" in text
    assert "Resume this policy" not in text
    assert shop.post("/policies/people/switch", "sam", act="resume").status_code == 403
    assert shop.post("/policies/people/switch", "dana", act="resume").status_code == 303
    assert shop.get_json("/policies/people")["row"]["paused"] is None
    assert shop.post("/switch", "sam", act="pause").status_code == 303
    text = shop.page("/policies/people", "dana")
    assert "Paused with everything else" in text
    assert "Resume this policy" not in text, "it would not help"
    assert shop.post("/switch", "dana", act="resume").status_code == 303
    text = shop.page("/policies/people", "sam")
    assert "Pause this policy" in text
    assert "<svg" in text
    assert "<style" not in text


def test_the_rankings_page_draws_where_each_probability_lies(shop: ConsoleWorkspace) -> None:
    text = shop.page("/rankings")
    assert f"Ranking <code>{FIRST[:12]}</code> rules" in text
    assert "Passed: first." in text
    (row,) = shop.get_json("/rankings")["rows"]
    first, second = row["nodes"][0]["candidates"]
    assert (first["name"], second["name"]) == ("shift", "restart")
    assert (first["deferred"], second["deferred"]) == (False, True)
    (held,) = re.findall(r"<tr>(?:(?!</tr>).)*deferred until something else has failed", text, re.DOTALL)
    assert 'data-head="candidate">restart<' in held
    assert first["low"] < first["probability"] < first["high"]
    drawn = re.findall(r'class="between" x="([0-9.]+)"[^>]* width="([0-9.]+)"', text)
    assert [float(x) for x, _ in drawn] == [pytest.approx(one["low"] * 100, abs=0.1) for one in (first, second)]


def test_which_ranking_rules_is_said_by_admins_of_what_they_have_seen(shop: ConsoleWorkspace) -> None:
    path = "/rankings/people"
    assert "Let it rule" not in shop.page(path, "dana")
    assert f'value="{FIRST}"' in shop.page(path, "ada")
    promotion = {"act": "promote", "seen": FIRST, "version": PASSED}
    assert shop.post(path, "dana", **promotion).status_code == 403
    assert shop.post("/rankings/nobody", "ada", **promotion).status_code == 404
    assert shop.post(path, "ada", **{**promotion, "seen": "written"}).status_code == 409
    refused = shop.post(path, "ada", **{**promotion, "version": REFUSED})
    assert refused.status_code == 422
    assert "although-refused" in refused.text
    assert shop.post(path, "ada", **{**promotion, "version": FIRST}).status_code == 409
    assert shop.post(path, "ada", **promotion, why="it is sooner").status_code == 303
    moved = [one for one in shop.entries("policy/people") if isinstance(one, e.RankingPromoted)]
    assert (moved[-1].version, moved[-1].actor, moved[-1].why) == (PASSED, "ada", "it is sooner")
    assert shop.post(path, "ada", **promotion).status_code == 409, "it was said of what no longer rules"
    back = shop.post_json(path, "ada", act="roll_back", seen=PASSED, version="written", why="by hand")
    assert back.json() == {"counts": True, "message": "in the journal under your name; it holds from here on"}
    text = shop.page(path)
    assert "The written order rules" in text
    assert "let ranking c3c3c3c3c3c3 rule people" in shop.page("/audit")
    assert "Nothing learnt; in the written order: restart, shift." in text


def test_drills_are_listed_and_what_they_say_is_text(shop: ConsoleWorkspace) -> None:
    text = shop.page("/drills")
    for told in ("auth_hung", "sandbox", "did not pass", "&lt;b&gt;1 m&lt;/b&gt;", "unscheduled"):
        assert told in text
    assert "<b>1 m" not in text
    (due,) = shop.get_json("/drills")["policies"]
    assert (due["last_at"], due["last_passed"], due["every_days"]) == (40.0, False, None)


def test_operators_have_the_journal_verified(shop: ConsoleWorkspace) -> None:
    assert "Nobody has had the journal verified" in shop.page("/audit")
    assert shop.post("/audit/verify", "vera").status_code == 403
    assert shop.post("/audit/verify", "oli").status_code == 303
    shop.wait_for(lambda: shop.get_json("/audit")["verified"])
    text = shop.page("/audit")
    assert "No fault found" in text
    assert "asked by oli" in text


def test_one_carries_a_step_out_and_another_reads_it(shop: ConsoleWorkspace) -> None:
    shop.shop.errors = 10.0
    shop.wait_for(lambda: shop.get_json("/pending"))
    (task,) = shop.get_json("/pending")
    incident = task["incident"]
    path = f"/incidents/{incident}/copilot"
    text = shop.page(path, "sam")
    assert "is the LUN writable?" in text
    plan = re.findall(r'name="plan" value="([0-9a-f]{64})"', text)[0]
    until = re.findall(r'name="until" value="([0-9.]+)"', text)[0]
    said = {"plan": plan, "until": until, "act": "done", "note": "second try", "back": "/copilot"}
    assert shop.post(f"/incidents/{incident}/steps/storage", "sam", **{**said, "back": "//x"}).status_code == 422
    done = shop.post(f"/incidents/{incident}/steps/storage", "sam", **said)
    assert (done.status_code, done.headers["location"]) == (303, path)

    def storage() -> Any:
        items = shop.get_json(f"/incidents/{incident}/checklist")["items"]
        return next(item for item in items if item["id"] == "storage")

    shop.wait_for(lambda: storage()["to_check"])
    key = storage()["to_check"]
    assert storage()["executor"] == "sam"
    assert "Read: done as written" not in shop.page(path, "sam")
    read = {"plan": plan, "key": key, "note": "the LUN is writable"}
    assert shop.post(f"{path}/storage", "vera", **read).status_code == 403
    assert shop.post(f"{path}/storage", "sam", **read).status_code == 409
    assert shop.post(f"{path}/storage", "oli", **{**read, "key": f"{key}9"}).status_code == 409
    assert shop.post(f"{path}/storage", "oli", **{**read, "plan": "0" * 64}).status_code == 409
    assert shop.post(f"{path}/remedy", "oli", **read).status_code == 404

    clock = SystemClock()  # past the console: the agent judges by itself
    cross_check(shop.settings, clock, "S am", incident, "storage", key, plan, "")
    shop.wait_for(lambda: _refused(shop, incident))
    assert _refused(shop, incident)[0].reason is AnswerRefusal.IS_THE_EXECUTOR

    assert shop.post(f"{path}/storage", "oli", **read).status_code == 303
    (checked,) = [one for one in shop.entries(incident) if isinstance(one, e.StepCrossChecked)]
    assert (checked.executor, checked.by, checked.key) == ("sam", "oli", key)
    assert shop.post(f"{path}/storage", "dana", **read).status_code == 409
    text = shop.page(path, "vera")
    assert "Carried out by sam." in text
    assert "Read, and found done as written, by oli." in text
    deeds = shop.page("/audit")
    for told in ("reported storage: ok", "read storage, carried out by sam"):
        assert told in deeds
    assert "storage read and found done as written by oli" in shop.page(f"/incidents/{incident}")
    cross_check(shop.settings, clock, "dana", incident, "restore", "none/restore/1", plan, "")
    shop.wait_for(lambda: len(_refused(shop, incident)) > 1)
    assert _refused(shop, incident)[-1].reason is AnswerRefusal.NOTHING_ASKED


def _refused(shop: ConsoleWorkspace, incident: str) -> list[e.AnswerRefused]:
    return [one for one in shop.entries(incident) if isinstance(one, e.AnswerRefused)]
