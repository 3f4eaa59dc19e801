"""The Simpsons of `fixtures/simpsons.json`, as data, and how they get into a database.

The demo and the tests load the same people, places and thermometers. Everything is made by the operations that the
pages use, so that what the demo shows is what the product does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

from devices.models import Device, RegistrationKey
from devices.registration import register
from devices.registration_key_text import RegistrationKeyText
from orgs import invitations, tree
from orgs.models import Invitation, Organization, User
from portal.signup import sign_up

FIXTURE = Path(settings.BASE_DIR) / "fixtures" / "simpsons.json"


class NotInProduction(Exception):
    """The demo has passwords and a registration key that everybody can read: it is for DEBUG alone."""

    def __init__(self) -> None:
        super().__init__(
            "This is for development only: the demo's passwords and registration key are known to everybody. "
            "DEBUG is off here, so nothing was done."
        )


@dataclass(frozen=True)
class Person:
    """Somebody who can log in, or is invited to."""

    email: str
    given_name: str
    family_name: str


@dataclass(frozen=True)
class Thermometer:
    """A thermometer, and the temperature in °C around which it measures."""

    serial: str
    name: str
    celsius: float


@dataclass(frozen=True)
class Place:
    """An organization below a customer, with the people and things in it."""

    name: str
    description: str
    members: tuple[Person, ...]
    invited: tuple[Person, ...]
    thermometers: tuple[Thermometer, ...]

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Self:
        return cls(
            name=members["name"],
            description=members["description"],
            members=tuple(Person(**person) for person in members["members"]),
            invited=tuple(Person(**person) for person in members["invited"]),
            thermometers=tuple(Thermometer(**thermometer) for thermometer in members["thermometers"]),
        )


@dataclass(frozen=True)
class Customer:
    """A customer. Without `registration_key` (one that everybody knows) the customer keeps the random one."""

    name: str
    manager: Person
    registration_key: RegistrationKeyText | None
    places: tuple[Place, ...]

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Self:
        key = members.get("registration_key")
        return cls(
            name=members["name"],
            manager=Person(**members["manager"]),
            registration_key=RegistrationKeyText.parse(key) if key else None,
            places=tuple(Place.read(place) for place in members["organizations"]),
        )


@dataclass(frozen=True)
class Cast:
    """Everybody. All of them log in with the same `password`."""

    password: str
    operator: Person
    customers: tuple[Customer, ...]

    @classmethod
    def read(cls, file: Path = FIXTURE) -> Self:
        """Read the fixture."""
        members = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            password=members["password"],
            operator=Person(**members["operator"]),
            customers=tuple(Customer.read(customer) for customer in members["customers"]),
        )


def load(cast: Cast) -> None:
    """Put into the database what is not there yet.

    A customer whose manager has an account is left alone: loading again changes nothing, and undoes nothing that
    somebody who tried the demo has done. Raises NotInProduction with DEBUG off.
    """
    if not settings.DEBUG:
        raise NotInProduction
    if not User.objects.filter(email=cast.operator.email).exists():
        _load_operator(cast)
    for customer in cast.customers:
        if not User.objects.filter(email=customer.manager.email).exists():
            _load_customer(customer, cast.password)


@transaction.atomic
def _load_operator(cast: Cast) -> None:
    operator = cast.operator
    user = User.objects.create_superuser(
        operator.email, cast.password, given_name=operator.given_name, family_name=operator.family_name
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)


@transaction.atomic
def _load_customer(customer: Customer, password: str) -> None:
    who = customer.manager
    manager = sign_up(
        email=who.email,
        password=password,
        given_name=who.given_name,
        family_name=who.family_name,
        organization=customer.name,
    )
    EmailAddress.objects.filter(user=manager).update(verified=True)
    root = manager.memberships.get().organization
    if customer.registration_key:
        _make_known(root, customer.registration_key)
    for place in customer.places:
        _load_place(place, root, manager, password)


def _make_known(customer: Organization, key: RegistrationKeyText) -> None:
    """Turn the random registration key of a new customer into the one of the story."""
    # Only here, and not as an argument of `RegistrationKey.issue`: no other key is ever chosen by anybody.
    RegistrationKey.objects.filter(customer=customer).update(
        label="From the story",
        lookup=key.lookup,
        secret=key.secret,
        envelope_key_base64=base64.b64encode(key.derive()).decode("ascii"),
    )


def _load_place(place: Place, root: Organization, manager: User, password: str) -> None:
    organization = tree.create_below(root, place.name, description=place.description)
    for person in place.members:
        _place(person, organization, manager, password)
    for person in place.invited:
        invitations.invite(
            organization=organization,
            email=person.email,
            by=manager,
            given_name=person.given_name,
            family_name=person.family_name,
        )


def _place(person: Person, organization: Organization, manager: User, password: str) -> None:
    """Let somebody accept an invitation that was never mailed: the outbox shall not hold links that are used up."""
    invitation = Invitation(organization=organization, email=person.email, invited_by=manager)
    token = invitation.renew_token()
    invitation.save()
    invitations.accept_with_new_account(
        token, given_name=person.given_name, family_name=person.family_name, password=password
    )


@dataclass(frozen=True)
class Hung:
    """A thermometer with where it hangs: in one of the customer's places, or with `place` None in none of them."""

    thermometer: Thermometer
    customer: Customer
    place: Place | None


def hang(cast: Cast, count: int) -> list[Hung]:
    """Return `count` thermometers of the first customer: those of the fixture first, then made-up ones."""
    customer = cast.customers[0]
    hung = [Hung(thermometer, customer, place) for place in customer.places for thermometer in place.thermometers]
    for number in range(len(hung), count):
        serial = str(int(hung[-1].thermometer.serial) + 1)
        hung.append(Hung(Thermometer(serial, f"Thermometer {number + 1}", 20.5), customer, None))
    return hung[:count]


def switch_on(hung: Iterable[Hung]) -> None:
    """Do what happened some hours before the demo begins: register thermometers, name them, put them into their places.

    A device that is there already stays as and where it is, and so does one whose registration key is gone. Raises
    DeviceRefusal, like the address that devices call.
    """
    for one in hung:
        if one.customer.registration_key is not None:
            _register(one, one.customer.registration_key.lookup)


def _register(hung: Hung, lookup: str) -> None:
    key = RegistrationKey.objects.filter(lookup=lookup).select_related("customer").first()
    serial = hung.thermometer.serial
    if key is None or Device.objects.filter(customer=key.customer, serial=serial).exists():
        return
    known = register(lookup=lookup, serial=serial)
    device = Device.objects.select_related("organization").get(pk=known.pk)
    device.describe(name=hung.thermometer.name, description="")
    if hung.place is None:
        return
    if organization := Organization.objects.filter(parent=key.customer, name=hung.place.name).first():
        device.move(organization)
