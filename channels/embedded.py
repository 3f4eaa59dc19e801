"""The channel platform inside the portal, used in process: no HTTP in between."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import urlencode

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from channels.compiled import CompiledQuery
from channels.markers import with_marker
from channels.platform import history, reading
from channels.platform.errors import MomentTaken, QuotaUsedUp
from channels.platform.models import FIELDS, Account, ApiKey, Channel, ChannelLimit, Latest
from channels.platform.plans import YEAR, plans
from channels.platforms import (
    Allowance,
    BadAccountKey,
    CannotDo,
    ChannelLimitReached,
    Entry,
    Feed,
    FileRefused,
    KeyUse,
    NoAccess,
    NoSuchChannel,
    RemoteChannel,
)
from channels.vault import keyed_hash


class Embedded:
    """Implements `channels.platforms.Platform` on the tables of `channels.platform`."""

    name = "embedded"
    answers_within = timedelta(seconds=5)
    is_in_our_database = True
    can_create_accounts = True
    can_rotate_write_keys = True
    can_add_read_keys = True
    can_renew_account_keys = True
    can_tell_key_use = True
    can_import = True

    def validate_account(self, account_key: str) -> None:
        """Return quietly if the key belongs to an account, else raise BadAccountKey."""
        _account(account_key)

    def create_account(self, name: str) -> str:
        """Create an account and return its key."""
        return Account.objects.open(name).key

    def renew_account_key(self, account_key: str) -> str:
        """Return a new key for the account; the old one is dead at once. Raises BadAccountKey."""
        return _account(account_key).renew_key()

    def close_account(self, account_key: str) -> None:
        """Delete the account; what channels it should still have go with it. Raises BadAccountKey."""
        account = _account(account_key)
        for channel in account.channels.all():
            channel.discard()
        account.delete()

    def allowances(self, account_keys: Collection[str]) -> dict[str, Allowance]:
        """Return what these accounts may still do: two queries, or none if no plan has a limit."""
        if not any(plan.channels or plan.yearly_messages for plan in plans().values()):
            return {}
        keys = {keyed_hash(key): key for key in account_keys}
        accounts = Account.objects.filter(key_hash__in=keys).defer("key")
        has = dict(accounts.values_list("pk").annotate(Count("channels")))
        return {keys[account.key_hash]: _allowance(account, has[account.pk], timezone.now()) for account in accounts}

    def create_channel(self, account_key: str, *, name: str, marker: str, labels: Mapping[int, str]) -> RemoteChannel:
        """Create a private channel that carries `marker` in its metadata. Raises ChannelLimitReached."""
        fields = {f"field{n}": labels.get(n, "") for n in FIELDS}
        try:
            channel = Channel.objects.open(_account(account_key), name=name, metadata=with_marker("", marker), **fields)
        except ChannelLimit:
            raise ChannelLimitReached("The account has as many channels as its plan allows.") from None
        return _as_remote(channel, channel.first_keys)

    def find_channel(self, account_key: str, marker: str) -> RemoteChannel | None:
        """Return the account's channel with that marker: the oldest, should there be several."""
        if not marker:
            return None
        found = _account(account_key).channels.filter(marker=marker).order_by("number").first()
        return _as_remote(found) if found else None

    def get_channel(self, account_key: str, number: int) -> RemoteChannel:
        """Return the account's channel of that number, or raise NoSuchChannel."""
        return _as_remote(_channel(account_key, number))

    def list_channels(self, account_key: str) -> list[RemoteChannel]:
        """Return all channels of the account, oldest first."""
        channels = _account(account_key).channels.order_by("number").with_keys()
        return [_as_remote(channel, channel.api_keys.all()) for channel in channels]

    def update_channel(
        self, account_key: str, number: int, *, name: str | None = None, marker: str | None = None
    ) -> None:
        """Change what is given, leave the rest."""
        channel = _channel(account_key, number)
        changed = []
        if name is not None:
            channel.name = name
            changed.append("name")
        if marker is not None:
            channel.metadata = with_marker(channel.metadata, marker)
            changed.append("metadata")
        if changed:
            channel.save(update_fields=changed)

    def delete_channel(self, account_key: str, number: int) -> None:
        """Delete the channel with all its entries."""
        _channel(account_key, number).discard()

    def rotate_write_key(self, account_key: str, number: int, *, overlap: timedelta) -> str:
        """Return a new write key; the old one stays good for `overlap`."""
        return _channel(account_key, number).rotate_write_key(overlap=overlap).value

    def replace_write_keys(self, account_key: str, numbers: Collection[int]) -> dict[int, str]:
        """End every write key of these channels at once, and return the new one that each has instead."""
        return Channel.objects.filter(account=_account(account_key)).replace_write_keys(numbers)

    def add_read_key(self, account_key: str, number: int, *, note: str) -> str:
        """Return an additional read key."""
        return ApiKey.objects.issue(_channel(account_key, number), writes=False, note=note[:255]).value

    def revoke_key(self, account_key: str, number: int, key: str) -> None:
        """End that read key, or that retiring write key, at once. Ending an ended or unknown key is no error.

        Raises CannotDo for the current write key, which can only be replaced.
        """
        found = _channel(account_key, number).api_keys.find(key)
        if found is None:
            return
        if found.writes and found.expires_at is None:
            raise CannotDo("A channel always has a write key. Rotate it instead.")
        found.end()

    def write_key_uses(self, account_key: str, numbers: Collection[int]) -> list[KeyUse]:
        """Return the use of each good write key of these channels of the account."""
        keys = ApiKey.objects.good_at(timezone.now()).filter(
            channel__account=_account(account_key), channel__in=numbers, writes=True
        )
        return [KeyUse(key.channel_id, key.value, key.first_used_at, key.last_used_at) for key in keys]

    def read_key_uses(self, account_key: str, number: int) -> list[KeyUse]:
        """Return the use of each good read key of the channel."""
        keys = _channel(account_key, number).api_keys.good_at(timezone.now()).filter(writes=False)
        return [KeyUse(number, key.value, key.first_used_at, key.last_used_at) for key in keys]

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
        channel = _readable(number, read_key)
        part = reading.Window(max(0, min(results, reading.MOST_RESULTS)), start, end or timezone.now())
        entries = [
            Entry(row[1], row[0], {n: value for n, value in zip(FIELDS, row[2:], strict=True) if value is not None})
            for row in reading.rows(channel, part, [f"field{n}" for n in FIELDS])
        ]
        return Feed(channel.number, channel.name, channel.labels, entries)

    def last_entries(self, read_keys: Mapping[int, str]) -> dict[int, Entry]:
        """Return the last entry of each channel number in `read_keys`; those without one are left out."""
        hashes = {number: keyed_hash(key) for number, key in read_keys.items()}
        good = ApiKey.objects.good_at(timezone.now()).filter(hash__in=set(hashes.values()))
        opened_by = dict(good.values_list("hash", "channel_id"))
        readable = [number for number, hash_ in hashes.items() if opened_by.get(hash_) == number]
        found = Latest.objects.filter(channel__in=readable, newest_id__gt=0)
        return {
            latest.channel_id: Entry(latest.newest_id, latest.last_entry_at, latest.values())
            for latest in found
            if latest.last_entry_at
        }

    def last_measured(self, numbers: Collection[int]) -> dict[int, datetime]:
        """Return the moment of each channel's last entry, in one query; those that have none are left out."""
        found = Latest.objects.filter(channel__in=numbers).values_list("channel", "last_entry_at")
        return {number: moment for number, moment in found if moment is not None}

    def export_csv(self, number: int, *, read_key: str) -> Iterator[str]:
        """Yield all of the channel's history as lines of CSV, oldest first."""
        yield from history.as_csv(_readable(number, read_key), UTC)

    def import_csv(self, account_key: str, number: int, file: bytes, *, zone: tzinfo) -> int:
        """Add the entries of a CSV file, all of them or none. Raises FileRefused."""
        channel = _channel(account_key, number)
        try:
            return history.add(channel, file, zone=zone, now=timezone.now())
        except (history.CannotRead, MomentTaken) as problem:
            raise FileRefused(str(problem)) from None
        except QuotaUsedUp:
            raise FileRefused(_("These are more entries than the account's plan allows in a year.")) from None

    @property
    def update_url(self) -> str:
        """The address to which devices write."""
        return f"{settings.PUBLIC_URL}/update"

    def feed_url(self, number: int, *, last: bool = False, **parameters: str) -> str:
        """The address of the channel's feed in JSON, or of its last entry."""
        return _address(f"/channels/{number}/feeds{'/last' if last else ''}.json", parameters)

    def chart_url(self, number: int, field: int, **parameters: str) -> str:
        """The address of the platform's chart page, meant for an iframe."""
        return _address(f"/channels/{number}/charts/{field}", parameters)


def _address(path: str, parameters: Mapping[str, str]) -> str:
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{settings.PUBLIC_URL}{path}{query}"


# What managing channels needs of an account; its key, which would have to be decrypted, is fetched when asked for.
_ACCOUNT = ("id", "login", "plan_name")
_ACCOUNT_WITH = CompiledQuery(
    lambda key_hash: Account.objects.filter(key_hash=key_hash).values_list(*_ACCOUNT), "key_hash"
)


def _account(key: str) -> Account:
    found = _ACCOUNT_WITH.first(key_hash=keyed_hash(key))
    if found is None:
        raise BadAccountKey("The platform does not know the account key.")
    return Account.from_db(DEFAULT_DB_ALIAS, _ACCOUNT, found)


def _allowance(account: Account, has: int, now: datetime) -> Allowance:
    plan = account.plan
    used = account.messages if account.messages_since > now - YEAR else 0
    return Allowance(
        channels_left=max(0, plan.channels - has) if plan.channels else None,
        messages_left=max(0, plan.yearly_messages - used) if plan.yearly_messages else None,
        messages_a_year=plan.yearly_messages or None,
    )


def _readable(number: int, read_key: str) -> Channel:
    channel = Channel.objects.filter(number=number).first()
    if channel is None:
        raise NoSuchChannel(f"There is no channel {number}.")
    if not reading.may_read(channel, read_key):
        raise NoAccess(f"Channel {number} is private and the key does not read it.")
    return channel


def _channel(account_key: str, number: int) -> Channel:
    channel = _account(account_key).channels.filter(number=number).first()
    if channel is None:
        raise NoSuchChannel(f"The account has no channel {number}.")
    return channel


def _as_remote(channel: Channel, keys: Iterable[ApiKey] | None = None) -> RemoteChannel:
    """The channel with its good keys, which are `keys` where they have been fetched already."""
    good = list(channel.api_keys.good_at(timezone.now()) if keys is None else keys)
    return RemoteChannel(
        number=channel.number,
        name=channel.name,
        marker=channel.marker,
        write_key=next(key.value for key in good if key.writes),
        read_keys=tuple(key.value for key in good if not key.writes),
    )
