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
        said = {"kind": kind, "policy": policy, "key": os.environ["HOMEOSTAT_ACTION_KEY"], "folder": os.getcwd()}  # noqa: PTH109 - pathlib costs more than all the rest
        connection.sendall(json.dumps(said).encode() + b"\n")
        if connection.recv(16) != b"seen\n":
            raise SystemExit("the witness did not take it")


def main() -> None:
    folder, policy, seconds = sys.argv[1:]
    tell(folder, "begin", policy)
    time.sleep(float(seconds))
    tell(folder, "end", policy)


if __name__ == "__main__":
    main()
