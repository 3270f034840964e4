"""What every command may need: the settings file, found once, and the output."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Output

if TYPE_CHECKING:
    from homeostat.app.settings import Settings


class Workspace:
    """The folder a command works in. Without `-c` and without a settings file the defaults hold, in this folder."""

    def __init__(self, config: Path | None, output: Output) -> None:
        self._config = config
        self.output = output

    @property
    def is_there(self) -> bool:
        """Whether there is a settings file, or one was named."""
        from homeostat.app.settings_file import FILE_NAME

        return self._config is not None or Path(FILE_NAME).exists()

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises PolicyError when the file is wrong, or was named and is not there."""
        from homeostat.app.settings import Settings, load_settings
        from homeostat.app.settings_file import FILE_NAME

        path = self._config or Path(FILE_NAME)
        if self._config is None and not path.exists():
            return Settings(root=Path.cwd())
        return load_settings(path)

    @property
    def policies(self) -> Path:
        """The folder of the policies, as seen from here. Raises UsageError where this is no workspace."""
        from homeostat.app.settings import policies_folder

        return Path(os.path.relpath(policies_folder(self.settings)))


pass_workspace = click.make_pass_decorator(Workspace)
