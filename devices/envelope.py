"""The envelope: how a channel's write key travels to a device that only shares a registration key with the portal.

The same code seals in the portal and opens in the software thermometer, and so needs nothing of Django.
`docs/device-protocol.md` is its specification, with test vectors.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from devices.registration_key_text import NotARegistrationKey, RegistrationKeyText

IV_LENGTH = 12
TAG_LENGTH = 16
MAX_LENGTH = 8192
"""Characters in an envelope at most. A real one has about 500; more than this is not looked at."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


class EnvelopeError(Exception):
    """An envelope was refused. The text of the exception is for people and holds no key."""


class EnvelopeNotUnderstood(EnvelopeError):
    """The text is not an envelope of this protocol: wrong shape, other algorithms, a payload that lacks something."""


class WrongRegistrationKey(EnvelopeError):
    """The envelope says (in `kid`) that it was sealed for another registration key."""


class CannotOpen(EnvelopeError):
    """The envelope was changed on its way, or sealed with another key. AES-GCM cannot tell which."""


class NonceMismatch(EnvelopeError):
    """The envelope is genuine but answers another question: an old one was replayed, or two answers were swapped."""


class WrongSerial(EnvelopeError):
    """The envelope is genuine but meant for another device of the same customer."""


@dataclass(frozen=True)
class Payload:
    """What an envelope carries.

    `issued_at` and `valid_until` are moments in UTC, to the second. `valid_until` is when the *previous* write key
    ends, given during a transitional period. `registration_key` is the new one that the device shall use from now on.
    """

    serial: str
    channel: int
    write_key: str = field(repr=False)
    key_version: int
    update_url: str
    issued_at: datetime
    nonce: str | None = None
    valid_until: datetime | None = None
    registration_key: RegistrationKeyText | None = None

    def as_members(self) -> dict[str, str | int]:
        """Return the payload's JSON members; what is not given is left out."""
        members: dict[str, str | int | None] = {
            "serial": self.serial,
            "channel": self.channel,
            "writeKey": self.write_key,
            "keyVersion": self.key_version,
            "updateUrl": self.update_url,
            "issuedAt": _write_moment(self.issued_at),
            "nonce": self.nonce,
            "validUntil": _write_moment(self.valid_until) if self.valid_until else None,
            "registrationKey": self.registration_key.text if self.registration_key else None,
        }
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def from_members(cls, members: Mapping[str, Any]) -> Self:
        """Read the payload's JSON members; unknown ones are ignored. Raises EnvelopeNotUnderstood."""
        valid_until = members.get("validUntil")
        try:
            renewed = members.get("registrationKey")
            registration_key = None if renewed is None else RegistrationKeyText.parse(_text(members, "registrationKey"))
        except NotARegistrationKey:
            raise EnvelopeNotUnderstood("registrationKey in the envelope is not a registration key.") from None
        return cls(
            serial=_text(members, "serial"),
            channel=_positive(members, "channel"),
            write_key=_text(members, "writeKey"),
            key_version=_positive(members, "keyVersion"),
            update_url=_address(members, "updateUrl"),
            issued_at=_read_moment(members, "issuedAt"),
            nonce=None if members.get("nonce") is None else _text(members, "nonce"),
            valid_until=None if valid_until is None else _read_moment(members, "validUntil"),
            registration_key=registration_key,
        )


def seal(payload: Payload, *, key: bytes, lookup: str) -> str:
    """Return `payload` as a JWE in compact form (RFC 7516): `alg` = `dir`, `enc` = `A256GCM`, `kid` = `lookup`.

    `key` are the 32 bytes of `derive_key`. The initialization vector is random, so no two envelopes are alike.
    """
    return _seal_with_iv(payload, key=key, lookup=lookup, iv=secrets.token_bytes(IV_LENGTH))


def _seal_with_iv(payload: Payload, *, key: bytes, lookup: str, iv: bytes) -> str:
    """As `seal`, with an initialization vector chosen by the caller: for test vectors alone.

    Two envelopes with the same key and vector would give away the key stream (NIST SP 800-38D, 8.2).
    """
    header = _encode(_compact({"alg": "dir", "enc": "A256GCM", "kid": lookup}))
    sealed = AESGCM(key).encrypt(iv, _compact(payload.as_members()), header.encode("ascii"))
    ciphertext, tag = sealed[:-TAG_LENGTH], sealed[-TAG_LENGTH:]
    return ".".join((header, "", _encode(iv), _encode(ciphertext), _encode(tag)))


def open_envelope(
    text: str, *, key: bytes, lookup: str | None = None, serial: str | None = None, nonce: str | None = None
) -> Payload:
    """Open an envelope and return what it carries.

    `lookup`, `serial` and `nonce`, where given, must be the ones that the envelope was made for; a device gives all
    three. Raises EnvelopeNotUnderstood, WrongRegistrationKey, CannotOpen, WrongSerial or NonceMismatch; all are
    EnvelopeError.
    """
    if len(text) > MAX_LENGTH:
        raise EnvelopeNotUnderstood("This is too long for an envelope.")
    parts = text.split(".")
    if len(parts) != 5:
        raise EnvelopeNotUnderstood("This is not an envelope: a JWE in compact form has five parts.")
    header_text, encrypted_key, iv_text, ciphertext, tag = parts
    _check_header(_members(_decode(header_text)), lookup)
    if encrypted_key:
        raise EnvelopeNotUnderstood('The envelope has an encrypted key; with "dir" there is none.')
    iv, sealed_tag = _decode(iv_text), _decode(tag)
    if len(iv) != IV_LENGTH or len(sealed_tag) != TAG_LENGTH:
        raise EnvelopeNotUnderstood("The envelope's initialization vector or tag has the wrong length.")
    try:
        plain = AESGCM(key).decrypt(iv, _decode(ciphertext) + sealed_tag, header_text.encode("ascii"))
    except InvalidTag:
        raise CannotOpen("The envelope was changed on its way or sealed with another registration key.") from None
    payload = Payload.from_members(_members(plain))
    if serial is not None and payload.serial != serial:
        raise WrongSerial("The envelope is meant for a device with another serial number.")
    if nonce is not None and payload.nonce != nonce:
        raise NonceMismatch("The envelope does not answer this request: its nonce is another.")
    return payload


def _check_header(header: Mapping[str, Any], lookup: str | None) -> None:
    if header.get("alg") != "dir" or header.get("enc") != "A256GCM":
        raise EnvelopeNotUnderstood("The envelope is not sealed with dir and A256GCM.")
    if "crit" in header or "zip" in header:
        # RFC 7516, 4.1.13: a recipient that does not understand what `crit` lists must refuse. We know no extension.
        raise EnvelopeNotUnderstood("The envelope asks for something that this protocol does not have (crit or zip).")
    if not isinstance(header.get("kid"), str):
        raise EnvelopeNotUnderstood("The envelope does not say which registration key it was sealed for (kid).")
    if lookup is not None and header["kid"] != lookup:
        raise WrongRegistrationKey("The envelope was sealed for another registration key.")


def _compact(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def _members(data: bytes) -> Mapping[str, Any]:
    """Read a JSON object. Raises EnvelopeNotUnderstood, also when a name occurs twice (RFC 7516, 4)."""
    try:
        members = json.loads(data.decode("utf-8"), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise EnvelopeNotUnderstood("The envelope holds something that is not JSON.") from None
    if not isinstance(members, dict):
        raise EnvelopeNotUnderstood("The envelope holds something that is not a JSON object.")
    return members


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise EnvelopeNotUnderstood("A name occurs twice in the envelope.")
    return members


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    """Read base64url without padding (RFC 7515, 2). Raises EnvelopeNotUnderstood for any other spelling of the bytes.

    Python's decoder skips foreign characters and ignores left-over bits: then one envelope would have many spellings.
    """
    if _BASE64URL.fullmatch(text) is None:
        raise EnvelopeNotUnderstood("The envelope holds characters that do not belong into it.")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise EnvelopeNotUnderstood("A part of the envelope is cut off.") from None
    if _encode(data) != text:
        raise EnvelopeNotUnderstood("A part of the envelope is not base64url in its one proper spelling.")
    return data


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise EnvelopeNotUnderstood(f"{name} in the envelope is missing or not a text.")
    return value


def _positive(members: Mapping[str, Any], name: str) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise EnvelopeNotUnderstood(f"{name} in the envelope is missing or not a positive number.")
    return value


def _address(members: Mapping[str, Any], name: str) -> str:
    value = _text(members, name)
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise EnvelopeNotUnderstood(f"{name} in the envelope is not an http or https address.")
    return value


def _write_moment(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("Moments in an envelope need a time zone.")
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _read_moment(members: Mapping[str, Any], name: str) -> datetime:
    value = _text(members, name)
    try:
        if _MOMENT.fullmatch(value) is None:
            raise ValueError
        return datetime.fromisoformat(value)
    except ValueError:
        raise EnvelopeNotUnderstood(
            f"{name} in the envelope is not a moment in UTC like 2026-11-23T12:00:00Z."
        ) from None
