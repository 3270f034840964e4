"""A stand-in for a Kubernetes API server and its Job controller: TLS, tokens, and the parts of batch/v1 that we use.

It holds requests to what the real one would: authentication, content types, names, immutable fields, conflicts. Pods
are processes of this host.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMESPACE = "shop"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Refusal(Exception):
    """What the API server answers with a `Status`."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class Pods:
    """The processes of Jobs."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str, container: dict[str, Any], environment: dict[str, str]) -> None:
        self._processes[name] = subprocess.Popen(
            container["command"], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def exit_code(self, name: str) -> int | None:
        process = self._processes.get(name)
        return None if process is None else process.poll()

    def end(self, name: str) -> None:
        process = self._processes.get(name)
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def end_all(self) -> None:
        for name in self._processes:
            self.end(name)


class Cluster:
    """An API server on loopback; `environment` is what a pod in it would have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "serviceaccount"
        self.folder.mkdir(parents=True)
        self.token = secrets.token_urlsafe(32)
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.answer_raw: bytes | None = None
        self.hang = threading.Event()
        self.hangs = False
        self.pods = Pods()
        self.lock = threading.Lock()
        certificate, key = self._certificate(folder)
        (self.folder / "token").write_text(self.token + "\n")
        (self.folder / "namespace").write_text(NAMESPACE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = _Server(self)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._over = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        threading.Thread(target=self._control, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self._server.server_port),
            "HOMEOSTAT_SERVICE_ACCOUNT": str(self.folder),
            "PATH": "/usr/bin:/bin",
        }

    def close(self) -> None:
        self.hang.set()
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self.pods.end_all()

    def _certificate(self, folder: Path) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (self.folder / "ca.crt").write_bytes(pem)
        (folder / "tls.crt").write_bytes(pem)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "tls.key").write_bytes(private)
        return folder / "tls.crt", folder / "tls.key"

    def serve(self, method: str, path: str, headers: Any, content: bytes) -> tuple[int, dict[str, Any]]:
        if headers.get("Authorization") != f"Bearer {self.token}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        self.requests.append((method, path))
        body = json.loads(content) if content else {}
        match (method, path.strip("/").split("/")):
            case "GET", ["api", "v1", "namespaces", namespace, "secrets", name]:
                return 200, {"kind": "Secret", "data": self._secret(namespace, name)}
            case "POST", ["apis", "batch", "v1", "namespaces", namespace, "jobs"]:
                _content_type(headers, "application/json")
                return 201, self._create(namespace, body)
            case "GET", ["apis", "batch", "v1", "namespaces", namespace, "jobs", name]:
                return 200, self._job(namespace, name)
            case "PATCH", ["apis", "batch", "v1", "namespaces", namespace, "jobs", name]:
                _content_type(headers, "application/merge-patch+json")
                return 200, self._patch(self._job(namespace, name), body)
        raise Refusal(404, "NotFound", "the server could not find the requested resource")

    def _secret(self, namespace: str, name: str) -> dict[str, str]:
        if (namespace, name) not in self.secrets:
            raise Refusal(404, "NotFound", f'secrets "{name}" not found')
        return {key: base64.b64encode(value.encode()).decode() for key, value in self.secrets[namespace, name].items()}

    def _job(self, namespace: str, name: str) -> dict[str, Any]:
        if namespace != NAMESPACE or name not in self.jobs:
            raise Refusal(404, "NotFound", f'jobs.batch "{name}" not found')
        return self.jobs[name]

    def _create(self, namespace: str, job: dict[str, Any]) -> dict[str, Any]:
        name = job["metadata"]["name"]
        if namespace != NAMESPACE:
            raise Refusal(403, "Forbidden", f'cannot create resource "jobs" in the namespace "{namespace}"')
        if (job["apiVersion"], job["kind"]) != ("batch/v1", "Job"):
            raise Refusal(400, "BadRequest", "the API version in the data does not match the expected API version")
        _check(job)
        if name in self.jobs:
            raise Refusal(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        job["status"] = {}
        self.jobs[name] = job
        return job

    def _patch(self, job: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
        for field in ("template", "completions", "selector"):
            if field in patch.get("spec", {}):
                raise Refusal(422, "Invalid", f"spec.{field}: field is immutable")
        job["spec"] |= patch.get("spec", {})
        job["metadata"].setdefault("annotations", {}).update(patch.get("metadata", {}).get("annotations", {}))
        _check(job)
        return job

    def _control(self) -> None:
        """The Job controller: bring every Job's pods in line with its spec."""
        while not self._over.wait(0.01):
            with self.lock:
                for name, job in self.jobs.items():
                    self._sync(name, job)

    def _sync(self, name: str, job: dict[str, Any]) -> None:
        status, spec = job["status"], job["spec"]
        if status.get("conditions"):
            return
        now = dt.datetime.now(dt.UTC)
        if "startTime" not in status:
            status["startTime"] = _written(now)
            status["began"] = time.monotonic()
        over = time.monotonic() - status["began"] >= spec["activeDeadlineSeconds"]
        if (over or spec["parallelism"] == 0) and status.pop("active", 0):
            self.pods.end(name)
        if over:
            _finish(status, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline", now)
        elif spec["parallelism"] and not status.get("active") and "ran" not in status:
            container = spec["template"]["spec"]["containers"][0]
            self.pods.run(name, container, {"PATH": "/usr/bin:/bin", **dict(map(self._variable, container["env"]))})
            status |= {"active": 1, "ran": True}
        elif status.get("active") and (code := self.pods.exit_code(name)) is not None:
            del status["active"]
            if code == 0:
                status["completionTime"] = _written(now)
                _finish(status, "Complete", "CompletionsReached", "", now)
            else:
                _finish(status, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit", now)

    def _variable(self, variable: dict[str, Any]) -> tuple[str, str]:
        if "value" in variable:
            return variable["name"], variable["value"]
        reference = variable["valueFrom"]["secretKeyRef"]
        return variable["name"], self.secrets[NAMESPACE, reference["name"]][reference["key"]]


def _finish(status: dict[str, Any], kind: str, reason: str, message: str, now: dt.datetime) -> None:
    status["conditions"] = [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": _written(now)}
    ]


def _written(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _content_type(headers: Any, wanted: str) -> None:
    if headers.get("Content-Type") != wanted:
        raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")


def _check(job: dict[str, Any]) -> None:
    """What the API server validates, and what our own Jobs must never be without."""
    name, spec = job["metadata"]["name"], job["spec"]
    pod = spec["template"]["spec"]
    if _LABEL.fullmatch(name) is None:
        raise Refusal(422, "Invalid", f"metadata.name: Invalid value: {name!r}")
    if pod["restartPolicy"] not in ("Never", "OnFailure"):
        raise Refusal(422, "Invalid", "spec.template.spec.restartPolicy: Required value")
    for container in pod["containers"]:
        if not container["image"] or container["image"] != container["image"].strip():
            raise Refusal(422, "Invalid", "spec.template.spec.containers[0].image: must not have whitespace around it")
    for field in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "parallelism", "completions"):
        if type(spec[field]) is not int or spec[field] < 0:
            raise Refusal(422, "Invalid", f"spec.{field}: Invalid value: {spec[field]!r}")
    for value in job["metadata"].get("annotations", {}).values():
        if not isinstance(value, str):
            raise Refusal(400, "BadRequest", "cannot unmarshal into Go struct field ObjectMeta.metadata.annotations")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cluster = cluster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is part of the test."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        cluster = self.server.cluster
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if cluster.hangs:
            cluster.hang.wait(60)
        try:
            with cluster.lock:
                code, answer = cluster.serve(self.command, self.path, self.headers, content)
                text = json.dumps(answer).encode()
        except Refusal as refusal:
            code = refusal.code
            text = json.dumps(
                {
                    "kind": "Status",
                    "status": "Failure",
                    "reason": refusal.reason,
                    "message": refusal.message,
                    "code": code,
                }
            ).encode()
        text = cluster.answer_raw if cluster.answer_raw is not None else text
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = _serve

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Quiet."""
