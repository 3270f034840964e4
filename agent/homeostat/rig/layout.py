"""Where everything of a rig is: its folder, its ports, the programs it runs."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from homeostat.model.errors import UsageError

SERVER_USER = "postgres"
PORTS = (
    "prometheus", "alertmanager", "primary", "replica", "primary_proxy", "pgbouncer", "haproxy", "haproxy_metrics",
    "payments_a", "payments_b", "auth", "auth_proxy", "exporter", "agent",
)  # fmt: skip
PROGRAMS = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "pgbouncer": "pgbouncer",
    "haproxy": "haproxy",
}
"""Program -> Debian's package of it. PostgreSQL's own are found by `postgres_programs`."""


def postgres_programs() -> Path | None:
    """The folder of the newest server's programs; None where there is none (Debian keeps them off the PATH)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).parent


def program(name: str) -> Path | None:
    """Where a server's program is. Debian keeps some in /usr/sbin, which is not on every PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    return None if found is None else Path(found)


def as_server_user(arguments: Sequence[str | Path]) -> list[str]:
    """PostgreSQL and pgbouncer refuse to run as root; there, the package's user runs them."""
    words = [str(argument) for argument in arguments]
    if os.geteuid() != 0:
        return words
    return ["setpriv", "--reuid", SERVER_USER, "--regid", SERVER_USER, "--clear-groups", "--", *words]


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_ports(count: int) -> list[int]:
    """Different free loopback ports: all are held until the last one is known."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def missing_programs() -> list[str]:
    """Debian packages of the programs that are not on this machine."""
    missing = [package for name, package in PROGRAMS.items() if program(name) is None]
    return missing if postgres_programs() is not None else [*missing, "postgresql"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One rig on disk, as `rig.json` keeps it.

    Attributes:
        ports: by the names of `PORTS`, all on 127.0.0.1.
        requests_per_s: what the load generator sends.
        entrance: the port at which users pay.
    """

    folder: Path
    ports: dict[str, int]
    requests_per_s: float = 20.0
    entrance: str = "haproxy"

    @classmethod
    def new(cls, folder: Path, names: Sequence[str] = PORTS, entrance: str = "haproxy") -> Layout:
        """A layout with ports that are free now, by `names`."""
        return cls(folder.resolve(), dict(zip(names, free_ports(len(names)), strict=True)), entrance=entrance)

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """Raises: UsageError: there is no rig in the folder, or its `rig.json` cannot be read."""
        path = folder / "rig.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(Path(data["folder"]), data["ports"], data["requests_per_s"], data.get("entrance", "haproxy"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"{folder}: no rig here; start one with: homeostat drill rig up {folder}") from error
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: is no layout of a rig any more; restore it first") from error

    def save(self) -> None:
        """Write `rig.json`."""
        data = asdict(self) | {"folder": str(self.folder)}
        write_whole(self.folder / "rig.json", json.dumps(data, indent=2))

    def url(self, port: str, path: str = "/") -> str:
        """An address on loopback."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def control(self, name: str) -> Path:
        """A service's control file: what its operators may change while it runs."""
        return self.folder / "control" / f"{name}.json"

    def database(self, name: str) -> Path:
        """The data directory of `primary` or `replica`."""
        return self.folder / "postgres" / name

    @property
    def archive(self) -> Path:
        """Where the WAL is received."""
        return self.folder / "postgres" / "archive"

    @property
    def backup(self) -> Path:
        """The base backup."""
        return self.folder / "postgres" / "backup"

    @property
    def token(self) -> Path:
        """The bearer token that the system's Prometheus asks for; no such file where it asks for none."""
        return self.folder / "prometheus.token"

    @property
    def effects(self) -> Path:
        """What the effector did, a line each."""
        return self.folder / "effects.jsonl"

    @property
    def users(self) -> Path:
        """What users saw, a line for each payment."""
        return self.folder / "users.jsonl"


def make_new_folder(folder: Path, mode: int = 0o700) -> None:
    """Make a folder; one that is there must be empty. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        is_used = any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder}: no folder can be made here: {error.strerror}; give a new folder") from error
    if is_used:
        raise UsageError(f"{folder} is not empty; give a new folder")


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once: who reads it sees the old text or the new."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


def read_control(layout: Layout, name: str) -> dict[str, object]:
    """What a service's control file says now."""
    data: dict[str, object] = json.loads(layout.control(name).read_text())
    return data


def original_control(layout: Layout, name: str, **values: object) -> None:
    """Write what it says in a system where nothing is wrong."""
    if not layout.control(name).exists():
        write_whole(layout.control(name), "{}")
    change_control(layout, name, **values)


def change_control(layout: Layout, name: str, **changes: object) -> None:
    """Change some of what it says."""
    write_whole(layout.control(name), json.dumps(read_control(layout, name) | changes))
