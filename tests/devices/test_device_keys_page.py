"""Homer sees at every moment which key of a device is good until when, and what happens next."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.core import mail
from django.test import Client

from channels import renewal
from channels.embedded import Embedded
from channels.models import Channel, ChannelKey, KeyState, PlatformAccount, Renewal, RenewalPolicy
from channels.platforms import OutOfReach
from channels.reading_keys import read_key_for
from channels.renewal_models import RenewalState
from devices import renewal_run
from devices.models import RegistrationKey, RollOver
from orgs.audit import AuditEntry
from tests.background import do_background_work
from tests.channels.renewing import current, writes
from tests.conftest import Cast
from tests.devices.conftest import DAY, NOON
from tests.devices.measuring import measure
from tests.devices.test_registration_address import ask
from tests.factories import RegistrationKeyFactory, give_channel

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def channel(simpsons: Cast) -> Channel:
    assert simpsons.kitchen.channel
    return simpsons.kitchen.channel


@pytest.fixture
def registration_key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household)


def keys_page(client: Client, simpsons: Cast) -> str:
    answer = client.get(f"/devices/{simpsons.kitchen.pk}/keys/")
    assert answer.status_code == 200
    return answer.content.decode()


def post(client: Client, simpsons: Cast, step: str, **data: object) -> str:
    answer = client.post(f"/devices/{simpsons.kitchen.pk}/keys/{step}/", data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def platform_is_away() -> object:
    return patch.object(Embedded, "get_channel", side_effect=OutOfReach)


def test_a_key_that_nothing_renews_is_good_until_somebody_does(simpsons: Cast, as_homer: Client) -> None:
    html = keys_page(as_homer, simpsons)
    assert "stays good until it is renewed or revoked" in html
    assert "Nothing renews it by itself" in html
    assert "hx-trigger" not in html.partition("read-keys")[0]


def test_the_day_of_the_next_renewal_is_said(simpsons: Cast, as_homer: Client, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    assert "renewed by itself about" in keys_page(as_homer, simpsons)
    RenewalPolicy.objects.update(paused=True)
    assert "but renewals are paused" in keys_page(as_homer, simpsons)
    RenewalPolicy.objects.update(paused=False)
    at_noon.shift(30 * DAY)
    as_homer.force_login(simpsons.homer)  # sessions do not last that long
    assert "It is due now" in keys_page(as_homer, simpsons)


def test_renewing_says_at_each_step_which_key_is_good_until_when(
    simpsons: Cast, as_homer: Client, channel: Channel, registration_key: RegistrationKey, at_noon
) -> None:
    etag = ask(simpsons.kitchen.serial, registration_key.lookup)["ETag"]
    html = post(as_homer, simpsons, "renew", overlap=int((3 * DAY).total_seconds()))
    assert "has not been told its new key yet" in html
    assert "on 4 June 2026, 12:00 at the latest" in html
    assert html.count("Good for a while") == 1

    etag = ask(simpsons.kitchen.serial, registration_key.lookup, **{"if-none-match": etag})["ETag"]
    assert "“kitchen” has been told its new key. Both keys are good." in keys_page(as_homer, simpsons)
    ask(simpsons.kitchen.serial, registration_key.lookup, **{"if-none-match": etag})
    assert "“kitchen” uses the new key. The old one ends within minutes." in keys_page(as_homer, simpsons)
    renewal_run.run()
    html = keys_page(as_homer, simpsons)
    assert "There is one write key" in html
    assert "the device uses the new key" in html, "the timeline says why the old one has ended"


def test_the_page_knows_of_the_first_write_with_the_new_key_before_the_worker_does(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    renewal.renew(channel, by=simpsons.homer)
    measure(simpsons.kitchen, "20")
    assert "“kitchen” uses the new key" in keys_page(as_homer, simpsons)


def test_a_device_that_missed_the_transitional_period_is_named_with_the_way_out(
    simpsons: Cast, as_homer: Client, channel: Channel, at_noon
) -> None:
    renewal.renew(channel, by=simpsons.homer, overlap=DAY)
    at_noon.shift(DAY)
    assert "The time of the old key is over" in keys_page(as_homer, simpsons)
    renewal_run.run()
    html = keys_page(as_homer, simpsons)
    assert "has not used its new one yet" in html
    assert "Is it switched on?" in html


def test_what_is_in_the_way_is_said_with_the_next_try(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    with platform_is_away():
        html = post(as_homer, simpsons, "renew", overlap=3600)
        assert "The channel platform is out of reach. It is tried again." in html
        assert "The next try is at 1 June 2026" in keys_page(as_homer, simpsons)
    assert writes(current(channel))


def test_the_overlap_of_the_policy_is_proposed(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, overlap=5 * DAY)
    html = as_homer.get(f"/devices/{simpsons.kitchen.pk}/keys/renew/").content.decode()
    assert f'<option value="{5 * 86400}" selected>5 days</option>' in html


@pytest.mark.parametrize("typed", ["", "7", "-3600", "soon"])
def test_another_overlap_than_those_offered_is_refused_on_its_field(
    simpsons: Cast, as_homer: Client, typed: str
) -> None:
    answer = as_homer.post(f"/devices/{simpsons.kitchen.pk}/keys/renew/", {"overlap": typed})
    assert list(answer.context["form"].errors) == ["overlap"]
    assert not Renewal.objects.exists()


def test_two_managers_renewing_at_once_renew_once(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    post(as_homer, simpsons, "renew", overlap=3600)
    html = post(as_homer, simpsons, "renew", overlap=3600)
    assert "is being renewed already" in html
    assert Renewal.objects.count() == 1


def test_ending_the_old_key_by_hand_says_what_it_means_and_does_it(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    old = current(channel)
    running = renewal.renew(channel, by=simpsons.homer)
    question = as_homer.get(f"/devices/{simpsons.kitchen.pk}/keys/end/").content.decode()
    assert "has not used its new key yet, so its next measurement is refused" in question
    assert writes(old)
    assert "The old key of “kitchen” has ended." in post(as_homer, simpsons, "end", renewal=running.pk)
    assert not writes(old)
    assert Renewal.objects.get().outcome == Renewal.Outcome.BY_HAND


def test_an_answer_to_an_old_question_ends_no_other_key(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    first = renewal.renew(channel, by=simpsons.homer)
    renewal.finish(first, by=simpsons.homer)
    renewal.renew(channel, by=simpsons.homer)
    assert "The old key has ended already." in post(as_homer, simpsons, "end", renewal=first.pk)
    assert Renewal.objects.overlapping().count() == 1


def test_the_emergency_button_has_effect_on_the_next_request(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    first = current(channel)
    renewal.renew(channel, by=simpsons.homer)
    second = current(channel)
    question = as_homer.get(f"/devices/{simpsons.kitchen.pk}/keys/revoke/").content.decode()
    assert "From the next request on nobody writes to this channel" in question
    assert writes(first)
    html = post(as_homer, simpsons, "revoke")
    assert "No key that “kitchen” has had writes any more." in html
    assert not writes(first)
    assert not writes(second)
    assert writes(current(channel))


def test_an_emergency_that_the_platform_has_not_heard_of_is_not_called_done(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    with platform_is_away():
        html = post(as_homer, simpsons, "revoke")
    assert "could not be revoked yet" in html
    assert "whoever has one can still write" in html
    assert Renewal.objects.get().state == RenewalState.STARTED


def test_no_key_is_ever_on_the_page(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    read_key_for(simpsons.marge, channel)
    renewal.renew(channel, by=simpsons.homer)
    html = keys_page(as_homer, simpsons)
    for key in ChannelKey.objects.filter(channel=channel):
        assert key.value not in html


def test_where_keys_cannot_be_renewed_from_here_the_page_says_how(simpsons: Cast, as_homer: Client) -> None:
    PlatformAccount.objects.update(platform="thingspeak")
    html = keys_page(as_homer, simpsons)
    assert "press “Generate New Write API Key”" in html
    assert f'href="/devices/{simpsons.kitchen.pk}/new-channel/"' in html
    assert "keys/renew/" not in html
    for step in ("renew", "revoke"):
        address = f"/devices/{simpsons.kitchen.pk}/keys/{step}/"
        assert as_homer.post(address)["Location"] == f"/devices/{simpsons.kitchen.pk}/keys/"
    assert not Renewal.objects.exists()


def test_a_move_to_a_new_channel_is_said_while_it_goes_on(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    old = RollOver.objects.create(device=simpsons.kitchen, old_channel=channel, overlap=DAY, deadline=NOON + DAY)
    assert "is to move to a new channel" in keys_page(as_homer, simpsons)
    new = give_channel(simpsons.kitchen)
    Channel.objects.filter(pk=new.pk).update(first=channel)
    ChannelKey.objects.writing().filter(channel=new).update(version=2)
    RollOver.objects.filter(pk=old.pk).update(state="moved", new_channel=new)
    html = keys_page(as_homer, simpsons)
    assert "hears of it when it asks next" in html
    assert "until 2 June 2026, 12:00 at most" in html
    assert "Write key 1" in html, "the keys of the channel that it had before stay on the timeline"
    assert f"channel {channel.number}" in html


def test_a_policy_that_moves_devices_says_so(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, instead=RenewalPolicy.Instead.REPLACE)
    PlatformAccount.objects.update(platform="thingspeak")
    assert "moves to a new channel with a new key by itself" in keys_page(as_homer, simpsons)


def test_a_device_without_a_channel_has_no_keys_yet(simpsons: Cast, as_homer: Client) -> None:
    simpsons.kitchen.channel = None
    simpsons.kitchen.save()
    assert "gets a channel and its first keys when it asks" in keys_page(as_homer, simpsons)


def test_whose_read_keys_there_are_is_said_with_their_last_use(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    value = read_key_for(simpsons.marge, channel)
    assert Client().get(f"/channels/{channel.number}/feeds.json?api_key={value}").status_code == 200
    html = keys_page(as_homer, simpsons)
    assert "Marge" in html
    assert "The portal itself" in html
    assert ChannelKey.objects.get(holder=simpsons.marge).last_used_at == NOON


def test_homer_renews_marges_read_key_and_she_finds_a_new_one(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    old = read_key_for(simpsons.marge, channel)
    key = ChannelKey.objects.get(holder=simpsons.marge)
    assert "finds a new key with “kitchen”" in post(as_homer, simpsons, f"read/{key.pk}/renew")
    new = read_key_for(simpsons.marge, channel)
    assert new != old
    reads = f"/channels/{channel.number}/feeds.json?api_key="
    assert [Client().get(reads + value).status_code for value in (old, new)] == [200, 200]
    do_background_work()
    assert mail.outbox[0].to == ["marge@example.net"]
    entry = AuditEntry.objects.get(action="read_key.renewed")
    assert (entry.actor, entry.address) == (simpsons.homer, "127.0.0.1")


@pytest.mark.django_db(transaction=True)
def test_homer_revokes_marges_read_key_and_nobody_elses(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    marges, homers = read_key_for(simpsons.marge, channel), read_key_for(simpsons.homer, channel)
    key = ChannelKey.objects.get(holder=simpsons.marge)
    assert "reads nothing any more" in post(as_homer, simpsons, f"read/{key.pk}/revoke")
    reads = f"/channels/{channel.number}/feeds.json?api_key="
    assert [Client().get(reads + value).status_code for value in (marges, homers)] == [400, 200]
    assert ChannelKey.objects.get(pk=key.pk).state == KeyState.REVOKED
    assert "not in use any more" in post(as_homer, simpsons, f"read/{key.pk}/revoke")
    assert AuditEntry.objects.filter(action="read_key.revoked").count() == 1


@pytest.mark.parametrize("renewals", [1, 12])
def test_it_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, channel: Channel, renewals: int, django_assert_num_queries
) -> None:
    for _again in range(renewals):
        renewal.finish(renewal.renew(channel, by=simpsons.homer), by=simpsons.homer)
    for person in (simpsons.homer, simpsons.marge)[: 1 + renewals % 2]:
        read_key_for(person, channel)
    measure(simpsons.kitchen, "20")
    keys_page(as_homer, simpsons)
    with django_assert_num_queries(18):
        keys_page(as_homer, simpsons)
