"""`python -m homeostat.rig.supervisor FOLDER NAME MODULE ARGUMENT...`: starts a service again whenever it ends.

How often it did stands in the folder's `run/NAME.restarts`, for the exporter.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from homeostat.rig.layout import Layout, write_whole

WAIT_S = 0.5
RESTARTS_MAX = 5_000


def main() -> None:
    """Start it again and again, up to `RESTARTS_MAX` times."""
    folder, name, module, *arguments = sys.argv[1:]
    layout = Layout.load(Path(folder))
    for restarts in range(RESTARTS_MAX):
        write_whole(layout.folder / "run" / f"{name}.restarts", str(restarts))
        # In the supervisor's process group: both end together.
        subprocess.run([sys.executable, "-m", f"homeostat.rig.{module}", folder, *arguments], check=False)
        time.sleep(WAIT_S)


if __name__ == "__main__":
    main()
