"""The API of the Kubernetes cluster that we run in, as far as it is needed. Standard library only.

The service account's token and the cluster's certificates are read anew for every call, since both are rotated
(https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from homeostat.act.files import read_at_most

HOST_VARIABLE = "KUBERNETES_SERVICE_HOST"
PORT_VARIABLE = "KUBERNETES_SERVICE_PORT"
FOLDER_VARIABLE = "HOMEOSTAT_SERVICE_ACCOUNT"
"""Names another folder than the usual for `token`, `ca.crt` and `namespace`."""

DEFAULT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
ANSWER_S_MAX = 5.0

_TOKEN_BYTES_MAX = 64 << 10
_ANSWER_BYTES_MAX = 4 << 20


class KubernetesError(Exception):
    """The cluster cannot be asked, or gave no usable answer; the message says why and never shows the token."""


class Answer(NamedTuple):
    """What the API server said. `content` is the object, or a `Status` where it refused."""

    status: int
    content: dict[str, Any]

    @property
    def message(self) -> str:
        """Why it refused, in its own words."""
        return f"HTTP {self.status} {self.content.get('reason', '')}: {self.content.get('message', '')}".strip(": ")


class Cluster:
    """Calls to the API server of the cluster we run in.

    Args:
        environment: where the cluster's address is.

    Raises:
        KubernetesError: we run in none.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._host = environment.get(HOST_VARIABLE, "")
        self._folder = Path(environment.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)
        if not self._host:
            raise KubernetesError(f"this host is in no Kubernetes cluster: {HOST_VARIABLE} is not set")
        try:
            self._port = int(environment.get(PORT_VARIABLE) or 443)
        except ValueError:
            raise KubernetesError(f"{PORT_VARIABLE} is no port number") from None

    def namespace(self) -> str:
        """The one that we run in. Raises KubernetesError."""
        return self._read("namespace").strip()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        timeout_s: float = ANSWER_S_MAX,
    ) -> Answer:
        """Make one call, whole within the time-out.

        Raises:
            KubernetesError: no answer came, or none that can be read; a change may or may not have been made.
        """
        headers = {
            "Authorization": f"Bearer {self._credential('token').strip()}",
            "Accept": "application/json",
            "User-Agent": "homeostat",
        }
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        try:
            context = ssl.create_default_context(cadata=self._credential("ca.crt") or None)
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)
            return _exchange(connection, method, path, content, headers, timeout_s)
        except ssl.SSLCertVerificationError as error:
            raise KubernetesError(f"the API server's certificate is not trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise KubernetesError(f"no secure connection to the API server: {error.reason or error}") from None
        except OSError as error:
            raise KubernetesError(f"the API server cannot be reached: {error.strerror or error}") from None
        except (http.client.HTTPException, ValueError) as error:
            raise KubernetesError(f"the API server gave no usable answer: {type(error).__name__}") from None

    def _credential(self, name: str) -> str:
        return self._read(name)

    def _read(self, name: str) -> str:
        path = self._folder / name
        try:
            content = read_at_most(path, _TOKEN_BYTES_MAX)
            if not content:
                raise KubernetesError(f"{path} is missing or empty; does the pod mount its service account's token?")
            return content.decode()
        except OSError as error:
            raise KubernetesError(f"{path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise KubernetesError(f"{path} is not what a service account has") from None


class ClusterElsewhere(Cluster):
    """Calls to the API server of any cluster.

    Args:
        host: its name or address.
        port: where it listens, by TLS.
        token: a bearer token.
        authorities: PEM of the certificates that its own is signed by; empty for those that the host trusts.
    """

    def __init__(self, host: str, port: int, token: str, authorities: str) -> None:
        super().__init__({HOST_VARIABLE: host, PORT_VARIABLE: str(port)})
        self._credentials = {"token": token, "ca.crt": authorities}

    def _credential(self, name: str) -> str:
        return self._credentials[name]


def _exchange(
    connection: http.client.HTTPSConnection,
    method: str,
    path: str,
    content: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float,
) -> Answer:
    """A socket's own time-out starts anew with every byte; the timer bounds them all."""
    connection.connect()
    timer = threading.Timer(timeout_s, _hang_up, [connection.sock])
    timer.daemon = True
    timer.start()
    try:
        connection.request(method, path, content, dict(headers))
        response = connection.getresponse()
        text = response.read(_ANSWER_BYTES_MAX + 1)
        if len(text) > _ANSWER_BYTES_MAX:
            raise ValueError("too large")
        answer = json.loads(text) if text else {}
        if not isinstance(answer, dict):
            raise ValueError("not an object")  # noqa: TRY004 - an answer, not an argument, is of the wrong type
        return Answer(response.status, answer)
    finally:
        timer.cancel()
        connection.close()


def _hang_up(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
