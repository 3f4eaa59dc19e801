"""A registration key as people type it: its two halves, and the envelope key that is derived of them.

Used in the portal and in the software thermometer, and so needs nothing of Django.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

ITERATIONS = 600_000
KEY_LENGTH = 32
"""Bytes of an envelope key."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_HALF = re.compile(r"[A-Z0-9]{8}", re.ASCII)
_BOTH_HALVES = re.compile(r"([A-Za-z0-9]{8})-?([A-Za-z0-9]{8})", re.ASCII)
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")


class NotARegistrationKey(ValueError):
    """The text is not a registration key, or not half of one. The message never repeats what was given."""


@dataclass(frozen=True)
class RegistrationKeyText:
    """A registration key as people read and type it: lookup half, secret half.

    `str()` and `repr()` show the lookup half alone, so that a key in a log line or a message gives nothing away;
    `text` is the whole key.
    """

    lookup: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not (_HALF.fullmatch(self.lookup) and _HALF.fullmatch(self.secret)):
            raise NotARegistrationKey("Each half of a registration key has 8 of the characters A-Z and 0-9.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key that a person typed: lower case, blanks anywhere, a missing or a typographic dash are accepted.

        Raises NotARegistrationKey with a sentence that says what is wrong.
        """
        typed = "".join(text.split()).translate(_DASHES)
        if not typed:
            raise NotARegistrationKey("The registration key is missing. It looks like HQ481047-1JWORF43.")
        match = _BOTH_HALVES.fullmatch(typed)
        if match is None:
            length = len(typed.replace("-", ""))
            counted = f" This has {length}." if length != 16 else ""
            raise NotARegistrationKey(
                "A registration key is 8 letters or digits, a dash, and 8 more, like HQ481047-1JWORF43." + counted
            )
        return cls(match[1].upper(), match[2].upper())

    @classmethod
    def generate(cls) -> Self:
        """Return a new random key, 41 bits in each half. That its lookup half is unused is for the caller to see to."""
        return cls(_random_half(), _random_half())

    @property
    def text(self) -> str:
        """The whole key, secret half included, as it is set into devices: `HQ481047-1JWORF43`."""
        return f"{self.lookup}-{self.secret}"

    def derive(self) -> bytes:
        """Return the envelope key that belongs to this registration key. Slow on purpose (see `derive_key`)."""
        return derive_key(self.secret, self.lookup)

    def __str__(self) -> str:
        return f"{self.lookup}-••••••••"


def parse_lookup(text: str) -> str:
    """Return the lookup half that a device sent, in upper case. Raises NotARegistrationKey if it is malformed."""
    half = text.strip()
    if not half.isascii() or _HALF.fullmatch(half.upper()) is None:
        raise NotARegistrationKey("The first half of a registration key has 8 of the characters A-Z and 0-9.")
    return half.upper()


def without_secret(sought: str) -> str:
    """Return what somebody searches for; of a whole key, with a dash as people type it, the lookup half alone.

    People send support the whole key, though they should not: it is not to stay in addresses and pages. Without a dash
    it is taken for a word: there are words of 16 letters.
    """
    try:
        return RegistrationKeyText.parse(sought).lookup if "-" in sought.translate(_DASHES) else sought
    except NotARegistrationKey:
        return sought


def _random_half() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def derive_key(registration_secret_half: str, lookup_half: str) -> bytes:
    """Return the 32 bytes that seal and open the envelopes of one registration key.

    PBKDF2-HMAC-SHA256 (RFC 8018) with salt `keydist-v1:` + lookup half and 600 000 iterations. It takes some tenths
    of a second: derive once, when the key is made or set, and store the result.
    """
    salt = f"keydist-v1:{lookup_half}".encode("ascii")
    return hashlib.pbkdf2_hmac("sha256", registration_secret_half.encode("ascii"), salt, ITERATIONS, KEY_LENGTH)
