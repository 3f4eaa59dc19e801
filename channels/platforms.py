"""The channel platform as the portal sees it: one interface, two implementations.

`Embedded` is the platform inside the portal (no HTTP in between), `ThingSpeak` the real one. Callers ask what a
platform *can* do, never which one it is. All keys are plain text here; encryption at rest is the caller's matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from django.conf import settings


class PlatformError(Exception):
    """Something that a platform refused or could not do. The text never holds a key or an address with one."""


class BadAccountKey(PlatformError):
    """The platform does not know the account key."""


class ChannelLimitReached(PlatformError):
    """The account may not have another channel (a free ThingSpeak account has 4)."""


class NoSuchChannel(PlatformError):
    """The account has no channel of that number (any more)."""


class NoAccess(PlatformError):
    """The channel is private and the key does not read it."""


class OutOfReach(PlatformError):
    """The platform did not answer in time or answered that it cannot now. `retry_after` is in seconds."""

    def __init__(self, message: str = "The channel platform is out of reach.", retry_after: int = 30) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotUnderstood(PlatformError):
    """The platform answered with something that is not in its contract."""


class CannotDo(PlatformError):
    """The operation does not exist on this platform; see its `can_…` attributes."""


class FileRefused(PlatformError):
    """A file of history is not stored. The text is for the person who sent it: what is wrong, and in which line."""


@dataclass(frozen=True)
class RemoteChannel:
    """A channel as the platform lists it to its owner. `marker` is our mark in its metadata, or ""."""

    number: int
    name: str
    marker: str
    write_key: str = field(repr=False)
    read_keys: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Entry:
    """One entry of a feed. `values` maps field numbers 1…8 to text; absent and null fields are left out."""

    entry_id: int
    created_at: datetime
    values: Mapping[int, str]


@dataclass(frozen=True)
class Feed:
    """Entries of a channel, oldest first, with the labels of its fields."""

    number: int
    name: str
    labels: Mapping[int, str]
    entries: Sequence[Entry]


@dataclass(frozen=True)
class KeyUse:
    """When a key of channel `number` was first and last used, to the minute. None: not yet."""

    number: int
    key: str = field(repr=False)
    first_used_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True)
class Allowance:
    """What an account may still do, as far as its plan limits it. None: there is no limit."""

    channels_left: int | None
    messages_left: int | None
    messages_a_year: int | None


class Platform(Protocol):
    """What the portal needs of a channel platform.

    Every method may raise OutOfReach or NotUnderstood; those that take an `account_key` also BadAccountKey;
    those that take a channel `number` also NoSuchChannel.
    """

    name: str
    answers_within: timedelta
    """The longest that one call can take, all retries included."""
    is_in_our_database: bool
    """Whether what it does is part of the caller's transaction, and takes no longer than that may."""
    can_create_accounts: bool
    can_rotate_write_keys: bool
    can_add_read_keys: bool
    can_renew_account_keys: bool
    can_tell_key_use: bool
    can_import: bool

    def validate_account(self, account_key: str) -> None:
        """Return quietly if the key belongs to an account, else raise BadAccountKey."""

    def create_account(self, name: str) -> str:
        """Create an account and return its key. Raises CannotDo where people must do that by hand."""

    def renew_account_key(self, account_key: str) -> str:
        """Return a new key for the account; the old one is dead at once. Raises CannotDo."""

    def close_account(self, account_key: str) -> None:
        """Delete the account, which has no channel any more. Raises CannotDo where people must do that by hand."""

    def allowances(self, account_keys: Collection[str]) -> dict[str, Allowance]:
        """Return what these accounts may still do; those without limits, or that are not known, are left out.

        Empty where the platform does not tell.
        """

    def create_channel(self, account_key: str, *, name: str, marker: str, labels: Mapping[int, str]) -> RemoteChannel:
        """Create a private channel that carries `marker` in its metadata. Raises ChannelLimitReached."""

    def find_channel(self, account_key: str, marker: str) -> RemoteChannel | None:
        """Return the account's channel with that marker: the oldest, should there be several."""

    def get_channel(self, account_key: str, number: int) -> RemoteChannel: ...

    def list_channels(self, account_key: str) -> list[RemoteChannel]: ...

    def update_channel(
        self, account_key: str, number: int, *, name: str | None = None, marker: str | None = None
    ) -> None:
        """Change what is given, leave the rest."""

    def delete_channel(self, account_key: str, number: int) -> None:
        """Delete the channel with all its entries."""

    def rotate_write_key(self, account_key: str, number: int, *, overlap: timedelta) -> str:
        """Return a new write key; the old one stays good for `overlap`. Raises CannotDo."""

    def replace_write_keys(self, account_key: str, numbers: Collection[int]) -> dict[int, str]:
        """End every write key of these channels at once, and return the new one that each has instead.

        For emergencies: all of them or, with an error, none; and as quick for many as for one. Numbers of channels that
        the account does not have are passed over. Raises CannotDo where `can_rotate_write_keys` is False.
        """

    def add_read_key(self, account_key: str, number: int, *, note: str) -> str:
        """Return an additional read key. Raises CannotDo."""

    def revoke_key(self, account_key: str, number: int, key: str) -> None:
        """End that read key, or that retiring write key, at once. Ending an ended key is no error. Raises CannotDo."""

    def write_key_uses(self, account_key: str, numbers: Collection[int]) -> list[KeyUse]:
        """Return the use of each good write key (current and retiring) of these channels of the account.

        Numbers of channels that the account does not have are passed over. Raises CannotDo.
        """

    def read_key_uses(self, account_key: str, number: int) -> list[KeyUse]:
        """Return the use of each good read key of the channel, to the hour. Raises CannotDo."""

    def read_feed(
        self,
        number: int,
        *,
        read_key: str,
        results: int = 100,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Feed:
        """Return the newest `results` (at most 8000) entries, oldest first. Raises NoAccess."""

    def last_entries(self, read_keys: Mapping[int, str]) -> dict[int, Entry]:
        """Return the last entry of each channel number in `read_keys`; those that have none are left out."""

    def last_measured(self, numbers: Collection[int]) -> dict[int, datetime] | None:
        """Return the moment of each channel's last entry; those that have none are left out.

        None where the platform tells it only to those who have a key.
        """

    def export_csv(self, number: int, *, read_key: str) -> Iterator[str]:
        """Yield all of the channel's history as lines of CSV: a line that names the columns, then one an entry.

        Held in memory in part only, however much it is. Raises NoAccess, as the others, when the first line is taken.
        """

    def import_csv(self, account_key: str, number: int, file: bytes, *, zone: tzinfo) -> int:
        """Add the entries of such a file, and return how many they were: all of them, or none.

        Moments without a zone are read in `zone`. Raises FileRefused, CannotDo.
        """

    @property
    def update_url(self) -> str:
        """The address to which devices write."""

    def feed_url(self, number: int, *, last: bool = False, **parameters: str) -> str:
        """The address of the channel's feed in JSON, or of its last entry."""

    def chart_url(self, number: int, field: int, **parameters: str) -> str:
        """The address of the platform's chart page, meant for an iframe."""


PLATFORMS = ("embedded", "thingspeak")
"""The names that `platform_named` knows."""


def platform_named(name: str) -> Platform:
    """Return the platform that `PlatformAccount.platform` names: "embedded" or "thingspeak"."""
    if name == "embedded":
        from channels.embedded import Embedded

        return Embedded()
    if name == "thingspeak":
        from channels.thingspeak import ThingSpeak

        return ThingSpeak(settings.THINGSPEAK_URL)
    raise LookupError(f"There is no channel platform called {name!r}.")
