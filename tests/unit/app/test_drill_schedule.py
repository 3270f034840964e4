"""When a policy was drilled, by whatever kind of drill, and when it is due again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from tests.unit.policy.policy_texts import FILE, RESTART, policy_text

from homeostat.app.drill_schedule import DrillDue, DrillState, drills_by_policy, drills_due
from homeostat.app.settings import load_settings
from homeostat.app.settings_file import FILE_NAME
from homeostat.model.drill_entries import TabletopAnswer, TabletopVerdict
from homeostat.model.drill_schedule import DAY_S, DrillKind
from homeostat.model.entries import DrillRan
from homeostat.model.errors import PolicyError
from homeostat.model.ports import Batch
from homeostat.model.streams import AGENT_STREAM
from homeostat.policy.lint import lint_all
from homeostat.policy.load import load_policy, load_policy_sources
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

NOW = 1_800_000_000.0
TODAY = datetime.fromtimestamp(NOW, UTC).date()


def ran(ago_days: float, tier: str = "tabletop", *, passed: bool = True, version: str = "h" * 64) -> DrillRan:
    at = NOW - ago_days * DAY_S
    answers = (answer("restart"),)
    tried = {"p": version}
    return DrillRan(at=at, fault="f", began_at=at - 9, passed=passed, tier=tier, policies=tried, answers=answers)


def answer(expected: str) -> TabletopAnswer:
    return TabletopAnswer(0.0, (expected,), (expected,), TabletopVerdict.AGREES, 1.0)


def due(folder: Path, *drills: DrillRan, drill: str | None = "{every: 90d}", text: str | None = None) -> DrillDue:
    (folder / FILE).write_text(text or policy_text(f"[{RESTART}]", drills=drill))
    (folder / FILE_NAME).write_text("")
    settings = load_settings(folder / FILE_NAME)
    if drills:
        settings.state.mkdir()
        journal = SqliteJournal(settings.journal)
        journal.append([Batch(AGENT_STREAM, None, list(drills))])
        journal.close()
    (one,) = drills_due(settings, [folder / FILE], NOW, 14 * DAY_S)
    return one


def test_a_policy_that_was_never_drilled_is_due_at_once(tmp_path: Path) -> None:
    one = due(tmp_path)
    assert (one.state, one.due_at, one.last) == (DrillState.OVERDUE, None, None)


@pytest.mark.parametrize(
    ("ago_days", "state"),
    [(90.0, "overdue"), (89.9, "soon"), (76.0, "soon"), (75.9, "ok"), (0.0, "ok"), (400.0, "overdue")],
)
def test_the_schedule_counts_from_the_last_passed_drill(tmp_path: Path, ago_days: float, state: str) -> None:
    one = due(tmp_path, ran(500.0), ran(ago_days))
    assert one.state == state
    assert one.due_at == pytest.approx(NOW + (90.0 - ago_days) * DAY_S)


def test_a_failed_drill_is_told_and_does_not_count(tmp_path: Path) -> None:
    one = due(tmp_path, ran(100.0), ran(1.0, passed=False))
    assert one.state is DrillState.OVERDUE
    assert one.last is not None
    assert (one.last.passed, one.due_at) == (False, NOW - 10.0 * DAY_S)


def test_a_control_in_which_nothing_had_to_be_done_does_not_count(tmp_path: Path) -> None:
    assert due(tmp_path, msgspec.structs.replace(ran(1.0, "sandbox"), control=True)).state is DrillState.OVERDUE


def test_a_tabletop_in_which_nothing_had_to_be_done_does_not_count(tmp_path: Path) -> None:
    quiet = msgspec.structs.replace(ran(1.0), answers=(answer("nothing"),))
    assert due(tmp_path, quiet).state is DrillState.OVERDUE
    folder = tmp_path / "more"
    folder.mkdir()
    assert due(folder, msgspec.structs.replace(quiet, answers=(answer("nothing"), answer("escalate")))).state == "ok"


@pytest.mark.parametrize("tier", ["tabletop", "sandbox", "local", "binaries", "root"])
def test_drills_of_every_kind_are_read_and_those_that_count_are_told_apart(tmp_path: Path, tier: str) -> None:
    kind = "rig" if tier in ("binaries", "root") else tier
    for allowed in DrillKind:
        folder = tmp_path / allowed
        folder.mkdir()
        one = due(folder, ran(1.0, tier), drill=f"{{every: 90d, kinds: [{allowed}]}}")
        assert one.state == ("ok" if allowed == kind else "overdue")
        assert one.last is not None


def test_what_an_older_release_or_another_policy_drilled_is_not_taken_for_this_one(tmp_path: Path) -> None:
    old = DrillRan(at=NOW - 5, fault="f", began_at=NOW - 9, passed=True)
    other = DrillRan(at=NOW - 5, fault="f", began_at=NOW - 9, passed=True, tier="local", policies={"q": "h"})
    assert due(tmp_path, old, other).last is None
    journal = MemoryJournal()
    journal.append([Batch(AGENT_STREAM, None, [old, other])])
    assert set(drills_by_policy(journal)) == {"q"}


def test_a_plan_that_has_changed_since_is_told_and_a_policy_without_a_schedule_too(tmp_path: Path) -> None:
    assert due(tmp_path, ran(1.0)).is_same is False
    same = tmp_path / "same"
    same.mkdir()
    (same / FILE).write_text(policy_text(f"[{RESTART}]"))
    assert due(same, ran(1.0, version=load_policy(same / FILE).hash)).is_same is True
    none = tmp_path / "none"
    none.mkdir()
    one = due(none, ran(1.0), drill=None)
    assert (one.state, one.due_at) == (DrillState.UNSCHEDULED, None)
    assert one.last is not None
    assert (one.counted, one.is_same) == (one.last, False)


def test_a_drill_of_the_plan_as_an_environment_has_it_is_one_of_the_plan_as_it_is_now(tmp_path: Path) -> None:
    parameters = {"parameters": "{limit: {type: percent}}", "trigger": "{if: http_5xx > limit, for: 1m}"}
    environments = "{production: {limit: 5%}, staging: {limit: 50%}}"
    text = policy_text(f"[{RESTART}]", drills="{every: 90d}", environments=environments, **parameters)
    versions = {load_policy_sources({FILE: text}, FILE, name).hash for name in ("production", "staging")}
    assert len(versions) == 2
    for version in versions:
        folder = tmp_path / version[:8]
        folder.mkdir()
        assert due(folder, ran(1.0, version=version), text=text).is_same is True


@pytest.mark.parametrize(
    ("drills", "said"),
    [
        ("{every: 0d}", "'0d' is no number of days"),
        ("{every: 90}", "90 is no number of days"),
        ("{every: 3651d}", "is no number of days"),
        ("{every: 2h}", "is no number of days"),
        ("{}", "the key 'every' is missing"),
        ("{every: 90d, kinds: [tabeltop]}", "tabletop"),
        ("{every: 90d, kinds: []}", "an empty list will not do"),
        ("{evry: 90d}", "did you mean 'every'"),
    ],
)
def test_a_schedule_with_a_mistake_is_refused_at_its_place(tmp_path: Path, drills: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said) as refused:
        due(tmp_path, drill=drills)
    assert all(problem.position.line > 1 for problem in refused.value.problems)


def test_a_schedule_leaves_the_hash_as_it_was(tmp_path: Path) -> None:
    versions = set()
    for drills in (None, "{every: 90d}", "{every: 30d, kinds: [rig]}"):
        (tmp_path / FILE).write_text(policy_text(f"[{RESTART}]", drills=drills))
        versions.add(load_policy(tmp_path / FILE).hash)
    assert len(versions) == 1


@pytest.mark.parametrize(
    ("drilled", "found"),
    [
        (None, []),
        ({}, ["no drill of it was ever passed (rig); hold one"]),
        ({"p": {DrillKind.SANDBOX: NOW}}, ["no drill of it was ever passed (rig); hold one"]),
        ({"p": {DrillKind.RIG: NOW - 90 * DAY_S}}, []),
        ({"p": {DrillKind.RIG: NOW - 91 * DAY_S}}, ["its drill was due on 2027-01-14; today is 2027-01-15"]),
    ],
)
def test_lint_warns_of_an_overdue_drill_only_where_it_is_told_what_was_drilled(
    tmp_path: Path, drilled: dict[str, dict[DrillKind, float]] | None, found: list[str]
) -> None:
    assert date(2027, 1, 15) == TODAY
    (tmp_path / FILE).write_text(policy_text(f"[{RESTART}]", drills="{every: 90d, kinds: [rig]}"))
    (report,) = lint_all([tmp_path / FILE], today=TODAY, drilled=drilled)
    assert [one.problem.message for one in report.findings if one.problem.code == "W241"] == found
