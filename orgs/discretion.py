"""What those who manage a part of a customer learn of people above it and beside it, where a page says who did what.

- They know by name who has a place in what they manage or above it: those see its devices, and the pages say so.
  What happened in what they manage is told with the name of whoever did it, also of somebody who has left since. What
  happened elsewhere, to a device that came to them later, names nobody else.
- From where somebody came they learn of those alone whom they manage: all of whose places are theirs to change.

Who manages a customer as a whole learns all of it, but not where the portal's own operators sit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.utils.translation import gettext as _

from orgs import access
from orgs.audit import AuditEntry
from orgs.models import User
from orgs.paths import SEPARATOR, Paths


class Discretion:
    """What one reader may know of who did what; two queries, however many entries there are."""

    def __init__(self, reader: User, entries: Iterable[AuditEntry]) -> None:
        self._reader = reader.pk
        rows = access.with_whether_managed(reader)
        self._parent_of = {pk: parent for pk, _name, _tree, parent, _managed in rows}
        self._paths = Paths(reader, rows=[row[:4] for row in rows])
        managed = [(pk, tree, parent) for pk, _name, tree, parent, is_managed in rows if is_managed]
        self._tree_of = {pk: tree for pk, tree, _parent in managed}
        self._whole = {tree for _pk, tree, parent in managed if parent is None}
        self._known = {reader.pk}
        self._placed: set[tuple[int | None, int]] = set()
        self._placed_beside: set[tuple[int | None, int]] = set()
        actors = {entry.actor_id for entry in entries if entry.actor_id is not None}
        for person, tree, is_mine, is_above in access.places_as_known_to(reader, of=actors):
            if is_mine or is_above:
                self._known.add(person)
            (self._placed if is_mine else self._placed_beside).add((person, tree))

    def who(self, entry: AuditEntry, customer: int | None) -> tuple[str, str]:
        """Return what whoever did it is called, and the address by which they log in; empty if it was nobody.

        `customer` is whose the thing is, where that is known: the organization in which it happened may be gone.
        """
        if not entry.actor_name:
            return "", ""
        if entry.actor_id in self._known or self._tree(entry, customer) is not None:
            return str(entry.actor or entry.actor_name), entry.actor_name
        return _("somebody of another organization"), ""

    def place(self, number: int | None, name: str, entry: AuditEntry, customer: int | None) -> str:
        """Return what to call the organization of which the entry tells, or "" if it is not for the reader to know.

        `number` is its own, None in entries of before these were kept; `name` is what it was called then.
        """
        if number in self._parent_of:
            return SEPARATOR.join([*self._paths.above(self._parent_of[number]), name])
        return name if self._tree(entry, customer) in self._whole else ""

    def address(self, entry: AuditEntry, customer: int | None) -> str:
        """Return from where it was done, or "" if that is not for the reader to know."""
        tree = self._tree(entry, customer)
        if entry.actor_id == self._reader and entry.address:
            return entry.address
        if not entry.address or tree is None or not self._manages(entry, tree):
            return ""
        return entry.address

    def _tree(self, entry: AuditEntry, customer: int | None) -> int | None:
        """The tree of the customer in a part of which, managed by the reader, it happened; None: it was elsewhere."""
        tree = self._tree_of.get(entry.organization_id or 0)
        return self._tree_of.get(customer or 0) if tree is None else tree

    def _manages(self, entry: AuditEntry, tree: int) -> bool:
        """Whether the person is the reader's to manage, or it was nobody: a device, the portal itself."""
        if not entry.actor_name:
            return True
        here = (entry.actor_id, tree)
        if tree in self._whole:
            return here in self._placed or not (entry.actor and entry.actor.is_staff)
        return here in self._placed and here not in self._placed_beside


def nameable(people: Collection[User | None], *, reader: User, customer: int) -> set[int]:
    """Return which of these, who once did something to what is `customer`'s, `reader` may be told by name.

    The rule above, where it is not known any more in which organization they did it. Two queries at most, and none
    where there is nobody but the reader.
    """
    everybody = {person.pk for person in people if person is not None}
    if everybody <= {reader.pk} or access.managed_organizations(reader).filter(pk=customer).exists():
        return everybody
    return access.people_known_to(reader, of=everybody)
