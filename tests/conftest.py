"""The cast: Homer manages The Simpsons, Marge is in Household, Lenny in Power plant, Carl is another customer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.core.cache import cache
from django.test import Client
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from pytest_django.plugin import DjangoDbBlocker

from channels import thingspeak_http, thingspeak_reading
from channels.models import PlatformAccount
from devices import tries
from devices.models import Device
from orgs.models import Membership, Organization, User
from tests.database import number_each_table_from_afar
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, UserFactory

# A machine that is busy may take its time for an example.
hypothesis_settings.register_profile("patient", hypothesis_settings(), deadline=None)
hypothesis_settings.load_profile("patient")
# `pytest --hypothesis-profile=thorough`: for the night, fifty times as many examples as usual.
hypothesis_settings.register_profile("thorough", max_examples=5000, print_blob=True)

MANAGER = Membership.Relation.MANAGER


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Make the test database, as pytest-django does, with numbers that no test has written by hand."""
    with django_db_blocker.unblock():
        number_each_table_from_afar()


@dataclass
class Cast:
    """The people, places and things of the story."""

    home: Organization
    household: Organization
    power_plant: Organization
    carls: Organization
    homer: User
    marge: User
    lenny: User
    carl: User
    kitchen: Device
    reactor: Device
    garage: Device


@pytest.fixture
def simpsons(db: None) -> Cast:
    home = OrganizationFactory(name="The Simpsons")
    household = OrganizationFactory(name="Household", parent=home)
    power_plant = OrganizationFactory(name="Power plant", parent=home)
    carls = OrganizationFactory(name="Carl's")

    def person(name: str, organization: Organization, relation: str = Membership.Relation.MEMBER) -> User:
        return MembershipFactory(
            user__given_name=name,
            user__email=f"{name.lower()}@example.net",
            organization=organization,
            relation=relation,
        ).user

    for organization in (home, household, power_plant, carls):
        organization.refresh_from_db()
    return Cast(
        home=home,
        household=household,
        power_plant=power_plant,
        carls=carls,
        homer=person("Homer", home, MANAGER),
        marge=person("Marge", household),
        lenny=person("Lenny", power_plant),
        carl=person("Carl", carls, MANAGER),
        kitchen=DeviceFactory(organization=household, name="kitchen"),
        reactor=DeviceFactory(organization=power_plant, name="reactor"),
        garage=DeviceFactory(organization=carls, name="garage"),
    )


@pytest.fixture
def thingspeak_over_http(
    simpsons: Cast, live_server: LiveServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PlatformAccount]:
    """Homer's account, on a ThingSpeak that is spoken to over HTTP and asked anew each time.

    For tests marked `django_db(transaction=True)`: the live server sees only what is committed.
    """
    settings.THINGSPEAK_URL = live_server.url
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    monkeypatch.setattr(thingspeak_reading, "FRESH", 0)
    account = PlatformAccount.objects.get(organization=simpsons.home)
    account.platform = "thingspeak"
    account.save(update_fields=["platform"])
    yield account
    # A kept connection keeps a thread of the live server alive, and that one its connection to the test database.
    thingspeak_http.hang_up()


def _logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def as_homer(simpsons: Cast) -> Client:
    return _logged_in(simpsons.homer)


@pytest.fixture
def as_marge(simpsons: Cast) -> Client:
    return _logged_in(simpsons.marge)


@pytest.fixture
def as_lenny(simpsons: Cast) -> Client:
    return _logged_in(simpsons.lenny)


@pytest.fixture
def as_carl(simpsons: Cast) -> Client:
    return _logged_in(simpsons.carl)


@pytest.fixture
def as_operator(db: None) -> Client:
    return _logged_in(UserFactory(email="operator@example.net", is_staff=True, is_superuser=True))


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Forget what other tests cached: rate limits most of all."""
    cache.clear()
    tries.forget()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Hash passwords cheaply: the real hash is slow on purpose, and is Django's to test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
