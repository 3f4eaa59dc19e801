"""The page of an organization without a device says what to do next, and that is possible."""

from __future__ import annotations

import pytest
from django.test import Client

from orgs import tree
from tests.conftest import Cast
from tests.devices.test_organization_page import at, page
from tests.factories import RegistrationKeyFactory

MAKE_ONE = "No device yet. Make a registration key, set it into a thermometer and switch it on"
USE_ONE = "No device yet. Set one of the registration keys below into a thermometer"
FROM_ABOVE = "Devices can also come in with a key of an organization above"


@pytest.mark.parametrize("limits", [None, {"uses": 1, "use_limit": 1}])
def test_where_no_key_of_its_own_lets_a_device_in_a_manager_is_told_to_make_one(
    simpsons: Cast, as_homer: Client, limits: dict[str, int] | None
) -> None:
    attic = tree.create_below(simpsons.home, "Attic")
    if limits:
        RegistrationKeyFactory(organization=attic, **limits)
    devices, _rest = page(as_homer, at(attic)).split('aria-labelledby="people"')
    assert MAKE_ONE in devices
    assert USE_ONE not in devices
    assert FROM_ABOVE in devices
    assert f'action="{at(attic, "registration-keys/new/")}"' in devices


def test_where_there_is_a_good_key_it_is_to_be_used(simpsons: Cast, as_homer: Client) -> None:
    attic = tree.create_below(simpsons.home, "Attic")
    RegistrationKeyFactory(organization=attic)
    html = page(as_homer, at(attic))
    assert USE_ONE in html
    assert MAKE_ONE not in html


def test_a_customer_is_not_pointed_to_an_organization_above(simpsons: Cast, as_carl: Client) -> None:
    simpsons.garage.delete()
    html = page(as_carl, at(simpsons.carls))
    assert MAKE_ONE in html
    assert FROM_ABOVE not in html


def test_a_member_of_an_empty_organization_is_told_of_no_keys(simpsons: Cast, as_marge: Client) -> None:
    simpsons.kitchen.delete()
    html = page(as_marge, at(simpsons.household))
    assert "No device yet." in html
    assert "registration key" not in html


@pytest.mark.parametrize("has_key", [True, False])
def test_a_page_that_stands_says_the_same_when_the_last_device_goes(
    simpsons: Cast, as_homer: Client, has_key: bool
) -> None:
    shown = as_homer.get(at(simpsons.household)).context["shown"]
    simpsons.kitchen.delete()
    if has_key:
        RegistrationKeyFactory(organization=simpsons.household)
    html = page(as_homer, at(simpsons.household, f"live/?shown={shown}"))
    assert (USE_ONE if has_key else MAKE_ONE) in html
