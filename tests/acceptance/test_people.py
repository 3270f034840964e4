"""People in the loop, through the command line, beside the agent as users start it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.people_workspace import PeopleWorkspace

from homeostat.model import entries as e
from homeostat.model.reasons import AnswerRefusal, Result

pytestmark = pytest.mark.timeout(150)

VERIFY = "verify: {if: errors < 1, for: 0s, within: 1m}"
PEOPLE = '[people]\ndba = ["dana", "eli"]\n'


def test_the_second_of_two_people_approves_and_the_first_cannot(tmp_path: Path) -> None:
    steps = f"- {{id: restore, do: act, target: db/shop, mode: suggest, approval: {{from: dba}}, {VERIFY}}}\n"
    with PeopleWorkspace(tmp_path / "w", steps, people=PEOPLE) as shop:
        shop.start()
        shop.errors = 10.0
        suggested = shop.wait_pending("request")
        assert shop.effects() == []
        incident = suggested["incident"]
        asked = shop.run("request", incident, "restore", "--as", "dana", "--note", "replica is 3 h behind")
        assert asked.returncode == 0, asked.stderr
        waiting = shop.wait_pending("approval")
        assert (waiting["step"], waiting["who"]) == ("restore", "dba")
        assert "wanted by dana: replica is 3 h behind" in waiting["what"]

        own = shop.run("approve", incident, "restore", "--as", "dana")
        assert own.returncode == 4
        assert own.stderr == "refused: dana asked for this start; somebody else must agree (is_the_requester)\n"
        stranger = shop.run("approve", incident, "restore", "--as", "mallory")
        assert stranger.returncode == 4
        assert stranger.stderr.startswith("refused: mallory is not among those who are asked")
        ratings = ("--clarity", "5", "--usability", "4", "--confidence", "3", "--as", "dana")
        unknown = shop.run("feedback", incident, *ratings, "--wrong-step", "restor")
        assert unknown.returncode == 2
        assert "did you mean 'restore'?" in unknown.stderr
        surveyed = shop.run("feedback", incident[:20], *ratings, "--wrong-step", "restore")
        assert surveyed.returncode == 0, surveyed.stderr
        (survey,) = [entry for entry in shop.entries() if isinstance(entry, e.FeedbackGiven)]
        assert (survey.by, survey.feedback.incident, survey.feedback.wrong_step) == ("dana", incident, "restore")
        assert shop.effects() == []

        agreed = shop.run("approve", incident[:20], "restore", "--as", "eli", "--note", "backup is from 02:00")
        assert agreed.returncode == 0, agreed.stderr
        assert "approval.granted" in agreed.stdout
        shop.wait_for("the action to have its effect", lambda: shop.effects() == ["db/shop"])
        again = shop.run("approve", incident, "restore", "--as", "eli")
        assert again.returncode == 2
        assert "no approval waits at 'restore'" in again.stderr
        shop.errors = 0.0
        shop.wait_for("recovery", lambda: any(isinstance(entry, e.Closed) for entry in shop.entries()))
        told = shop.run("explain", incident).stdout
        assert "restore agreed to by eli" in told
        assert "backup is from 02:00" in told
        assert "an answer of mallory changed nothing: not_an_approver" in told
        assert shop.effects() == ["db/shop"]


def test_a_manual_step_is_done_by_a_person_and_proved_by_the_signals(tmp_path: Path) -> None:
    steps = (
        '- {id: storage, manual: "fail the storage over", owner: storage-team, check: "is the LUN writable?",'
        f" {VERIFY}}}\n- {{id: after, do: act, target: svc/after, {VERIFY}}}\n"
    )
    with PeopleWorkspace(tmp_path / "w", steps) as shop:
        shop.start()
        shop.errors = 10.0
        task = shop.wait_pending("manual")
        assert (task["step"], task["who"]) == ("storage", "storage-team")
        assert task["what"] == "fail the storage over (check: is the LUN writable?)"
        wrong = shop.run("done", task["incident"], "storge", "--as", "sam")
        assert wrong.returncode == 2
        assert "did you mean 'storage'?" in wrong.stderr
        shop.errors = 0.0
        assert shop.run("done", task["incident"], "storage", "--as", "sam", "--note", "second try").returncode == 0
        shop.wait_for("the next step", lambda: shop.effects() == ["svc/after"])
        ended = next(entry for entry in shop.entries() if isinstance(entry, e.ActionEnded))
        assert ended.detail == "done, says sam: second try"


def test_the_kill_switch_holds_over_a_restart_and_is_lifted_by_name(tmp_path: Path) -> None:
    steps = f"- {{id: restart, do: act, target: svc/pay, {VERIFY}}}\n"
    with PeopleWorkspace(tmp_path / "w", steps) as shop:
        before = shop.run("pause", "--as", "dana", "--note", "migration", "--wait", "0")
        assert before.returncode == 3
        assert "lies in the inbox" in before.stderr
        shop.start()
        shop.wait_for("the pause to be journalled", lambda: (shop.folder / "state/journal.sqlite").exists())
        shop.wait_for("the pause", lambda: any(isinstance(entry, e.Paused) for entry in shop.entries()))
        shop.errors = 10.0
        shop.wait_for("the refusal", lambda: any(getattr(entry, "detail", "") == "by dana" for entry in shop.entries()))
        shop.stop()
        shop.start()
        shop.wait_for("the agent to be back", lambda: sum(isinstance(x, e.AgentStarted) for x in shop.entries()) == 2)
        assert shop.effects() == []
        (shown,) = [row for row in shop.pending() if row["kind"] == "pause"]
        assert (shown["step"], shown["who"]) == ("all", "dana")
        assert "migration" in shown["what"]
        assert "everything has been paused by dana" in shop.run("explain").stdout
        assert "everything is paused by dana" in shop.run("doctor").stdout
        typo = shop.run("pause", "--policy", "peopel", "--as", "dana")
        assert (typo.returncode, typo.stderr) == (2, "no policy 'peopel'; did you mean 'people'?\n")
        lifted = shop.run("resume", "--as", "eli")
        assert lifted.returncode == 0, lifted.stderr
        shop.wait_for("the action", lambda: shop.effects() == ["svc/pay"])


def test_a_refusal_fails_the_step_and_an_answer_about_nothing_is_journalled(tmp_path: Path) -> None:
    steps = f"- {{id: restore, do: act, target: db/shop, approval: {{from: dba}}, {VERIFY}}}\n"
    with PeopleWorkspace(tmp_path / "w", steps, people=PEOPLE) as shop:
        shop.start()
        shop.errors = 10.0
        waiting = shop.wait_pending("approval")
        assert shop.run("deny", waiting["incident"], "restore", "--as", "dana").returncode == 0
        shop.wait_for("people to be called", lambda: any(isinstance(entry, e.Escalated) for entry in shop.entries()))
        assert shop.effects() == []
        shop.errors = 0.0
        shop.wait_for("the end", lambda: any(isinstance(entry, e.Closed) for entry in shop.entries()))
        assert [x.result for x in shop.entries() if isinstance(x, e.Closed)] == [Result.ESCALATED]
        late = shop.run("approve", waiting["incident"], "restore", "--as", "eli")
        assert late.returncode == 2
        assert "no open incident" in late.stderr


def test_files_that_are_no_answers_are_set_aside_and_harm_nothing(tmp_path: Path) -> None:
    steps = f"- {{id: restore, do: act, target: db/shop, approval: {{from: dba}}, {VERIFY}}}\n"
    with PeopleWorkspace(tmp_path / "w", steps, people=PEOPLE) as shop:
        inbox = shop.folder / "state/inbox"
        inbox.mkdir(parents=True)
        stranger = '{"id":"%s","kind":"approve","by":"eli","at":1.0,"incident":"gone","node":"restore"}'
        (inbox / "aa.json").write_text(stranger % "aa")
        (inbox / "bb.json").write_text(stranger % "other")
        (inbox / "cc.json").write_text("{")
        (inbox / "dd.json").write_bytes(b"x" * 20_000)
        (inbox / "ee.json").write_text((stranger % "ee").replace("eli", "e\\nli"))
        shop.start()
        shop.wait_for("the inbox to be empty", lambda: not list(inbox.glob("*.json")))
        assert sorted(path.name for path in inbox.iterdir()) == ["bb.refused", "cc.refused", "dd.refused", "ee.refused"]
        refused = [entry for entry in shop.entries() if isinstance(entry, e.AnswerRefused)]
        assert [(x.answer, x.reason) for x in refused] == [("aa", AnswerRefusal.NO_SUCH_INCIDENT)]


def test_an_approver_whom_nobody_is_keeps_the_agent_from_starting(tmp_path: Path) -> None:
    steps = f"- {{id: restore, do: act, target: db/shop, approval: {{from: dbas}}, {VERIFY}}}\n"
    with PeopleWorkspace(tmp_path / "w", steps, people=PEOPLE) as shop:
        told = shop.run("run", "--ticks", "1")
        assert told.returncode == 2
        assert "step 'restore' asks 'dbas', and nobody is that; did you mean 'dba'?" in told.stderr
