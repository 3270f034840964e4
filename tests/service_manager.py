"""Units to operate in tests: a folder of them, and a `systemctl` that acts on it (`systemctl_stand_in.py`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STAND_IN = Path(__file__).with_name("systemctl_stand_in.py")


class ServiceManager:
    """Its `systemctl` is in `bin`, for a PATH."""

    def __init__(self, folder: Path) -> None:
        self.units, self.bin = folder / "units", folder / "bin"
        self.units.mkdir(parents=True)
        self.bin.mkdir()
        program = self.bin / "systemctl"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {STAND_IN} {self.units} "$@"\n')
        program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.bin}:/usr/bin:/bin"}

    def add(self, name: str, **properties: Any) -> None:
        known = {
            "LoadState": "loaded",
            "ActiveState": "active",
            "SubState": "running",
            "Result": "success",
            "ExecMainStatus": "0",
            "NRestarts": "0",
            "InvocationID": "0" * 32,
        }
        (self.units / f"{name}.json").write_text(json.dumps({**known, **properties}))

    def state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.units / f"{name}.json").read_text())
        return state

    def effects(self, key: str) -> int:
        path = self.units / "effects"
        return sum(line.endswith(f" {key}") for line in path.read_text().splitlines()) if path.exists() else 0
