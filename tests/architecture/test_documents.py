"""Documents that are drawn from the code are what the code draws."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from homeostat.decide.lifecycle import state_diagram
from homeostat.model.reasons import AnswerRefusal, EscalationReason, Reason

ROOT = Path(__file__).parents[2]


def test_the_lifecycle_diagram_is_the_machines_own() -> None:
    document = (ROOT / "docs/architecture.md").read_text()
    drawn = re.search(r"```mermaid\n(.*?)\n```", document, re.DOTALL)
    assert drawn is not None
    assert drawn[1] == state_diagram()


def test_the_glossary_is_sorted_and_says_each_word_once() -> None:
    lines = (ROOT / "docs/glossary.md").read_text().splitlines()
    words = [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]
    assert len(words) > 40
    assert words == sorted(set(words))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from homeostat.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'sklearn', 'sqlalchemy', 'numpy', 'requests', 'pydantic', 'alembic', 'fastapi', 'jinja2'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'--help imports {sorted(heavy)}' if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "explain" in result.stdout


def test_every_reason_is_tripped_by_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests/unit").rglob("test_*.py"))
    for reason in (*Reason, *EscalationReason, *AnswerRefusal):
        name = f"{type(reason).__name__}.{reason.name}"
        assert name in tests, f"no test trips {name}"


def test_every_dependency_has_its_line_and_every_extra_that_is_named_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    groups = [project["project"]["dependencies"], project["dependency-groups"]["dev"], *extras.values()]
    said = (ROOT / "docs/decisions/0001-dependencies.md").read_text().lower()
    for requirement in (one for group in groups for one in group):
        name = re.split(r"[^A-Za-z0-9_-]", requirement)[0].lower()
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", said), f"{name} has no line in 0001-dependencies.md"
    sources = [
        path for folder in ("agent", "docs") for path in (ROOT / folder).rglob("*.*") if path.suffix in (".py", ".md")
    ]
    named = {extra for path in sources for extra in re.findall(r"homeostat\[([a-z]+)\]", path.read_text())}
    assert named == set(extras)
