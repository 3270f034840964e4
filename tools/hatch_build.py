"""What the wheel has beside the package: manual pages, and completions for bash, zsh and fish.

They are made of the commands while the wheel is built. That needs click alone, and no other dependency.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPLETIONS = {
    "bash": "share/bash-completion/completions/homeostat",
    "zsh": "share/zsh/site-functions/_homeostat",
    "fish": "share/fish/vendor_completions.d/homeostat.fish",
}


class ManualAndCompletions(BuildHookInterface):
    """Makes the files, and removes them once they are in the wheel."""

    _made: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling. An editable installation gets none: it changes with every edit."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root, "agent")))
        try:
            from homeostat.cli import main
            from homeostat.cli.manual import pages
            from homeostat.cli.shells import PROGRAM, script
        finally:
            sys.path.pop(0)
        files = {f"share/man/man1/{name}": text for name, text in pages(main, PROGRAM).items()}
        files |= {path: script(main, shell) for shell, path in COMPLETIONS.items()}
        self._made = tempfile.TemporaryDirectory()
        for place, text in files.items():
            made = Path(self._made.name, place)
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(text, encoding="utf-8")
            made.chmod(0o644)
            build_data["shared_data"][str(made)] = place

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """See hatchling."""
        del version, build_data, artifact_path
        if self._made is not None:
            self._made.cleanup()
