"""Who is asking: a bearer token, basic authentication, a session's cookie, or a proxy that has asked them before."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import cookie_parser

from homeostat.app.access import AccessList, Person, Role
from homeostat.app.console_table import ConsoleTable

COOKIE = "homeostat_session"
PROXY_SECRET_HEADER = "x-proxy-secret"  # noqa: S105 - where it stands, and none
_SAME = ("same-origin", "none")


class Means(StrEnum):
    """How somebody proved who they are. A browser adds all but the token to any request by itself."""

    TOKEN = "token"  # noqa: S105 - a kind of credential, and none
    BASIC = "basic"
    COOKIE = "cookie"
    PROXY = "proxy"
    SLACK = "slack"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may do."""

    name: str
    role: Role
    means: Means

    def may(self, role: Role) -> bool:
        """Whether they may do what a role may."""
        return self.role >= role


class Gate:
    """Tells who is asking, and whether a request that changes something came from a page of ours.

    Args:
        table: of the settings.
        access: who has access.
        proxy_secret: what a trusted proxy must send; None: no proxy is believed.
        addresses: HOST:PORT by which the console is reached directly; asked for each request, since port 0 is any.
    """

    def __init__(
        self,
        table: ConsoleTable,
        access: AccessList,
        proxy_secret: str | None,
        addresses: Callable[[], frozenset[str]],
    ) -> None:
        self._table = table
        self._access = access
        self._proxy_secret = proxy_secret
        self._addresses = addresses
        self._sessions = URLSafeTimedSerializer(access.signing_key(), salt="session", signer_kwargs=_SIGNER)

    @property
    def said_once(self) -> frozenset[str]:
        """Headers that decide who is asking and from where; a request that says one twice may mean either."""
        named = {(self._table.proxy_user_header or "").lower()}
        return frozenset({"host", "authorization", "origin", "sec-fetch-site", PROXY_SECRET_HEADER} | named)

    def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Who sent these headers (names in lower case); None: nobody we know.

        Raises:
            UsageError: the list of people cannot be read.
        """
        named = self._by_proxy(headers)
        if named is not None:
            return named
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return _caller(self._access.bearer_of(credentials.strip()), Means.TOKEN)
        if scheme.lower() == "basic":
            return self._by_password(credentials)
        return self._by_cookie(headers.get("cookie", ""))

    def _by_proxy(self, headers: Mapping[str, str]) -> Caller | None:
        field = self._table.proxy_user_header
        if field is None or self._proxy_secret is None:
            return None
        name, offered = headers.get(field.lower(), ""), headers.get(PROXY_SECRET_HEADER, "")
        if not name or not hmac.compare_digest(offered.encode(), self._proxy_secret.encode()):
            return None
        return _caller(self._access.named(_as_utf8(name)), Means.PROXY)

    def _by_password(self, credentials: str) -> Caller | None:
        try:
            name, _, token = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:  # no base64, or no UTF-8 in it
            return None
        person = self._access.bearer_of(token)
        return _caller(person, Means.BASIC) if person is not None and person.name == name else None

    def _by_cookie(self, header: str) -> Caller | None:
        # As browsers do, it takes what it can: a broken cookie of another program on this host locks nobody out.
        value = cookie_parser(header).get(COOKIE)
        if value is None:
            return None
        try:
            name, mark = self._sessions.loads(value, max_age=int(self._table.session_s))
        except (BadSignature, ValueError, TypeError):
            return None
        person = self._access.named(str(name))
        if person is None or not hmac.compare_digest(_mark(person), str(mark)):
            return None  # revoked, or with a new token since
        return _caller(person, Means.COOKIE)

    def session(self, token: str) -> str | None:
        """A session's cookie for a token; None where it is nobody's. Raises UsageError."""
        person = self._access.bearer_of(token)
        return None if person is None else str(self._sessions.dumps([person.name, _mark(person)]))

    def is_ours(self, headers: Mapping[str, str], caller: Caller | None) -> bool:
        """Whether a request that changes something comes from a page of ours, or from a program with a token.

        Browsers say where a request comes from (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/, and Origin, RFC
        6454). One that says neither, and brings credentials that browsers add by themselves, is not believed.
        """
        if caller is not None and caller.means is Means.TOKEN:
            return True
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            return site in _SAME
        return origin is not None and self.is_own_origin(origin)

    def is_own_origin(self, origin: str) -> bool:
        """Whether an Origin is one of the console's addresses."""
        return origin in self._table.origins or origin in {f"http://{address}" for address in self._addresses()}

    def is_own_host(self, host: str) -> bool:
        """Whether a Host is one of ours: another name that resolves to loopback is an attack (DNS rebinding)."""
        return host in self._addresses() or host in {urlsplit(origin).netloc for origin in self._table.origins}


_SIGNER = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}


def _mark(person: Person) -> str:
    """What ties a session to the token it was begun with, and does not tell it."""
    return hashlib.sha256(f"session:{person.digest}".encode()).hexdigest()[:32]


def _as_utf8(name: str) -> str:
    """A header's value as proxies mean it; HTTP itself knows only Latin-1."""
    try:
        return name.encode("latin-1").decode()
    except UnicodeError:
        return name


def _caller(person: Person | None, means: Means) -> Caller | None:
    return None if person is None else Caller(person.name, person.role, means)
