"""A project of null resources, for Terraform and for its stand-in alike.

`HOMEOSTAT_TERRAFORM` names a folder with the real `terraform` (1.0 or later) and, below `plugins`, a mirror that holds
the null provider; then the tests run with these.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REAL = os.environ.get("HOMEOSTAT_TERRAFORM")
STAND_IN = Path(__file__).with_name("terraform_stand_in.py")
_RESOURCE = """
resource "null_resource" "{name}" {{
  triggers = {{ trigger = var.{variable} }}
  provisioner "local-exec" {{ command = {command} }}
}}
"""


class TerraformProject:
    """Its program is in `bin`, for a PATH; `folder` is where it plans."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder / "project", folder / "bin"
        self.folder.mkdir(parents=True)
        self.bin.mkdir()
        self.ledger = folder / "effects"
        program = self.bin / "terraform"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {STAND_IN} "$@"\n')
        program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """What an agent has."""
        if REAL is None:
            return {"PATH": f"{self.bin}:/usr/bin:/bin"}
        return {"PATH": f"{REAL}:/usr/bin:/bin", "TF_CLI_CONFIG_FILE": str(self.folder / "settings.rc")}

    def configure(self, commands: Mapping[str, str], variable: str = "revision") -> None:
        """Want these resources, each made by its command anew when the variable changes."""
        resources = {f"null_resource.{name}": {"variable": variable, "command": c} for name, c in commands.items()}
        facts = {"variables": [variable], "resources": resources}
        (self.folder / "configuration.json").write_text(json.dumps(facts))
        blocks = [_RESOURCE.format(name=n, variable=variable, command=json.dumps(c)) for n, c in commands.items()]
        (self.folder / "main.tf").write_text(f'variable "{variable}" {{ type = string }}\n{"".join(blocks)}')
        if REAL is not None and not (self.folder / ".terraform").exists():
            mirror = f'provider_installation {{\n filesystem_mirror {{ path = "{REAL}/plugins" }}\n}}\n'
            (self.folder / "settings.rc").write_text(f"disable_checkpoint = true\n{mirror}")
            init = ["terraform", "init", "-input=false", "-no-color"]
            subprocess.run(init, cwd=self.folder, env=self.environment, check=True, capture_output=True)

    @property
    def effect(self) -> str:
        """A command that leaves a line in the ledger."""
        return f'echo "$HOMEOSTAT_ACTION_KEY $TF_VAR_revision" >> {self.ledger}'

    def effects(self, key: str) -> int:
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return sum(line.startswith(f"{key} ") for line in lines)
