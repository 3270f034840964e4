from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeostat.cli import main

ROOT = Path(__file__).parents[3]
POLICY = "payments-5xx.homeostat.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for path in (ROOT / "policies").glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


def test_two_files_are_compared_in_words(folder: Path) -> None:
    text = (folder / POLICY).read_text()
    (folder / "new.homeostat.yaml").write_text("# only a comment\n" + text)
    result = run("diff", POLICY, "new.homeostat.yaml", "--exit-code")
    assert (result.exit_code, result.stdout) == (0, "nothing would happen otherwise\n")
    (folder / "new.homeostat.yaml").write_text(text.replace("cooldown: 30m", "cooldown: 40m"))
    result = run("diff", POLICY, "new.homeostat.yaml")
    assert (result.exit_code, result.stdout) == (0, "`bigger_pool` now waits 40m instead of 30m between two starts\n")
    assert run("diff", POLICY, "new.homeostat.yaml", "--exit-code").exit_code == 1
    (row,) = json.loads(run("diff", POLICY, "new.homeostat.yaml", "-o", "json").stdout)
    assert row["step"] == "bigger_pool"


def test_a_file_is_compared_with_a_git_revision_of_it_and_of_its_catalogues(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    signals = folder / "signals.yaml"
    signals.write_text(signals.read_text().replace("payments_pool_in_use / ", "2 * payments_pool_in_use / "))
    (folder / "guards.yaml").write_text("storm: {incidents: 5, within: 10m}\n")
    result = run("diff", "--rev", "HEAD", POLICY)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("the signal `db_pool_used` now reads `2 * payments_pool_in_use")
    assert second == "a guard is new: nothing is started while more than 5 incidents open within 10m"


def test_bad_revisions_and_counts_are_usage_errors(folder: Path) -> None:
    assert run("diff", POLICY).exit_code == 2
    result = run("diff", "--rev", "HEAD", POLICY)
    assert result.exit_code == 2
    assert "git repository" in result.stderr
    git(folder, "init", "-q")
    for revision in ("no-such", "--output=x"):
        result = run("diff", f"--rev={revision}", POLICY)
        assert result.exit_code == 2
        assert "revision" in result.stderr
    assert run("diff", "none.homeostat.yaml", POLICY).exit_code == 2


def test_a_policy_is_drawn_by_file_and_by_name(folder: Path) -> None:
    by_file = run("graph", POLICY)
    assert by_file.exit_code == 0
    assert by_file.stdout.startswith("flowchart TD\n")
    (folder / "homeostat.toml").write_text('[agent]\npolicies = "."\n')
    assert run("graph", "payments-5xx").stdout == by_file.stdout
    assert run("graph", "payments-5xx", "--format", "svg", "--out", "plan.svg").exit_code == 0
    assert (folder / "plan.svg").read_text().startswith("<svg ")
    wrong = run("graph", "payments-5x")
    assert (wrong.exit_code, "did you mean 'payments-5xx'" in wrong.stderr) == (2, True)


def test_the_shipped_recording_is_drawn_with_its_path(folder: Path) -> None:
    from homeostat.decide.projection import fold
    from homeostat.drawing.states import END, NodeStatus, node_states, refusals
    from homeostat.policy.load import load_policy
    from homeostat.record.recording import read_recording

    recording = read_recording(ROOT / "history/payments-5xx-001.jsonl")
    policy = load_policy(folder / POLICY)
    states = node_states(policy, fold(recording.entries), refusals(recording.entries))
    assert states[END].status in (NodeStatus.SUCCEEDED, NodeStatus.FAILED)
    assert any(state.status is NodeStatus.SUCCEEDED for node, state in states.items() if node in policy.leaves)


@pytest.mark.parametrize("kind", ["policy", "actions", "signals", "guards"])
def test_schemas_are_printed(kind: str) -> None:
    result = run("schema", kind)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_init_writes_schemas_and_the_line_that_names_them(tmp_path: Path) -> None:
    assert run("init", str(tmp_path / "new")).exit_code == 0
    files = [*(tmp_path / "new/policies").glob("*.homeostat.yaml"), tmp_path / "new/policies/actions.yaml"]
    assert len(files) >= 3
    for path in files:
        line = path.read_text().splitlines()[0]
        assert line.startswith("# yaml-language-server: $schema=../.schema/")
        schema = (path.parent / line.partition("$schema=")[2]).resolve()
        assert json.loads(schema.read_text())["$schema"]
    assert run("lint", "--strict", str(tmp_path / "new/policies")).exit_code == 0
