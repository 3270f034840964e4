"""Notebooks run from top to bottom, and their own assertions hold."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

from homeostat import plot

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
SECONDS_MAX = 120


@pytest.fixture(scope="module")
def client() -> Iterator[NotebookClient]:
    """One kernel for all of them: its imports are most of what a notebook costs. Its names are cleared before each."""
    folder = {"metadata": {"path": str(ROOT / "notebooks")}}
    empty = jupytext.reads("", "py:percent")
    client = NotebookClient(empty, timeout=SECONDS_MAX, resources=folder)
    client.execute(cleanup_kc=False)
    yield client
    with client.setup_kernel():
        pass  # and leaving it ends the kernel


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # zmq's and the kernel's own
def test_a_notebook_runs_and_shows_a_chart(path: Path, client: NotebookClient) -> None:
    notebook = jupytext.read(path)
    notebook.cells[:0] = jupytext.reads("# %%\n%reset -f", "py:percent").cells
    client.nb = notebook
    client.execute(cleanup_kc=False)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_tells_a_story_and_asserts_on_its_last_result(path: Path) -> None:
    cells = jupytext.read(path).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert cells[-1].cell_type == "code"
    assert "assert " in cells[-1].source


def test_the_docs_commands_and_code_run_and_every_notebook_and_chart_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "notebooks.md").read_text()
    for name in ("history", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for command in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        program, *arguments = shlex.split(command)
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        subprocess.run([program, *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "notebooks" / "quickstart.ipynb").is_file()
    monkeypatch.chdir(tmp_path)
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), {})
    assert "Payments, this quarter" in (tmp_path / "recovery.svg").read_text()
    tables = re.findall(r"^\| `([a-z_-]+)` \|", text, re.MULTILINE)
    assert sorted(tables) == sorted(
        [path.stem for path in NOTEBOOKS] + [name for name in plot.__all__ if name != "Chart"]
    )


def test_there_are_seven_notebooks_and_none_is_committed_with_outputs() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "calibration",
        "data-quality-and-drift",
        "drills",
        "policy-ab",
        "post-mortem",
        "quickstart",
        "reviewing-a-ranking-change",
    ]
    assert "/notebooks/*.ipynb" in (ROOT / ".gitignore").read_text()
