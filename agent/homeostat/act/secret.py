"""Secrets by reference. Standard library only.

`env:NAME`                  a variable of the agent's environment
`file:/PATH`                a file; its last line break does not count
`k8s:NAMESPACE/NAME/KEY`    a key of a Secret of the Kubernetes cluster that the agent runs in
`command:NAME`              what a command prints that the agent's settings name, without its last line break

A reference may be written, journalled and shown. What an action's stands for is looked up in its runner alone.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from homeostat.act.files import read_at_most
from homeostat.act.secret_command import SecretCommandError, printed_by

FORMS = "env:NAME, file:/ABSOLUTE/PATH, k8s:NAMESPACE/NAME/KEY or command:NAME"

_DNS = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_REFERENCE = re.compile(
    rf"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\0]+|k8s:{_DNS}/{_DNS}/[A-Za-z0-9._-]{{1,253}}|command:[A-Za-z0-9._-]{{1,64}}",
    re.ASCII,
)
NO_COMMANDS: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

_BYTES_MAX = 1 << 16
_KUBERNETES_VARIABLES = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HOMEOSTAT_SERVICE_ACCOUNT")


class SecretError(Exception):
    """A secret cannot be had; the message names the reference and never the value."""


def is_reference(text: object) -> bool:
    """Whether `text` is a well-formed reference."""
    return isinstance(text, str) and _REFERENCE.fullmatch(text) is not None


def command_named(reference: str) -> str | None:
    """The command that a reference names; None if it is of another kind."""
    kind, _, name = reference.partition(":")
    return name if kind == "command" else None


def variables_for(reference: str, commands: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """The agent's variables that the runner needs to look a secret up.

    Args:
        reference: well-formed.
        commands: by name: `argv`, and `env`, the names of variables that it is given.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        return (name,)
    if kind == "k8s":
        return _KUBERNETES_VARIABLES
    if kind == "command" and name in commands:
        return tuple(commands[name]["env"])
    return ()


def resolve(reference: str, commands: Mapping[str, Mapping[str, Any]] = NO_COMMANDS) -> str:
    """Look up what a reference stands for.

    Args:
        reference: of one of the forms above.
        commands: as for `variables_for`.

    Raises:
        SecretError: it is not there, empty, too large, or not text.
    """
    if not is_reference(reference):
        raise SecretError(f"a secret is named {FORMS}")
    kind, _, name = reference.partition(":")
    match kind:
        case "env":
            value = os.environ.get(name)
            if value is None:
                raise SecretError(f"the secret {reference} is not set in the agent's environment")
        case "file":
            value = _text(reference, _from_file(reference, Path(name)))
        case "k8s":
            value = _text(reference, _from_kubernetes(reference, name))
        case _:
            value = _text(reference, _from_command(reference, commands.get(name)))
    if not value:
        raise SecretError(f"the secret {reference} is empty")
    if "\0" in value:
        raise SecretError(f"the secret {reference} holds a NUL character")
    return value


def _text(reference: str, content: bytes) -> str:
    if len(content) > _BYTES_MAX:
        raise SecretError(f"the secret {reference} is larger than {_BYTES_MAX} bytes")
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretError(f"the secret {reference} is not UTF-8 text") from None


def _from_file(reference: str, path: Path) -> bytes:
    try:
        content = read_at_most(path, _BYTES_MAX)
    except OSError as error:
        raise SecretError(f"the secret {reference} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SecretError(f"the secret {reference} is larger than {_BYTES_MAX} bytes") from None
    if content is None:
        raise SecretError(f"the secret {reference} cannot be read: no such file")
    return content


def _from_kubernetes(reference: str, name: str) -> bytes:
    # Most jobs need neither http.client nor ssl.
    from homeostat.act.kubernetes_api import Cluster, KubernetesError

    namespace, secret, key = (quote(part, safe="") for part in name.split("/"))
    try:
        answer = Cluster(os.environ).call("GET", f"/api/v1/namespaces/{namespace}/secrets/{secret}")
    except KubernetesError as error:
        raise SecretError(f"the secret {reference} cannot be had: {error}") from None
    if answer.status != 200:
        raise SecretError(f"the secret {reference} cannot be had: HTTP {answer.status} {answer.content.get('reason')}")
    data = answer.content.get("data")
    if not isinstance(data, dict) or not isinstance(data.get(key), str):
        raise SecretError(f"the secret {reference} cannot be had: that Secret has no key '{key}'")
    try:
        return base64.b64decode(data[key], validate=True)
    except binascii.Error:
        raise SecretError(f"the secret {reference} is not base64, as the data of a Secret must be") from None


def _from_command(reference: str, command: Mapping[str, Any] | None) -> bytes:
    if command is None:
        raise SecretError(f"the secret {reference} names no command of [secrets.commands]")
    try:
        return printed_by(command["argv"], command["env"], _BYTES_MAX)
    except SecretCommandError as error:
        raise SecretError(f"the secret {reference} cannot be had: {error}") from None
