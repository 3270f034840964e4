"""`test`, `compare` and `simulate --world` on the policies that are shipped, and the documents' own examples."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from homeostat.cli import main
from homeostat.simulate.bench.suite import load_suite
from homeostat.simulate.bench.testing import run_suites
from homeostat.simulate.bench.world import load_world

ROOT = Path(__file__).parents[2]
WORLD = "policies/payments-5xx.world.yaml"
BROKEN = ("if: db_pool_used > 90% and auth_up > 90%", "if: auth_up > 90%")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the two policies that stand directly in policies/."""
    (tmp_path / "policies").mkdir()
    for path in (ROOT / "policies").glob("*.yaml"):
        shutil.copy(path, tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def homeostat(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def break_policy(folder: Path) -> None:
    path = folder / "policies/payments-5xx.homeostat.yaml"
    text = path.read_text()
    assert BROKEN[0] in text
    path.write_text(text.replace(*BROKEN))


@pytest.mark.usefixtures("folder")
def test_the_shipped_tests_pass_and_reach_everything() -> None:
    result = homeostat("test", "--coverage", "--coverage-min", "100%")
    assert result.exit_code == 0, result.output
    assert re.search(r"^(\d+) of \1 tests passed$", result.output, re.MULTILINE)
    assert "payments-5xx  7/7" in result.output
    assert "no test reaches" not in result.output


def test_a_failing_test_says_where_and_what_happened_instead(folder: Path) -> None:
    break_policy(folder)
    result = homeostat("test", "policies/payments-5xx.test.yaml")
    assert result.exit_code == 1
    assert re.search(r"^FAILED policies/payments-5xx\.test\.yaml:\d+:3 ", result.output, re.MULTILINE)
    assert re.search(r"test\.yaml:\d+:\d+: start at 2m: auth_restart expected, bigger_pool started", result.output)
    assert "2m  start bigger_pool: pool.scale_up on db/pay-pool" in result.output


def test_programs_get_rows_and_junit(folder: Path) -> None:
    break_policy(folder)
    result = homeostat("-o", "json", "test", "policies", "--junit", "report.xml")
    rows = json.loads(result.stdout)
    failed = [row for row in rows if not row["passed"]]
    assert result.exit_code == 1
    assert 0 < len(failed) < len(rows)
    assert all("payments-5xx.test.yaml" in row["message"] for row in failed)
    suites = ET.parse(folder / "report.xml").getroot()
    assert len(suites.findall(".//failure")) == len(failed)
    assert len(suites.findall(".//testcase")) == len(rows)
    lines = homeostat("-o", "jsonl", "test", "policies/shop-restore.test.yaml").stdout.splitlines()
    assert all(json.loads(line)["passed"] for line in lines)


def test_poor_coverage_fails(folder: Path) -> None:
    path = folder / "policies/shop-restore.test.yaml"
    path.write_text(path.read_text().split("- name: isolated, restored")[0])
    result = homeostat("test", str(path), "--coverage-min", "80%")
    assert result.exit_code == 1
    assert "shop-restore: coverage" in result.output
    assert homeostat("test", str(path)).exit_code == 0
    assert homeostat("test", str(path), "--coverage-min", "lots").exit_code == 2


def test_a_wrong_file_is_refused_with_its_place(folder: Path) -> None:
    path = folder / "policies/shop-restore.test.yaml"
    path.write_text(path.read_text().replace("db_corrupt: '1 0'", "db_corupt: '1 0'"))
    result = homeostat("test", "policies")
    assert result.exit_code == 2
    expected = r"shop-restore\.test\.yaml:\d+:13: E121 unknown signal 'db_corupt'; did you mean 'db_corrupt'\?"
    assert re.search(expected, result.output)
    assert homeostat("test", "nowhere.test.yaml").exit_code == 2


@pytest.mark.usefixtures("folder")
def test_compare_prints_the_matrix() -> None:
    result = homeostat("compare", "payments-5xx", "shop-restore", "--world", WORLD, "--incidents", "10")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Simulated: 10 incidents of the world 'payments-5xx', seed 1\n")
    assert re.search(r"^time to recovery, p90 +simulated ", result.stdout, re.MULTILINE)
    assert "the world has no signal 'db_corrupt'" in result.stderr
    csv_text = homeostat("-o", "csv", "compare", "payments-5xx", "--world", WORLD, "--incidents", "10").stdout
    rows = list(csv.DictReader(io.StringIO(csv_text)))
    by_measure = {row["measure"]: row for row in rows}
    assert 0.5 <= float(by_measure["recovered"]["value"]) <= 1.0
    assert by_measure["recovered"]["source"] == "simulated"
    assert by_measure["worst_attempts"] == {
        "policy": "payments-5xx", "measure": "worst_attempts", "value": "7", "source": "computed"
    }  # fmt: skip


def test_compare_writes_a_page_and_refuses_nonsense(folder: Path) -> None:
    base = ("compare", "payments-5xx", "--world", WORLD, "--incidents", "5")
    assert homeostat(*base, "--html", "matrix.html", "--rto", "5m").exit_code == 0
    assert "recovered within the RTO" in (folder / "matrix.html").read_text()
    assert homeostat(*base, "--rto", "soon").exit_code == 2
    assert homeostat(*base, "--html", "nowhere/matrix.html").exit_code == 2
    assert homeostat("compare", "payments-5xx", "payments-5xx", "--world", WORLD).exit_code == 2
    assert homeostat("compare", "payments-5xx", "--world", "nowhere.yaml").exit_code == 2
    assert homeostat("compare", "payments-5xx", "--world", WORLD, "--incidents", "0").exit_code == 2


@pytest.mark.usefixtures("folder")
def test_simulate_draws_incidents_from_a_world() -> None:
    arguments = ("-o", "json", "simulate", "payments-5xx", "--world", WORLD, "--incidents", "8", "--seed", "7")
    rows = json.loads(homeostat(*arguments).stdout)
    assert rows == json.loads(homeostat(*arguments).stdout)
    assert [row["incident"] for row in rows] == list(range(1, 9))
    assert {row["source"] for row in rows} == {"simulated"}
    said = homeostat("simulate", "payments-5xx", "--world", WORLD, "--incidents", "3").stdout
    assert "of 3 simulated incidents of 'payments-5xx', seed 1" in said
    assert homeostat("simulate", "payments-5xx", "--world", WORLD, "--incidents", "some").exit_code == 2


def test_the_documents_examples_are_right(folder: Path) -> None:
    tests, worlds = ((ROOT / f"docs/{name}.md").read_text() for name in ("policy-tests", "worlds"))
    example = next(block for block in _blocks(tests) if block.startswith("policy:"))
    (folder / "policies/example.test.yaml").write_text(example)
    suite = load_suite(folder / "policies/example.test.yaml")
    assert suite.problems == []
    assert [outcome.misses for outcome in run_suites([suite]).outcomes] == [[]]
    world = next(block for block in _blocks(worlds) if block.startswith("world:"))
    (folder / "example.world.yaml").write_text(world)
    assert len(load_world(folder / "example.world.yaml", []).causes) == 3


def _blocks(document: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
