"""A real haproxy, with pools of one server each, and a relay in front of its stats socket that counts what is set."""

from __future__ import annotations

import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path

POOLS = ("one", "two", "fixed")
"""`fixed` is balanced by a static algorithm, which takes no weight between 0% and 100%."""
START_S_MAX = 20.0
LINE_BYTES_MAX = 4096


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HaproxyServer:
    """`socket`: the stats socket. `relay`: HOST:PORT in front of it. `user_socket`: one that may only look."""

    def __init__(self, binary: str) -> None:
        # Not below pytest's folders: the path of a UNIX socket has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="haproxy-"))
        self.socket = str(self.folder / "admin.sock")
        self.user_socket = str(self.folder / "user.sock")
        self.sets: list[str] = []
        self.lose_answers = self.lose_commands = 0
        self._sink = _Sink()
        self._ports = {pool: free_port() for pool in POOLS}
        (self.folder / "haproxy.cfg").write_text(self._configuration())
        with (self.folder / "log").open("wb") as log:
            command = [binary, "-db", "-f", str(self.folder / "haproxy.cfg")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._relay = _Relay(self)
        self.relay = f"127.0.0.1:{self._relay.server_address[1]}"
        self._until_it_answers()

    def _configuration(self) -> str:
        balance = {pool: "static-rr" if pool == "fixed" else "roundrobin" for pool in POOLS}
        pools = "".join(
            f"listen {pool}\n  mode tcp\n  bind 127.0.0.1:{port}\n  balance {balance[pool]}\n"
            f"  server web 127.0.0.1:{self._sink.port} weight 100\n"
            for pool, port in self._ports.items()
        )
        return (
            f"global\n  stats socket {self.socket} mode 600 level admin\n"
            f"  stats socket {self.user_socket} mode 600 level user\n"
            f"defaults\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n{pools}"
        )

    def _until_it_answers(self) -> None:
        give_up_at = time.monotonic() + START_S_MAX
        while True:
            try:
                assert "web" in self.ask("show servers state one")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > give_up_at:
                    raise AssertionError((self.folder / "log").read_text()) from None
                time.sleep(0.01)
            else:
                return

    def ask(self, command: str) -> str:
        """Straight to haproxy, past the relay."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(5.0)
            admin.connect(self.socket)
            admin.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: admin.recv(1 << 16), b"")).decode()

    def admin_state(self, pool: str) -> int:
        """srv_admin_state: 0 ready, 1 maintenance, 8 drain."""
        header, row = self.ask(f"show servers state {pool}").splitlines()[1:3]
        return int(dict(zip(header.lstrip("# ").split(), row.split(), strict=False))["srv_admin_state"])

    def weight(self, pool: str) -> int:
        return int(self.ask(f"get weight {pool}/web").split()[0])

    def session(self, pool: str) -> socket.socket:
        """A client that has a server, and keeps it."""
        client = socket.create_connection(("127.0.0.1", self._ports[pool]), timeout=5.0)
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        return client

    def reset(self) -> None:
        """As it was in the beginning."""
        for pool in POOLS:
            self.ask(f"shutdown sessions server {pool}/web")
            self.ask(f"set server {pool}/web state ready")
            self.ask(f"set weight {pool}/web 100%")
        self.sets.clear()
        self.lose_answers = self.lose_commands = 0

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for server in (self._relay, self._sink):
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.folder)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is part of the test."""


class _Sink(_Server):
    def __init__(self) -> None:
        super().__init__(_Echo)


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while chunk := self.request.recv(1024):
            self.request.sendall(chunk)


class _Relay(_Server):
    def __init__(self, haproxy: HaproxyServer) -> None:
        self.haproxy = haproxy
        super().__init__(_Relayed)


class _Relayed(socketserver.StreamRequestHandler):
    server: _Relay

    def handle(self) -> None:
        haproxy = self.server.haproxy
        command = self.rfile.readline(LINE_BYTES_MAX).decode().rstrip("\n")
        if command.startswith("set "):
            if haproxy.lose_commands:
                haproxy.lose_commands -= 1
                return
            haproxy.sets.append(command)
            if haproxy.lose_answers:
                haproxy.lose_answers -= 1
                haproxy.ask(command)
                return
        self.wfile.write(haproxy.ask(command).encode())
