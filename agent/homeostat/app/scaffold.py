"""`init`: a workspace to start from, with the shipped policies, recordings and notebooks."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

from homeostat.app.settings import FILE_NAME
from homeostat.model.errors import UsageError

FOLDERS = ("policies", "history", "notebooks")

SETTINGS = """\
# Homeostat's settings. Every line below shows its default; delete what you do not change.

[prometheus]
url = "http://127.0.0.1:9090"
timeout_s = 5.0
# token = "env:PROMETHEUS_TOKEN"      # a reference (env:NAME or file:PATH), never the secret itself

[agent]
policies = "policies"
state = "state"                       # the journal, and the actions that run
poll_interval_s = 15.0
mode = "observe"                      # starts nothing; "suggest" on request, "approve" when agreed to, "auto" by itself
# environment = "production"          # whose values the policies' parameters take
listen = "127.0.0.1:9464"             # /metrics and /healthz, for who sends the token in state/token

[learning]
retrain_interval_s = 3600.0
recurrence_s = 1800.0                 # an incident that comes back within this was not cured
promote = "auto"                      # "review": a ranking rules only after `homeostat retrain --promote`

# [people]                            # roles that policies ask for approval, and who has them
# payments-oncall = ["dana", "eli"]
"""


def make_workspace(folder: Path) -> list[Path]:
    """Write a new workspace; nothing that exists is touched.

    Returns:
        What was written, relative to `folder`.

    Raises:
        UsageError: the folder holds a workspace already, or cannot be written.
    """
    settings = folder / FILE_NAME
    taken = [path for path in (settings, *(folder / name for name in FOLDERS)) if path.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already; choose an empty folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FOLDERS:
            ignore = shutil.ignore_patterns("__pycache__", "*.ipynb", ".ipynb_checkpoints")
            shutil.copytree(shipped(name), folder / name, ignore=ignore)
        settings.write_text(SETTINGS, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: the workspace cannot be written: {error}") from error
    return [Path(FILE_NAME), *(Path(name) for name in FOLDERS)]


def shipped(name: str) -> Path:
    """The shipped folder: inside the installed package, or beside it in a checkout."""
    package = Path(str(files("homeostat")))
    inside, beside = package / "workspace" / name, package.parents[1] / name
    return inside if inside.exists() else beside
