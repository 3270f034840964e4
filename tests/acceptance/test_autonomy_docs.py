"""The policy and every command of docs/autonomy.md, as they are shown."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from homeostat.cli import main
from homeostat.decide.autonomy import RELAPSE_S
from homeostat.decide.exploration import INDEX_SHARE_MIN
from homeostat.decide.track_record import ATTEMPTS_MIN, RELAPSES_MAX, SUCCESS_SHARE_MIN, judged, success_share_low
from homeostat.model import entries as e
from homeostat.model.autonomy import Promotion
from homeostat.model.policy import Choose, Policy
from homeostat.model.ports import Batch
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_policy
from homeostat.record.sqlite import SqliteJournal

PAGE = (Path(__file__).parents[2] / "docs/autonomy.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def workspace(folder: Path) -> Policy:
    (folder / "policies").mkdir()
    (folder / "state").mkdir()
    (folder / "homeostat.toml").write_text("")
    file = folder / "policies/shop.homeostat.yaml"
    file.write_text(block("yaml"))
    return load_policy(file)


def counted(policy: Policy, number: int, *, succeeded: bool = True) -> e.AttemptCounted:
    earning = policy.leaves["restart"].earning
    assert earning is not None
    return e.AttemptCounted(
        at=float(number),
        policy=policy.name,
        node="restart",
        step=earning.step,
        incident=f"i{number}",
        key=f"i{number}/restart/1",
        level_max=earning.level_max,
        succeeded=succeeded,
        harmful=False,
    )


def test_the_commands_say_what_the_page_shows(tmp_path: Path) -> None:
    policy = workspace(tmp_path)
    journal = SqliteJournal(tmp_path / "state/journal.sqlite")
    journal.append([Batch(policy_stream(policy.name), None, [counted(policy, number) for number in range(14)])])
    journal.close()
    session = re.findall(r"\$ homeostat (.*)\n([^$]*)", block("console"))
    assert [command for command, _ in session] == ["lint", "autonomy"]
    for command, shown in session:
        run = CliRunner().invoke(main, ["-c", str(tmp_path / "homeostat.toml"), *command.split()])
        assert run.exit_code == 0, run.output
        if shown:
            assert run.output.rstrip() == shown.rstrip()
        else:
            assert "W2" not in run.output


def test_a_policy_without_such_a_step_says_how_to_get_one(tmp_path: Path) -> None:
    workspace(tmp_path)
    file = tmp_path / "policies/shop.homeostat.yaml"
    file.write_text(file.read_text().replace(", mode: {start: suggest, earned: auto}", ""))
    run = CliRunner().invoke(main, ["-c", str(tmp_path / "homeostat.toml"), "autonomy"])
    assert (run.exit_code, run.output) == (0, "no step earns its mode; `mode: {start: suggest}` in a step lets it\n")


def test_the_numbers_of_the_page_are_the_codes(tmp_path: Path) -> None:
    policy = workspace(tmp_path)
    assert (ATTEMPTS_MIN, RELAPSES_MAX, SUCCESS_SHARE_MIN, RELAPSE_S, INDEX_SHARE_MIN) == (10, 1, 0.8, 1800.0, 0.5)
    record = None
    for number in range(2):
        record = judged(record, counted(policy, number, succeeded=False))
    needed = 0
    while record is not None and record.level == 0:
        needed += 1
        record = judged(record, counted(policy, needed))
    assert 20 <= needed + 2 <= 30, "some twenty-five"
    ten_of_ten = None
    for number in range(9):
        ten_of_ten = judged(ten_of_ten, counted(policy, number))
    assert ten_of_ten is not None
    assert success_share_low(ten_of_ten) > SUCCESS_SHARE_MIN


def test_the_policy_of_the_page_is_what_the_page_says(tmp_path: Path) -> None:
    policy = workspace(tmp_path)
    remedy = next(node for node in policy.nodes() if isinstance(node, Choose))
    assert remedy.explore is not None
    assert (remedy.explore.share, remedy.explore.harm_max, remedy.explore.within_s) == (0.05, 1, 30 * 86_400.0)
    assert policy.promotion is Promotion.REVIEW
