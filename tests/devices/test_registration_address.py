"""What a device gets from the address of the story."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from channels.models import ChannelKey, PlatformAccount
from channels.platform.models import Channel as PlatformChannel
from devices.envelope import open_envelope
from devices.models import Device, RegistrationKey
from tests.conftest import Cast
from tests.factories import PlatformAccountFactory, RegistrationKeyFactory

SERIAL = "74743827342"


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household)


def ask(serial: str, key: str, client: Client | None = None, **extra: str):
    query = {"key": key, **{name: value for name, value in extra.items() if name == "nonce"}}
    headers = {name: value for name, value in extra.items() if name != "nonce"}
    return (client or Client()).get(f"/midpoint/ws/iot/devices/{serial}", query, headers=headers)


def opened(response, key: RegistrationKey):
    return open_envelope(response.content.decode(), key=key.envelope_key, lookup=key.lookup)


def test_a_new_device_gets_its_channel_and_write_key_sealed(key: RegistrationKey, simpsons: Cast) -> None:
    response = ask(SERIAL, key.lookup, nonce="n-1")

    assert response.status_code == 200
    assert response["Content-Type"] == "application/jose"
    payload = opened(response, key)
    device = Device.objects.get(serial=SERIAL)
    assert device.organization == simpsons.household
    assert (payload.serial, payload.nonce, payload.key_version) == (SERIAL, "n-1", 1)
    assert payload.channel == device.channel.number
    assert payload.write_key == device.channel.keys.writing().current().get().value
    assert payload.update_url.endswith("/update")
    assert PlatformChannel.objects.get(number=payload.channel).marker == device.marker


def test_the_same_device_gets_the_same_channel_and_key_again(key: RegistrationKey) -> None:
    first, second = (opened(ask(SERIAL, key.lookup), key) for _ in range(2))

    assert (first.channel, first.write_key) == (second.channel, second.write_key)
    assert Device.objects.filter(serial=SERIAL).count() == 1
    assert PlatformChannel.objects.filter(marker=Device.objects.get(serial=SERIAL).marker).count() == 1


def test_both_addresses_and_both_methods_are_the_same_view(key: RegistrationKey) -> None:
    client = Client()
    channels = {
        opened(client.get(f"/midpoint/ws/iot/devices/{SERIAL}", {"key": key.lookup}), key).channel,
        opened(client.post(f"/midpoint/ws/iot/devices/{SERIAL}", {"key": key.lookup}), key).channel,
        opened(client.get(f"/api/v1/devices/{SERIAL}/registration", {"key": key.lookup}), key).channel,
        opened(
            client.post(f"/api/v1/devices/{SERIAL}/registration", {"key": key.lookup}, content_type="application/json"),
            key,
        ).channel,
    }
    assert len(channels) == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("*/*", "application/jose"),
        ("application/jose", "application/jose"),
        ("image/webp", "application/jose"),
    ],
)
def test_the_envelope_comes_as_text_of_the_type_asked_for(key: RegistrationKey, accept: str, content_type: str) -> None:
    response = ask(SERIAL, key.lookup, accept=accept)
    assert response["Content-Type"] == content_type
    assert opened(response, key).serial == SERIAL


def test_json_is_for_those_who_ask_for_it(key: RegistrationKey) -> None:
    response = ask(SERIAL, key.lookup, accept="application/json")
    payload = open_envelope(response.json()["envelope"], key=key.envelope_key)
    assert payload.serial == SERIAL


def test_a_device_that_has_the_current_key_is_told_so(key: RegistrationKey) -> None:
    etag = ask(SERIAL, key.lookup)["ETag"]
    again = ask(SERIAL, key.lookup, **{"if-none-match": etag})
    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == etag


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json"])
def test_every_answer_says_how_long_it_is_so_that_none_comes_in_chunks(key: RegistrationKey, accept: str) -> None:
    for lookup, serial in (
        (key.lookup, SERIAL),
        (key.lookup, SERIAL),
        ("ZZZZZZZZ", SERIAL),
        (key.lookup, "white space"),
    ):
        answer = ask(serial, lookup, Accept=accept)
        assert answer["Content-Length"] == str(len(answer.content)), answer.status_code
    etag = ask(SERIAL, key.lookup)["ETag"]
    assert "Content-Length" not in ask(SERIAL, key.lookup, **{"If-None-Match": etag})


def test_the_etag_changes_with_the_key_and_does_not_depend_on_its_value(key: RegistrationKey) -> None:
    etag = ask(SERIAL, key.lookup)["ETag"]
    channel = Device.objects.get(serial=SERIAL).channel
    channel.keys.writing().update(value="ANOTHERVALUE0000")
    assert ask(SERIAL, key.lookup)["ETag"] == etag
    channel.keys.writing().update(version=2)
    assert ask(SERIAL, key.lookup, **{"if-none-match": etag}).status_code == 200


def test_a_known_device_costs_one_select_and_once_a_minute_one_update(
    key: RegistrationKey,
    django_assert_num_queries,
    time_machine,
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    ask(SERIAL, key.lookup)
    with django_assert_num_queries(1):
        assert ask(SERIAL, key.lookup).status_code == 200
    time_machine.shift(timedelta(minutes=2))
    with django_assert_num_queries(2):
        assert ask(SERIAL, key.lookup).status_code == 200
    assert timezone.now() - Device.objects.get(serial=SERIAL).contact.asked_at < timedelta(seconds=5)


@pytest.mark.parametrize("typed", ["hq481047", " HQ481047 "])
def test_the_lookup_half_may_come_in_lower_case_or_with_blanks(simpsons: Cast, typed: str) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    assert key.lookup == "HQ481047"
    assert opened(ask(SERIAL, typed), key).serial == SERIAL


@pytest.mark.parametrize("serial", ["a" * 65, "white space", "ä", "a%2Fb", "semi;colon"])
def test_a_malformed_serial_is_400(key: RegistrationKey, serial: str) -> None:
    response = ask(serial, key.lookup)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "malformed"
    assert "A-Z a-z 0-9 . _ : -" in response.json()["detail"]


@pytest.mark.parametrize("serial", ["a", "a" * 64, "A-Z_09.:x"])
def test_a_well_formed_serial_is_taken(key: RegistrationKey, serial: str) -> None:
    assert opened(ask(serial, key.lookup), key).serial == serial


@pytest.mark.parametrize(
    "query", [{}, {"key": ""}, {"key": "SHORT"}, {"key": "HQ48104!"}, {"key": ["HQ481047", "HQ481047"]}]
)
def test_a_missing_or_malformed_key_is_400(simpsons: Cast, query: dict[str, object]) -> None:
    response = Client().get(f"/midpoint/ws/iot/devices/{SERIAL}", query)
    assert response.status_code == 400
    assert response.json()["code"] == "malformed"


def test_a_malformed_nonce_is_400(key: RegistrationKey) -> None:
    assert ask(SERIAL, key.lookup, nonce="a b").status_code == 400
    assert not Device.objects.filter(serial=SERIAL).exists()


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json"])
def test_unknown_expired_and_revoked_keys_answer_alike_to_the_byte(simpsons: Cast, accept: str) -> None:
    now = timezone.now()
    expired = RegistrationKeyFactory(organization=simpsons.home, expires_at=now - timedelta(seconds=1))
    revoked = RegistrationKeyFactory(organization=simpsons.home, revoked_at=now)
    answers = set()
    for lookup in ("ZZZZZZZZ", expired.lookup, revoked.lookup):
        for serial in (SERIAL, simpsons.kitchen.serial):
            response = ask(serial, lookup, accept=accept)
            assert response.status_code == 403
            headers = {name: value for name, value in response.items() if name != "Date"}
            answers.add((response.content, tuple(sorted(headers.items()))))
    assert len(answers) == 1


def test_a_device_that_asks_for_text_gets_its_error_in_one_line(simpsons: Cast) -> None:
    response = ask(SERIAL, "ZZZZZZZZ", accept="text/plain")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    text = response.content.decode()
    assert text.startswith("error=key_not_good ")
    assert text.count("\n") == 1


def test_a_serial_of_another_customer_is_an_independent_device(key: RegistrationKey, simpsons: Cast) -> None:
    PlatformAccount.objects.filter(organization=simpsons.carls).exists()
    carls_key = RegistrationKeyFactory(organization=simpsons.carls)
    homers = opened(ask(SERIAL, key.lookup), key)
    carls = opened(ask(SERIAL, carls_key.lookup), carls_key)
    assert homers.channel != carls.channel
    assert homers.write_key != carls.write_key
    assert Device.objects.filter(serial=SERIAL).count() == 2


def test_a_key_of_the_household_does_not_fetch_the_reactors_write_key(key: RegistrationKey, simpsons: Cast) -> None:
    response = ask(simpsons.reactor.serial, key.lookup)
    assert response.status_code == 409
    assert response.json()["code"] == "policy_refuses"


def test_a_device_that_was_moved_goes_on_with_the_key_that_it_came_with(key: RegistrationKey, simpsons: Cast) -> None:
    before = opened(ask(SERIAL, key.lookup), key)
    Device.objects.get(serial=SERIAL).move(simpsons.power_plant)
    after = opened(ask(SERIAL, key.lookup), key)
    assert (after.channel, after.write_key) == (before.channel, before.write_key)


def test_the_customers_own_key_serves_devices_further_down(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home)
    assert opened(ask(simpsons.reactor.serial, key.lookup), key).channel == simpsons.reactor.channel.number


def test_a_key_lets_in_no_more_devices_than_it_may_but_known_ones_go_on(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household, use_limit=1)
    assert ask("first", key.lookup).status_code == 200
    refused = ask("second", key.lookup)
    assert refused.status_code == 409
    assert not Device.objects.filter(serial="second").exists()
    assert ask("first", key.lookup).status_code == 200


def test_a_customer_without_a_platform_account_is_told_in_words(simpsons: Cast) -> None:
    empty = RegistrationKeyFactory(organization=simpsons.carls.__class__.objects.get(pk=simpsons.carls.pk))
    ChannelKey.objects.filter(channel__account__organization=simpsons.carls).delete()
    Device.objects.filter(customer=simpsons.carls).delete()
    PlatformAccount.objects.get(organization=simpsons.carls).channels.all().delete()
    PlatformAccount.objects.filter(organization=simpsons.carls).delete()
    response = ask(SERIAL, empty.lookup)
    assert response.status_code == 409
    assert "no account" in response.json()["detail"]
    PlatformAccountFactory(organization=simpsons.carls)
    assert ask(SERIAL, empty.lookup).status_code == 200


def test_a_method_that_makes_no_sense_is_405(key: RegistrationKey) -> None:
    response = Client().delete(f"/midpoint/ws/iot/devices/{SERIAL}?key={key.lookup}")
    assert response.status_code == 405
    assert response["Content-Type"] == "application/problem+json"


def test_neither_cookie_nor_session_comes_with_the_answer(key: RegistrationKey) -> None:
    response = ask(SERIAL, key.lookup)
    assert not response.cookies
    assert response["Cache-Control"] == "no-store"
