"""Signed requests, by the Standard Webhooks specification (https://www.standardwebhooks.com). Standard library only.

The signature is HMAC-SHA256 over `id.timestamp.body`, sent in three headers. The id is the same whenever the same
action is sent again, so that a receiver can refuse what it has had.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)

SCHEME = "v1"
SECRET_BYTES_MIN = 24
SECRET_BYTES_MAX = 64
_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for: base64 of 24 to 64 bytes, after `whsec_` where that is there.

    Raises:
        ValueError: it is none; the message never holds the secret.
    """
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(f"a signing secret reads {_PREFIX}BASE64, and this one does not") from None
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        what = f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes in base64, not {len(key)}"
        raise ValueError(f"a signing secret holds {what}")
    return key


def message_id(idempotency_key: str) -> str:
    """The id of the message of an action. A key may hold the full stop that separates what is signed; this does not."""
    return f"msg_{hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]}"


def signature(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """The signature of one message, as it stands in its header."""
    signed = b".".join((identity.encode("ascii"), timestamp.encode("ascii"), body))
    return f"{SCHEME},{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def signed_headers(secret: str, identity: str, at: float, body: bytes) -> dict[str, str]:
    """The three headers of a message sent at `at` (Unix seconds). Raises ValueError as `signing_key`."""
    timestamp = str(int(at))
    written = signature(signing_key(secret), identity, timestamp, body)
    return {ID_HEADER: identity, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: written}
