"""What the detached runner runs: `change.py leave|join FILE`. The key of the action is in its environment."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main(operation: str, file: Path) -> int:
    """Make or remove the file; 0 once that has come about. Doing it twice is the same as doing it once."""
    seen = file.with_name(f"{file.name}.seen")
    if operation == "join":
        file.unlink(missing_ok=True)
        seen.unlink(missing_ok=True)
        return 0
    with file.open("a") as notes:
        notes.write(f"{os.environ['HOMEOSTAT_ACTION_KEY']}\n")
    while not seen.exists():  # the action's time-out bounds it
        time.sleep(0.05)
    print(f"out of rotation: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
