"""Secrets for links in mails: random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """Return 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return SHA-256 of the token as 64 hex digits. A token of 256 random bits needs no slower hash."""
    return hashlib.sha256(token.encode()).hexdigest()
