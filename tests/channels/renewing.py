"""What tests of renewals have in common: a process that dies, and what the platform itself says of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from django.utils import timezone

from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, KeyState, Renewal
from channels.platform.models import ApiKey


class ProcessDied(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


def writes(key: ChannelKey | str) -> bool:
    """Whether the platform takes measurements with this key."""
    value = key if isinstance(key, str) else key.value
    return ApiKey.objects.good_at(timezone.now()).filter(writes=True).find(value) is not None


def current(channel: Channel) -> ChannelKey:
    return ChannelKey.objects.writing().current().get(channel=channel)


def there(channel: Channel) -> str:
    """The platform's own idea of the current write key."""
    return Embedded().get_channel(channel.account.key, channel.number).write_key


def die_after(method: str) -> Any:
    """Let the platform do it, and the process die before it hears of that."""
    original: Callable[..., Any] = getattr(Embedded, method)

    def do_and_die(self: Embedded, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        raise ProcessDied

    return patch.object(Embedded, method, do_and_die)


def die_before(method: str) -> Any:
    return patch.object(Embedded, method, side_effect=ProcessDied)


def assert_books_are_right(channel: Channel) -> None:
    """Compare what the portal believes of write keys with what the platform does."""
    keys = ChannelKey.objects.writing().filter(channel=channel)
    assert there(channel) == keys.current().get().value
    for key in keys:
        if key.state in (KeyState.ENDED, KeyState.REVOKED):
            assert not writes(key), key
    assert not Renewal.objects.filter(channel=channel, lease__isnull=False).exists()
