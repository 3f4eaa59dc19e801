"""What a manager should look at first, the most urgent things before the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from channels.models import PlatformAccount
from channels.platforms import platform_named
from devices.attention_keys import key_matters
from devices.attention_noticed import noticed_matters
from devices.matters import NAMED, Matter, the_worst_first
from devices.matters import names_of as _names
from devices.models import Device, FormerDevice, PendingDevice, RegistrationKey
from devices.readings import DeviceState, readings_of
from orgs import access
from orgs.models import User
from orgs.paths import Paths

LOOKED_AT = 2000
"""Devices that are asked for their last value at most, so that the page of a large customer opens in time."""
WAITS_TOO_LONG_AFTER = timedelta(minutes=10)
EXPIRES_SOON = timedelta(days=14)
CHANNELS_LEFT = 2
MESSAGES_LEFT = 0.1
"""What is left of an account's limits when they are near: so many channels, this part of a year's messages."""
TOLD_OF_RETURN_FOR = timedelta(days=7)


def matters_for(user: User, now: datetime, paths: Paths | None = None) -> list[Matter]:
    """Return what needs the attention of `user` as a manager, in a fixed number of queries."""
    paths = paths or Paths(user)
    # What is wrong with an account concerns everything else.
    return [
        *_accounts(user),
        *the_worst_first(
            *_not_sending(user, now, paths),
            *noticed_matters(user, paths),
            *_pending(user, paths),
            *_back_again(user, now, paths),
            *key_matters(user, now, paths),
            *_waiting(user, now, paths),
            *_registration_keys(user, now, paths),
            *_invitations(user, now, paths),
        ),
    ]


def _accounts(user: User) -> Iterator[Matter]:
    accounts = PlatformAccount.objects.filter(organization__in=access.managed_organizations(user))
    waiting = Device.objects.filter(customer=OuterRef("organization"), channel__isnull=True)
    # Where no device waits, nobody has asked since the last one got its channel or was deleted.
    accounts = accounts.exclude(~Exists(waiting), state=PlatformAccount.State.FULL)
    found = list(accounts.select_related("organization"))
    yield from _limits([account for account in found if account.state == PlatformAccount.State.VERIFIED])
    for account in found:
        if account.state == PlatformAccount.State.VERIFIED:
            continue
        url = reverse("platform_account", args=[account.organization_id])
        names = {"platform": account.get_platform_display(), "customer": account.organization.name}
        if account.state == PlatformAccount.State.REFUSED:
            said = _(
                "{platform} refuses the account key of {customer}. No new device gets a channel until it is replaced."
            )
            yield Matter(
                "bad", gettext_lazy("Account refused"), said.format(**names), url, gettext_lazy("Enter the new key")
            )
        elif account.state == PlatformAccount.State.FULL:
            said = _(
                "{platform}: the account of {customer} has no channel left, and a new device waits for one. Delete "
                "a channel that nobody needs or get a larger account; the device then goes on by itself."
            )
            yield Matter("bad", gettext_lazy("No channel left"), said.format(**names), url)
        else:
            said = _(
                "{platform} could not be asked yet about the account key of {customer}. It is tried again by itself."
            )
            yield Matter("wait", gettext_lazy("Not checked yet"), said.format(**names), url)


def _limits(accounts: Sequence[PlatformAccount]) -> Iterator[Matter]:
    """Say which good accounts are about to be used up, as far as their platform tells."""
    for name in sorted({account.platform for account in accounts}):
        keys = {account.key: account for account in accounts if account.platform == name}
        for key, allowance in platform_named(name).allowances(keys).items():
            account = keys[key]
            url, customer = reverse("platform_account", args=[account.organization_id]), account.organization.name
            left = allowance.channels_left
            if left is not None and left <= CHANNELS_LEFT:
                said = ngettext(
                    "The account of {customer} has room for {count} more device.",
                    "The account of {customer} has room for {count} more devices.",
                    left,
                )
                yield Matter("warn", gettext_lazy("Nearly full"), said.format(customer=customer, count=left), url)
            of = allowance.messages_a_year
            if of and allowance.messages_left is not None and allowance.messages_left <= of * MESSAGES_LEFT:
                said = _("The account of {customer} has stored {percent} percent of what it may store in a year.")
                percent = 100 - allowance.messages_left * 100 // of
                yield Matter(
                    "warn", gettext_lazy("Nearly used up"), said.format(customer=customer, percent=percent), url
                )


def _pending(user: User, paths: Paths) -> Iterator[Matter]:
    mine = PendingDevice.objects.managed_by(user).waiting().order_by("first_asked_at")
    waiting = list(mine.values_list("serial", flat=True)[:LOOKED_AT])
    if waiting:
        said = ngettext("{names} waits for you to let it in.", "{names} wait for you to let them in.", len(waiting))
        url = reverse("pending_devices")
        yield Matter("wait", gettext_lazy("At the door"), said.format(names=_names(waiting, paths)), url)


def _back_again(user: User, now: datetime, paths: Paths) -> Iterator[Matter]:
    lately = Device.objects.managed_by(user).filter(created_at__gt=now - TOLD_OF_RETURN_FOR)
    back = list(
        lately.select_related("organization").filter(FormerDevice.objects.before()).order_by("-created_at")[:LOOKED_AT]
    )
    if back:
        said = ngettext(
            "{names} was here before, was deleted or replaced, and has come in as a new device.",
            "{names} were here before, were deleted or replaced, and have come in as new devices.",
            len(back),
        )
        yield Matter("warn", gettext_lazy("Back again"), said.format(names=_names(back, paths)), _one_or_list(back))


def _not_sending(user: User, now: datetime, paths: Paths) -> Iterator[Matter]:
    devices = Device.objects.managed_by(user).filter(channel__isnull=False, blocked_at__isnull=True)
    # The account's key would be decrypted for each of them.
    devices = devices.select_related("organization", "channel__account", "contact").defer("channel__account__key")
    readings = readings_of(list(devices.order_by("pk")[:LOOKED_AT]), now)
    silent = [reading.device for reading in readings.all if reading.state is DeviceState.SILENT]
    awaited = [reading.device for reading in readings.all if reading.state is DeviceState.AWAITED]
    if silent:
        said = ngettext(
            "{names} has not sent anything for more than an hour.",
            "{names} have not sent anything for more than an hour.",
            len(silent),
        )
        url = _one_or_list(silent, state="silent")
        yield Matter("bad", DeviceState.SILENT.text, said.format(names=_names(silent, paths)), url)
    if awaited:
        said = ngettext(
            "The new hardware of {names} has not asked for its key yet.",
            "The new hardware of {names} has not asked for their keys yet.",
            len(awaited),
        )
        url = _one_or_list(awaited, state="awaited")
        yield Matter("wait", DeviceState.AWAITED.text, said.format(names=_names(awaited, paths)), url)


def _waiting(user: User, now: datetime, paths: Paths) -> Iterator[Matter]:
    late = Device.objects.managed_by(user).filter(
        channel=None, blocked_at=None, created_at__lt=now - WAITS_TOO_LONG_AFTER
    )
    waiting = list(late.select_related("organization").order_by("pk")[:LOOKED_AT])
    if waiting:
        said = ngettext(
            "{names} has registered and has no channel yet.",
            "{names} have registered and have no channel yet.",
            len(waiting),
        )
        url = _one_or_list(waiting, state="no_channel")
        yield Matter("warn", DeviceState.NO_CHANNEL.text, said.format(names=_names(waiting, paths)), url)


def _registration_keys(user: User, now: datetime, paths: Paths) -> Iterator[Matter]:
    good = (
        RegistrationKey.objects.managed_by(user)
        .good(now)
        .filter(successor__isnull=True)
        .defer("secret", "envelope_key_base64")
    )
    soon = Q(expires_at__lte=now + EXPIRES_SOON)
    used_up = Q(uses__gte=F("use_limit"))
    for key in good.filter(soon | used_up).select_related("organization").order_by("expires_at", "pk")[:NAMED]:
        names = {"key": str(key), "place": paths.to(key.organization)}
        if key.is_used_up:
            said = _("Registration key {key} of {place} has let in as many devices as it may.")
            yield Matter("warn", gettext_lazy("Used up"), said.format(**names), key.get_absolute_url())
        else:
            said = _("Registration key {key} of {place} lets no device in after {day}.")
            day = date_format(timezone.localtime(key.expires_at), "DATE_FORMAT")
            yield Matter("warn", gettext_lazy("Key expires"), said.format(**names, day=day), key.get_absolute_url())


def _invitations(user: User, now: datetime, paths: Paths) -> Iterator[Matter]:
    in_vain = access.managed_invitations(user).pending().filter(Q(expires_at__lte=now) | Q(stands=False))
    by_urgency = (F("asked_at").desc(nulls_last=True), "expires_at", "pk")
    old = list(in_vain.select_related("organization").order_by(*by_urgency)[:LOOKED_AT])
    rest = old[NAMED:]
    for invitation in old[:NAMED]:
        said = (
            _(
                "Whoever invited {who} to {place} does not manage it any more: the link opens nothing until you send a "
                "new one."
            )
            if not invitation.stands
            else _("{who} has opened the invitation to {place} too late, and asks for a new one.")
            if invitation.asked_at
            else _("{who} has not answered the invitation to {place} in time.")
        )
        who = invitation.full_name or invitation.email
        yield Matter(
            "wait",
            gettext_lazy("Invitation expired") if invitation.stands else gettext_lazy("Invitation on hold"),
            said.format(who=who, place=paths.to(invitation.organization)),
            f"{invitation.organization.get_absolute_url()}#people",
            gettext_lazy("Send it again"),
        )
    if rest:
        said = ngettext(
            "{count} more invitation has expired or is on hold.",
            "{count} more invitations have expired or are on hold.",
            len(rest),
        )
        label, step = gettext_lazy("Invitations expired"), gettext_lazy("Look at them")
        yield Matter("wait", label, said.format(count=len(rest)), reverse("invited"), step)


def _one_or_list(devices: Sequence[Device], **filters: str) -> str:
    if len(devices) == 1:
        return devices[0].get_absolute_url()
    return f"{reverse('device_list')}?{urlencode(filters)}"
