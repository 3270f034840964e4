"""What an operator has to hand for the live tests' services; the policy's actions run exactly this.

    python servicectl.py restart NAME FOLDER [SECONDS]      kill it if it is there, wait SECONDS, start it anew
    python servicectl.py rollback NAME FOLDER               the last good configuration, then restart

Every run leaves a line in FOLDER/effects.log: what really happened, whatever the agent believes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

READY_S_MAX = 10.0


def note(folder: Path, text: str) -> None:
    with (folder / "effects.log").open("a") as log:
        log.write(f"{text}\n")


def restart(name: str, folder: Path) -> None:
    pid_file = folder / f"{name}.pid"
    if pid_file.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
        pid_file.unlink()
    program = Path(__file__).with_name("service.py")
    with (folder / f"{name}.log").open("ab") as log:
        subprocess.Popen([sys.executable, program, name, folder], stdout=log, stderr=log, start_new_session=True)
    wait_until_ready(name, folder)


def wait_until_ready(name: str, folder: Path) -> None:
    port = json.loads((folder / f"{name}.json").read_text())["port"]
    deadline = time.monotonic() + READY_S_MAX
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                sys.exit(f"{name} did not come up")
            time.sleep(0.05)


def main() -> None:
    verb, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    note(folder, f"begin {verb} {name}")
    time.sleep(float(sys.argv[4]) if len(sys.argv) > 4 else 0.0)
    if verb == "rollback":
        shutil.copy(folder / f"{name}.good.json", folder / f"{name}.json")
    restart(name, folder)
    note(folder, f"end {verb} {name}")
    print(f"{name} is up")


if __name__ == "__main__":
    main()
