"""The operators' first page, the search for everything, and the ways from each page to its neighbours."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from channels.models import PlatformAccount
from devices.models import Closure, Device, FormerDevice, PendingDevice, RegistrationKey
from orgs.audit import record
from orgs.models import AuditEntry, Organization
from portal.letters import Letter
from tests import landlord
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory, UserFactory
from tests.one_of_each import household
from tests.portal.test_admin import SHOWN

INDEX = reverse("admin:index")
FIND = reverse("admin:find")


def _page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def _address(thing: models.Model) -> str:
    return reverse(f"admin:{thing._meta.app_label}_{thing._meta.model_name}_change", args=[thing.pk])


@pytest.fixture
def everything(simpsons: Cast) -> Cast:
    household(simpsons.home)
    return simpsons


def test_one_search_finds_a_person_by_address_and_what_is_theirs(simpsons: Cast, as_operator: Client) -> None:
    page = _page(as_operator, f"{FIND}?q=homer@example.net")
    for thing in (
        simpsons.homer,
        simpsons.home,
        simpsons.kitchen,
        PlatformAccount.objects.get(organization__name="The Simpsons"),
    ):
        assert _address(thing) in page
    assert _address(simpsons.carl) not in page


def test_one_search_finds_a_thermometer_wherever_it_stands(everything: Cast, as_operator: Client) -> None:
    assert everything.kitchen.channel
    for sought in (everything.kitchen.serial, str(everything.kitchen.channel.number)):
        assert _address(everything.kitchen) in _page(as_operator, f"{FIND}?q={sought}")
    waiting, former = PendingDevice.objects.get(), FormerDevice.objects.get()
    assert _address(waiting) in _page(as_operator, f"{FIND}?q={waiting.serial}")
    assert _address(former) in _page(as_operator, f"{FIND}?q={former.serial}")


def test_of_a_whole_registration_key_the_first_half_alone_is_sought(simpsons: Cast, as_operator: Client) -> None:
    key: RegistrationKey = RegistrationKeyFactory(organization=simpsons.home)
    response = as_operator.get(FIND, {"q": key.text}, follow=True)
    assert response.redirect_chain == [(f"?q={key.lookup}", 302)]
    assert _address(key) in response.content.decode()
    assert key.secret not in response.content.decode()


def test_the_search_says_that_nothing_was_found_and_that_there_is_more(simpsons: Cast, as_operator: Client) -> None:
    assert "Nothing has “&lt;b&gt;”" in _page(as_operator, f"{FIND}?q=<b>")
    assert "Type what you were told" in _page(as_operator, FIND)
    landlord.grow(simpsons, devices=10, flats=1)
    page = _page(as_operator, f"{FIND}?q=simpsons")
    assert "there are more: all of them" in page
    assert f"{reverse('admin:devices_device_changelist')}?q=simpsons" in page


def test_the_search_shows_what_the_operator_may_see_and_customers_nothing(simpsons: Cast, client: Client) -> None:
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_user"))
    client.force_login(clerk)
    page = _page(client, f"{FIND}?q=homer@example.net")
    assert _address(simpsons.homer) in page
    assert _address(simpsons.home) not in page
    client.force_login(simpsons.homer)
    assert client.get(FIND, {"q": "homer"}, follow=True).status_code == 404


@pytest.mark.parametrize("sought", ["\0", "Homer\0Simpson", "9" * 5000])
def test_what_no_database_understands_is_sought_in_vain(sought: str, simpsons: Cast, as_operator: Client) -> None:
    assert as_operator.get(FIND, {"q": sought}).status_code == 200


def test_more_words_than_six_find_no_less_and_two_thousand_are_no_error(simpsons: Cast, as_operator: Client) -> None:
    assert _address(simpsons.marge) in _page(as_operator, f"{FIND}?q=marge 'marge' m a r g zebra")
    assert as_operator.get(FIND, {"q": " ".join(map(str, range(2000)))}).status_code == 200


def test_the_search_asks_as_often_for_a_thousand_devices(simpsons: Cast, as_operator: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            _page(as_operator, f"{FIND}?q=example.net")
        return len(queries)

    landlord.grow(simpsons, devices=10, flats=3)
    asked()
    few = asked()
    landlord.grow(simpsons, devices=990, flats=297)
    assert asked() == few


def test_every_list_of_the_administration_asks_as_often_for_a_thousand_devices(
    everything: Cast, as_operator: Client
) -> None:
    lists = [reverse(f"admin:{one._meta.app_label}_{one._meta.model_name}_changelist") for one in SHOWN]

    def asked(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            _page(as_operator, address)
        return len(queries)

    landlord.grow(everything, devices=10, flats=3)
    for address in [*lists, INDEX]:
        asked(address)
    few = {address: asked(address) for address in [*lists, INDEX]}
    landlord.grow(everything, devices=990, flats=297)
    assert {address: asked(address) for address in few} == few


def test_the_first_page_says_what_waits_and_leads_to_it(everything: Cast, as_operator: Client) -> None:
    assert "Waits for you" not in _page(as_operator, INDEX)
    PlatformAccount.objects.filter(organization=everything.home).update(state=PlatformAccount.State.REFUSED)
    Letter.objects.update(trouble="SMTPServerDisconnected")
    Closure.objects.update(trouble="out of reach")
    page = _page(as_operator, INDEX)
    links = re.findall(
        r'<li><a href="([^"]+)">([^<]+)</a></li>', page.partition('class="attention"')[2].partition("</section>")[0]
    )
    assert [words for _url, words in links] == [
        "The channel platform refuses the account key of 1 customer: new devices get no channel there.",
        "The mail server has not taken 1 mail yet. It is tried again.",
        "1 customer cannot be closed as long as something is in the way.",
    ]
    for url, _words in links:
        assert len(as_operator.get(url.replace("&amp;", "&")).context["cl"].result_list) == 1


def test_the_first_page_says_what_operators_did_last(simpsons: Cast, as_operator: Client) -> None:
    record("device.moved", by=simpsons.homer, organization=simpsons.home, about=simpsons.kitchen)
    as_operator.post(
        _address(simpsons.kitchen), {"name": "Cellar", "description": "", "organization": simpsons.household.pk}
    )
    page = _page(as_operator, INDEX)
    assert "An operator of the portal changed device Cellar" in page
    assert "was moved here" not in page


def test_the_first_page_tells_an_operator_of_those_lists_alone_that_they_may_see(
    everything: Cast, as_operator: Client, client: Client
) -> None:
    PlatformAccount.objects.filter(organization=everything.home).update(state=PlatformAccount.State.REFUSED)
    Letter.objects.update(trouble="SMTPServerDisconnected")
    cellar = {"name": "Cellar", "description": "", "organization": everything.household.pk}
    as_operator.post(_address(everything.kitchen), cellar)
    clerk = UserFactory(is_staff=True)
    client.force_login(clerk)
    for rights, seen in (([], 0), (["view_letter"], 1), (["view_letter", "view_auditentry"], 2)):
        clerk.user_permissions.set(Permission.objects.filter(codename__in=rights))
        page = _page(client, INDEX)
        assert "refuses the account key" not in page
        assert ["The mail server has not taken" in page, "changed device Cellar" in page] == [seen > 0, seen > 1]


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model._meta.label)
def test_each_way_to_a_neighbour_leads_to_a_list_that_opens(
    model: type[models.Model], everything: Cast, as_operator: Client
) -> None:
    thing = model._default_manager.order_by("pk").first()
    assert thing
    for neighbour in admin.site._registry[model].neighbours(thing):  # type: ignore[attr-defined]
        response = as_operator.get(neighbour.url)
        assert response.status_code == 200, neighbour
        assert "e=1" not in response.request["QUERY_STRING"], "Django did not know the filter."


def test_a_customers_page_leads_to_what_the_customer_has_and_to_nothing_of_others(
    everything: Cast, as_operator: Client
) -> None:
    ways = {str(way.words): way.url for way in admin.site._registry[Organization].neighbours(everything.home)}  # type: ignore[attr-defined]
    devices = as_operator.get(ways["Devices"]).context["cl"].result_list
    assert set(devices) == set(Device.objects.filter(customer=everything.home))
    people = as_operator.get(ways["People"]).context["cl"].result_list
    assert everything.carl not in {place.user for place in people}
    assert as_operator.get(ways["Channels"]).context["cl"].result_count == len(devices)


def test_the_audit_says_who_did_what_to_a_thing_and_what_a_person_did(everything: Cast, as_operator: Client) -> None:
    record("read_key.shown", by=everything.marge, organization=everything.home, about=everything.kitchen)
    record("read_key.shown", by=everything.lenny, organization=everything.home, about=everything.reactor)
    audit = reverse("admin:orgs_auditentry_changelist")
    about = as_operator.get(audit, {"about": f"devices.device:{everything.kitchen.pk}"})
    assert [entry.actor for entry in about.context["cl"].result_list] == [everything.marge]
    by = as_operator.get(audit, {"by": everything.lenny.pk, "kind": "keys"})
    assert [entry.object_label for entry in by.context["cl"].result_list] == ["device reactor"]
    assert "The read key to “reactor” was shown." in by.content.decode()


NO_NUMBERS = ["x", "²", "9" * 30, "9" * 5000]


@pytest.mark.parametrize(
    "wrong",
    [*(f"{of}={no}" for of in ("by", "in") for no in NO_NUMBERS), "about=x", "about=:", "kind=x", "in_the_way=x"],
)
def test_a_filter_that_means_nothing_leaves_everything(wrong: str, everything: Cast, as_operator: Client) -> None:
    audit = as_operator.get(f"{reverse('admin:orgs_auditentry_changelist')}?{wrong}", follow=True)
    assert audit.status_code == 200
    assert audit.context["cl"].result_count == AuditEntry.objects.count()


def test_the_page_of_a_thing_that_never_was_says_so(as_operator: Client) -> None:
    gone = as_operator.get(reverse("admin:devices_device_change", args=[999999]), follow=True)
    assert gone.redirect_chain == [(INDEX, 302)]
    assert "doesn’t exist" in gone.content.decode()
