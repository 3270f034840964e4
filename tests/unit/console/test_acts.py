"""What people say by the console counts once, for what they have seen, from who may, and under their name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.console.console_rig import POLICY, Answered, Shop, ask, bearer, form, sign_in, wait_for

from homeostat.console.gatekeeper import Gatekeeper
from homeostat.model import entries as e
from homeostat.model.reasons import AnswerRefusal
from homeostat.record.sqlite import SqliteJournal

MANUAL = POLICY[: POLICY.index("steps:")] + (
    "steps:\n- {id: storage, manual: fail over, owner: storage-team, timeout: 10m,"
    " verify: {if: errors < 1, for: 0s, within: 1m}}\n"
)


class Desk:
    """The API as people use it."""

    def __init__(self, shop: Shop, app: Gatekeeper) -> None:
        self.shop, self.app = shop, app

    def get(self, path: str) -> Any:
        return ask(self.app, "GET", f"/api/v1{path}", bearer(self.shop.tokens["vera"])).json()

    def pending(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = wait_for(lambda: next((p for p in self.get("/pending") if p["kind"] == kind), None))
        return found

    def seen(self, kind: str) -> dict[str, str]:
        """What a page would send along: where, and what of."""
        found = self.pending(kind)
        page = self.get(f"/incidents/{found['incident']}")
        until = "" if found["until"] is None else f"{found['until']:.3f}"
        return {"incident": found["incident"], "node": found["node"], "plan": page["plan"], "until": until}

    def say(self, who: str, act: str, seen: dict[str, str], note: str = "") -> Answered:
        body = {"act": act, "plan": seen["plan"], "until": seen["until"], "note": note}
        headers = {**bearer(self.shop.tokens[who]), "content-type": "application/json"}
        path = f"/api/v1/incidents/{seen['incident']}/steps/{seen['node']}"
        return ask(self.app, "POST", path, headers, _json(body))

    def entries(self) -> list[e.Entry]:
        with closing(SqliteJournal(self.shop.settings.journal, read_only=True)) as journal:
            streams = [*journal.incidents(), "agent"]
            return [record.entry for stream in streams for record in journal.read(stream)]


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


@pytest.fixture
def desk(shop: Shop, app: Gatekeeper) -> Desk:
    return Desk(shop, app)


@contextmanager
def suggested(desk: Desk) -> Iterator[dict[str, str]]:
    """A running agent with a step that it suggests."""
    desk.shop.world.errors = 10.0
    with desk.shop.running():
        yield desk.seen("request")


@contextmanager
def asked(desk: Desk, requester: str = "dana") -> Iterator[dict[str, str]]:
    """A running agent with a question about a step that somebody has requested."""
    with suggested(desk) as seen:
        assert desk.say(requester, "request", seen).status == 200
        yield desk.seen("approval")


def test_the_first_of_two_people_asks_and_the_second_agrees(desk: Desk) -> None:
    with asked(desk, requester="dana") as seen:
        own = desk.say("dana", "approve", seen)
        assert own.status == 409
        assert own.json() == {"error": "dana asked for this start; somebody else must agree"}
        assert desk.shop.world.started == []
        agreed = desk.say("eli", "approve", seen, "backup is from 02:00")
        assert (agreed.status, agreed.json()["counts"]) == (200, True)
        wait_for(lambda: desk.shop.world.started)
    granted = [entry for entry in desk.entries() if isinstance(entry, e.ApprovalGranted)]
    assert [(entry.by, entry.note) for entry in granted] == [("eli", "backup is from 02:00")]
    refusals = [entry for entry in desk.entries() if isinstance(entry, e.AnswerRefused)]
    assert [(entry.by, entry.reason) for entry in refusals] == [("dana", AnswerRefusal.IS_THE_REQUESTER)]


def test_an_approval_that_is_sent_again_does_not_count_again(desk: Desk) -> None:
    with asked(desk) as seen:
        with ThreadPoolExecutor(4) as pool:  # a form that was sent by an impatient finger
            statuses = sorted(
                answer.status for answer in pool.map(lambda _: desk.say("eli", "approve", seen), range(4))
            )
        assert statuses == [200, 409, 409, 409]
        again = desk.say("eli", "approve", seen)
        assert again.status == 409
        assert b"any more" in again.body
        denied = desk.say("dana", "deny", seen)
        assert denied.status == 409
    assert len(desk.shop.world.started) == 1
    assert sum(isinstance(entry, e.ApprovalGranted) for entry in desk.entries()) == 1


def test_who_is_not_asked_does_not_count_whatever_their_role(desk: Desk) -> None:
    with asked(desk) as seen:
        refused = desk.say("ada", "approve", seen)
        assert refused.status == 409
        assert b"ada is not among those who are asked" in refused.body
    assert desk.shop.world.started == []


def test_what_has_changed_since_is_not_answered(desk: Desk) -> None:
    with asked(desk) as seen:
        for changed in ({"plan": "0" * 64}, {"plan": ""}, {"until": "1.000"}, {"until": ""}):
            refused = desk.say("eli", "approve", {**seen, **changed})
            assert refused.status == 409, changed
        assert desk.say("eli", "done", seen).status == 409, "nothing manual waits there"
        assert desk.say("eli", "approve", {**seen, "node": "elsewhere"}).status == 409
        assert desk.say("eli", "approve", {**seen, "incident": "no-such"}).status == 404
        assert desk.say("eli", "approve", {**seen, "incident": seen["incident"][:12]}).status == 404, "whole ids only"
    assert desk.shop.world.started == []
    assert not any(isinstance(entry, e.AnswerRefused) for entry in desk.entries()), "none of it reached the agent"


def test_a_question_that_expired_is_another_one_when_it_is_asked_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "w", POLICY.replace("timeout: 15m}", "timeout: 1s}"))
    desk = Desk(shop, shop.app())
    with asked(desk) as seen:
        wait_for(lambda: not [one for one in desk.get("/pending") if one["kind"] == "approval"])
        assert desk.say("eli", "approve", seen).status == 409
    assert shop.world.started == []


@pytest.mark.parametrize(("who", "act"), [("vera", "request"), ("vera", "deny"), ("otto", "approve"), ("otto", "deny")])
def test_a_role_that_is_too_low_is_refused_before_anything_is_looked_at(desk: Desk, who: str, act: str) -> None:
    nothing = {"incident": "x", "node": "y", "plan": "", "until": ""}
    refused = desk.say(who, act, nothing)
    assert refused.status == 403
    assert b"ask an admin" in refused.body
    assert not desk.shop.settings.inbox.exists()


@pytest.mark.parametrize(
    ("who", "act", "status"), [("vera", "pause", 403), ("otto", "resume", 403), ("otto", "pause", 200)]
)
def test_who_may_move_the_kill_switch(
    desk: Desk, who: str, act: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeostat.console.acts.TAKEN_IN_S_MAX", 0.0)
    headers = {**bearer(desk.shop.tokens[who]), "content-type": "application/json"}
    assert ask(desk.app, "POST", "/api/v1/switch", headers, _json({"act": act})).status == status


@pytest.mark.parametrize("act", ["approve", "deny", "request", "drill"])
def test_nothing_else_goes_through_the_switch(desk: Desk, act: str) -> None:
    headers = {**bearer(desk.shop.tokens["ada"]), "content-type": "application/json"}
    assert ask(desk.app, "POST", "/api/v1/switch", headers, _json({"act": act})).status == 422
    kind, body = form(act=act)
    cookie = sign_in(desk.app, desk.shop.tokens["ada"])
    assert ask(desk.app, "POST", "/switch", {**kind, **cookie}, body).status == 422
    assert not desk.shop.settings.inbox.exists()


def test_a_pause_of_no_policy_is_none(desk: Desk) -> None:
    headers = {**bearer(desk.shop.tokens["otto"]), "content-type": "application/json"}
    refused = ask(desk.app, "POST", "/api/v1/switch", headers, _json({"act": "pause", "policy": "shp"}))
    assert (refused.status, b"did you mean 'shop'" in refused.body) == (404, True)


def test_a_note_that_would_look_like_something_else_is_refused(desk: Desk) -> None:
    headers = {**bearer(desk.shop.tokens["otto"]), "content-type": "application/json"}
    with suggested(desk) as seen:
        for note in ("x" * 1001, "a\nb", "\u202egnp.exe", "\x00", "\ud800"):
            assert desk.say("dana", "request", seen, note).status == 422, note
            answered = ask(desk.app, "POST", "/api/v1/switch", headers, _json({"act": "pause", "note": note}))
            assert answered.status == 422, note
        assert desk.say("dana", "request", seen, "x" * 1000).status == 200


def test_what_people_write_is_shown_and_not_run(desk: Desk) -> None:
    attack = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>"
    with suggested(desk) as seen:
        assert desk.say("dana", "request", seen, attack).status == 200
        desk.pending("approval")
        for path in ("/", f"/incidents/{seen['incident']}"):
            page = ask(desk.app, "GET", path, bearer(desk.shop.tokens["eli"])).body
            assert b"<script>alert" not in page
            assert b"<img" not in page
            assert b"&lt;script&gt;alert" in page


def test_a_form_does_the_same_without_a_script(desk: Desk) -> None:
    with asked(desk) as seen:
        cookie = sign_in(desk.app, desk.shop.tokens["eli"])
        kind, body = form(act="approve", plan=seen["plan"], until=seen["until"], note="by form")
        path = f"/incidents/{seen['incident']}"
        page = ask(desk.app, "GET", path, cookie).body.decode()
        assert f'name="plan" value="{seen["plan"]}"' in page
        assert f'name="until" value="{seen["until"]}"' in page
        answered = ask(desk.app, "POST", f"{path}/steps/{seen['node']}", {**kind, **cookie}, body)
        assert (answered.status, answered.header("location")) == (303, path)
        again = ask(desk.app, "POST", f"{path}/steps/{seen['node']}", {**kind, **cookie}, body)
        assert (again.status, b"That does not count" in again.body) == (409, True)
    assert len(desk.shop.world.started) == 1


def test_an_answer_that_no_agent_takes_in_is_said_to_lie_in_the_inbox(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asked(desk) as seen:
        pass
    monkeypatch.setattr("homeostat.console.acts.TAKEN_IN_S_MAX", 0.0)
    answered = desk.say("eli", "approve", seen)
    assert (answered.status, answered.json()["counts"]) == (200, False)
    assert "inbox" in answered.json()["message"]
    assert len(list(desk.shop.settings.inbox.glob("*.json"))) == 1


def test_a_manual_step_is_reported_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "w", MANUAL)
    desk = Desk(shop, shop.app())
    shop.world.errors = 10.0
    with shop.running():
        seen = desk.seen("manual")
        told = [desk.say(who, "done", seen, f"by {who}") for who in ("otto", "dana")]
        assert [answered.status for answered in told] == [200, 409]
        wait_for(lambda: any(isinstance(entry, e.ActionEnded) for entry in desk.entries()))
        assert desk.get("/pending") == []
    (ended,) = [entry for entry in desk.entries() if isinstance(entry, e.ActionEnded)]
    assert ended.detail == "done, says otto: by otto"


def test_a_report_is_off_the_page_before_the_agent_has_seen_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "w", MANUAL)
    desk = Desk(shop, shop.app())
    shop.world.errors = 10.0
    with shop.running():
        seen = desk.seen("manual")
    assert desk.say("otto", "failed", seen).status == 200
    assert desk.get("/pending") == []
    assert desk.get(f"/incidents/{seen['incident']}")["pending"] == []


def test_who_takes_an_incident_over_has_it_alone(desk: Desk) -> None:
    def say(who: str, incident: str, note: str = "") -> Answered:
        headers = {**bearer(desk.shop.tokens[who]), "content-type": "application/json"}
        return ask(desk.app, "POST", f"/api/v1/incidents/{incident}/take-over", headers, _json({"note": note}))

    with asked(desk, requester="dana") as seen:
        incident = seen["incident"]
        assert say("vera", incident).status == 403
        assert say("otto", incident[:12]).status == 404, "whole ids only"
        assert say("otto", incident, "two\nlines").status == 422
        taken = say("otto", incident, "I am at it")
        assert (taken.status, taken.json()["counts"]) == (200, True)
        assert desk.get("/pending") == []
        assert desk.say("eli", "approve", seen).status == 409
    headers, body = form(note="mine now")
    with desk.shop.running():
        answered = ask(
            desk.app,
            "POST",
            f"/incidents/{incident}/take-over",
            {**headers, **sign_in(desk.app, desk.shop.tokens["eli"])},
            body,
        )
    assert (answered.status, answered.header("location")) == (303, f"/incidents/{incident}")
    assert desk.get(f"/incidents/{incident}")["taken_over_by"] == "eli"
    page = ask(desk.app, "GET", f"/incidents/{incident}", bearer(desk.shop.tokens["otto"])).body.decode()
    assert "Taken over by <strong>eli</strong>" in page
    assert desk.shop.world.started == []
    audit = ask(desk.app, "GET", "/audit", bearer(desk.shop.tokens["vera"])).body.decode()
    assert "took the incident over" in audit
