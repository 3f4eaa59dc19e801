"""What a manager should look at because it was noticed on the channel platform, or because a move is stuck there."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.models import Finding
from devices.matters import NAMED, Matter, names_of
from devices.models import Device, RollOver
from devices.noticed import findings_managed_by, noticed
from orgs.models import User
from orgs.paths import Paths

LISTED = 5
"""So many things that were noticed are listed one by one: a whole account can be deleted at once."""
SAID = {
    Finding.Kind.CHANNEL_MISSING: gettext_lazy("The channel of {device} was deleted on the channel platform."),
    Finding.Kind.FOREIGN_CHANNEL: gettext_lazy("The account has a channel that belongs to no device: {device}."),
    Finding.Kind.KEY_KNOWN: gettext_lazy("Somebody who left knows the read key of {device}. Renew it there."),
    Finding.Kind.CLONED: gettext_lazy("Two devices seem to have the serial number of {device}."),
    Finding.Kind.NO_READ_KEY: gettext_lazy("The channel of {device} has no read key: nobody sees what it measures."),
}


LABELS = {
    Finding.Kind.CHANNEL_MISSING: gettext_lazy("Channel is gone"),
    Finding.Kind.FOREIGN_CHANNEL: gettext_lazy("Without a device"),
    Finding.Kind.KEY_KNOWN: gettext_lazy("Key known"),
    Finding.Kind.CLONED: gettext_lazy("Same serial number"),
    Finding.Kind.NO_READ_KEY: gettext_lazy("No read key"),
}
"""What they are called here, in a column of short words."""


def noticed_matters(user: User, paths: Paths) -> Iterator[Matter]:
    """Return one matter for each thing that was noticed, and for each move that is stuck, in two queries."""
    yield from _noticed(user, paths)
    yield from _moves(user, paths)


def _noticed(user: User, paths: Paths) -> Iterator[Matter]:
    """One matter for each thing that was noticed, and one more for the rest of very many."""
    found = (
        findings_managed_by(user)
        .open()
        .select_related("channel__device__organization", "account")
        .defer("account__key")
    )
    shown = [noticed(finding) for finding in found.order_by("-found_at", "-pk")[: LISTED + 1]]
    for one in shown[:LISTED]:
        finding, kind = one.finding, Finding.Kind(one.finding.kind)
        said = SAID[kind].format(device=names_of([one.device or finding.label or str(finding.number)], paths))
        yield Matter(one.sign, LABELS[kind], said, one.page)
    if len(shown) > LISTED:
        said = _("More was noticed than is listed here.")
        yield Matter("warn", gettext_lazy("And more"), said, shown[-1].page)


def _moves(user: User, paths: Paths) -> Iterator[Matter]:
    """Moves to new channels that something is in the way of."""
    stuck = RollOver.objects.open().exclude(trouble="").filter(device__in=Device.objects.managed_by(user))
    for rollover in stuck.select_related("device__organization").order_by("started_at")[:NAMED]:
        said = _("{device} waits for its new channel. {trouble}")
        said = said.format(device=names_of([rollover.device], paths), trouble=rollover.get_trouble_display())
        url = reverse("device_new_channel", args=[rollover.device_id])
        yield Matter("warn", gettext_lazy("Move is stuck"), said, url)
