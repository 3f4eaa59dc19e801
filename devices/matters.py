"""What a manager should look at first, as one thing: a sentence with a sign, and where to do something about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2s

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


@dataclass(frozen=True)
class Attention:
    """All that needs attention, as one page shows it."""

    matters: Sequence[Matter]

    @property
    def shown(self) -> str:
        """What the page says with each look that it shows, so that it is only drawn anew when something is other."""
        said = [f"{one.kind} {one.label} {one.sentence} {one.url} {one.step}" for one in self.matters]
        return blake2s("\n".join(said).encode(), digest_size=8).hexdigest()

    @property
    def marked(self) -> Iterator[tuple[str, Matter]]:
        """Each with a mark that it keeps when others come before it: the focus in it stays there by that."""
        seen: Counter[str] = Counter()
        for matter in self.matters:
            mark = blake2s(str(matter.label).encode(), digest_size=4).hexdigest()
            seen[mark] += 1
            yield f"{mark}-{seen[mark]}", matter


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
