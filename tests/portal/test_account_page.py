"""My account: what somebody sees and changes of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from channels import account_key, program_keys
from channels.models import ChannelKey, KeyState, PlatformAccount, ShownKey
from channels.reading_keys import end_read_keys
from devices.models import Device
from orgs import audit
from orgs.models import AuditEntry, Membership, User
from portal import shown
from portal.account_forms import zones
from portal.shown import shown_to
from tests.conftest import Cast
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory

PROFILE = {"given_name": "Marjorie", "family_name": "Bouvier", "language": "de", "time_zone": "Europe/Vienna"}


def text(client: Client, address: str = "/account/") -> str:
    return client.get(address).content.decode()


def test_name_language_and_zone_are_kept_and_hold_at_once(as_marge: Client, simpsons: Cast) -> None:
    answer = as_marge.post("/account/", PROFILE)
    assert answer["Location"] == "/account/"
    marge = User.objects.get(pk=simpsons.marge.pk)
    assert {name: getattr(marge, name) for name in PROFILE} == PROFILE
    page = text(as_marge)
    assert '<html lang="de"' in page
    assert "Marjorie" in page
    noted = AuditEntry.objects.get(action="account.changed")
    assert noted.actor == marge
    assert noted.details == {"fields": ["given_name", "family_name", "language", "time_zone"]}


def test_back_to_the_browsers_language_forgets_what_this_browser_was_told(as_marge: Client, simpsons: Cast) -> None:
    as_marge.post("/language/", {"language": "de", "next": "/"})
    as_marge.post("/account/", PROFILE | {"language": "browser"})
    assert '<html lang="en"' in text(as_marge)


def test_what_was_typed_stays_and_the_field_is_marked(as_marge: Client, simpsons: Cast) -> None:
    page = as_marge.post("/account/", PROFILE | {"given_name": "", "time_zone": "Springfield"}).content.decode()
    assert 'value="Bouvier"' in page
    assert 'id="id_given_name_error"' in page
    assert 'id="id_time_zone_error"' in page
    assert User.objects.get(pk=simpsons.marge.pk).given_name == "Marge"


def test_a_change_made_in_another_window_is_not_overwritten_silently(as_marge: Client, simpsons: Cast) -> None:
    seen = as_marge.get("/account/").context["form"].now
    User.objects.filter(pk=simpsons.marge.pk).update(family_name="Simpson")
    page = as_marge.post("/account/", PROFILE | {"seen": seen}).content.decode()
    assert "Somebody else has changed this" in page
    assert User.objects.get(pk=simpsons.marge.pk).family_name == "Simpson"


def test_a_time_zone_chosen_in_another_window_is_said_in_words(as_marge: Client, simpsons: Cast) -> None:
    seen = as_marge.get("/account/").context["form"].now
    User.objects.filter(pk=simpsons.marge.pk).update(time_zone="America/New_York")
    form = as_marge.post("/account/", PROFILE | {"seen": seen}).context["form"]
    assert "in the meantime: Time zone: New York. Save again" in form.non_field_errors()[0]


def test_every_time_zone_on_offer_exists_and_those_of_the_viewers_are_there() -> None:
    names = [name for _region, places in zones() if isinstance(places, list) for name, _label in places]
    assert {"Europe/Vienna", "America/New_York", "Asia/Kolkata"} <= set(names)
    assert len(names) == len(set(names)) > 300


def test_places_say_since_when_until_when_and_by_whom(as_marge: Client, simpsons: Cast) -> None:
    until = datetime(2031, 5, 1, 12, tzinfo=UTC)
    Membership.objects.filter(user=simpsons.marge).update(created_by=simpsons.homer, valid_until=until)
    page = text(as_marge)
    assert f'<a href="/organizations/{simpsons.household.pk}/">Household</a>' in page
    assert f"by {simpsons.homer}" in page
    assert "1 May 2031, 12:00" in page


def test_a_place_that_has_run_out_is_not_listed(as_marge: Client, simpsons: Cast) -> None:
    Membership.objects.filter(user=simpsons.marge).update(valid_until=timezone.now())
    assert "You belong to no organization" in text(as_marge)


def states(user: User) -> dict[str, bool]:
    return {f"{one.kind} {one.what}".strip(): one.is_good for one in shown_to(user)}


def test_a_read_key_that_was_shown_is_listed_until_and_after_it_ends(as_marge: Client, simpsons: Cast) -> None:
    assert shown_to(simpsons.marge) == []
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    assert states(simpsons.marge) == {"Read key kitchen": True}
    assert "Read key: kitchen" in text(as_marge)
    assert "Still good" in text(as_marge)
    end_read_keys(ChannelKey.objects.filter(holder=simpsons.marge))
    assert states(simpsons.marge) == {"Read key kitchen": False}


def test_a_read_key_that_retires_says_until_when_it_is_good(as_marge: Client, simpsons: Cast) -> None:
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    until = timezone.now() + timedelta(days=3)
    ChannelKey.objects.get(holder=simpsons.marge).move_to(KeyState.RETIRING, until=until)
    (showing,) = shown_to(simpsons.marge)
    assert (showing.is_good, showing.until) == (True, until)


def test_a_shared_key_of_another_platform_is_listed(simpsons: Cast) -> None:
    shared = ChannelKey.objects.of_the_portal().filter(channel=simpsons.kitchen.channel).get()
    ShownKey.objects.create(key=shared, user=simpsons.marge, name="marge@example.net", at=timezone.now())
    assert states(simpsons.marge) == {"Read key kitchen": True}


def test_a_key_of_a_device_that_is_out_of_sight_says_no_more_than_its_channel(as_marge: Client, simpsons: Cast) -> None:
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    Membership.objects.filter(user=simpsons.marge).delete()
    Device.objects.filter(pk=simpsons.kitchen.pk).update(name="secret laboratory")
    assert list(states(simpsons.marge)) == [f"Read key Channel {simpsons.kitchen.channel.number}"]
    assert "laboratory" not in text(as_marge)


def test_keys_that_managers_show_themselves_are_listed(as_homer: Client, simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    as_homer.post(f"/registration-keys/{key.pk}/show/")
    as_homer.post(f"/organizations/{simpsons.home.pk}/platform-account/show/")
    program = program_keys.add(simpsons.kitchen.channel, note="Shed", by=simpsons.homer)
    before = {f"Registration key {key}": True, "Account key": True, "Read key for a program kitchen": True}
    assert states(simpsons.homer) == before

    key.revoke()
    program.move_to(KeyState.REVOKED)
    account_key.renew(PlatformAccount.objects.get(organization=simpsons.home), by=simpsons.homer)
    assert states(simpsons.homer) == dict.fromkeys(before, False)


def test_labels_for_a_hundred_flats_do_not_push_other_keys_off_the_list(
    as_homer: Client, simpsons: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "MOST", 3)
    as_homer.post(f"/organizations/{simpsons.home.pk}/platform-account/show/")
    keys = [RegistrationKeyFactory(organization=simpsons.household) for _flat in range(4)]
    for _print in range(2):
        printed = [(key, key.organization) for key in keys]
        audit.record_of_each("registration_key.shown", printed, by=simpsons.homer, address=None, labels=1)
    assert states(simpsons.homer) == {"Account key": True} | {f"Registration key {key}": True for key in keys[1:]}


def test_only_ones_own_showings_are_listed(as_marge: Client, simpsons: Cast) -> None:
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    assert [shown_to(who) for who in (simpsons.homer, simpsons.lenny, simpsons.carl)] == [[], [], []]


def test_the_page_lists_the_newest_and_leads_to_all(as_homer: Client, simpsons: Cast) -> None:
    for number in range(7):
        device = DeviceFactory(organization=simpsons.household, name=f"room {number}")
        as_homer.post(f"/devices/{device.pk}/read-key/")
    assert text(as_homer).count("Still good") == 5
    assert "Show all 7 keys" in text(as_homer)
    assert text(as_homer, "/account/shown/").count("Still good") == 7


@pytest.mark.parametrize("how_many", [1, 20])
def test_the_pages_ask_the_database_as_often_for_many_keys_as_for_few(
    as_homer: Client, simpsons: Cast, how_many: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(how_many):
        device = DeviceFactory(organization=simpsons.household, name=f"room {number}")
        as_homer.post(f"/devices/{device.pk}/read-key/")
        key = RegistrationKeyFactory(organization=simpsons.household)
        as_homer.post(f"/registration-keys/{key.pk}/show/")
        program_keys.add(device.channel, note="Shed", by=simpsons.homer)
        MembershipFactory(user=simpsons.homer, created_by=simpsons.carl)
    with django_assert_num_queries(15):
        as_homer.get("/account/")
    with django_assert_num_queries(12):
        as_homer.get("/account/shown/")


def test_the_top_bar_leads_to_it(as_marge: Client) -> None:
    assert 'href="/account/"' in text(as_marge, "/devices/")


def test_nothing_is_said_twice(as_marge: Client) -> None:
    answer = as_marge.post("/account/", PROFILE | {"language": "browser"})
    assert [str(message) for message in get_messages(answer.wsgi_request)] == ["Your account is saved."]
