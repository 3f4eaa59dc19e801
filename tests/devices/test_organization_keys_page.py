"""Homer sees what goes on with all keys of an organization and what comes next, and renews or revokes all at once."""

from __future__ import annotations

import re
from unittest.mock import patch

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from channels import renewal
from channels.embedded import Embedded
from channels.models import Channel, PlatformAccount, Renewal, RenewalPolicy, RenewalRound
from channels.platforms import OutOfReach
from channels.renewal_models import RenewalState
from devices import renewal as registration_renewal
from devices import renewal_all, renewal_run
from orgs.audit import AuditEntry
from tests.background import do_background_work
from tests.channels.renewing import current, writes
from tests.conftest import Cast
from tests.devices.conftest import DAY, NOON
from tests.devices.measuring import measure
from tests.devices.test_registration_address import ask, opened
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, RegistrationKeyFactory, give_channel
from tests.parallel import all_at_once

pytestmark = pytest.mark.usefixtures("at_noon")


def channels(simpsons: Cast) -> list[Channel]:
    assert simpsons.kitchen.channel
    assert simpsons.reactor.channel
    return [simpsons.kitchen.channel, simpsons.reactor.channel]


def page(client: Client, simpsons: Cast, piece: str = "keys") -> str:
    answer = client.get(f"/organizations/{simpsons.home.pk}/{piece}/")
    assert answer.status_code == 200
    return answer.content.decode()


def send(client: Client, simpsons: Cast, piece: str, **data: object) -> str:
    answer = client.post(f"/organizations/{simpsons.home.pk}/{piece}/", data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def events(client: Client, simpsons: Cast) -> list[tuple[str, str]]:
    shown = client.get(f"/organizations/{simpsons.home.pk}/keys/").context["page"]
    return [(event.what, str(event.label)) for event in shown]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_nothing_goes_on_where_nobody_wants_anything(simpsons: Cast, as_homer: Client) -> None:
    assert events(as_homer, simpsons) == []
    assert "keys are renewed by hand alone" in page(as_homer, simpsons)


def test_what_goes_on_comes_before_what_is_to_come_in_order_of_time(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, registration_every=365)
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=90)
    key = RegistrationKeyFactory(organization=simpsons.home, label="Old")
    registration_renewal.renew(key, by=simpsons.homer, until=NOON + 2 * DAY)
    renewal.renew(channels(simpsons)[0], by=simpsons.homer, overlap=DAY)
    new = str(registration_renewal.RegistrationKey.objects.get(successor=None))
    assert events(as_homer, simpsons) == [
        ("kitchen", "Both keys are good"),
        (f"Registration key {key}", "Being replaced"),
        ("The Simpsons", "Reminder"),
        ("reactor", "To come"),
        ("Household", "Reminder"),
        (f"Registration key {new}", "To come"),
    ]


def test_a_pause_is_said(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, paused=True)
    assert set(events(as_homer, simpsons)) == {("reactor", "Paused"), ("kitchen", "Paused")}
    assert "Renewals are paused" in page(as_homer, simpsons)


def test_what_somebody_has_to_do_by_hand_is_said(simpsons: Cast, as_homer: Client, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    PlatformAccount.objects.update(platform="thingspeak")
    html = page(as_homer, simpsons)
    assert html.count("is to be renewed by hand on its platform") == 2
    assert "2 devices have their channels on ThingSpeak" in html


def test_other_customers_are_not_on_it(simpsons: Cast, as_homer: Client, as_carl: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.carls, write_every=30)
    assert events(as_homer, simpsons) == []


def test_the_manager_of_a_part_sees_that_part(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation="manager").user
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, remind_before=None)
    client = Client()
    client.force_login(bart)
    shown = client.get(f"/organizations/{simpsons.household.pk}/keys/").context["page"]
    assert [event.what for event in shown] == ["kitchen"]


@pytest.mark.parametrize("count", [1, 60])
def test_the_timeline_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, registration_every=30, read_every=30)
    for n in range(count):
        DeviceFactory(organization=simpsons.household)
        if n < 20:
            RegistrationKeyFactory(organization=simpsons.home)
    renewal.renew(channels(simpsons)[0], by=None)
    with django_assert_num_queries(11):
        page(as_homer, simpsons)


# ---- all at once ----


def test_all_keys_are_renewed_and_the_page_says_how_far_that_is(simpsons: Cast, as_homer: Client, at_noon) -> None:
    html = words(send(as_homer, simpsons, "keys/renew", overlap=86400))
    assert "0 of 2 devices use their new keys." in html
    assert "2 wait for the channel platform" in html
    do_background_work()
    html = words(page(as_homer, simpsons, "renewal"))
    assert "2 have not been told yet" in html
    key = RegistrationKeyFactory(organization=simpsons.home)
    ask(simpsons.kitchen.serial, key.lookup)
    assert "1 have been told and still use the old key" in words(page(as_homer, simpsons, "renewal"))
    measure(simpsons.kitchen, "20")
    html = page(as_homer, simpsons, "renewal")
    assert "1 of 2 devices use their new keys." in words(html)
    assert "reactor" in html.partition("Not there yet")[2]
    assert "kitchen" not in html.partition("Not there yet")[2]


def test_the_progress_page_asks_again_until_it_is_over(simpsons: Cast, as_homer: Client, at_noon) -> None:
    renewal_all.renew_all(simpsons.home, by=simpsons.homer, overlap=DAY)
    do_background_work()
    assert 'hx-trigger="every 3s"' in page(as_homer, simpsons, "renewal")
    at_noon.shift(DAY)
    renewal_run.run()
    html = page(as_homer, simpsons, "renewal")
    assert "hx-trigger" not in html
    assert "It is over" in html
    assert "2 have no good key until they fetch the new one" in words(html)


def test_trouble_is_said_in_words_with_the_next_try(simpsons: Cast, as_homer: Client) -> None:
    renewal_all.renew_all(simpsons.home, by=simpsons.homer, overlap=DAY)
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach):
        do_background_work()
    html = page(as_homer, simpsons, "renewal")
    assert "The channel platform is out of reach. It is tried again." in html
    assert "The next try is at 1 June 2026" in html


def test_a_key_that_is_being_renewed_already_becomes_part_of_it(simpsons: Cast) -> None:
    first = renewal.renew(channels(simpsons)[0], by=None, overlap=3 * DAY)
    begun = renewal_all.renew_all(simpsons.home, by=simpsons.homer, overlap=DAY)
    assert begun.renewals.count() == 2
    first.refresh_from_db()
    assert (first.round, first.overlap) == (begun, 3 * DAY)


@pytest.mark.django_db(transaction=True)
def test_two_managers_who_renew_all_at_once_renew_each_key_once(simpsons: Cast) -> None:
    all_at_once(lambda _n: renewal_all.renew_all(simpsons.home, by=simpsons.homer, overlap=DAY), 2)
    do_background_work()
    assert Renewal.objects.count() == 2
    assert [current(channel).version for channel in channels(simpsons)] == [2, 2]
    newest = RenewalRound.objects.order_by("-started_at", "-pk")
    assert sorted(one.renewals.count() for one in newest) in ([0, 2], [1, 1])


def test_nothing_is_started_where_nothing_can_be_renewed(simpsons: Cast, as_homer: Client) -> None:
    PlatformAccount.objects.update(platform="thingspeak")
    assert "No device here has a write key that can be renewed" in send(as_homer, simpsons, "keys/renew", overlap=86400)
    assert not RenewalRound.objects.exists()


def test_a_thousand_intents_are_a_few_statements(simpsons: Cast) -> None:
    few = OrganizationFactory(name="Few", parent=simpsons.home)
    for _n in range(30):
        DeviceFactory(organization=few)
    few.refresh_from_db()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        renewal_all.renew_all(few, by=simpsons.homer, overlap=DAY)
    assert len(queries) < 15
    assert Renewal.objects.count() == 30


def test_the_emergency_is_confirmed_by_typing_the_name(simpsons: Cast, as_homer: Client) -> None:
    olds = [current(channel) for channel in channels(simpsons)]
    html = send(as_homer, simpsons, "keys/revoke", name="Household")
    assert "This is not “The Simpsons”." in html
    assert 'value="Household"' in html
    assert all(map(writes, olds))


def test_the_emergency_has_effect_on_the_next_request_of_every_device_below(simpsons: Cast, as_homer: Client) -> None:
    olds = [current(channel) for channel in channels(simpsons)]
    renewal.renew(channels(simpsons)[0], by=None)
    olds.append(current(channels(simpsons)[0]))
    foreign = current(simpsons.garage.channel)
    html = words(send(as_homer, simpsons, "keys/revoke", name="the simpsons"))
    assert "The keys of 2 of 2 devices are dead." in html
    assert not any(map(writes, olds))
    assert writes(foreign)
    assert [writes(current(channel)) for channel in channels(simpsons)] == [True, True]
    entry = AuditEntry.objects.get(action="write_key.all_revocations_started")
    assert (entry.actor, entry.details["count"]) == (simpsons.homer, 2)


def test_what_takes_longer_than_a_person_waits_is_done_by_the_worker(simpsons: Cast, as_homer: Client) -> None:
    with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0):
        html = words(send(as_homer, simpsons, "keys/revoke", name="The Simpsons"))
    assert "The keys of 2 of 2 devices are dead." in html, "only the new ones take their time"
    assert "hx-trigger" in page(as_homer, simpsons, "renewal")
    do_background_work()
    html = page(as_homer, simpsons, "renewal")
    assert "It is over" in html
    assert "2 have no good key until they fetch the new one" in words(html)


def test_a_device_that_asks_before_its_turn_gets_its_new_key_then(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home)
    kitchen = channels(simpsons)[0]
    old = current(kitchen)
    with patch.object(renewal_all, "AT_ONCE_WITHIN", 0.0):
        renewal_all.revoke_all(simpsons.home, by=simpsons.homer)
    assert not writes(old)
    payload = opened(ask(simpsons.kitchen.serial, key.lookup), key)
    assert writes(payload.write_key)
    assert payload.write_key == current(kitchen).value


def test_a_platform_that_is_away_is_asked_once_in_an_emergency(simpsons: Cast) -> None:
    with patch.object(Embedded, "get_channel", side_effect=OutOfReach) as asked:
        begun = renewal_all.revoke_all(simpsons.home, by=simpsons.homer)
    assert asked.call_count == 1
    assert begun.renewals.filter(state=RenewalState.STARTED).count() == 2


def test_a_device_whose_channel_is_kept_without_it_does_not_break_the_page(simpsons: Cast, as_homer: Client) -> None:
    attic = DeviceFactory(organization=simpsons.home, channel=None)
    give_channel(attic)
    renewal_all.renew_all(simpsons.home, by=simpsons.homer, overlap=DAY)
    attic.delete()
    assert page(as_homer, simpsons, "renewal")


@pytest.mark.parametrize("count", [1, 60])
def test_the_progress_page_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    for _n in range(count):
        DeviceFactory(organization=simpsons.household)
    renewal_all.renew_all(simpsons.home, by=simpsons.homer, overlap=DAY)
    do_background_work()
    with django_assert_num_queries(12):
        page(as_homer, simpsons, "renewal")
