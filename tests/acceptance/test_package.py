"""The wheel holds what an installed `homeostat` needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_wheel_has_the_code_the_types_and_the_workspace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(installed)
    for name in (
        "homeostat/decide/step.py",
        "homeostat/py.typed",
        "homeostat/workspace/policies/payments-5xx.homeostat.yaml",
        "homeostat/workspace/notebooks/quickstart.py",
        "homeostat/workspace/history/README.md",
    ):
        assert name in names
    assert any(name.startswith("homeostat/record/migrations/") and name.endswith(".py") for name in names)
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); from homeostat.cli import main; main(['init', 'w'])"
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    made = {path.name for path in (tmp_path / "w").iterdir()}
    assert made == {"homeostat.toml", "policies", "history", "notebooks", ".schema"}
