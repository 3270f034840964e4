"""Channel `email`: plain text over SMTP, by STARTTLS or implicit TLS; one thread an incident (RFC 5322, 3.6.4)."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal

from pydantic import Field, field_validator, model_validator

from homeostat.notify.channel import ChannelContext, NotSentError, Receipt, RefusedMessageError
from homeostat.notify.message import Message
from homeostat.notify.options import LOOPBACK, Options, checked_reference, read_options
from homeostat.notify.wording import TITLE_MAX, clipped

RECIPIENTS_MAX = 50


class EmailOptions(Options):
    """How to reach the mail server, and who writes to whom.

    `password` is a reference. `ca_file`: certificates of a private authority, beside the system's own.
    """

    host: str = Field(min_length=1)
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str | None = None
    password: str | None = None
    sender: str
    to: list[str] = Field(min_length=1, max_length=RECIPIENTS_MAX)
    ca_file: str | None = None

    @field_validator("password")
    @classmethod
    def _is_reference(cls, password: str | None) -> str | None:
        return None if password is None else checked_reference(password)

    @field_validator("sender")
    @classmethod
    def _is_address(cls, address: str) -> str:
        return _address(address)

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, addresses: list[str]) -> list[str]:
        return [_address(address) for address in addresses]

    @model_validator(mode="after")
    def _is_safe(self) -> EmailOptions:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.tls == "none" and (self.password is not None or self.host not in LOOPBACK):
            raise ValueError("tls = 'none' is for a server on this host, without a password")
        return self


def _address(address: str) -> str:
    plain = parseaddr(address)[1]
    if not address.isprintable() or not all(plain.partition("@")) or " " in plain:
        raise ValueError(f"{address!r} is no mail address; write oncall@example.org")
    return address


class EmailChannel:
    """Implements `Channel`. The conversation is the Message-ID of the incident's first message."""

    def __init__(self, context: ChannelContext) -> None:
        self._options = read_options(EmailOptions, context.name, context.options)
        self._context = context

    def send(self, message: Message, conversation: str) -> Receipt:
        """See `Channel`. Where a server takes it for some recipients only, the others are not tried again."""
        options = self._options
        mail = self._mail(message, conversation)
        password = None if options.password is None else self._context.secret(options.password)
        try:
            with self._server() as server:
                if options.user is not None and password is not None:
                    server.login(options.user, password)
                server.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            raise _not_sent(options.host, error) from None
        return Receipt(conversation or str(mail["Message-ID"]))

    def _server(self) -> smtplib.SMTP:
        options = self._options
        context = ssl.create_default_context()
        if options.ca_file is not None:
            context.load_verify_locations(options.ca_file)
        timeout_s = self._context.timeout_s
        if options.tls == "implicit":
            return smtplib.SMTP_SSL(options.host, options.port, timeout=timeout_s, context=context)
        server = smtplib.SMTP(options.host, options.port, timeout=timeout_s)
        if options.tls == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server

    def _mail(self, message: Message, conversation: str) -> EmailMessage:
        mail = EmailMessage()
        domain = parseaddr(self._options.sender)[1].rpartition("@")[2]
        mail["Subject"] = f"{'Re: ' if conversation else ''}[homeostat] {clipped(message.title, TITLE_MAX)}"
        mail["From"] = self._options.sender
        mail["To"] = ", ".join(self._options.to)
        mail["Date"] = format_datetime(datetime.fromtimestamp(self._context.now(), UTC))
        mail["Message-ID"] = f"<{hashlib.sha256(message.id.encode()).hexdigest()[:32]}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        if conversation:
            mail["In-Reply-To"] = conversation
            mail["References"] = conversation
        about = [f"incident {message.incident}"] if message.incident else []
        links = [f"{label}: {url}" for label, url in message.links]
        mail.set_content("\n".join([message.title, "", *message.lines, "", *about, *links]) + "\n")
        return mail


def _not_sent(host: str, error: smtplib.SMTPException | OSError) -> NotSentError:
    """What a failure means: reply codes from 500 on are for ever (RFC 5321, 4.2.1)."""
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return _by_code(code, f"{host} refused the user or password ({code})")
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            code = min(code for code, _ in recipients.values())
            return _by_code(code, f"{host} takes mail for none of the recipients ({code})")
        case smtplib.SMTPResponseException(smtp_code=code):
            return _by_code(code, f"{host} answered {code}")
        case smtplib.SMTPNotSupportedError():
            return RefusedMessageError(f"{host} cannot do what the settings want: {error}")
        case ssl.SSLCertVerificationError(verify_message=why):
            return NotSentError(f"the certificate of {host} is not trusted: {why}")
        case _:
            return NotSentError(f"{host}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}")


def _by_code(code: int, what: str) -> NotSentError:
    return RefusedMessageError(what) if code >= 500 else NotSentError(what)
