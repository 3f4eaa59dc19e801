"""What an account may do: how often it writes, how much it stores, how many channels it has.

The default plan is made of the PLATFORM_… settings. PLATFORM_PLANS adds plans by name, each naming only what
differs: `{"hobby": {"update_interval": 15, "channels": 4}}`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

YEAR = timedelta(days=365)
"""For how long messages are counted against a quota."""


@dataclass(frozen=True)
class Plan:
    """Limits of an account. Intervals are seconds; where a number is a limit, 0 is none."""

    update_interval: float
    bulk_interval: float
    bulk_limit: int
    yearly_messages: int
    channels: int


def _is_limit(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


@cache
def plans() -> dict[str, Plan]:
    """Return every plan by name; the default one has the name "" and comes last.

    Raises ImproperlyConfigured for a malformed one.
    """
    default: dict[str, Any] = {
        "update_interval": settings.PLATFORM_UPDATE_INTERVAL,
        "bulk_interval": settings.PLATFORM_BULK_INTERVAL,
        "bulk_limit": settings.PLATFORM_BULK_LIMIT,
        "yearly_messages": settings.PLATFORM_YEARLY_MESSAGES,
        "channels": settings.PLATFORM_CHANNELS_PER_ACCOUNT,
    }
    known = {field.name for field in fields(Plan)}
    found = {}
    if not isinstance(settings.PLATFORM_PLANS, dict):
        raise ImproperlyConfigured("PLATFORM_PLANS must be a JSON object: a plan by each name.")
    for name, differing in settings.PLATFORM_PLANS.items():
        if not isinstance(differing, dict) or not known.issuperset(differing):
            raise ImproperlyConfigured(f"PLATFORM_PLANS: the plan {name!r} may set {', '.join(sorted(known))}.")
        if not all(_is_limit(value) for value in differing.values()):
            raise ImproperlyConfigured(f"PLATFORM_PLANS: the plan {name!r} has a value that is not a number from 0 on.")
        found[name] = Plan(**(default | differing))
    return {**found, "": Plan(**default)}


def plan_named(name: str) -> Plan:
    """Return the plan of that name. An account whose plan was taken out of the settings has the default one."""
    return plans().get(name) or plans()[""]


def _forget(*, setting: str, **_: Any) -> None:
    if setting.startswith("PLATFORM_"):
        plans.cache_clear()


setting_changed.connect(_forget)
