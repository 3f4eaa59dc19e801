"""What the embedded platform stores: accounts, channels and their keys. Their feeds are in `feed_models`."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Self

from django.db import models, transaction
from django.db.models import F, Prefetch, Q
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from channels.compiled import insert
from channels.markers import MAX_LENGTH, marker_in
from channels.platform.feed_models import FIELDS as FIELDS
from channels.platform.feed_models import Entry as Entry
from channels.platform.feed_models import Latest as Latest
from channels.platform.plans import Plan, plan_named
from channels.vault import EncryptedTextField, keyed_hash

# How many channels one statement names: SQLite takes a limited number of parameters.
_MANY = 500
_KEY_ALPHABET = string.digits + string.ascii_uppercase


def new_key() -> str:
    """Return a fresh API key: 16 characters 0-9A-Z, like the original's, but from a cryptographic source."""
    return "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))


def _in_parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _MANY):
        yield numbers[start : start + _MANY]


class ChannelLimit(Exception):
    """The account has as many channels as its plan allows."""


class AccountQuerySet(models.QuerySet["Account"]):
    def open(self, name: str) -> Account:
        """Create an account for somebody called `name`, with a login that cannot be guessed from it."""
        key = new_key()
        login = f"{slugify(name)[:40] or 'account'}-{secrets.token_hex(4)}"
        return self.create(login=login, key=key, key_hash=keyed_hash(key))

    def with_key(self, key: str) -> Account | None:
        """Return the account that `key` opens, or None."""
        return self.filter(key_hash=keyed_hash(key)).first()


class Account(models.Model):
    """Who owns channels. Its key manages all of them and reads none of their feeds."""

    login = models.SlugField(_("login"), max_length=64, unique=True)
    key = EncryptedTextField()
    key_hash = models.CharField(max_length=64, unique=True)
    plan_name = models.CharField(
        max_length=40, blank=True, help_text="A name out of PLATFORM_PLANS; empty is the default."
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    # Only counted where the plan has a quota.
    messages = models.PositiveBigIntegerField(_("messages"), default=0)
    messages_since = models.DateTimeField(_("messages counted since"), default=timezone.now)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return self.login

    @property
    def plan(self) -> Plan:
        return plan_named(self.plan_name)

    def renew_key(self) -> str:
        """Replace the account key and return the new one. The old one is dead at once."""
        self.key = new_key()
        self.key_hash = keyed_hash(self.key)
        self.save(update_fields=["key", "key_hash"])
        return self.key


class Tag(models.Model):
    name = models.CharField(max_length=255, unique=True)

    def __str__(self) -> str:
        return self.name


class ChannelQuerySet(models.QuerySet["Channel"]):
    def open(self, account: Account, *, name: str = "", **settings: object) -> Channel:
        """Create a channel with one write and one read key. `settings` are fields of the model.

        Raises ChannelLimit if the account's plan does not allow another one.
        """
        limit = account.plan.channels
        # Without a limit nothing is refused here, and whoever has a transaction needs no savepoint in it.
        with transaction.atomic(savepoint=bool(limit)):
            if limit:
                # Two requests at once must not both take the last place.
                Account.objects.select_for_update().get(pk=account.pk)
                if account.channels.count() >= limit:
                    raise ChannelLimit
            channel = self.model(account=account, name=name, **settings)
            channel.marker = marker_in(channel.metadata)
            insert(channel)
            if not name:
                channel.name = f"Channel {channel.number}"
                channel.save(update_fields=["name"])
            channel.first_keys = ApiKey.fresh(channel, writes=True), ApiKey.fresh(channel, writes=False)
            insert(Latest(channel=channel), *channel.first_keys)
        return channel

    def with_details(self) -> Self:
        """Fetch what the API shows of each channel in a fixed number of queries, and decrypt nothing for it."""
        return self.select_related("account", "latest").defer("account__key").prefetch_related("tags")

    def with_keys(self) -> Self:
        """Fetch the keys that are good, too, which only the owner sees.

        Ended ones stay for ever: to decrypt them all for each list would cost more with every renewal.
        """
        return self.prefetch_related(Prefetch("api_keys", ApiKey.objects.good_at(timezone.now())))

    def replace_write_keys(self, numbers: Collection[int], *, at: datetime | None = None) -> dict[int, str]:
        """End every write key of those of these channels at once, and return the new one of each."""
        at = at or timezone.now()
        issued: list[ApiKey] = []
        with transaction.atomic():
            for many in _in_parts(sorted(numbers)):
                # Locked before the keys are looked at, as in `Channel.rotate_write_key`: a key that somebody else is
                # issuing in this moment is there afterwards, and ends with the others.
                locked = list(self.select_for_update(no_key=True).filter(number__in=many).order_by("number"))
                keys = ApiKey.objects.good_at(at).filter(channel__in=[one.number for one in locked], writes=True)
                keys.update(expires_at=at)
                issued += ApiKey.objects.bulk_create(ApiKey.fresh(one, writes=True, at=at) for one in locked)
        return {key.channel_id: key.value for key in issued}


class Channel(models.Model):
    """A time series with up to eight fields. What changes with every write is in `Latest`."""

    number = models.BigAutoField(_("number"), primary_key=True)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="channels", db_index=False, verbose_name=_("account")
    )
    name = models.CharField(_("name"), max_length=255, blank=True)
    description = models.CharField(_("description"), max_length=255, blank=True)
    # The labels. A field without one is not shown in feeds.
    field1 = models.CharField(max_length=255, blank=True)
    field2 = models.CharField(max_length=255, blank=True)
    field3 = models.CharField(max_length=255, blank=True)
    field4 = models.CharField(max_length=255, blank=True)
    field5 = models.CharField(max_length=255, blank=True)
    field6 = models.CharField(max_length=255, blank=True)
    field7 = models.CharField(max_length=255, blank=True)
    field8 = models.CharField(max_length=255, blank=True)
    metadata = models.TextField(blank=True)
    # Taken out of the metadata whenever that is saved, so that a channel is found by it through an index.
    marker = models.CharField(_("marker"), max_length=MAX_LENGTH, blank=True, editable=False)
    latitude = models.DecimalField(max_digits=13, decimal_places=10, null=True, blank=True)
    longitude = models.DecimalField(max_digits=13, decimal_places=10, null=True, blank=True)
    elevation = models.CharField(max_length=255, blank=True)
    url = models.CharField(max_length=255, blank=True)
    public = models.BooleanField(_("public"), default=False)
    tags = models.ManyToManyField(Tag, blank=True, related_name="channels")
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = ChannelQuerySet.as_manager()

    # The keys that the channel was opened with: whoever opened it need not fetch them.
    first_keys: Sequence[ApiKey] = ()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        indexes = [
            # Not a partial index: SQLite does not use one for a value that is a parameter.
            models.Index(fields=["account", "marker"], name="channel_by_marker"),
            models.Index(fields=["-number"], name="channel_public", condition=Q(public=True)),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"

    def save(self, **options: object) -> None:
        self.marker = marker_in(self.metadata)
        fields = options.get("update_fields")
        if fields is not None:
            options["update_fields"] = {*fields, "marker", "updated_at"}  # type: ignore[misc]
        super().save(**options)  # type: ignore[arg-type]

    @property
    def labels(self) -> dict[int, str]:
        """The labels of the fields that have one, by field number."""
        return {n: label for n in FIELDS if (label := getattr(self, f"field{n}"))}

    def rotate_write_key(self, *, overlap: timedelta, at: datetime | None = None) -> ApiKey:
        """Issue a new write key; the one before stays good for `overlap`."""
        at = at or timezone.now()
        with transaction.atomic():
            # No more of a lock than that: who writes an entry asks at the end whether the channel is there, and may
            # hold the key's row by then.
            Channel.objects.select_for_update(no_key=True).get(pk=self.pk)
            self.api_keys.filter(writes=True, expires_at=None).update(expires_at=at + overlap)
            return ApiKey.objects.issue(self, writes=True, at=at)

    def clear(self) -> None:
        """Delete all entries; the next one has the number 1 again."""
        Entry.objects.delete_of(self.number)
        with transaction.atomic():
            # This first: writers wait for the row, so none of them slips an entry in between.
            Latest.objects.filter(channel=self).update(**Latest.blank())
            Entry.objects.filter(channel=self).delete()

    def discard(self) -> None:
        """Delete the channel, its keys and its entries. Should the process die on the way, it is to be begun again."""
        Entry.objects.delete_of(self.number)
        with transaction.atomic():
            Latest.objects.filter(channel=self).delete()
            Entry.objects.filter(channel=self).delete()
            self.delete()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def good_at(self, moment: datetime) -> Self:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=moment))

    def find(self, value: str) -> ApiKey | None:
        """Return the key with that value, or None."""
        return self.filter(hash=keyed_hash(value)).first()

    def issue(self, channel: Channel, *, writes: bool, note: str = "", at: datetime | None = None) -> ApiKey:
        key = ApiKey.fresh(channel, writes=writes, note=note, at=at)
        key.save(force_insert=True)
        return key


class ApiKey(models.Model):
    """A write key (which reads too) or a read key of one channel.

    Ended keys stay as rows, so that a key is never issued twice and an operator sees when it was last used.
    """

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="api_keys", verbose_name=_("channel"))
    value = EncryptedTextField()
    hash = models.CharField(max_length=64, unique=True)
    writes = models.BooleanField(_("write key"))
    note = models.CharField(_("note"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("created"))
    # Of write keys to the minute, of read keys to the hour.
    first_used_at = models.DateTimeField(_("first used"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    expires_at = models.DateTimeField(_("good until"), null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("key")
        verbose_name_plural = _("keys")
        # The write key first: some clients take `api_keys[0]` for it. Then the newest: it is the one to use.
        ordering = ["-writes", F("expires_at").desc(nulls_first=True), "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel"], condition=Q(writes=True, expires_at=None), name="one_current_write_key_a_channel"
            ),
        ]

    def __str__(self) -> str:
        return f"{'write' if self.writes else 'read'} key {self.pk} of channel {self.channel_id}"

    @classmethod
    def fresh(cls, channel: Channel, *, writes: bool, note: str = "", at: datetime | None = None) -> ApiKey:
        """Return a new key that is not saved yet."""
        value = new_key()
        at = at or timezone.now()
        return cls(channel=channel, value=value, hash=keyed_hash(value), writes=writes, note=note, created_at=at)

    def is_good_at(self, moment: datetime) -> bool:
        return self.expires_at is None or self.expires_at > moment

    def end(self, *, at: datetime | None = None) -> None:
        """End the key at once. One that has ended stays as it is."""
        at = at or timezone.now()
        ApiKey.objects.filter(pk=self.pk).good_at(at).update(expires_at=at)
