"""The `http` actuator: one request, made by a runner that outlives the agent.

Parameters: `method`, `url` (http or https, no user name or password in it), `headers` (name to text, `{target: ...}`,
`{with: ...}` or `{secret: REFERENCE}`), `json` (any JSON, with `{target: ...}` and `{with: ...}` as leaves)
or `body` (text), `expect_status` (a status or a list of them; 200 to 299 if not given), `sign` (`{secret: REFERENCE}`:
the request is signed with that, see `signing.py`).

The request carries the idempotency key (draft-ietf-httpapi-idempotency-key-header), by which a target that keeps to
it deduplicates. Redirects are not followed and proxies not used; certificates are verified (SSL_CERT_FILE and
SSL_CERT_DIR name others than the system's).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from homeostat.act.detached import DetachedActuator
from homeostat.act.secret import FORMS, is_reference
from homeostat.act.signing import HEADERS as SIGNED_HEADERS
from homeostat.act.signing import message_id
from homeostat.act.substitution import RefusedError, as_json, as_text
from homeostat.act.values import Source, literal, secret, signing, timeout_of
from homeostat.model.commands import StartAction

KEY_HEADER = "Idempotency-Key"

_METHOD = re.compile(r"[A-Z]{1,20}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_URL = re.compile(r"https?://[\x21-\x7e]+")
_OWN_HEADERS = frozenset({KEY_HEADER.lower(), "host", "content-length", "transfer-encoding", "connection"})


class HttpActuator(DetachedActuator):
    """Sends HTTP requests (RFC 9110).

    To cancel one is to wait for its answer no longer; whether the target acts on it is then the target's business.
    """

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        parameters = command.action.parameters
        method = parameters.get("method")
        if not isinstance(method, str) or _METHOD.fullmatch(method) is None:
            raise RefusedError(f"method must be one like POST, not {method!r}")
        return {
            "kind": "http",
            "method": method,
            "url": checked_url(as_text(parameters.get("url"), command)),
            "values": dict(_headers(command)),
            "body": _body(command),
            "expect_status": _expected(parameters.get("expect_status")),
            "timeout_s": timeout_of(command),
        }


def checked_url(url: str) -> str:
    """An http or https URL without a user or password. Raises RefusedError."""
    if _URL.fullmatch(url) is None:
        raise RefusedError(f"{url!r} is not an http or https URL in ASCII; percent-encode what is not")
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            raise RefusedError(f"{url!r} names no host and port to connect to")
    except ValueError as error:
        raise RefusedError(f"{url!r} is not a URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise RefusedError("a URL must not hold a user name or password; use a header with a secret")
    return url


def _headers(command: StartAction) -> Iterator[tuple[str, Source]]:
    parameters = command.action.parameters
    headers = parameters.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise RefusedError("headers are a mapping of names to values")
    given = {str(name).lower() for name in headers}
    yield KEY_HEADER, _header(KEY_HEADER, command.key_for_target)
    for name, default in (("User-Agent", "homeostat"), ("Accept", "*/*")):
        if name.lower() not in given:
            yield name, literal(default)
    if parameters.get("json") is not None and "content-type" not in given:
        yield "Content-Type", literal("application/json")
    yield "Connection", literal("close")
    for name, value in headers.items():
        if not isinstance(name, str) or _HEADER.fullmatch(name) is None:
            raise RefusedError(f"{name!r} is not a header's name (RFC 9110, section 5.1)")
        if name.lower() in _OWN_HEADERS:
            raise RefusedError(f"the header {name} is set by the agent itself")
        if isinstance(value, Mapping) and set(value) == {"secret"}:
            if not is_reference(value["secret"]):
                raise RefusedError(f"the secret of {name} must read {FORMS}")
            yield name, secret(str(value["secret"]))
        else:
            yield name, _header(name, as_text(value, command))
    yield from _signed(parameters.get("sign"), given, command.key)


def _signed(sign: object, given: set[str], key: str) -> Iterator[tuple[str, Source]]:
    """The header that the runner signs the request in; with it come the two that the signature is over."""
    if sign is None:
        return
    if not isinstance(sign, Mapping) or set(sign) != {"secret"} or not is_reference(sign["secret"]):
        raise RefusedError(f"sign reads {{secret: REFERENCE}}, where a reference is {FORMS}")
    twice = sorted(given.intersection(SIGNED_HEADERS))
    if twice:
        raise RefusedError(f"the header {twice[0]} is set by the agent itself where a request is signed")
    yield SIGNED_HEADERS[-1], signing(str(sign["secret"]), message_id(key))


def _header(name: str, value: str) -> Source:
    if _HEADER_VALUE.fullmatch(value) is None:
        raise RefusedError(f"the header {name} holds a line break or a character that no header may hold")
    return literal(value)


def _body(command: StartAction) -> str | None:
    parameters = command.action.parameters
    content, text = parameters.get("json"), parameters.get("body")
    if content is not None and text is not None:
        raise RefusedError("a request has either json or body, not both")
    if text is not None:
        return as_text(text, command)
    if content is None:
        return None
    try:
        return json.dumps(as_json(content, command), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RefusedError(f"json holds what JSON cannot: {error}") from None


def _expected(expect_status: object) -> list[int] | None:
    if expect_status is None:
        return None
    given = expect_status if isinstance(expect_status, list | tuple) else [expect_status]
    codes = [code for code in given if type(code) is int and 100 <= code <= 599]
    if not codes or len(codes) < len(given):
        raise RefusedError(f"expect_status is a status from 100 to 599 or a list of them, not {expect_status!r}")
    return codes
