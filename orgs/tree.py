"""The one place that changes the shape of the organization tree.

django-mptt computes and shifts `lft`/`rght` without a lock, so two writers in one tree corrupt it. Every structural
write therefore locks the customer's root row first and re-reads the nodes inside the lock. A new root takes its
`tree_id` from an auto-increment column, which two transactions cannot both win and which costs the same for the
first customer and the millionth.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, connection, transaction
from django.db.models import SET_NULL, ForeignObjectRel, Max, ProtectedError, RestrictedError
from django.utils.translation import gettext as _

from orgs.errors import CannotMove, NotEmpty, TooDeep
from orgs.models import Organization, TreeNumber
from orgs.paths import SEPARATOR

MOST_LEVELS = 20
"""Below the customer. Pages draw each level inside of the one above, and break before there are sixty."""


@transaction.atomic
def create_customer(name: str, *, description: str = "") -> Organization:
    """Return a new customer: a root organization in a tree of its own."""
    root = Organization(
        name=name, description=description, tree_id=TreeNumber.objects.create().pk, lft=1, rght=2, level=0
    )
    root.save(force_insert=True)
    return root


@transaction.atomic
def create_below(parent: Organization, name: str, *, description: str = "") -> Organization:
    """Return a new organization below `parent`.

    Raises IntegrityError if a sibling has that name, TooDeep, and Organization.DoesNotExist if `parent` has been
    deleted meanwhile.
    """
    lock_tree_of(parent)
    fresh_parent = Organization.objects.get(pk=parent.pk)
    check_depth(1, below=fresh_parent)
    organization = Organization(name=name, description=description, parent=fresh_parent)
    organization.save()
    return organization


@transaction.atomic
def create_paths_below(parent: Organization, paths: Sequence[Sequence[str]]) -> list[Organization]:
    """Return the organizations that were missing on these paths of names from `parent` on, parents first.

    What is there already stays as it is, so the same paths twice make nothing new. There are a few queries
    for each level and for every few hundred organizations of the customer. Raises TooDeep, and
    Organization.DoesNotExist if `parent` has been deleted meanwhile.
    """
    lock_tree_of(parent)
    fresh_parent = Organization.objects.get(pk=parent.pk)
    longest = max(map(len, paths), default=0)
    check_depth(longest, below=fresh_parent)
    whole = list(Organization.objects.filter(tree_id=parent.tree_id).order_by("lft"))
    there = {(node.parent_id, node.name): node for node in whole}
    reached: dict[tuple[str, ...], Organization] = {(): fresh_parent}
    made: list[Organization] = []
    for length in range(1, longest + 1):
        missing: list[tuple[str, ...]] = []
        for path in dict.fromkeys(tuple(path[:length]) for path in paths if len(path) >= length):
            if known := there.get((reached[path[:-1]].pk, path[-1])):
                reached[path] = known
            else:
                missing.append(path)
        # Each gets its place below, when all are there.
        new = [_without_a_place(path[-1], below=reached[path[:-1]]) for path in missing]
        made += Organization.objects.bulk_create(new)
        reached.update(zip(missing, new, strict=True))
    _number([*whole, *made])
    return made


def _without_a_place(name: str, *, below: Organization) -> Organization:
    return Organization(name=name, parent=below, tree_id=below.tree_id, level=below.level + 1, lft=1, rght=2)


def _number(whole: list[Organization]) -> None:
    """Store `lft` and `rght` of a whole tree anew; siblings stay in the order in which they are given, root first."""
    below: dict[int | None, list[Organization]] = {}
    for node in whole:
        below.setdefault(node.parent_id, []).append(node)
    before = {node.pk: (node.lft, node.rght) for node in whole}
    number, open_nodes = 1, [(whole[0], iter(below.get(whole[0].pk, ())))]
    whole[0].lft = number
    while open_nodes:
        node, children = open_nodes[-1]
        number += 1
        if child := next(children, None):
            child.lft = number
            open_nodes.append((child, iter(below.get(child.pk, ()))))
        else:
            node.rght = number
            open_nodes.pop()
    changed = [node for node in whole if (node.lft, node.rght) != before[node.pk]]
    Organization.objects.bulk_update(changed, ["lft", "rght"], batch_size=500)


@transaction.atomic
def move(organization: Organization, *, below: Organization) -> None:
    """Put `organization` with all that is below it under another one of the same customer.

    Raises CannotMove for a customer itself, another customer's organization, and a cycle; TooDeep.
    """
    lock_tree_of(organization)
    moved = Organization.objects.get(pk=organization.pk)
    target = Organization.objects.get(pk=below.pk)
    check_move(moved, below=target)
    moved.parent = target
    moved.save()
    organization.refresh_from_db()


def check_move(organization: Organization, *, below: Organization) -> None:
    """Raise CannotMove where `move` would, so that a form can say so beside the field; both as they are just loaded."""
    if organization.is_customer:
        raise CannotMove(_("The customer itself cannot be moved."))
    if organization.tree_id != below.tree_id:
        raise CannotMove(_("An organization cannot be moved to another customer."))
    if organization.contains(below):
        raise CannotMove(_("An organization cannot be moved into itself or below itself."))
    deepest = Organization.objects.get_queryset().at_or_below(organization).aggregate(level=Max("level"))["level"]
    check_depth(deepest - organization.level + 1, below=below)


def check_depth(levels: int, *, below: Organization) -> None:
    """Raise TooDeep if so many levels more below that organization would be too many."""
    if below.level + levels > MOST_LEVELS:
        said = _("Organizations can be {most} levels below their customer at most. Choose a place further up.")
        raise TooDeep(said.format(most=MOST_LEVELS))


@transaction.atomic
def delete(organization: Organization) -> None:
    """Delete an organization that nobody and nothing is in any more.

    What it holds is moved by the caller, which knows what the user chose. Raises NotEmpty when there are still
    organizations, people or (through the database's own protection) devices in it, CannotMove for a customer.
    """
    lock_tree_of(organization)
    doomed = Organization.objects.get(pk=organization.pk)
    if doomed.parent_id is None:
        raise CannotMove(_("A customer is not deleted as an organization but by closing the account."))
    if not doomed.is_leaf_node() or doomed.memberships.exists():
        raise NotEmpty(_("There are still organizations or people in {name}.").format(name=doomed.name))
    doomed.delete()
    if connection.vendor == "postgresql":
        # Now, and not at the commit, where nobody catches it: something may have come in since we looked.
        connection.check_constraints()


@transaction.atomic
def delete_just_made(numbers: tuple[int, int], count: int, *, below: Organization) -> list[Organization]:
    """Delete so many organizations below `below` that were made in one step, and return them: all or none.

    `numbers` are the primary keys of the first and the last. Within this customer they have those between to
    themselves, since they were made under the lock of its tree. Raises NotEmpty if somebody has put something into
    one of them since, has moved one away, or has deleted one; Organization.DoesNotExist if `below` is gone, too.
    """
    lock_tree_of(below)
    made = Organization.objects.at_or_below(Organization.objects.get(pk=below.pk)).filter(pk__range=numbers)
    doomed = list(made.exclude(pk=below.pk).order_by("-level", "lft"))
    if len(doomed) != count:
        raise NotEmpty(_("Some of them are no longer where they were made."))
    if used := _first_in_use(doomed):
        name = SEPARATOR.join([used.parent.name, used.name] if used.parent else [used.name])
        raise NotEmpty(_("There is something in “{name}” by now.").format(name=name))
    try:
        for level in dict.fromkeys(one.level for one in doomed):
            Organization.objects.filter(pk__range=numbers, tree_id=below.tree_id, level=level).delete()
        if connection.vendor == "postgresql":
            connection.check_constraints()
    except (IntegrityError, ProtectedError, RestrictedError):
        raise NotEmpty(_("Something has just been put into one of them.")) from None
    _number(list(Organization.objects.filter(tree_id=below.tree_id).order_by("lft")))
    return doomed


def _first_in_use(organizations: Sequence[Organization]) -> Organization | None:
    """Return one of them that anything but the audit refers to, also what would go with it; None if nothing does."""
    by_number = {one.pk: one for one in organizations}
    for relation in Organization._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ForeignObjectRel) or relation.on_delete is SET_NULL:
            continue
        name, model = relation.field.name, relation.related_model
        found = model._base_manager.filter(**{f"{name}__in": by_number})
        if model is Organization:
            found = found.exclude(pk__in=by_number)
        if (number := found.order_by().values_list(name, flat=True).first()) is not None:
            return by_number[number]
    return None


@transaction.atomic
def delete_customer(customer: Organization) -> None:
    """Delete a customer with all its organizations, which nobody and nothing is in any more. Raises NotEmpty."""
    lock_tree_of(customer)
    whole = Organization.objects.filter(tree_id=customer.tree_id)
    try:
        for level in sorted(set(whole.values_list("level", flat=True)), reverse=True):
            whole.filter(level=level).delete()
    except (ProtectedError, RestrictedError):
        raise NotEmpty(_("There is still something in {name}.").format(name=customer.name)) from None


def lock_tree_of(organization: Organization) -> None:
    """Make every other change of this customer's shape wait until the running transaction ends."""
    # SQLite has no row locks; there BEGIN IMMEDIATE (see DATABASES) makes the whole transaction the only writer.
    # Not a lock on the key: rows that refer to the customer (of a device, of the audit) are stored meanwhile. Whoever
    # has locked one of those, and we want it next, would otherwise wait for us with what they store beside it.
    list(
        Organization.objects.select_for_update(no_key=True)
        .filter(tree_id=organization.tree_id, parent__isnull=True)
        .order_by()
        .values_list("pk")
    )
