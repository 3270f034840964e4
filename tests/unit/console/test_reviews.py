"""The report after an incident on the console, and the survey about it."""

from __future__ import annotations

from pathlib import Path

from tests.unit.console.console_rig import POLICY, Shop, ask, bearer, form, sign_in

from homeostat.app.feedback import feedback_of
from homeostat.app.store import journal_to_read


def _incident(shop: Shop) -> str:
    shop.world.errors = 10.0
    shop.ticks(3)
    with journal_to_read(shop.settings) as journal:
        (found,) = journal.incidents()
    return found


def test_the_report_is_the_one_that_the_command_writes(shop: Shop) -> None:
    incident, app = _incident(shop), shop.app()
    headers = bearer(shop.tokens["vera"])
    page = ask(app, "GET", f"/incidents/{incident}/review", headers).body.decode()
    told = ask(app, "GET", f"/api/v1/incidents/{incident}/review", headers).json()
    taken = ask(app, "GET", f"/incidents/{incident}/review.md", headers)
    assert told["is_open"] is True
    assert "It is still open" in page
    assert all(section["title"] in page for section in told["sections"])
    assert taken.body.decode() == told["markdown"]
    assert taken.header("content-disposition") == 'attachment; filename="review.md"'
    assert "operator" in page
    assert "Say it" not in page
    assert "<style" not in page


def test_a_survey_is_one_persons_word_about_a_step_that_there_is(shop: Shop) -> None:
    incident, app = _incident(shop), shop.app()
    path = f"/incidents/{incident}/feedback"
    said = {"clarity": "4", "usability": "3", "confidence": "2", "missing_step": "call the bank"}

    def say(who: str, **more: str) -> int:
        headers, body = form(**{**said, **more})
        return ask(app, "POST", path, {**headers, **sign_in(app, shop.tokens[who])}, body).status

    assert say("vera") == 403
    assert say("otto", clarity="6") == 422
    assert say("otto", wrong_step="restor") == 422
    assert say("otto", note="two\x07bells") == 422
    missing, body = form(**said)
    missing |= sign_in(app, shop.tokens["otto"])
    assert ask(app, "POST", "/incidents/nobody/feedback", missing, body).status == 404
    with journal_to_read(shop.settings) as journal:
        assert feedback_of(journal) == []
    with shop.running():
        assert say("otto", wrong_step="restore") == 303
    with journal_to_read(shop.settings) as journal:
        (given,) = feedback_of(journal, incident)
    assert (given.by, given.feedback.clarity, given.feedback.wrong_step) == ("otto", 4, "restore")
    page = ask(app, "GET", f"/incidents/{incident}/review", bearer(shop.tokens["vera"])).body.decode()
    assert "call the bank" in page


def test_nobody_reads_a_report_of_what_there_is_not(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "empty")
    app = shop.app()
    for path in ("/incidents/nobody/review", "/api/v1/incidents/nobody/review", "/incidents/nobody/review.md"):
        assert ask(app, "GET", path, bearer(shop.tokens["vera"])).status == 404
        assert ask(app, "GET", path).status in (303, 401)


def test_the_runbook_is_one_click_away_and_learns_nothing_of_who_comes(tmp_path: Path) -> None:
    address = "https://wiki.example.org/shop?v=2"
    shop = Shop(tmp_path / "w", POLICY.replace("owner: team\n", f"owner: team\nrunbook: {address}\n"))
    incident, app = _incident(shop), shop.app()
    headers = bearer(shop.tokens["vera"])
    page = ask(app, "GET", f"/incidents/{incident}", headers).body.decode()
    assert f'<a href="{address}" rel="noreferrer noopener">Runbook</a>' in page
    assert ask(app, "GET", f"/api/v1/incidents/{incident}", headers).json()["runbook"] == address
    assert address in ask(app, "GET", f"/incidents/{incident}/review", headers).body.decode()
