"""A registration key of its own for each flat of a house.

A device that was given the key of its flat lands there by itself, and nobody has to move it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from django.db import transaction
from django.db.models import Exists, OuterRef, TextField
from django.db.models.functions import Cast

from channels.vault import CannotDecrypt, decrypt
from devices.models import RegistrationKey
from orgs import audit, tree
from orgs.models import Organization, OrganizationQuerySet, User
from orgs.natural import natural_key
from orgs.paths import Paths

KEYS_A_STEP = 20
"""Keys that are made before whatever else waits has its turn: some five seconds, most of them for the envelope keys."""


@dataclass(frozen=True)
class KeysBelow:
    """The newest key of each of the lowest organizations that lets devices in, as people look for them: by path.

    Without their secrets: see `with_secrets`.
    """

    keys: list[RegistrationKey]
    places: int
    """How many such organizations there are, those without a key included."""

    @classmethod
    def of(cls, organization: Organization, paths: Paths) -> Self:
        """Return what there is below `organization`; two queries. `paths` are the reader's."""
        places = Organization.objects.get_queryset().lowest_below(organization)
        newest = RegistrationKey.objects.letting_in().filter(organization__in=places.order_by())
        newest = newest.select_related("organization").order_by("-pk")
        of_each: dict[int, RegistrationKey] = {}
        for key in newest.defer(*RegistrationKey.SECRETS):
            of_each.setdefault(key.organization_id, key)

        def by_path(key: RegistrationKey) -> list[str]:
            return [natural_key(name) for name in paths.steps_to(key.organization)]

        return cls(sorted(of_each.values(), key=by_path), places.count())

    @property
    def missing(self) -> int:
        return self.places - len(self.keys)


def with_secrets(keys: Sequence[RegistrationKey]) -> list[RegistrationKey]:
    """Return these keys with their secrets, but for those whose secret cannot be decrypted; one query.

    Read as they are stored: by the field itself, one that no encryption key opens would keep all others from their
    labels.
    """
    rows = RegistrationKey.objects.filter(pk__in=[key.pk for key in keys])
    stored = dict(rows.annotate(stored=Cast("secret", TextField())).values_list("pk", "stored"))
    readable = []
    for key in keys:
        with suppress(CannotDecrypt, KeyError):  # Not there: somebody has just deleted it.
            key.secret = decrypt(stored[key.pk])
            readable.append(key)
    return readable


def without_a_key(organization: Organization) -> OrganizationQuerySet:
    """Return the lowest organizations below `organization` that no good key lets a new device into."""
    of_its_own = RegistrationKey.objects.letting_in().filter(organization=OuterRef("pk"))
    return Organization.objects.get_queryset().lowest_below(organization).exclude(Exists(of_its_own))


def make_some_missing_keys(organization: Organization, *, by: User, address: str | None) -> int:
    """Make keys for the next of those that have none, `KEYS_A_STEP` at most; return how many are left without."""
    for place in without_a_key(organization)[:KEYS_A_STEP]:
        _issue(place, by=by, address=address)
    # That took seconds: what is elsewhere in the tree by now would be counted by its old place.
    fresh = Organization.objects.filter(pk=organization.pk).first()
    return without_a_key(fresh).count() if fresh else 0


def _issue(place: Organization, *, by: User, address: str | None) -> None:
    key = RegistrationKey.draw(place, by=by)
    with transaction.atomic():
        # Somebody may have asked twice, and the organization may be gone by now, or have something below it.
        tree.lock_tree_of(place)
        fresh = Organization.objects.filter(pk=place.pk).first()
        if fresh is None or not fresh.is_leaf_node() or RegistrationKey.objects.letting_in().filter(organization=fresh):
            return
        key.save(force_insert=True)
        audit.record("registration_key.issued", by=by, organization=fresh, about=key, address=address)
