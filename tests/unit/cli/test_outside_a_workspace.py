from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeostat.cli import main

ROOT = Path(__file__).parents[3]
NO_WORKSPACE = (
    "there is no workspace here: neither homeostat.toml nor the folder policies; `homeostat init DIR` makes one\n"
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize(
    "command", [["lint"], ["simulate", "shop"], ["test"], ["drift"]], ids=lambda command: command[0]
)
def test_a_command_that_wants_a_workspace_says_so(command: list[str]) -> None:
    result = run(*command)
    assert (result.exit_code, result.stderr) == (2, NO_WORKSPACE)


def test_a_workspace_without_its_folder_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "homeostat.toml").write_text("")
    result = run("lint")
    assert result.exit_code == 2
    assert result.stderr.endswith(
        "policies: there is no such folder; policies are there, unless homeostat.toml says otherwise\n"
    )


def test_without_history_a_world_is_named() -> None:
    result = run("simulate", str(ROOT / "policies/shop-restore.homeostat.yaml"))
    assert result.exit_code == 2
    assert result.stderr == "history: there is no such folder of recorded incidents; without any, try a --world\n"
