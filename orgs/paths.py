"""What an organization is called in a list: with the path to it, as far as the reader may know that.

Three hundred flats in ten houses: each house has a "Flat 3", so a row says "Elm Street 12 › Flat 3".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from orgs import access
from orgs.models import Organization, User

SEPARATOR = " › "
# A slash with no space around it is part of a name: "Flat 3/4". Spaces are looked at from the first of them on alone:
# tried from each anew, a line of a hundred thousand would take most of a minute.
_STEP = re.compile(r"(?:(?<!\s)\s+)?[›>]\s*|(?<!\s)\s+/\s+|\t+")


def steps_of(text: str) -> tuple[str, ...]:
    """Return the names that somebody typed as one path, from the top down: "Elm Street 12 › Flat 3".

    The signs ›, > and a slash between spaces separate names, and so do tabs: two columns of a spreadsheet are a path.
    """
    return tuple(step.strip() for step in _STEP.split(text.strip()))


class Paths:
    """The paths to organizations for one reader; one query, at the first that is asked for, however many there are.

    To live no longer than a request: what is moved or renamed meanwhile would keep its old path.
    """

    def __init__(
        self, reader: User | AnonymousUser, *, rows: Sequence[tuple[int, str, int, int | None]] | None = None
    ) -> None:
        """`rows` are what `access.what_paths_lead_through` returns, or more of it, where that is known already."""
        self._reader = reader
        if rows is not None:
            self._rows = rows

    @classmethod
    def of(cls, request: HttpRequest) -> Paths:
        """Return those of whoever sent the request: the same ones to all that ask during it."""
        found = getattr(request, "_paths", None)
        if found is None:
            found = request._paths = cls(request.user)  # type: ignore[attr-defined]
        return found

    def to(self, organization: Organization) -> str:
        """Return the names from the topmost organization that the reader may know down to this one."""
        return SEPARATOR.join(self.steps_to(organization))

    def steps_to(self, organization: Organization) -> list[str]:
        """Return the same as a list, this one last.

        The customer is left out where the reader knows one customer alone: it would begin every path.
        """
        return [*self.above(organization.parent_id), organization.name]

    def above(self, parent: int | None) -> list[str]:
        """Return such steps to what is in the organization of that number, without it itself."""
        names: list[str] = []
        while parent is not None and (known := self._known.get(parent)) is not None:
            name, parent = known
            if parent is not None or not self._is_one_customer:
                names.insert(0, name)
        return names

    @cached_property
    def _rows(self) -> Sequence[tuple[int, str, int, int | None]]:
        return access.what_paths_lead_through(self._reader)

    @cached_property
    def _known(self) -> dict[int, tuple[str, int | None]]:
        return {pk: (name, parent) for pk, name, _tree, parent in self._rows}

    @cached_property
    def _is_one_customer(self) -> bool:
        return len({tree for _pk, _name, tree, _parent in self._rows}) < 2
