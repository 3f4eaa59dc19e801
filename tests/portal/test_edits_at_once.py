"""Two people who have opened the same form and send it in the same moment: one is saved, the others are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.test import Client

from channels.models import PlatformAccount, RenewalPolicy
from devices.models import Device, RegistrationKey
from orgs.models import Organization, User
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory, OrganizationFactory, RegistrationKeyFactory
from tests.parallel import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

TOLD = (
    "Somebody else has changed this in the meantime",
    "Somebody else has just changed",
    "has changed this policy in the meantime",
    "Somebody else has changed the policy at this very moment",
)
ROUNDS = 5
AT_ONCE = 4


@dataclass(frozen=True)
class Form:
    """A form at an address: what the n-th person types, and what is stored then."""

    address: str
    typed: Callable[[int], dict[str, str]]
    stored: Callable[[], str]


def device(simpsons: Cast) -> Form:
    def stored() -> str:
        simpsons.kitchen.refresh_from_db()
        return simpsons.kitchen.name

    address = f"{simpsons.kitchen.get_absolute_url()}edit/"
    return Form(address, lambda n: {"name": f"By {n}", "description": f"Text of {n}"}, stored)


def registration_key(simpsons: Cast) -> Form:
    key = RegistrationKeyFactory(organization=simpsons.home)
    return Form(
        f"{key.get_absolute_url()}edit/",
        lambda n: {"label": f"By {n}"},
        lambda: str(RegistrationKey.objects.get(pk=key.pk).label),
    )


def organization(simpsons: Cast) -> Form:
    def stored() -> str:
        simpsons.household.refresh_from_db()
        return simpsons.household.name

    return Form(f"{simpsons.household.get_absolute_url()}edit/", lambda n: {"name": f"By {n}"}, stored)


def account(simpsons: Cast) -> Form:
    return Form(
        "/account/",
        lambda n: {"given_name": f"By {n}", "language": "en", "time_zone": "browser"},
        lambda: str(User.objects.get(pk=simpsons.homer.pk).given_name),
    )


def place_of_a_device(simpsons: Cast) -> Form:
    flats: dict[int, Organization] = {}

    def typed(n: int) -> dict[str, str]:
        flats[n] = OrganizationFactory(name=f"By {n}", parent=simpsons.home)
        return {"organization": str(flats[n].pk)}

    def stored() -> str:
        simpsons.kitchen.refresh_from_db()
        return simpsons.kitchen.organization.name

    return Form(f"{simpsons.kitchen.get_absolute_url()}move/", typed, stored)


def renewal_policy(simpsons: Cast) -> Form:
    always = {"overlap": "7", "instead": "remind", "time_zone": "UTC"}
    return Form(
        f"{simpsons.home.get_absolute_url()}renewal-policy/",
        lambda n: always | {"write_every": str(100 + n)},
        lambda: f"By {(RenewalPolicy.objects.get().write_every or 0) - 100}",
    )


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("kind", [device, place_of_a_device, registration_key, organization, account, renewal_policy])
def test_of_those_who_save_at_once_one_is_saved_and_the_others_are_told(
    simpsons: Cast, kind: Callable[[Cast], Form]
) -> None:
    form = kind(simpsons)
    more = [MembershipFactory(organization=simpsons.home, relation=MANAGER).user for _ in range(AT_ONCE - 1)]
    everybody = [logged_in(simpsons.homer if kind is account else user) for user in (simpsons.homer, *more)]
    for turn in range(ROUNDS):
        seen = everybody[0].get(form.address).context["form"]["seen"].value()

        typed = [form.typed(10 * turn + n) | {"seen": seen} for n in range(AT_ONCE)]

        def save(n: int, typed: list[dict[str, str]] = typed) -> bool:
            answer = everybody[n].post(form.address, typed[n])
            said = answer.content.decode()
            assert answer.status_code == 302 or any(sentence in said for sentence in TOLD)
            return answer.status_code == 302

        saved = all_at_once(save, AT_ONCE)
        assert sum(saved) == 1
        assert form.stored() == f"By {10 * turn + saved.index(True)}"


def test_of_two_who_have_the_same_old_list_one_moves_a_device_and_the_other_is_told(simpsons: Cast) -> None:
    flats = [OrganizationFactory(name=f"Flat {n}", parent=simpsons.home) for n in range(2)]
    lists = [logged_in(simpsons.homer), logged_in(simpsons.homer)]
    places = [re.findall(r'name="places" value="([^"]+)"', one.get("/devices/list/").content.decode()) for one in lists]
    both = [simpsons.kitchen.pk, simpsons.reactor.pk]

    def move(n: int, devices: list[int]) -> str:
        form = {"devices": devices, "places": places[n], "organization": flats[n].pk}
        html: str = lists[n].post("/devices/list/move/", form, follow=True).content.decode()
        return html

    assert "1 device is now in Flat 0." in move(0, [simpsons.kitchen.pk])
    second = move(1, both)
    assert "Somebody else has just changed “kitchen”. Look again." in second
    assert "1 device is now in Flat 1." in second
    stored = dict(Device.objects.filter(pk__in=both).values_list("pk", "organization"))
    assert stored == {simpsons.kitchen.pk: flats[0].pk, simpsons.reactor.pk: flats[1].pk}


def test_an_account_key_that_several_renew_at_once_is_good_afterwards(simpsons: Cast) -> None:
    everybody = [logged_in(simpsons.homer) for _ in range(AT_ONCE)]
    address = f"{simpsons.home.get_absolute_url()}platform-account/renew/"
    for _turn in range(ROUNDS):
        assert all_at_once(lambda n: everybody[n].post(address).status_code, AT_ONCE) == [302] * AT_ONCE
        account = PlatformAccount.objects.get(organization=simpsons.home)
        assert account.state == PlatformAccount.State.VERIFIED
        assert account.on_platform.list_channels(account.key)
