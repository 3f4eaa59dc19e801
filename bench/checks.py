"""What the database says afterwards: was everything stored that was answered with a success, once and in order?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, F, Max, Min, Window
from django.db.models.functions import Lag

from channels.models import Channel
from channels.platform import models as platform
from devices.models import Device, RegistrationKey


@dataclass
class Checks:
    """Sentences that hold, and sentences that should."""

    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def that(self, sentence: str, holds: bool) -> None:
        (self.right if holds else self.wrong).append(sentence)


def entries(checks: Checks, what: str, numbers: list[int], *, accepted: int, under_way: int, rows: int = 1) -> None:
    """Compare the entries of the channels with the writes of `rows` entries that were accepted.

    wrk cuts connections when its time is over: `under_way` is how many more writes may have been stored than
    confirmed.
    """
    found = platform.Entry.objects.filter(channel__in=numbers)
    count = found.count()
    checks.that(
        f"{what}: {count} entries are stored; {accepted} × {rows} were confirmed, at most {under_way} × {rows} more "
        "were under way when a measurement ended",
        count % rows == 0 and accepted <= count // rows <= accepted + under_way,
    )
    per_channel = list(
        found.order_by()
        .values("channel")
        .annotate(
            rows=Count("entry_id"),
            ids=Count("entry_id", distinct=True),
            first=Min("entry_id"),
            last=Max("entry_id"),
        )
    )
    with_gap = [row for row in per_channel if not row["rows"] == row["ids"] == row["last"] or row["first"] != 1]
    checks.that(f"{what}: entry ids of {len(per_channel)} channels run from 1 without gap or double", not with_gap)
    kept = dict(platform.Latest.objects.filter(channel__in=numbers).values_list("channel", "last_entry_id"))
    known = all(kept[row["channel"]] == row["last"] for row in per_channel)
    newest = found.filter(entry_id=F("channel__latest__last_entry_id"))
    behind = newest.exclude(field1=F("channel__latest__field1"))
    checks.that(f"{what}: each channel keeps number and value of its last entry", known and not behind.exists())


def interval(checks: Checks, what: str, numbers: list[int], seconds: float) -> None:
    """Look how far apart the entries of the channels were made, in the order of their numbers."""
    previous = Window(Lag("created_at"), partition_by="channel", order_by="entry_id")
    found = platform.Entry.objects.filter(channel__in=numbers).annotate(previous=previous)
    gaps = [at - earlier for at, earlier in found.values_list("created_at", "previous") if earlier is not None]
    checks.that(
        f"{what}: {len(gaps)} entries came {seconds:g} s or more after the one before",
        bool(gaps) and min(gaps) >= timedelta(seconds=seconds),
    )


def devices(checks: Checks, *, known: int, accepted: int, under_way: int) -> None:
    """Compare the devices with the registrations that were confirmed."""
    new = Device.objects.count() - known
    checks.that(
        f"register: {new} devices are new; {accepted} were confirmed, at most {under_way} more were under way",
        accepted <= new <= accepted + under_way,
    )
    checks.that("register: every device has a channel", not Device.objects.filter(channel=None).exists())
    checks.that(
        "register: there are as many channels as devices, here and on the platform",
        Channel.objects.count() == platform.Channel.objects.count() == Device.objects.count(),
    )
    uses = sum(RegistrationKey.objects.values_list("uses", flat=True))
    checks.that("register: the registration keys count every new device", uses == new)
