"""Serial numbers entered before their devices come: read from what was typed, or from a CSV file, and stored."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

from devices.models import Device, ExpectedDevice, PendingDevice
from devices.serials import NotASerial, check_serial
from orgs.fields import SEPARATOR
from orgs.models import Organization

MOST_ROWS = 5000
"""What is entered at a time at most."""
COLUMNS = ("serial", "name", "organization")
LONGEST_NAME = 100


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
    """How many lines are new, how many have replaced an older one, and how many devices had registered already."""

    new: int
    changed: int
    known: int


def read_lines(text: str, *, customer: Organization) -> Lines:
    """Read a serial number a line, or lines of a CSV file with the columns serial, name, organization.

    Commas, semicolons (as spreadsheets write in much of Europe) and tabs separate columns. A first line with their
    names may put them into another order. An organization is named by its name or by the path to it.
    """
    lines = Lines()
    places = _Places(customer)
    order: Mapping[str, int] | None = None
    seen: dict[str, int] = {}
    for number, cells in _cells(text, lines.problems):
        if order is None:
            names = [cell.lower() for cell in cells]
            if "serial" in names:
                order = {name: names.index(name) for name in COLUMNS if name in names}
                continue
            order = {name: place for place, name in enumerate(COLUMNS)}
        try:
            row = _row(cells, order, places)
            if row.serial in seen:
                raise _Bad(_("{serial} is in line {line} already.").format(serial=row.serial, line=seen[row.serial]))
        except _Bad as problem:
            lines.problems.append(_("Line {line}: {problem}").format(line=number, problem=problem))
            continue
        seen[row.serial] = number
        lines.rows.append(row)
    if len(lines.rows) > MOST_ROWS:
        lines.problems.append(_("More than {most} lines at a time are too many.").format(most=MOST_ROWS))
    return lines


class _Bad(Exception):
    """Something about a line; the text is a sentence."""


def _cells(text: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Return the lines that have something in them, with their numbers, each as its columns."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = next((mark for mark in ("\t", ";", ",") if mark in first), ",")
    reader = csv.reader(text.splitlines(), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error:
        problems.append(_("Line {line}: this is no line of a CSV file.").format(line=reader.line_num))


def _row(cells: list[str], order: Mapping[str, int], places: _Places) -> Expected:
    if any(cell for place, cell in enumerate(cells) if place not in order.values()):
        raise _Bad(_("there are more columns than serial, name and organization."))
    serial, name, organization = (_cell(cells, order.get(column)) for column in COLUMNS)
    try:
        check_serial(serial)
    except NotASerial:
        raise _Bad(
            _("“{text}” is no serial number: 1 to 64 of the characters A-Z a-z 0-9 . _ : - make one.").format(
                text=serial[:80]
            )
        ) from None
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise _Bad(_("there are characters in the name that cannot be printed."))
    if len(name) > LONGEST_NAME:
        raise _Bad(_("the name is longer than {most} letters.").format(most=LONGEST_NAME))
    return Expected(serial, name, places.find(organization) if organization else None)


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""


class _Places:
    """The organizations of a customer by their names and by the paths to them, in one query."""

    def __init__(self, customer: Organization) -> None:
        self._by_name: dict[str, list[Organization]] = {}
        path: list[Organization] = []
        for one in Organization.objects.filter(tree_id=customer.tree_id).order_by("lft"):
            while path and not path[-1].contains(one):
                path.pop()
            path.append(one)
            names = [step.name for step in path]
            for name in {SEPARATOR.join(names), SEPARATOR.join(names[1:]), one.name} - {""}:
                self._by_name.setdefault(name.casefold(), []).append(one)

    def find(self, text: str) -> Organization:
        wanted = SEPARATOR.join(step.strip() for step in text.replace("/", "›").split("›"))
        found = self._by_name.get(text.casefold()) or self._by_name.get(wanted.casefold()) or []
        if not found:
            raise _Bad(_("there is no organization called “{name}”.").format(name=text[:100]))
        if len(found) > 1:
            raise _Bad(
                _("there are several organizations called “{name}”. Write the path: “{path}”.").format(
                    name=text[:100], path=_("Ground floor › Kitchen")
                )
            )
        return found[0]


@transaction.atomic
def enter(rows: list[Expected], *, customer: Organization) -> Entered:
    """Store what is expected. A line of the same serial number is replaced; devices that are known stay as they are.

    Whoever waits for approval or was refused is let in with this, when it asks next.
    """
    serials = [row.serial for row in rows]
    known = set(_of(Device.objects.filter(customer=customer), serials))
    fresh = [row for row in rows if row.serial not in known]
    before = set(_of(ExpectedDevice.objects.filter(customer=customer), [row.serial for row in fresh]))
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
    for some in _batches([row.serial for row in fresh]):
        PendingDevice.objects.filter(customer=customer, serial__in=some).delete()
    return Entered(new=len(fresh) - len(before), changed=len(before), known=len(known))


def _of(things: object, serials: list[str]) -> Iterator[str]:
    """Return the serial numbers out of those that the queryset has, asking for some at a time."""
    for some in _batches(serials):
        yield from things.filter(serial__in=some).values_list("serial", flat=True)  # type: ignore[attr-defined]


def _batches(serials: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(serials), 500):
        yield serials[start : start + 500]
