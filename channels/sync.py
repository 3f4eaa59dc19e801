"""Comparing an account's channels on the platform with ours, and taking over what somebody has changed there.

One call an account. What can be taken over is: write keys that were regenerated there, read keys that were added or
deleted. What needs a person becomes a finding, and a finding that is no longer true settles itself.

Our rows are read before the platform is asked, so that nothing is missed there that was made in the meantime; and what
the platform has in excess is looked for among ours again afterwards. Each change is made only if the row still is as it
was: safe to run twice, at once, and after a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from channels import findings, renewal
from channels.findings import Finding, FindingQuerySet
from channels.markers import marker_of
from channels.models import ALIVE, OVER, Channel, ChannelKey, ChannelKeyQuerySet, KeyState, PlatformAccount
from channels.platforms import BadAccountKey, CannotDo, NoSuchChannel, PlatformError, RemoteChannel
from channels.vault import keyed_hash
from orgs import audit
from orgs.models import User

NEW_FOR = timedelta(minutes=2)
"""A channel as young as that may not be in the platform's listing yet: hosted services answer from several machines."""


@dataclass
class Synced:
    """What one comparison has found that was new, counted."""

    write_keys: int = 0
    read_keys_added: int = 0
    read_keys_ended: int = 0
    missing: int = 0
    foreign: int = 0
    unreadable: int = 0
    settled: int = 0

    def __add__(self, other: Synced) -> Synced:
        return Synced(*(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)))

    @property
    def counts(self) -> tuple[int, ...]:
        """All of them, in their order."""
        return tuple(vars(self).values())

    @property
    def is_nothing(self) -> bool:
        return not any(self.counts)

    @property
    def sentence(self) -> str:
        """What was new, for people."""
        if self.is_nothing:
            return _("Compared with the platform: nothing new.")
        keys = self.write_keys + self.read_keys_added + self.read_keys_ended
        noticed = self.missing + self.foreign + self.unreadable
        said = [
            ngettext("{n} change of keys was taken over.", "{n} changes of keys were taken over.", keys).format(n=keys),
            ngettext("{n} new thing to look at.", "{n} new things to look at.", noticed).format(n=noticed),
            ngettext("{n} matter has settled itself.", "{n} matters have settled themselves.", self.settled).format(
                n=self.settled
            ),
        ]
        return " ".join(sentence for sentence, n in zip(said, (keys, noticed, self.settled), strict=True) if n)


def sync(account: PlatformAccount, *, by: User | None = None, address: str | None = None) -> Synced:
    """Compare the account with the platform and return what was new. `by` nobody means: the clock says so.

    Raises BadAccountKey, which is remembered in the account; OutOfReach or NotUnderstood, and then nothing has
    changed. With a key that has been replaced in the meantime nothing has changed either.
    """
    ours = _our_channels(account)
    key = account.key
    try:
        listed = account.on_platform.list_channels(key)
    except BadAccountKey:
        if _is_still(account, key):
            account.record_check(PlatformAccount.State.REFUSED)
        raise
    if not _is_still(account, key):
        return Synced()
    done = _Comparison(account, ours, {channel.number: channel for channel in listed}).run()
    account.record_good(has_room=len(listed) < (account.channels_there or 0))
    account.synced_at, account.channels_there = timezone.now(), len(listed)
    account.save(update_fields=["synced_at", "channels_there"])
    if by is not None or not done.is_nothing:
        audit.record(
            "platform_account.synced",
            by=by,
            organization=account.organization,
            about=account,
            address=address,
            **{name: count for name, count in vars(done).items() if count},
        )
    return done


def _is_still(account: PlatformAccount, key: str) -> bool:
    return PlatformAccount.objects.get(pk=account.pk).key == key


@dataclass
class _Ours:
    """A channel as the portal knew it before the platform was asked. Keys without their values.

    One that is not in use holds the history of a device that has left it, or belonged to one that is no more.
    """

    channel: Channel
    write_key: ChannelKey | None
    read_keys: list[ChannelKey]
    is_in_use: bool


def _our_channels(account: PlatformAccount) -> dict[int, _Ours]:
    """Return the channels that we have, by number."""
    channels = Channel.objects.still_there().filter(account=account)
    used = set(channels.filter(device__isnull=False).values_list("pk", flat=True))
    ours = {channel.pk: _Ours(channel, None, [], channel.pk in used) for channel in channels}
    for key in ChannelKey.objects.current().filter(channel__in=channels).defer("value").order_by("pk"):
        if key.channel_id not in ours:
            continue  # registered between the two queries
        one = ours[key.channel_id]
        key.channel = one.channel
        one.channel.account = account
        if key.kind == ChannelKey.Kind.WRITE:
            one.write_key = key
        else:
            one.read_keys.append(key)
    return {one.channel.number: one for one in ours.values()}


class _Comparison:
    """One account: what the portal knew before, and what the platform said then."""

    def __init__(self, account: PlatformAccount, ours: dict[int, _Ours], there: dict[int, RemoteChannel]) -> None:
        self.account, self.ours, self.there = account, ours, there
        self.shares_read_keys = not account.on_platform.can_add_read_keys
        self.done = Synced()

    def run(self) -> Synced:
        for number, ours in self.ours.items():
            if (remote := self.there.get(number)) is not None:
                self._compare_write_key(ours, remote)
                self._compare_read_keys(ours, remote)
            elif not ours.is_in_use and _is_old(ours.channel):
                ours.channel.note_gone()
        self._note_missing()
        self._note_foreign()
        self._settle(Finding.objects.filter(kind=Finding.Kind.KEY_KNOWN, key__state__in=OVER))
        return self.done

    def _settle(self, settled: FindingQuerySet) -> None:
        self.done.settled += findings.settle(settled.filter(account=self.account))

    def _compare_write_key(self, ours: _Ours, remote: RemoteChannel) -> None:
        key = ours.write_key
        if key is None or key.value_hash == keyed_hash(remote.write_key):
            return
        # The channel can be gone since it was listed, or its key have been rotated once more: the next time tells.
        with suppress(NoSuchChannel, CannotDo):
            self.done.write_keys += renewal.take_over(key, remote.write_key)

    def _compare_read_keys(self, ours: _Ours, remote: RemoteChannel) -> None:
        there = {keyed_hash(value): value for value in remote.read_keys}
        for key in ours.read_keys:
            if key.value_hash not in there and key.move_to(KeyState.ENDED):
                self.done.read_keys_ended += 1
                audit.record(
                    "read_key.found_ended", by=None, organization=ours.channel.organization, about=key, note=key.note
                )
        known = {key.value_hash for key in ours.read_keys}
        if self.shares_read_keys:
            # In the order of the platform's list: the newest is the one that people are shown.
            for hash_, value in there.items():
                if hash_ not in known:
                    same = ChannelKey.objects.filter(value_hash=hash_, state__in=ALIVE)
                    self.done.read_keys_added += _add_read_key(ours.channel, value, unless=same)
            self._note_readable(ours, is_readable=bool(there))
        elif not _has_key_of_the_portal(ours, there):
            self.done.read_keys_added += _make_read_key(ours.channel)

    def _note_readable(self, ours: _Ours, *, is_readable: bool) -> None:
        kind, channel = Finding.Kind.NO_READ_KEY, ours.channel
        if not is_readable and ours.is_in_use:
            self.done.unreadable += findings.notice(kind, account=self.account, number=channel.number, channel=channel)

    def _note_missing(self) -> None:
        used = {number: one.channel for number, one in self.ours.items() if one.is_in_use}
        gone = {number: channel for number, channel in used.items() if number not in self.there}
        for number, channel in gone.items():
            if _is_old(channel) and _is_in_use(channel):
                self.done.missing += findings.notice(
                    Finding.Kind.CHANNEL_MISSING, account=self.account, number=number, channel=channel
                )
        # Also settled: those of channels that no device uses any more.
        missing = Finding.objects.filter(kind=Finding.Kind.CHANNEL_MISSING)
        self._settle(missing.exclude(number__in=gone))
        unreadable = [n for n in used if n in self.there and not self.there[n].read_keys]
        self._settle(Finding.objects.filter(kind=Finding.Kind.NO_READ_KEY).exclude(number__in=unreadable))

    def _note_foreign(self) -> None:
        foreign = foreign_channels(self.account, self.there.values())
        for channel in foreign:
            self.done.foreign += findings.notice(
                Finding.Kind.FOREIGN_CHANNEL, account=self.account, number=channel.number, label=channel.name
            )
        self._settle(
            Finding.objects.filter(kind=Finding.Kind.FOREIGN_CHANNEL).exclude(
                number__in=[channel.number for channel in foreign]
            )
        )


def foreign_channels(account: PlatformAccount, there: Collection[RemoteChannel]) -> list[RemoteChannel]:
    """Return those of the platform's channels that are not ours, are not about to be, and were not dismissed."""
    # In this order: what is waited for before the question is among ours after it.
    expected = _expected_markers(account)
    known = set(account.channels.values_list("number", flat=True))
    dismissed = set(
        account.findings.filter(kind=Finding.Kind.FOREIGN_CHANNEL, is_dismissed=True).values_list("number", flat=True)
    )
    return [
        channel
        for channel in there
        if channel.number not in known and channel.number not in dismissed and channel.marker not in expected
    ]


def _expected_markers(account: PlatformAccount) -> set[str]:
    """Return the markers of channels that were asked for and may be there without our knowing it."""
    waiting = account.organization.all_devices.filter(channel__isnull=True).values_list("uid", flat=True)
    moving = account.channels.filter(rollovers__state="started").values_list("rollovers__uid", flat=True)
    return {marker_of(uid) for uid in (*waiting, *moving)}


def _is_old(channel: Channel) -> bool:
    return channel.created_at <= timezone.now() - NEW_FOR


def _is_in_use(channel: Channel) -> bool:
    return Channel.objects.filter(pk=channel.pk, device__isnull=False).exists()


def _has_key_of_the_portal(ours: _Ours, there: Iterable[str]) -> bool:
    return any(
        key.holder_id is None and key.origin != ChannelKey.Origin.FOR_PROGRAM and key.value_hash in there
        for key in ours.read_keys
    )


@transaction.atomic
def _add_read_key(channel: Channel, value: str, *, unless: ChannelKeyQuerySet) -> bool:
    """Store a shared read key, or the portal's own one. Return False if the channel has one of `unless` by now."""
    list(Channel.objects.select_for_update().filter(pk=channel.pk))  # one at a time
    if unless.filter(channel=channel).exists():
        return False
    earlier = ChannelKey.objects.reading().held_by_nobody().filter(channel=channel)
    key = ChannelKey.holding(
        value,
        channel=channel,
        kind=ChannelKey.Kind.READ,
        version=(earlier.aggregate(newest=Max("version"))["newest"] or 0) + 1,
        origin=ChannelKey.Origin.PLATFORM,
    )
    key.save()
    audit.record("read_key.found_added", by=None, organization=channel.organization, about=key)
    return True


def _make_read_key(channel: Channel) -> bool:
    """Give the portal a read key of its own again, where it can be made. If it cannot, the next comparison tries."""
    account, has_one = channel.account, ChannelKey.objects.of_the_portal()
    if has_one.filter(channel=channel).exists():
        return False  # renewed since our rows were read
    try:
        value = account.on_platform.add_read_key(account.key, channel.number, note="portal")
    except PlatformError:
        return False
    if _add_read_key(channel, value, unless=has_one):
        return True
    with suppress(PlatformError):
        account.on_platform.revoke_key(account.key, channel.number, value)
    return False
