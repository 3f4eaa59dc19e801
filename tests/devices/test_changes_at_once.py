"""Two managers at the very same moment: whoever comes second is told, and changes nothing that they have not seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from devices.forms import MoveManyForm
from devices.models import Device, RegistrationPolicy
from orgs.audit import AuditEntry
from orgs.errors import ChangedMeanwhile
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory, OrganizationFactory
from tests.parallel import all_at_once

Admits = RegistrationPolicy.Admits


def worked(step: Callable[[], object]) -> bool:
    try:
        step()
    except ChangedMeanwhile:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_a_policy_that_several_change_at_once_is_changed_by_one(simpsons: Cast) -> None:
    read = [RegistrationPolicy.of(simpsons.home) for _ in range(3)]
    wanted = [Admits.APPROVED, Admits.EXPECTED, Admits.NONE]
    done = all_at_once(lambda n: worked(lambda: read[n].change(wanted[n])), 3)
    assert sorted(done) == [False, False, True]
    assert RegistrationPolicy.of(simpsons.home).admits == wanted[done.index(True)]


def test_the_page_says_so(simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody else had pressed the button between the comparison of the form and ours."""
    page = f"/organizations/{simpsons.home.pk}/registration-policy/"
    stale = RegistrationPolicy.of(simpsons.home)
    RegistrationPolicy.of(simpsons.home).change(Admits.NONE)
    fresh, answers = RegistrationPolicy.of, iter([stale])
    monkeypatch.setattr(RegistrationPolicy, "of", lambda customer: next(answers, None) or fresh(customer))
    html = as_homer.post(page, {"admits": "expected"}, follow=True).content.decode()
    assert "Somebody else has just changed which devices come in." in html
    assert fresh(simpsons.home).admits == Admits.NONE
    assert not AuditEntry.objects.filter(action="registration_policy.changed").exists()


@pytest.mark.django_db(transaction=True)
def test_a_device_that_several_move_at_once_goes_one_way(simpsons: Cast) -> None:
    flats = [OrganizationFactory(name=f"Flat {n}", parent=simpsons.home).pk for n in range(3)]

    def move(n: int) -> str:
        client = Client()
        client.force_login(simpsons.homer)
        seen = client.get(f"/devices/{simpsons.kitchen.pk}/move/").context["form"]["seen"].value()
        data = {"organization": flats[n], "seen": seen}
        return client.post(f"/devices/{simpsons.kitchen.pk}/move/", data, follow=True).content.decode()

    all_at_once(move, 3)
    moves = (
        AuditEntry.objects.filter(action="device.moved").order_by("pk").values_list("details__before", "organization")
    )
    # Each began where the one before had ended: nobody moved it from a place where it was no more.
    places = {pk: f"Flat {n}" for n, pk in enumerate(flats)}
    assert [before for before, _to in moves] == ["Household", *(places[to] for _before, to in moves)][:-1]
    assert Device.objects.get(pk=simpsons.kitchen.pk).organization_id == list(moves)[-1][1]


def test_what_was_taken_out_of_ones_part_is_not_pulled_back(simpsons: Cast) -> None:
    """The manager of Household has opened the page; meanwhile the device is moved to where he manages nothing."""
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    client = Client()
    client.force_login(bart)
    pages = [f"/devices/{simpsons.kitchen.pk}/{page}/" for page in ("move", "edit")]
    seen = [client.get(page).context["form"]["seen"].value() for page in pages]
    simpsons.kitchen.move(simpsons.power_plant)
    typed = [{"organization": simpsons.household.pk}, {"name": "Mine", "description": ""}]
    answers = [client.post(page, {**data, "seen": old}) for page, data, old in zip(pages, typed, seen, strict=True)]
    assert [answer.status_code for answer in answers] == [404, 404]
    kitchen = Device.objects.get(pk=simpsons.kitchen.pk)
    assert (kitchen.organization, kitchen.name) == (simpsons.power_plant, simpsons.kitchen.name)


def test_of_many_devices_those_are_moved_that_nobody_else_has_moved(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    attic = OrganizationFactory(name="Attic", parent=simpsons.home)
    move = Device.move

    def moved(device: Device, to: object) -> None:
        """While the first is moved, somebody else moves the other one."""
        monkeypatch.setattr(Device, "move", move)
        move(device, to)
        other = simpsons.reactor if device == simpsons.kitchen else simpsons.kitchen
        Device.objects.filter(pk=other.pk).update(organization=simpsons.home)

    monkeypatch.setattr(Device, "move", moved)
    data = {"devices": [simpsons.kitchen.pk, simpsons.reactor.pk], "organization": attic.pk}
    html = as_homer.post("/devices/list/move/", data, follow=True).content.decode()
    assert "1 device is now in Attic." in html
    assert "Somebody else has just changed “" in html
    assert set(Device.objects.exclude(pk=simpsons.garage.pk).values_list("organization", flat=True)) == {
        attic.pk,
        simpsons.home.pk,
    }


def test_of_many_devices_none_is_pulled_back_that_was_taken_out_of_ones_part(
    simpsons: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place that is sent along as seen is where somebody has just moved it, out of Bart's reach."""
    client = Client()
    client.force_login(MembershipFactory(organization=simpsons.household, relation=MANAGER).user)
    attic = OrganizationFactory(name="Attic", parent=simpsons.household)
    cleaned = MoveManyForm.clean

    def looked_at(form: MoveManyForm) -> object:
        simpsons.kitchen.move(simpsons.power_plant)
        return cleaned(form)

    monkeypatch.setattr(MoveManyForm, "clean", looked_at)
    seen = f"{simpsons.kitchen.pk}:{simpsons.power_plant.pk}"
    data = {"devices": [simpsons.kitchen.pk], "organization": attic.pk, "places": seen}
    html = client.post("/devices/list/move/", data, follow=True).content.decode()
    assert "Somebody else has just changed “kitchen”" in html
    assert Device.objects.get(pk=simpsons.kitchen.pk).organization == simpsons.power_plant


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "²", "-1", ""])
def test_a_place_that_cannot_be_one_is_as_if_none_had_been_sent(number: str, simpsons: Cast, as_homer: Client) -> None:
    where = {"devices": [simpsons.kitchen.pk], "organization": simpsons.power_plant.pk}
    html = as_homer.post(
        "/devices/list/move/", where | {"places": f"{simpsons.kitchen.pk}:{number}"}, follow=True
    ).content.decode()
    assert "1 device is now in Power plant." in html
