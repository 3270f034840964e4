"""What is shipped is built without a network, twice the same, and works where nothing but it is installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
from tests.acceptance.test_readme import ROOT
from tests.unit.console.console_rig import wait_for

from homeostat.cli import COMMANDS
from homeostat.version import __version__

pytestmark = pytest.mark.timeout(150)

BUILT_AT = {"SOURCE_DATE_EPOCH": "1767225600"}


def run(command: list[str], folder: Path) -> str:
    """Run a command that sees no other homeostat than the installed one; give what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    told = subprocess.run(
        command, cwd=folder, env={**environment, **BUILT_AT}, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 0, f"{command}\n{told.stdout}\n{told.stderr}"
    return told.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from what is in it."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def programs(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an environment with the wheel in it; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
    python = str(folder / "bin/python")
    site = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install"]
    run([*pip, "--quiet", "--no-deps", "--no-index", "--no-compile", "--ignore-installed", str(built[1])], folder)
    where = run([python, "-P", "-c", "import homeostat; print(homeostat.__file__)"], folder)
    assert where.startswith(str(folder)), "it is the installed one that is tested"
    return folder / "bin"


def test_the_same_tree_gives_the_same_bytes_and_the_sdist_the_same_wheel(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(tmp_path)], ROOT)
    for first in built:
        assert (tmp_path / first.name).read_bytes() == first.read_bytes(), first.name


def test_the_wheel_has_what_the_program_needs(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    for name in (
        "homeostat/decide/step.py",
        "homeostat/py.typed",
        "homeostat/workspace/policies/payments-5xx.homeostat.yaml",
        "homeostat/workspace/notebooks/quickstart.py",
        "homeostat/workspace/history/README.md",
    ):
        assert name in names
    package = ROOT / "agent"
    shipped = [
        path for path in (package / "homeostat").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {path.relative_to(package).as_posix() for path in shipped} <= names, "templates, styles, scripts, migrations"
    data = {name.partition(".data/data/")[2] for name in names}
    assert {"share/bash-completion/completions/homeostat", "share/zsh/site-functions/_homeostat"} < data
    assert {f"share/man/man1/homeostat-{command}.1" for command in COMMANDS} < data


def test_the_sdist_has_what_the_tests_need(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in ("tests/acceptance/test_package.py", "docs/conf.py", "CHANGELOG.md", "LICENSE", "deploy/systemd"):
        assert any(found.startswith(name) for found in names), name
    assert not [name for name in names if re.search(r"\.pyc$|/\.git/|\.sqlite$|^state/|^\.venv", name)]


def test_the_metadata_says_what_an_index_wants_to_know(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = BytesParser().parsebytes(wheel.read(name))
    assert (metadata["Name"], metadata["Version"]) == ("homeostat", __version__)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert len(metadata["Summary"]) < 120
    assert str(metadata.get_payload()).startswith("# Homeostat")
    extras = set(metadata.get_all("Provides-Extra", []))
    wanted = {
        extra for line in metadata.get_all("Requires-Dist", []) for extra in re.findall(r"extra == '(\w+)'", line)
    }
    assert wanted == extras


def test_what_is_installed_works(programs: Path, tmp_path: Path) -> None:
    homeostat = str(programs / "homeostat")
    assert run([homeostat, "--version"], tmp_path).split()[-1] == __version__
    run([homeostat, "init", "w"], tmp_path)
    folder = tmp_path / "w"
    assert {path.name for path in folder.iterdir()} == {"homeostat.toml", "policies", "history", "notebooks", ".schema"}
    assert ": ok" in run([homeostat, "lint", "policies/payments-5xx.homeostat.yaml"], folder)
    run([homeostat, "access", "grant", "dana", "--role", "viewer"], folder)
    log = folder / "log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [homeostat, "serve", "--listen", "127.0.0.1:0"], cwd=folder, env={"PATH": ""}, stdout=told, stderr=told
        )
    try:
        wait_for(lambda: "the console is at http://127.0.0.1:" in log.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not on the PATH; on Debian: apt-get install groff")
def test_every_command_has_a_page_that_roff_renders_without_a_complaint(programs: Path) -> None:
    pages = sorted((programs.parent / "share/man/man1").iterdir())
    assert len(pages) > len(COMMANDS)
    rendered = subprocess.run(
        ["groff", "-man", "-Tutf8", "-P-cbou", "-ww", *pages], capture_output=True, text=True, timeout=60, check=True
    )
    assert rendered.stderr == ""
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"):
        assert len(re.findall(rf"^{section}$", rendered.stdout, re.MULTILINE)) == len(pages), section
