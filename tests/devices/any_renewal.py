"""The world of `test_any_renewal`: where processes die, the platform is away, power fails, and workers sleep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from channels import renewal, renewal_run
from channels.embedded import Embedded
from channels.models import ChannelKey, KeyState
from channels.platforms import OutOfReach
from devices.thermometer import durable
from tests.channels.renewing import ProcessDied

METHODS = (
    "get_channel",
    "list_channels",
    "rotate_write_key",
    "replace_write_keys",
    "revoke_key",
    "write_key_uses",
    "create_channel",
    "find_channel",
)
"""What the portal asks of a platform on the way from an old key to a new one."""
STEPS = {"storing the new key": (renewal, "_successor"), "noting what was done": (renewal, "_record")}
"""What it does itself in between."""


class PowerCut(BaseException):
    """The device has no power any more."""


@dataclass
class Fate:
    """What shall go wrong next. Each thing of `next_at` happens once, when the named call comes."""

    next_at: dict[str, str] = field(default_factory=dict)
    platform_is_away: bool = False
    another_worker: Callable[[], None] = lambda: None

    def before(self, call: str) -> None:
        if self.platform_is_away and call in METHODS:
            raise OutOfReach
        happening = self.next_at.get(call)
        if happening in ("dies before", "sleeps before"):
            del self.next_at[call]
        if happening == "dies before":
            raise ProcessDied
        if happening == "sleeps before":
            self.another_worker()

    def after(self, call: str) -> None:
        happening = self.next_at.get(call)
        if happening in ("dies after", "answer is lost"):
            del self.next_at[call]
        if happening == "dies after":
            raise ProcessDied
        if happening == "answer is lost":
            raise OutOfReach

    def be_kind(self) -> None:
        self.next_at.clear()
        self.platform_is_away = False

    @contextmanager
    def in_force(self, *, elsewhere: bool, can_rotate: bool) -> Iterator[None]:
        """Let it happen inside the block. `elsewhere`: the platform's rows are not in our database."""
        with ExitStack() as patches:
            patches.enter_context(patch.object(Embedded, "is_in_our_database", not elsewhere))
            patches.enter_context(patch.object(Embedded, "can_rotate_write_keys", can_rotate))
            for name in METHODS:
                patches.enter_context(patch.object(Embedded, name, self._watched(name, getattr(Embedded, name))))
            for name, (module, function) in STEPS.items():
                patches.enter_context(patch.object(module, function, self._watched(name, getattr(module, function))))
            for name in ("write_atomically", "append"):
                patches.enter_context(patch.object(durable, name, self._powered(name, getattr(durable, name))))
            yield

    def _watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.before(name)
            result = original(*args, **kwargs)
            self.after(name)
            return result

        return call

    def _powered(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> None:
            happening = self.next_at.pop(name, None)
            if happening == "power fails before":
                raise PowerCut
            original(*args, **kwargs)
            if happening == "power fails after":
                raise PowerCut

        return write


def another_worker(pass_time: Callable[[timedelta], None]) -> None:
    """While one process sleeps for five minutes in the middle of a call, another one does its work."""
    pass_time(timedelta(minutes=5))
    with suppress(ProcessDied):
        renewal_run.carry_on()


def ended_keys() -> list[ChannelKey]:
    return list(ChannelKey.objects.writing().filter(state__in=[KeyState.ENDED, KeyState.REVOKED]))
