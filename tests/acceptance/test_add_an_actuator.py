"""docs/add-an-actuator.md: what it shows is what stands in examples/, and that is built, checked and used for real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.acceptance.people_workspace import PeopleWorkspace

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/actuator-plugin"
PAGE = (ROOT / "docs/add-an-actuator.md").read_text()

pytestmark = pytest.mark.timeout(150)


def shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built and installed as a wheel, beside nothing else."""
    folder = tmp_path_factory.mktemp("plugin")
    built = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(EXAMPLE), cwd=folder
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    told = run(*pip, str(folder / "site"), str(wheel), cwd=folder)
    assert told.returncode == 0, told.stderr
    return folder / "site"


def test_the_page_shows_what_stands_in_the_example() -> None:
    sources = {
        "python": (EXAMPLE / "src/homeostat_rotation/__init__.py", EXAMPLE / "tests/test_conformance.py"),
        "toml": (EXAMPLE / "pyproject.toml",),
    }
    for language, files in sources.items():
        blocks = shown(language)
        assert len(blocks) == len(files)
        for block, file in zip(blocks, files, strict=True):
            assert block.strip() in file.read_text(), file
    assert len(re.findall(r"^## \d\. ", PAGE, re.MULTILINE)) == 6


def test_it_passes_the_suite_that_ships(installed: Path, tmp_path: Path) -> None:
    (command,) = [line for block in shown("console") for line in block.splitlines() if "pytest" in line]
    words = command.removeprefix("$ ").split()
    assert words[:3] == ["python", "-m", "pytest"]
    more = ["-q", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    told = run(sys.executable, *words[1:], *more, cwd=EXAMPLE, PYTHONPATH=str(installed))
    assert told.returncode == 0, told.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", told.stdout)[0]) >= 13


def test_a_policy_uses_it(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    (text,) = shown("yaml")
    file, action = tmp_path / "out", yaml.safe_load(text)
    assert str(action["host.leave"]["file"]).startswith("/")
    action["host.leave"]["file"] = str(file)
    step = "- {id: leave, do: host.leave, target: host/web1, verify: {if: errors < 1, for: 0s, within: 1m}}\n"
    with PeopleWorkspace(tmp_path / "w", step) as shop:
        actions = shop.folder / "policies/actions.yaml"
        actions.write_text(yaml.safe_dump(action))
        assert shop.run("lint").returncode == 0
        shop.start()
        shop.errors = 10.0
        shop.wait_for("the host to leave", file.exists)
        assert len(file.read_text().split()) == 1
        file.with_name("out.seen").touch()
        shop.errors = 0.0
        shop.wait_for("the end", lambda: "recovered" in shop.run("incidents").stdout)
        assert (
            "out of rotation"
            in shop.run("explain", shop.run("-o", "csv", "incidents").stdout.split("\n")[1][:36]).stdout
        )
    assert len(file.read_text().split()) == 1
