"""The floors hold, and the linter that says so can say no."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLANTED = [
    ("decide/step.py", "import homeostat.sense", "decide gets compiled policies handed in"),
    ("decide/guards.py", "import time", "The pure rooms touch nothing outside"),
    ("model/policy.py", "import homeostat.decide.step", "Imports only go down the floors"),
    ("loop/loop.py", "import homeostat.app.settings", "Imports only go down the floors"),
    ("act/__init__.py", "import homeostat.record", "Imports only go down the floors"),
    ("learn/__init__.py", "import homeostat.simulate", "Imports only go down the floors"),
    ("decide/step.py", "import transitions", "transitions lives in the lifecycle alone"),
    ("simulate/replay.py", "import sklearn", "scikit-learn lives in learn alone"),
    ("app/explain.py", "import sqlite3", "SQL lives in record alone"),
    ("learn/gate.py", "import joblib", "joblib and Dask live in parallel alone"),
]


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the copy of the package in `folder`."""
    linter = Path(sys.executable).with_name("lint-imports")
    environment = {"PYTHONPATH": str(folder / "agent"), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    return subprocess.run(
        [linter, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def copy(folder: Path) -> Path:
    shutil.copytree(ROOT / "agent", folder / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter prints of a copy with every violation planted, made once: a run says of each where it stands."""
    folder = copy(tmp_path_factory.mktemp("planted"))
    for file, line, _ in PLANTED:
        path = folder / "agent/homeostat" / file
        path.write_text(f"{path.read_text()}\n{line}\n")
    result = contracts(folder)
    assert result.returncode != 0
    return result.stdout


def test_the_contracts_hold(tmp_path: Path) -> None:
    result = contracts(copy(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("file", "line", "contract"), PLANTED)
def test_a_planted_violation_is_caught(broken: str, file: str, line: str, contract: str) -> None:
    sections = re.split(r"^(.+)\n-+\n", broken.partition("Broken contracts")[2], flags=re.MULTILINE)[1:]
    (found,) = [text for title, text in zip(sections[::2], sections[1::2], strict=True) if title.startswith(contract)]
    importer = "homeostat." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert f" {importer} -> {line.removeprefix('import ')} (l." in found


def test_decisions_compare_times_by_methods_of_the_turn() -> None:
    """Only so does a step know until when nothing changes by the passing of time (`Step.quiet`)."""
    for path in sorted((ROOT / "agent/homeostat/decide").glob("*.py")):
        if path.name == "turn.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            compared = ast.walk(node) if isinstance(node, ast.Compare) else ()
            times = [part for part in compared if isinstance(part, ast.Attribute) and part.attr == "now"]
            assert not times, f"{path.name}:{times[0].lineno} compares with `now` itself"
