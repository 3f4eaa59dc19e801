"""What a manager should look at first, the most urgent things before the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from channels.models import PlatformAccount
from devices.models import Device, RegistrationKey
from devices.readings import DeviceState, readings_of
from orgs import access
from orgs.models import User

LOOKED_AT = 300
"""Devices that are asked for their last value at most, so that the page of a large customer opens in time."""
NAMED = 3
WAITS_TOO_LONG_AFTER = timedelta(minutes=10)
EXPIRES_SOON = timedelta(days=14)


@dataclass(frozen=True)
class Matter:
    """Something to look at: `kind` and `label` as in `_state.html`, a sentence, and where to do something about it."""

    kind: str
    label: str | Promise
    sentence: str
    url: str
    step: str | Promise = ""


def matters_for(user: User, now: datetime) -> list[Matter]:
    """Return what needs the attention of `user` as a manager, in eight queries."""
    return [
        *_accounts(user),
        *_silent(user, now),
        *_waiting(user, now),
        *_registration_keys(user, now),
        *_invitations(user, now),
    ]


def _accounts(user: User) -> Iterator[Matter]:
    accounts = PlatformAccount.objects.filter(organization__in=access.managed_organizations(user))
    waiting = Device.objects.filter(customer=OuterRef("organization"), channel__isnull=True)
    accounts = accounts.exclude(state=PlatformAccount.State.VERIFIED).annotate(is_waited_for=Exists(waiting))
    for account in accounts.select_related("organization").defer("key"):
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
            if account.is_waited_for:  # Else nobody has asked since the last device got its channel or was deleted.
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


def _silent(user: User, now: datetime) -> Iterator[Matter]:
    devices = Device.objects.managed_by(user).filter(channel__isnull=False).select_related("channel__account")
    readings = readings_of(list(devices.order_by("pk")[:LOOKED_AT]), now)
    silent = [reading.device for reading in readings.all if reading.state is DeviceState.SILENT]
    if silent:
        said = ngettext(
            "{names} has not sent anything for more than an hour.",
            "{names} have not sent anything for more than an hour.",
            len(silent),
        )
        url = _one_or_list(silent, state="silent")
        yield Matter("bad", DeviceState.SILENT.text, said.format(names=_names(silent)), url)


def _waiting(user: User, now: datetime) -> Iterator[Matter]:
    late = Device.objects.managed_by(user).filter(channel__isnull=True, created_at__lt=now - WAITS_TOO_LONG_AFTER)
    waiting = list(late.order_by("pk")[:LOOKED_AT])
    if waiting:
        said = ngettext(
            "{names} has registered and has no channel yet.",
            "{names} have registered and have no channel yet.",
            len(waiting),
        )
        url = _one_or_list(waiting, state="no_channel")
        yield Matter("warn", DeviceState.NO_CHANNEL.text, said.format(names=_names(waiting)), url)


def _registration_keys(user: User, now: datetime) -> Iterator[Matter]:
    good = (
        RegistrationKey.objects.managed_by(user)
        .good(now)
        .filter(successor__isnull=True)
        .defer("secret", "envelope_key_base64")
    )
    soon = Q(expires_at__lte=now + EXPIRES_SOON)
    used_up = Q(uses__gte=F("use_limit"))
    for key in good.filter(soon | used_up).select_related("organization").order_by("expires_at", "pk")[:NAMED]:
        names = {"key": str(key), "place": key.organization.name}
        if key.is_used_up:
            said = _("Registration key {key} of {place} has let in as many devices as it may.")
            yield Matter("warn", gettext_lazy("Used up"), said.format(**names), key.get_absolute_url())
        else:
            said = _("Registration key {key} of {place} lets no device in after {day}.")
            day = date_format(timezone.localtime(key.expires_at), "DATE_FORMAT")
            yield Matter("warn", gettext_lazy("Key expires"), said.format(**names, day=day), key.get_absolute_url())


def _invitations(user: User, now: datetime) -> Iterator[Matter]:
    old = access.managed_invitations(user).pending().filter(expires_at__lte=now).select_related("organization")
    for invitation in old.order_by("expires_at")[:NAMED]:
        said = _("{who} has not answered the invitation to {place} in time.")
        who = invitation.full_name or invitation.email
        yield Matter(
            "wait",
            gettext_lazy("Invitation expired"),
            said.format(who=who, place=invitation.organization.name),
            f"{invitation.organization.get_absolute_url()}#people",
            gettext_lazy("Send it again"),
        )


def _names(devices: Sequence[Device]) -> str:
    named = ", ".join(f"“{device}”" for device in devices[:NAMED])
    more = len(devices) - NAMED
    return (
        named
        if more <= 0
        else ngettext("{named} and {count} more", "{named} and {count} more", more).format(named=named, count=more)
    )


def _one_or_list(devices: Sequence[Device], **filters: str) -> str:
    if len(devices) == 1:
        return devices[0].get_absolute_url()
    return f"{reverse('device_list')}?{urlencode(filters)}"
