"""Keys that anchors are signed with: Ed25519 (RFC 8032), as PEM files (RFC 7468)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from homeostat.model.errors import UsageError

PrivateKey = Ed25519PrivateKey
PublicKey = Ed25519PublicKey

_KEY_ID_DIGITS = 16
_PEM_BYTES_MAX = 65_536


def key_id_of(key: PublicKey) -> str:
    """Name a key: the first 16 hexadecimal digits of the SHA-256 of its 32 raw bytes."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:_KEY_ID_DIGITS]


def signature_holds(key: PublicKey, signature: bytes, content: bytes) -> bool:
    """Whether `signature` over `content` was made with the private half of `key`."""
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def generate_key(path: Path) -> PrivateKey:
    """Make a private key and write it to a new file that only its owner can read, on the disk before this returns.

    Raises:
        UsageError: there is a file already, or it cannot be written.
    """
    key = PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise UsageError(
            f"{path}: there is a key already, and anchors signed with it need it; to change keys move it away first,"
            " and keep its public key for the anchors it has signed"
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: the key cannot be written: {error.strerror}") from error
    return key


def public_pem(key: PublicKey) -> str:
    """Give a public key as people keep it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_key_from(pem: str, where: str) -> PrivateKey:
    """Read a private key; `where` is what an error names.

    Raises:
        UsageError: it is no unencrypted Ed25519 private key.
    """
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, PrivateKey):
        raise UsageError(f"{where}: this is no Ed25519 private key in PEM; `homeostat audit keygen` makes one")
    return key


def public_keys(paths: Iterable[Path]) -> dict[str, PublicKey]:
    """Read public keys, by `key_id_of`.

    Raises:
        UsageError: a file cannot be read, or holds no Ed25519 public key.
    """
    found: dict[str, PublicKey] = {}
    for path in paths:
        try:
            with path.open("rb") as file:
                key = load_pem_public_key(file.read(_PEM_BYTES_MAX))
        except OSError as error:
            raise UsageError(f"{path}: the public key cannot be read: {error.strerror}") from error
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, PublicKey):
            raise UsageError(f"{path}: this is no Ed25519 public key in PEM; `homeostat audit keygen` prints one")
        found[key_id_of(key)] = key
    return found
