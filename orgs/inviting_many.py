"""Inviting many people at once, all or nobody: who that is, read from lines or a CSV file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs.invitations import Invitee
from orgs.lines import BadLine, PlacesByName, check_name, read_table, said_of
from orgs.models import Invitation, Membership, Organization

COLUMNS = {
    "email": ("e-mail", "e-mail address", gettext_lazy("E-mail address")),
    "name": (gettext_lazy("name"),),
    "organization": (gettext_lazy("organization"),),
}
"""The columns of a file, and what else their heads may be called."""
MOST_ROWS = 100
"""What is invited at a time at most: all of it is one transaction."""


@dataclass(frozen=True)
class Invitees:
    """Who was understood, and a sentence for each line that was not. With any of those nobody is invited."""

    rows: list[Invitee] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_invitees(text: str, *, top: Organization) -> Invitees:
    """Read an e-mail address a line, or lines of a CSV file with the columns email, name, organization.

    An organization is `top`, where none is named, or one below it, by its name or by the path to it. Who has a place
    there already is a mistake.
    """
    read = Invitees()
    places = PlacesByName(top)
    lines: dict[tuple[str, int], int] = {}
    too_many = _("More than {most} people at a time are too many.").format(most=MOST_ROWS)
    for number, cells in read_table(text, COLUMNS, read.problems, most=MOST_ROWS, too_many=too_many):
        try:
            row = _row(cells, places, top)
            if before := lines.get((row.email, row.organization.pk)):
                raise BadLine(_("{email} is in line {line} already.").format(email=row.email, line=before))
        except BadLine as problem:
            read.problems.append(said_of(number, problem))
            continue
        lines[row.email, row.organization.pk] = number
        read.rows.append(row)
    read.problems.extend(_there_already(read.rows, lines))
    return read


def _row(cells: Mapping[str, str], places: PlacesByName, top: Organization) -> Invitee:
    text, name, organization = (cells[column] for column in COLUMNS)
    email = _address(text)
    given_name, _space, family_name = name.partition(" ")
    check_name(given_name)
    check_name(family_name)
    place = places.find(organization) if organization else top
    return Invitee(email, given_name, family_name.strip(), place)


def _address(text: str) -> str:
    """Return the e-mail address as it is stored. Raises BadLine if it cannot be, also because it is too long."""
    address = text.lower()
    try:
        Invitation._meta.get_field("email").clean(address, None)
    except ValidationError:
        raise BadLine(_("“{text}” is no e-mail address.").format(text=text[:80])) from None
    return address


def _there_already(rows: Sequence[Invitee], lines: Mapping[tuple[str, int], int]) -> list[str]:
    # Told only of those whom the inviter sees on the pages of these organizations anyway.
    held = Membership.objects.current().filter(
        user__email__in={row.email for row in rows}, organization__in={row.organization.pk for row in rows}
    )
    found = [
        (lines[place.user.email.lower(), place.organization_id], place)
        for place in held.select_related("user", "organization")
        if (place.user.email.lower(), place.organization_id) in lines
    ]
    said = _("{who} is in {name} already.")
    return [
        said_of(line, said.format(who=place.user, name=place.organization.name))
        for line, place in sorted(found, key=lambda one: one[0])
    ]
