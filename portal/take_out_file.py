"""What is in a take-out: JSON about the person and what they manage, and the history of each device as CSV."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from django.utils import timezone

from channels.platforms import OutOfReach, PlatformError
from devices.history import csv_of
from devices.models import Device, DeviceQuerySet, RegistrationKey
from orgs import access
from orgs.models import AuditEntry, Membership, User
from portal.log_ins import LogIn
from portal.shown import shown_to
from portal.take_outs import TakeOut, managed_places

STEP = 10.0
"""Seconds after which a step ends: other work of the worker wants its turn."""
BATCH = 50
LINES = 2000
"""Lines of CSV that are compressed at once."""


def advance(take_out: TakeOut, *, seconds: float = STEP) -> bool:
    """Do one step, and return whether more are to be done. Each step leaves a whole file behind."""
    until = time.monotonic() + seconds
    with ZipFile(take_out.path, "a", ZIP_DEFLATED, compresslevel=6) as archive:
        take_out.path.chmod(0o600)
        if not archive.namelist():
            _begin(archive, take_out)
        is_over = _add_histories(archive, take_out, until)
        if is_over:
            archive.writestr("README.txt", render_to_string("portal/take_out_readme.txt", {"take_out": take_out}))
    take_out.size, take_out.touched_at = take_out.path.stat().st_size, timezone.now()
    take_out.keep_progress()
    return not is_over


def _begin(archive: ZipFile, take_out: TakeOut) -> None:
    take_out.manages = managed_places(take_out.user)
    take_out.devices_total = _devices(take_out).count()
    for name, content in _about(take_out.user):
        archive.writestr(name, json.dumps(content, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1))


def _devices(take_out: TakeOut) -> DeviceQuerySet:
    return Device.objects.managed_by(take_out.user).filter(channel__isnull=False, pk__gt=take_out.up_to_device)


def _add_histories(archive: ZipFile, take_out: TakeOut, until: float) -> bool:
    """Add as many as there is time for; return whether those were all. One at least, so that there is an end."""
    away: set[int] = set()
    # In batches: a cursor that is open for long holds up whoever wants to tidy the database.
    while batch := list(_devices(take_out).select_related("channel__account").order_by("pk")[:BATCH]):
        for device in batch:
            _add_history(archive, device, take_out, away)
            take_out.up_to_device, take_out.devices_done = device.pk, take_out.devices_done + 1
            if time.monotonic() > until:
                return False
    return True


def _add_history(archive: ZipFile, device: Device, take_out: TakeOut, away: set[int]) -> None:
    channel = device.channel
    assert channel is not None  # noqa: S101  For the type checker; the query leaves others out.
    name = f"feeds/{channel.number}-{_plain(str(device))}.csv"
    try:
        if channel.account_id in away:
            raise OutOfReach
        lines = csv_of(channel)
        with archive.open(name, "w") as target:
            while some := "".join(islice(lines, LINES)):
                target.write(some.encode())
    except PlatformError as problem:
        if isinstance(problem, OutOfReach):
            away.add(channel.account_id)
        take_out.missing.append(f"{name}: {problem}")


def _plain(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name)[:60].strip("-") or "device"


def _about(user: User) -> Iterator[tuple[str, Any]]:
    devices = Device.objects.visible_to(user).select_related("organization", "channel", "contact")
    devices = devices.order_by(*Device.BY_NAME)
    yield "profile.json", _profile(user)
    yield "places.json", [_place(place) for place in _places(user)]
    yield "shown.json", [_shown(showing) for showing in shown_to(user)]
    yield "activity.json", [_done(entry) for entry in AuditEntry.objects.filter(actor=user).order_by("created_at")]
    managed = access.managed_organizations(user)
    mine = set(managed.values_list("pk", flat=True))
    yield "devices.json", [_device(device, is_managed=device.organization_id in mine) for device in devices]
    if not mine:
        return
    yield (
        "organizations.json",
        list(
            managed.order_by("tree_id", "lft").values(
                "id", "name", "description", "parent", "created_at", "suspended_at"
            )
        ),
    )
    people = Membership.objects.filter(organization__in=managed).select_related("user", "organization", "created_by")
    yield "people.json", [{"name": str(place.user), "email": place.user.email, **_place(place)} for place in people]
    keys = RegistrationKey.objects.managed_by(user).order_by("pk")
    yield "registration-keys.json", list(
        keys.values(
            "lookup", "label", "organization", "created_at", "expires_at", "use_limit", "uses", "revoked_at",
            "renewed_at",
        )
    )  # fmt: skip


def _profile(user: User) -> dict[str, Any]:
    log_ins = LogIn.objects.good().filter(user=user)
    return {
        "email": user.email,
        "given_name": user.given_name,
        "family_name": user.family_name,
        "language": user.language,
        "time_zone": user.time_zone,
        "browser_language": user.seen_language,
        "browser_time_zone": user.seen_time_zone,
        "joined": user.date_joined,
        "last_login": user.last_login,
        "log_ins": list(log_ins.values("since", "seen_at", "address", "user_agent")),
    }


def _places(user: User) -> Iterable[Membership]:
    return Membership.objects.filter(user=user).select_related("organization", "created_by").order_by("pk")


def _place(place: Membership) -> dict[str, Any]:
    return {
        "organization": place.organization_id,
        "organization_name": place.organization.name,
        "relation": place.relation,
        "since": place.created_at,
        "until": place.valid_until,
        "placed_by": str(place.created_by) if place.created_by else None,
    }


def _shown(showing: Any) -> dict[str, Any]:
    return {
        "key": str(showing.kind),
        "of": showing.what,
        "organization_name": showing.where,
        "shown": showing.at,
        "still_good": showing.is_good,
        "until": showing.until,
    }


def _done(entry: AuditEntry) -> dict[str, Any]:
    return {
        "when": entry.created_at,
        "what": entry.action,
        "about": entry.object_label,
        "organization_name": entry.organization_name,
        "details": entry.details,
        "from": entry.address,
    }


def _device(device: Device, *, is_managed: bool) -> dict[str, Any]:
    contact = getattr(device, "contact", None)
    asked: datetime | None = contact.asked_at if contact else None
    return {
        # As on the pages: with a serial number and somebody's registration key one asks in the name of the device.
        "serial": device.serial if is_managed or not device.name else None,
        "name": device.name,
        "organization": device.organization_id,
        "organization_name": device.organization.name,
        "channel": device.channel.number if device.channel else None,
        "registered": device.created_at,
        "last_asked": asked,
    }
