"""What a manager should look at first, as one thing: a sentence with a sign, and where to do something about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from devices.models import Device
from orgs.paths import Paths

NAMED = 3


@dataclass(frozen=True)
class Matter:
    """Something to look at: `kind` and `label` as in `_state.html`, a sentence, and where to do something about it."""

    kind: str
    label: str | Promise
    sentence: str
    url: str
    step: str | Promise = ""


WORST = ("bad", "warn", "wait")


def the_worst_first(*matters: Matter) -> list[Matter]:
    """Return them by how bad they are, and those that are equally bad as they came."""
    return sorted(matters, key=lambda matter: WORST.index(matter.kind))


def quoted(devices: Iterable[Device | str]) -> str:
    """Return the names of devices in the quotation marks of the language, with commas between them."""
    return ", ".join(_("“{name}”").format(name=device) for device in devices)


def names_of(devices: Sequence[Device | str], paths: Paths) -> str:
    """Return the names of some devices with where they are, and how many more there are.

    They come with `organization` selected: three hundred flats have a “Bathroom” each.
    """
    named = ", ".join(_named(device, paths) for device in devices[:NAMED])
    more = len(devices) - NAMED
    if more <= 0:
        return named
    return ngettext("{named} and {count} more", "{named} and {count} more", more).format(named=named, count=more)


def _named(device: Device | str, paths: Paths) -> str:
    if isinstance(device, str):
        return quoted([device])
    return _("“{name}” ({place})").format(name=device, place=paths.to(device.organization))
