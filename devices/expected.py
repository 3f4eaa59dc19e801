"""Serial numbers entered before their devices come: read from what was typed, or from a CSV file, and stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device, ExpectedDevice, PendingDevice
from devices.serials import NotASerial, check_serial
from orgs.errors import ChangedMeanwhile
from orgs.lines import BadLine, PlacesByName, check_name, read_table, said_of
from orgs.models import Organization

MOST_ROWS = 5000
"""What is entered at a time at most."""
COLUMNS = {
    "serial": ("serial number", gettext_lazy("serial number")),
    "name": (gettext_lazy("name"),),
    "organization": (gettext_lazy("organization"),),
}
"""The columns of a file, and what else their heads may be called."""


@dataclass(frozen=True)
class Expected:
    """One line: a serial number and, if given, what the device shall be called and where it belongs."""

    serial: str
    name: str = ""
    organization: Organization | None = None


@dataclass(frozen=True)
class Lines:
    """What was understood, and a sentence for each line that was not. With any of those nothing is stored."""

    rows: list[Expected] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Entered:
    """How many lines are new, how many have replaced an older one, and how many devices had registered already.

    And of how many new ones a device was refused before: it is let in now.
    """

    new: int
    changed: int
    known: int
    refused: int


def read_lines(text: str, *, customer: Organization) -> Lines:
    """Read a serial number a line, or lines of a CSV file with the columns serial, name, organization.

    An organization is named by its name or by the path to it. See `orgs.lines` for what separates columns.
    """
    lines = Lines()
    places = PlacesByName(customer)
    seen: dict[str, int] = {}
    too_many = _("More than {most} lines at a time are too many.").format(most=MOST_ROWS)
    for number, cells in read_table(text, COLUMNS, lines.problems, most=MOST_ROWS, too_many=too_many):
        try:
            row = _row(cells, places)
            if row.serial in seen:
                raise BadLine(_("{serial} is in line {line} already.").format(serial=row.serial, line=seen[row.serial]))
        except BadLine as problem:
            lines.problems.append(said_of(number, problem))
            continue
        seen[row.serial] = number
        lines.rows.append(row)
    return lines


def _row(cells: Mapping[str, str], places: PlacesByName) -> Expected:
    serial, name, organization = (cells[column] for column in COLUMNS)
    try:
        check_serial(serial)
    except NotASerial:
        raise BadLine(
            _("“{text}” is no serial number: 1 to 64 of the characters A-Z a-z 0-9 . _ : - make one.").format(
                text=serial[:80]
            )
        ) from None
    check_name(name)
    return Expected(serial, name, places.find(organization) if organization else None)


def require_places(rows: list[Expected]) -> None:
    """Raise ChangedMeanwhile if an organization has been deleted since the rows were read.

    To be called inside the transaction that enters them, after `orgs.tree.lock_tree_of`.
    """
    named = {row.organization.pk: row.organization for row in rows if row.organization is not None}
    there = set(Organization.objects.filter(pk__in=named).values_list("pk", flat=True))
    for pk, place in named.items():
        if pk not in there:
            raise ChangedMeanwhile(_("Somebody else has just changed {name}. Look again.").format(name=place.name))


def replaced_by(rows: list[Expected], *, customer: Organization) -> list[tuple[ExpectedDevice, Expected]]:
    """Return what is on the list already and would be something else with `rows`, in their order, and what."""
    on_the_list = ExpectedDevice.objects.filter(customer=customer).select_related("organization")
    by_serial = {one.serial: one for one in _of(on_the_list, [row.serial for row in rows])}
    found = [(by_serial[row.serial], row) for row in rows if row.serial in by_serial]
    return [(one, row) for one, row in found if (one.name, one.organization) != (row.name, row.organization)]


@transaction.atomic
def enter(rows: list[Expected], *, customer: Organization) -> Entered:
    """Store what is expected. A line of the same serial number is replaced; devices that are known stay as they are.

    Whoever waits for approval or was refused is let in with this, when it asks next.
    """
    there = Device.objects.filter(customer=customer).values_list("serial", flat=True)
    known = set(_of(there, [row.serial for row in rows]))
    fresh = [row for row in rows if row.serial not in known]
    on_the_list = ExpectedDevice.objects.filter(customer=customer).values_list("serial", flat=True)
    before = set(_of(on_the_list, [row.serial for row in fresh]))
    ExpectedDevice.objects.bulk_create(
        [
            ExpectedDevice(customer=customer, serial=row.serial, name=row.name, organization=row.organization)
            for row in fresh
        ],
        update_conflicts=True,
        unique_fields=["customer", "serial"],
        update_fields=["name", "organization"],
        batch_size=500,
    )
    at_the_door = PendingDevice.objects.filter(customer=customer)
    refused = set(at_the_door.refused().values_list("serial", flat=True)).intersection(row.serial for row in fresh)
    for some in _batches([row.serial for row in fresh]):
        at_the_door.filter(serial__in=some).delete()
    return Entered(new=len(fresh) - len(before), changed=len(before), known=len(known), refused=len(refused))


@transaction.atomic
def put_back(rows: list[Expected], *, customer: Organization) -> int:
    """Expect again what was taken off the list just now; return how many.

    But neither what has been entered or has come in since, nor what somebody has refused since.
    """
    serials = [row.serial for row in rows]
    there = Device.objects.filter(customer=customer).values_list("serial", flat=True)
    entered = ExpectedDevice.objects.filter(customer=customer).values_list("serial", flat=True)
    refused = PendingDevice.objects.refused().filter(customer=customer).values_list("serial", flat=True)
    decided = {serial for things in (there, entered, refused) for serial in _of(things, serials)}
    missing = [row for row in rows if row.serial not in decided]
    return enter(missing, customer=customer).new


def _of(things: Any, serials: list[str]) -> Iterator[Any]:
    """Return what the queryset has of those serial numbers, asking for some at a time."""
    for some in _batches(serials):
        yield from things.filter(serial__in=some)


def _batches(serials: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(serials), 500):
        yield serials[start : start + 500]
