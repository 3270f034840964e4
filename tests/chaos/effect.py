"""The action of every policy under test: tells the witness that it begins, takes its time, tells it that it ended.

    python -I -S effect.py FOLDER POLICY SECONDS

Its key and its agent are known from where it runs. Standard library only, and few modules: hundreds of these run.
"""

import json
import os
import socket
import sys
import time


def tell(folder: str, kind: str, policy: str) -> None:
    """Return when the witness has it on disk."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(folder + "/witness.sock")
        said: dict[str, object] = {
            "kind": kind,
            "policy": policy,
            "key": os.environ["HOMEOSTAT_ACTION_KEY"],
            "folder": os.getcwd(),  # noqa: PTH109 - pathlib costs more than all the rest
        }
        said["alive_since"] = alive_since()
        connection.sendall(json.dumps(said).encode() + b"\n")
        if connection.recv(16) != b"seen\n":
            raise SystemExit("the witness did not take it")


def alive_since() -> float:
    """When the kernel made this process (proc_pid_stat(5), starttime), in Unix seconds."""
    with open("/proc/self/stat") as stat:  # noqa: PTH123 - pathlib costs more than all the rest
        ticks = int(stat.read().rpartition(")")[2].split()[19])
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age_s


def main() -> None:
    folder, policy, seconds = sys.argv[1:]
    tell(folder, "begin", policy)
    time.sleep(float(seconds))
    tell(folder, "end", policy)


if __name__ == "__main__":
    main()
