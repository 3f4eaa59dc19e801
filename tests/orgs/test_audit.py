"""Who did what, when and from where: added, never changed, without keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from pytest_django import Settings

from devices.models import Device
from orgs import tree
from orgs.audit import address_of, record
from orgs.models import AuditEntry, Organization
from tests.conftest import Cast
from tests.factories import NOON, OrganizationFactory


def _moved(simpsons: Cast) -> AuditEntry:
    return record(
        "device.moved",
        by=simpsons.homer,
        organization=simpsons.household,
        about=simpsons.kitchen,
        address="192.0.2.7",
        was_in="Household",
    )


def test_an_entry_says_who_what_when_and_from_where(simpsons: Cast) -> None:
    with time_machine.travel(NOON, tick=False):
        _moved(simpsons)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_name) == (simpsons.homer, "homer@example.net")
    assert (entry.action, entry.object_label) == ("device.moved", "device kitchen")
    assert (entry.organization, entry.organization_name) == (simpsons.household, "Household")
    assert (entry.created_at, entry.address, entry.details) == (NOON, "192.0.2.7", {"was_in": "Household"})


@pytest.mark.parametrize("nobody", [None, AnonymousUser()])
def test_what_a_device_or_a_visitor_does_is_done_by_nobody(nobody: AnonymousUser | None, simpsons: Cast) -> None:
    entry = record("device.registered", by=nobody, organization=simpsons.household, about=simpsons.kitchen)
    assert (entry.actor, entry.actor_name, entry.address) == (None, "", None)


@pytest.mark.parametrize("name", ["key", "secret", "password", "token", "write_key"])
def test_a_detail_that_calls_itself_a_secret_is_refused(name: str, simpsons: Cast) -> None:
    with pytest.raises(ValueError, match=name):
        record("key.shown", by=simpsons.homer, organization=None, about=simpsons.kitchen, **{name: "1JWORF43"})
    assert not AuditEntry.objects.exists()


def test_an_entry_outlives_the_person_and_the_organization(simpsons: Cast) -> None:
    annex = OrganizationFactory(name="Annex", parent=simpsons.home)
    record("organization.created", by=simpsons.lenny, organization=annex, about=annex)
    tree.delete(annex)
    simpsons.lenny.delete()
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.organization) == (None, None)
    assert (entry.actor_name, entry.organization_name) == ("lenny@example.net", "Annex")


def test_an_entry_is_found_by_the_thing_that_it_is_about_even_when_that_is_gone(simpsons: Cast) -> None:
    entry = _moved(simpsons)
    record("device.moved", by=simpsons.homer, organization=simpsons.power_plant, about=simpsons.reactor)
    gone = Device(pk=simpsons.kitchen.pk)
    simpsons.kitchen.delete()
    assert list(AuditEntry.objects.about(gone)) == [entry]


@pytest.mark.parametrize(("where", "found"), [("home", 1), ("household", 1), ("power_plant", 0), ("carls", 0)])
def test_an_organization_has_its_entries_and_those_below_it(where: str, found: int, simpsons: Cast) -> None:
    _moved(simpsons)
    organization: Organization = getattr(simpsons, where)
    assert AuditEntry.objects.at_or_below(organization).count() == found


def test_an_entry_is_not_changed(simpsons: Cast) -> None:
    entry = _moved(simpsons)
    entry.action = "device.admired"
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        AuditEntry.objects.update(action="device.admired")
    assert AuditEntry.objects.get().action == "device.moved"


def test_an_entry_is_not_deleted(simpsons: Cast) -> None:
    entry = _moved(simpsons)
    with pytest.raises(TypeError):
        entry.delete()
    with pytest.raises(TypeError):
        AuditEntry.objects.filter(pk=entry.pk).delete()
    assert AuditEntry.objects.exists()


def test_entries_are_forgotten_when_they_are_old(simpsons: Cast) -> None:
    with time_machine.travel(NOON, tick=False):
        _moved(simpsons)
    with time_machine.travel(NOON + timedelta(days=2), tick=False):
        younger = _moved(simpsons)
    assert AuditEntry.objects.forget_before(NOON + timedelta(days=1)) == 1
    assert list(AuditEntry.objects.all()) == [younger]


def test_the_address_is_the_clients_as_far_as_proxies_are_trusted(settings: Settings) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert address_of(request) == "192.0.2.7"
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert address_of(request) == "203.0.113.9"


def test_a_request_without_an_address_has_none() -> None:
    assert address_of(RequestFactory().get("/", REMOTE_ADDR="")) is None
