"""Entries of the audit as people read them: with the names by which they know devices, and links to those."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import CharField, Q
from django.db.models.functions import Cast
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from channels.models import Channel, ChannelKey
from devices.models import Device, RegistrationKey
from orgs.audit import AuditEntry, AuditEntryQuerySet
from orgs.audit_spoken import details_of, label_of
from orgs.audit_words import in_words
from orgs.discretion import Discretion
from orgs.models import User

DEVICE, CHANNEL, KEY = (model._meta.label_lower for model in (Device, Channel, ChannelKey))

# Details that name an organization beside the one in which it happened.
PLACES = {"device.moved": ("before",), "membership.moved": ("before",), "organization.moved": ("to",)}


@dataclass(frozen=True)
class AuditLine:
    """An entry with its sentence; `url` leads to the device that it tells of, if the reader manages it.

    `who` did it, with the `login` of that account, and from which `address`: as far as the reader may know.
    """

    entry: AuditEntry
    sentence: str
    url: str = ""
    who: str = ""
    login: str = ""
    address: str = ""
    is_by_device: bool = False


def first_line(device: Device, reader: User) -> AuditLine:
    """Return how it all began, which the device's own row tells: nothing is added to what a new device has to wait for.

    The key is named to whoever manages it, unless other hardware has taken the device's place since, with a key of its
    own. Two queries.
    """
    came_with = RegistrationKey.objects.managed_by(reader).filter(devices=device)
    lookup = came_with.values_list("lookup", flat=True).first()
    if lookup is not None and device.predecessors.exists():
        lookup = None
    action = "device.registered" if lookup else "device.registered_somehow"
    entry = AuditEntry(created_at=device.created_at, action=action)
    return AuditLine(entry, in_words(action, str(device), {"registration": f"{lookup}-…"}), is_by_device=True)


def entries_about(device: Device) -> AuditEntryQuerySet:
    """Return what happened to a device, to its channel and those that it had before, and to the keys of those."""
    about = Q(object_type=DEVICE, object_id=str(device.pk))
    if device.channel is not None:
        line = Channel.objects.of_lines([device.channel.line])
        keys = ChannelKey.objects.filter(channel__in=line)
        about |= Q(object_type=CHANNEL, object_id__in=line.annotate(text=Cast("pk", CharField())).values("text"))
        about |= Q(object_type=KEY, object_id__in=keys.annotate(text=Cast("pk", CharField())).values("text"))
    return AuditEntry.objects.filter(about).select_related("actor")


def lines_of(entries: Iterable[AuditEntry], reader: User) -> list[AuditLine]:
    """Return the entries in words, without what is not for the reader to know; six queries, however many they are."""
    entries = list(entries)
    keys = ChannelKey.objects.filter(pk__in=_numbers(entries, KEY)).select_related("holder").defer("value")
    by_key = {key.pk: key for key in keys}
    channels = {*_numbers(entries, CHANNEL), *(key.channel_id for key in by_key.values())}
    line_of = {pk: first or pk for pk, first in Channel.objects.filter(pk__in=channels).values_list("pk", "first")}
    lines_there = set(line_of.values())
    devices = Device.objects.managed_by(reader).filter(
        Q(pk__in=_numbers(entries, DEVICE)) | Q(channel__in=lines_there) | Q(channel__first__in=lines_there)
    )
    by_pk = {device.pk: device for device in devices.select_related("channel")}
    by_line = {device.channel.line: device for device in by_pk.values() if device.channel}
    discretion = Discretion(reader, entries)
    lines = []
    for entry in entries:
        device, details = None, details_of(entry)
        if entry.object_type == DEVICE:
            device = by_pk.get(_number(entry))
        elif entry.object_type == CHANNEL:
            device = by_line.get(line_of.get(_number(entry), 0))
        elif entry.object_type == KEY and (key := by_key.get(_number(entry))):
            device = by_line.get(line_of.get(key.channel_id, 0))
        # The new name of then, which need not be that of now.
        is_of_now = device and entry.action != "device.renamed"
        about = str(device) if is_of_now else label_of(entry)
        url = device.get_absolute_url() if device else ""
        customer = device.customer_id if device else None
        for place in PLACES.get(entry.action, ()):
            name, number = str(details.get(place, "")), details.get(f"{place}_number")
            # Somebody who manages a part of a customer alone does not learn what else there is.
            details[place] = discretion.place(number, name, entry, customer) or _elsewhere(place)
        who, login = discretion.who(entry, customer)
        address = discretion.address(entry, customer)
        lines.append(AuditLine(entry, in_words(entry.action, about, details), url, who, login, address))
    return lines


def _elsewhere(place: str) -> str:
    return pgettext("a device was in …", "another organization") if place == "before" else _("another organization")


def _numbers(entries: Iterable[AuditEntry], kind: str) -> list[int]:
    return [_number(entry) for entry in entries if entry.object_type == kind]


def _number(entry: AuditEntry) -> int:
    return int(entry.object_id) if entry.object_id.isdecimal() else 0
