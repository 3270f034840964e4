"""Entries as the bytes that are stored: canonical JSON, strictly typed, versioned per entry type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from homeostat.model.entries import ENTRY_TYPES, Entry
from homeostat.model.errors import InvariantError, JournalCorrupt, JournalTooNew
from homeostat.record.upcasting import UPCASTERS, Upcaster

SHOWN_MAX = 1000
"""Characters of an entry shown in an error."""


class EncodedEntry(NamedTuple):
    """An entry ready to be stored.

    Attributes:
        entry: equal to the entry given, in the form every reader will get it in.
        v: version of the body's shape.
        action_key: the idempotency key, for entries about an action.
        body: canonical JSON: no white space, fields in declared order, mapping keys sorted, floats shortest.
    """

    entry: Entry
    type: str
    v: int
    at: float
    action_key: str | None
    body: bytes


class Codec:
    """Translates between entries and stored bodies.

    Args:
        types: name in the journal -> class.
        upcasters: as `UPCASTERS`; the versions of one type must run from 1 without a gap.
    """

    def __init__(
        self,
        types: Mapping[str, type[Entry]] = ENTRY_TYPES,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        self._types = dict(types)
        self._upcasters = dict(upcasters)
        self._versions = {name: _current_version(name, self._upcasters) for name in self._types}
        self._encode = msgspec.json.Encoder(order="deterministic", enc_hook=_plain).encode
        self._decode = {name: msgspec.json.Decoder(entry_type).decode for name, entry_type in self._types.items()}

    def encode(self, entry: Entry) -> EncodedEntry:
        """Encode an entry, and prove that it can be read back as it is.

        Equal entries of equal field types give equal bytes; an int in a float field is stored as the float.

        Raises:
            InvariantError: the entry holds what cannot be stored without loss: an infinity or NaN, a value that
                is not of its field's type, or text with lone surrogates.
        """
        name = entry.TYPE
        try:
            stored = self._decode[name](self._encode(entry))
            body = self._encode(stored)
        except (msgspec.MsgspecError, TypeError, ValueError, KeyError) as error:
            shown = name or type(entry).__name__
            raise InvariantError(f"{shown} cannot be journalled: {error}: {repr(entry)[:SHOWN_MAX]}") from error
        if stored != entry:
            raise InvariantError(
                f"{name} cannot be journalled without loss; a value is infinite, NaN, or not of its type:"
                f" {repr(entry)[:SHOWN_MAX]}"
            )
        # 0.0 is added because some stores do not keep the sign of zero, and `at` goes into the hash.
        return EncodedEntry(stored, name, self._versions[name], stored.at + 0.0, getattr(stored, "key", None), body)

    def decode(self, name: str, v: int, body: bytes) -> Entry:
        """Decode a stored body of type `name` in version `v`, upcasting old ones.

        Raises:
            JournalTooNew: this release does not know the type or the version.
            JournalCorrupt: the body is not of its type.
        """
        current = self._versions.get(name)
        if current is None:
            raise JournalTooNew(f"entry type {name!r} is unknown to this release of Homeostat; upgrade Homeostat")
        if v > current:
            raise JournalTooNew(
                f"{name} is stored in version {v}, this release reads up to {current}; upgrade Homeostat"
            )
        if v < 1:
            raise JournalCorrupt(f"a stored {name} is in version {v}, which never existed")
        try:
            if v == current:
                return self._decode[name](body)
            return self._upcast(name, v, body)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise JournalCorrupt(f"a stored {name} cannot be read: {error}") from error

    def unknown_field(self, name: str, v: int, body: bytes) -> str | None:
        """Name a field of a decodable body that entries of its type do not have, as a path; None when all are known.

        `decode` passes over such fields: a stored body has none, but a file that people edit can. Bodies of older
        versions are not looked into.
        """
        if v != self._versions[name]:
            return None
        known = self._encode(self._decode[name](body))
        return _extra(msgspec.json.decode(body), msgspec.json.decode(known), "")

    def _upcast(self, name: str, v: int, body: bytes) -> Entry:
        fields = msgspec.json.decode(body, type=dict[str, Any])
        for version in range(v, self._versions[name]):
            fields = self._upcasters[name, version](fields)
        return msgspec.convert(fields, type=self._types[name])


def _current_version(name: str, upcasters: Mapping[tuple[str, int], Upcaster]) -> int:
    versions = sorted(v for type_name, v in upcasters if type_name == name)
    if versions != list(range(1, len(versions) + 1)):
        raise InvariantError(f"upcasters of {name} start from versions {versions}, not from 1, 2, 3, ...")
    return len(versions) + 1


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a type entries are made of")


def _extra(given: object, known: object, path: str) -> str | None:
    """Find a key of `given` that `known`, the same value read through its type, does not have."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                return f"{path}{key}"
            if found := _extra(value, known[key], f"{path}{key}."):
                return found
    if isinstance(given, list) and isinstance(known, list):
        for index, (value, known_value) in enumerate(zip(given, known, strict=False)):
            if found := _extra(value, known_value, f"{path}{index}."):
                return found
    return None


CODEC = Codec()
"""The codec of all entry types of this release."""
