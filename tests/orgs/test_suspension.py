"""A suspended customer's people see nothing and its devices get no keys, and all of it comes back."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from channels.models import Channel
from devices.models import Device, RegistrationKey
from orgs import access
from orgs.models import Organization
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.home)


def _ask(serial: str, key: RegistrationKey, **headers: str) -> tuple[int, str]:
    response = Client().get(f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}", headers=headers)
    return response.status_code, response.content.decode()


@pytest.mark.parametrize(("who", "sees"), [("homer", ""), ("marge", ""), ("lenny", ""), ("carl", "garage")])
def test_its_people_see_nothing_and_others_are_not_touched(
    who: str, sees: str, simpsons: Cast, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    simpsons.home.suspend()
    with django_assert_num_queries(1):
        found = {str(device) for device in Device.objects.visible_to(getattr(simpsons, who))}
    assert found == set(sees.split())


def test_its_manager_manages_nothing(simpsons: Cast) -> None:
    simpsons.home.suspend()
    assert not access.may_manage(simpsons.homer, simpsons.household)
    assert not access.people_who_see(simpsons.household).exists()


def test_its_people_can_be_told_why(simpsons: Cast) -> None:
    simpsons.home.suspend()
    assert list(access.suspended_customers_of(simpsons.marge)) == [simpsons.home]
    assert list(access.suspended_customers_of(simpsons.carl)) == []


def test_after_it_is_resumed_all_is_as_before(simpsons: Cast) -> None:
    simpsons.home.suspend()
    simpsons.home.resume()
    assert set(Device.objects.visible_to(simpsons.homer)) == {simpsons.kitchen, simpsons.reactor}
    assert access.may_manage(simpsons.homer, simpsons.household)
    assert list(access.suspended_customers_of(simpsons.marge)) == []


def test_its_devices_get_no_key_and_are_told_why(simpsons: Cast, key: RegistrationKey) -> None:
    assert _ask(simpsons.kitchen.serial, key)[0] == 200
    simpsons.home.suspend()
    known, new = _ask(simpsons.kitchen.serial, key), _ask("NEW-1", key)
    assert (known[0], new[0]) == (409, 409)
    assert "suspended" in known[1]
    assert known == new
    assert not Device.objects.filter(serial="NEW-1").exists()
    assert Channel.objects.count() == 3


def test_a_key_that_is_not_good_does_not_learn_of_the_suspension(simpsons: Cast, key: RegistrationKey) -> None:
    key.revoke()
    before = _ask(simpsons.kitchen.serial, key)
    simpsons.home.suspend()
    assert _ask(simpsons.kitchen.serial, key) == before
    assert before[0] == 403


def test_an_organization_inside_a_customer_is_not_suspended_alone(simpsons: Cast) -> None:
    with pytest.raises(ValueError, match="customer"):
        simpsons.household.suspend()
    with pytest.raises(IntegrityError), transaction.atomic():
        Organization.objects.filter(pk=simpsons.household.pk).update(suspended_at=timezone.now())


def test_it_is_known_since_when(simpsons: Cast) -> None:
    simpsons.home.suspend()
    since = Organization.objects.get(pk=simpsons.home.pk).suspended_at
    assert isinstance(since, datetime)
    assert list(Organization.objects.get_queryset().suspended()) == [simpsons.home]
