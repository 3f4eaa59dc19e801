"""Secrets at rest: what is stored is encrypted, what must be found by value has a keyed hash beside it."""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import models

# The version 128 and the first four bytes of the time, which are zero until the year 2106.
_BEGINS = "gAAAAA"


class CannotDecrypt(Exception):
    """A stored secret was encrypted under a key that FIELD_ENCRYPTION_KEYS no longer lists."""


@cache
def _fernet() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.FIELD_ENCRYPTION_KEYS])
    except ValueError:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEYS must be Fernet keys: 32 bytes, URL-safe base64, separated by commas."
        ) from None


@cache
def _newest() -> Fernet:
    return Fernet(settings.FIELD_ENCRYPTION_KEYS[0])


@cache
def _hash_key() -> bytes:
    return hashlib.sha256(b"keydist lookup hash:" + settings.LOOKUP_HASH_KEY.encode()).digest()


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "FIELD_ENCRYPTION_KEYS":
        _fernet.cache_clear()
        _newest.cache_clear()
    if setting == "LOOKUP_HASH_KEY":
        _hash_key.cache_clear()


setting_changed.connect(_forget)


def encrypt(plain: str) -> str:
    """Return `plain` encrypted under the first of FIELD_ENCRYPTION_KEYS, as ASCII text."""
    return _fernet().encrypt(plain.encode()).decode("ascii")


def decrypt(stored: str) -> str:
    """Return the secret that `encrypt` stored. Raises CannotDecrypt when no key of ours opens it."""
    try:
        return _fernet().decrypt(stored).decode()
    except InvalidToken:
        raise CannotDecrypt("A stored secret cannot be decrypted: is a key missing in FIELD_ENCRYPTION_KEYS?") from None


def reencrypt(stored: str) -> str:
    """Return the same secret encrypted under the newest key: `stored` itself if it is. Raises CannotDecrypt."""
    try:
        _newest().decrypt(stored)
    except InvalidToken:
        return encrypt(decrypt(stored))
    return stored


def is_encrypted(text: str) -> bool:
    """Tell whether a text looks like one that `encrypt` returns; whether a key of ours opens it is another question."""
    return text.startswith(_BEGINS)


def keyed_hash(secret: str) -> str:
    """Return the hash by which a secret is found without being stored: HMAC-SHA256, 64 hex digits.

    The secrets are random, so a fast hash is right; the key keeps a stolen table from being searched.
    """
    return hmac.digest(_hash_key(), secret.encode(), "sha256").hex()


if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:  # Django's own class takes no type arguments
    _TextField = models.TextField


class EncryptedTextField(_TextField):
    """Text that is encrypted in the database and plain in Python. It cannot be searched or sorted."""

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else encrypt(value)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return None if value is None else decrypt(value)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise TypeError(f"{self.name} is encrypted and cannot be looked up; use the hash column beside it.")
