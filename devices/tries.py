"""Addresses from which one bad registration key after another is tried are told to wait, before anything is looked up.

Failures are counted in the cache, for all workers together. What is over the limit each worker remembers by itself, so
that a good device costs no look at the cache. A guessed lookup half alone opens no envelope; this keeps guessing slow.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from devices.errors import TooManyTries
from orgs.audit import address_of

MOST = 60
WINDOW = timedelta(minutes=1)
# Far more than the addresses that are over the limit at one time; a forged flood must not fill the memory.
_REMEMBERED = 10_000

_over: dict[str, datetime] = {}


def check(request: HttpRequest) -> None:
    """Raise TooManyTries if bad keys have come from the request's address too often within the last minute."""
    if not _over:
        return
    address = address_of(request) or ""
    until = _over.get(address)
    if until is None:
        return
    left = until - timezone.now()
    if left <= timedelta(0):
        _over.pop(address, None)
        return
    raise TooManyTries(retry_after=int(left.total_seconds()) + 1)


def note_bad_key(request: HttpRequest) -> None:
    """Count a key that was not good. Raises TooManyTries when that was one too many."""
    address = address_of(request) or ""
    counter = f"bad-registration-keys:{address}"
    cache.add(counter, 0, WINDOW.total_seconds())
    try:
        count = cache.incr(counter)
    except ValueError:  # The minute has just ended.
        return
    if count > MOST:
        if len(_over) >= _REMEMBERED:
            _over.clear()
        _over[address] = timezone.now() + WINDOW
        raise TooManyTries(retry_after=int(WINDOW.total_seconds()))


def forget() -> None:
    """Forget which addresses are over the limit, in this process."""
    _over.clear()
