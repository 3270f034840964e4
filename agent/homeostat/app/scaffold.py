"""`init`: a workspace to start from, with the shipped policies, recordings and notebooks."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

from homeostat.app.settings_file import FILE_NAME
from homeostat.model.errors import UsageError
from homeostat.policy.json_schema import SCHEMAS, schema_of
from homeostat.policy.load import SUFFIX

FOLDERS = ("policies", "history", "notebooks")

SCHEMA_FOLDER = ".schema"
SCHEMA_FILES = {
    "policy": "homeostat.schema.json",
    "actions": "actions.schema.json",
    "signals": "signals.schema.json",
    "guards": "guards.schema.json",
}
MODELINE = "# yaml-language-server: $schema="

SETTINGS = """\
# Homeostat's settings. Every line but those of [people] shows its default; delete what you do not change.

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
retrain_interval_s = 3600.0           # at the latest; sooner after an incident
retrain_timeout_s = 900.0             # then the training is killed, told in the log, and tried again later
retrain_memory_mib_max = 4096
recurrence_s = 1800.0                 # an incident that comes back within this was not cured
promote = "auto"                      # "review": a ranking rules only after `homeostat rankings promote`

# [secrets.commands]                  # what {secret: command:NAME} runs, as a list of arguments
# vault = {argv = ["vault", "kv", "get", "-field=token", "shop/db"], env = ["VAULT_ADDR", "VAULT_TOKEN"]}

# [allow."shop-*"]                    # what these policies may use; once there is a rule, all else is refused
# actuators = ["command"]             # a list that is left out allows all of its kind
# targets = ["service/shop-*"]
# programs = ["systemctl", "/usr/local/lib/shop/*"]

# [store]                             # a PostgreSQL that several agents share, instead of a file of this one
# url = "postgresql://homeostat@db.example/homeostat?sslmode=verify-full"
# password = "env:STORE_PASSWORD"     # a reference, as above

[audit]
anchor_interval_s = 300.0             # how often the journal is signed, once `homeostat audit keygen` has made a key
# export_file = "/mnt/elsewhere/anchors.jsonl"  # where who can write to this disk cannot; or export_url = "https://..."

[retention]
archive_after_s = 7776000.0           # 90 days: what `homeostat archive write` takes

[people]                              # roles that policies ask for approval, and who has them: put your own names here
dba-oncall = ["dana", "eli"]
"""


def make_workspace(folder: Path, *, empty: bool = False) -> list[Path]:
    """Write a new workspace; nothing that exists is touched.

    Args:
        folder: may be there already.
        empty: no examples: the folder of policies holds nothing, and the others are not there.

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
        if empty:
            (folder / "policies").mkdir()
        for name in () if empty else FOLDERS:
            ignore = shutil.ignore_patterns("__pycache__", "*.ipynb", ".ipynb_checkpoints")
            shutil.copytree(shipped(name), folder / name, ignore=ignore)
        settings.write_text(SETTINGS, encoding="utf-8")
        written = write_schemas(folder)
    except OSError as error:
        raise UsageError(f"{folder}: the workspace cannot be written: {error}") from error
    made = [Path(name) for name in FOLDERS if (folder / name).exists()]
    return [Path(FILE_NAME), *made, *written]


def write_schemas(folder: Path) -> list[Path]:
    """Write the JSON Schemas, and into each policy and catalogue the line by which editors find its schema.

    The line is read by every editor with yaml-language-server (VS Code, Neovim, Emacs, IntelliJ by plugin), so that
    no editor needs settings of its own.

    Returns:
        The schemas' files, relative to `folder`.
    """
    schemas = {kind: Path(SCHEMA_FOLDER, name) for kind, name in SCHEMA_FILES.items() if kind in SCHEMAS}
    (folder / SCHEMA_FOLDER).mkdir(exist_ok=True)
    for kind, path in schemas.items():
        (folder / path).write_text(json.dumps(schema_of(kind), indent=2) + "\n", encoding="utf-8")
    for file in sorted((folder / "policies").rglob("*.yaml")):
        kind = "policy" if file.name.endswith(SUFFIX) else file.stem
        if kind in schemas and not (text := file.read_text(encoding="utf-8")).startswith(MODELINE):
            up = "../" * len(file.relative_to(folder).parts[:-1])
            file.write_text(f"{MODELINE}{up}{schemas[kind].as_posix()}\n{text}", encoding="utf-8")
    return list(schemas.values())


def shipped(name: str) -> Path:
    """The shipped folder: inside the installed package, or beside it in a checkout."""
    package = Path(str(files("homeostat")))
    inside, beside = package / "workspace" / name, package.parents[1] / name
    return inside if inside.exists() else beside
