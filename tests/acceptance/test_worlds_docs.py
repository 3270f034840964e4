"""`stability`, `sensitivity` and `world fit`: the commands that docs/worlds.md shows, and what comes out of them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.acceptance.command_line import homeostat

ROOT = Path(__file__).parents[2]
SHOP = "policies/scenarios/enterprise-shop"
WORLD = "policies/payments-5xx.world.yaml"
SHOWN = re.findall(
    r"^\$ homeostat ((?:stability|sensitivity|world|simulate payments-5xx --world policies/payments-fitted).*)$",
    (ROOT / "docs/worlds.md").read_text(),
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with what stands directly in policies/, and the shipped history."""
    folder = tmp_path_factory.mktemp("worlds")
    (folder / "policies").mkdir()
    for path in (ROOT / "policies").glob("*.yaml"):
        shutil.copy(path, folder / "policies")
    shutil.copytree(ROOT / SHOP, folder / SHOP)
    shutil.copytree(ROOT / "history", folder / "history")
    return folder


def test_the_first_commands_of_the_page_run(folder: Path) -> None:
    page = (ROOT / "docs/worlds.md").read_text()
    (session,) = re.findall(
        rf"```console\n\$ homeostat (simulate .*)\n\$ cd {SHOP}\n\$ homeostat (compare .*)\n```", page
    )
    simulate, compare = map(shlex.split, session)
    assert "of 40 simulated incidents of 'payments-5xx', seed 7" in homeostat(folder, *simulate).stdout
    compared = homeostat(folder / SHOP, *compare)
    assert compared.returncode == 0, compared.stderr
    assert "Simulated: 40 incidents of the world 'enterprise-shop', seed 7" in compared.stdout
    assert "aria-label" in (folder / SHOP / "report.html").read_text()


@pytest.fixture(scope="module")
def shown(folder: Path) -> list[CompletedProcess[str]]:
    return [homeostat(folder, *shlex.split(command)) for command in SHOWN]


def test_every_command_of_the_page_runs(shown: list[CompletedProcess[str]], folder: Path) -> None:
    assert [command.split()[0] for command in SHOWN] == ["stability", "sensitivity", "sensitivity", "world", "simulate"]
    assert [result.returncode for result in shown] == [0] * len(SHOWN), shown
    stability, sensitivity, what_if, fit, simulate = (result.stdout for result in shown)
    assert re.search(r"exceeds its bounds +REFUTED BY BOUND +no loops: at most 7 attempts", stability)
    assert "at most 10.00% (95%, rule of three)" in stability
    assert "pool.scale_up, cures" in sensitivity
    assert "aria-label" in (folder / "sensitivity.html").read_text()
    assert "What if deploy.rollback=4m, k8s.restart.cures=60%: MTTR " in what_if
    assert "Never tried, so it cures nothing here" in fit
    assert "of 20 simulated incidents of 'payments-5xx-fitted', seed 1" in simulate
    recovered = [line.split() for line in fit.splitlines() if line.startswith("recovered")]
    assert abs(float(recovered[0][1]) - float(recovered[0][2])) < 0.2


def test_a_proof_comes_with_the_command_that_shows_it(folder: Path) -> None:
    rough = folder / "policies/rough.world.yaml"
    rough.write_text((folder / WORLD).read_text().replace("missing: 1%", "missing: 15%"))
    found = homeostat(folder, "--json", "stability", "payments-5xx", "--world", str(rough), "--incidents", "12")
    assert found.returncode == 1
    (proved,) = [row for row in json.loads(found.stdout) if row["verdict"] == "PROVED"]
    assert proved["danger"] == "acts on missing data"
    program, *arguments = shlex.split(proved["command"])
    assert program == "homeostat"
    told = homeostat(folder, *arguments)
    assert told.returncode == 0
    assert told.stdout.startswith(f"payments-5xx, incident {proved['incident']}, seed 1: ")
    assert f"start {proved['evidence'].split()[0]}: " in told.stdout


def test_what_cannot_be_done_is_refused_in_words(folder: Path) -> None:
    asked = homeostat(folder, "sensitivity", "payments-5xx", "--world", WORLD, "--what-if", "restrat=20m")
    assert asked.returncode == 2
    assert "does no 'restrat'; did you mean 'restart'?" in asked.stderr
    kept = (folder / WORLD).read_text()
    again = homeostat(folder, "world", "fit", "payments-5xx", "--history", "history", "--to", WORLD)
    assert (again.returncode, (folder / WORLD).read_text()) == (2, kept)
    assert "is there already" in again.stderr
    named = homeostat(folder, "world", "fit", "payments-5xx", "--history", "history", "--to", "fitted.yaml")
    assert named.returncode == 2
