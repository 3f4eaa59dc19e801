"""The page that gives the place of a broken device to other hardware, and never to a device by mistake."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from channels.platform.models import Channel as PlatformChannel
from devices import blocking, ending
from devices.attention import matters_for
from devices.models import Device, FormerDevice
from tests.conftest import MANAGER, Cast
from tests.devices.measuring import measure
from tests.devices.test_registration_address import ask
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "new-hardware"
TOLD_OF_OLD = "If the old one asks again with a good registration key, it comes in as a new device, and you are told."


@pytest.fixture
def address(simpsons: Cast) -> str:
    return f"/devices/{simpsons.kitchen.pk}/replace/"


@pytest.fixture
def living_room(simpsons: Cast) -> Device:
    device = DeviceFactory(organization=simpsons.household, name="Living room")
    measure(device, "21")
    return device


def number_of(device: Device) -> int:
    assert device.channel is not None
    return device.channel.number


def test_homer_replaces_on_the_page(simpsons: Cast, as_homer: Client, address: str) -> None:
    for wrong, said in (("no serial", "A serial number has 1 to 64"), (simpsons.kitchen.serial, "has already")):
        html = as_homer.post(address, {"serial": wrong}).content.decode()
        assert said in html
        assert f'value="{wrong}"' in html
    html = as_homer.post(address, {"serial": NEW}, follow=True).content.decode()
    assert f"{NEW} is “kitchen” now." in html


def test_what_the_old_hardware_does_next_is_said_before_and_after(as_homer: Client, address: str) -> None:
    assert TOLD_OF_OLD in as_homer.get(address).content.decode()
    assert TOLD_OF_OLD in as_homer.post(address, {"serial": NEW}, follow=True).content.decode()


def test_blocked_hardware_is_not_said_to_come_in_again(simpsons: Cast, as_homer: Client, address: str) -> None:
    blocking.block(simpsons.kitchen, by=simpsons.homer)
    pages = [as_homer.get(address), as_homer.post(address, {"serial": NEW}, follow=True)]
    for html in (page.content.decode() for page in pages):
        assert "The old one is blocked and stays out." in html
        assert TOLD_OF_OLD not in html


def test_a_serial_number_of_a_device_that_is_here_deletes_nothing_without_a_question(
    simpsons: Cast, as_homer: Client, living_room: Device, address: str
) -> None:
    before = simpsons.kitchen.serial
    html = as_homer.post(address, {"serial": living_room.serial}).content.decode()
    assert Device.objects.filter(pk=living_room.pk, serial=living_room.serial).exists()
    assert Device.objects.get(pk=simpsons.kitchen.pk).serial == before
    which = f"{living_room.serial} is “Living room” in Household (Sending, channel {number_of(living_room)})."
    assert which in html
    assert f"“Living room” with the serial number {living_room.serial} is deleted here for good." in html


def test_what_was_confirmed_is_done_and_the_channel_stays_unless_one_says_otherwise(
    simpsons: Cast, as_homer: Client, living_room: Device, address: str
) -> None:
    question = as_homer.post(address, {"serial": living_room.serial})
    assert question.context["form"]["channel"].value() == "keep"
    confirmed = {**question.context["sent_along"], "channel": "keep"}
    html = as_homer.post(address, confirmed, follow=True).content.decode()
    assert f"{living_room.serial} is “kitchen” now." in html
    assert not Device.objects.filter(pk=living_room.pk).exists()
    assert PlatformChannel.objects.filter(number=number_of(living_room)).exists()
    assert FormerDevice.objects.get(how="merged").name == "Living room"


def test_the_channel_goes_with_the_device_where_that_was_chosen(
    simpsons: Cast, as_homer: Client, living_room: Device, address: str
) -> None:
    confirmed = {"serial": living_room.serial, "giving_up": living_room.pk, "channel": "delete"}
    as_homer.post(address, confirmed)
    assert not PlatformChannel.objects.filter(number=number_of(living_room)).exists()


@pytest.mark.parametrize("seen", ["reactor", "nothing"])
def test_another_device_than_the_one_that_was_seen_is_asked_about_again(
    simpsons: Cast, as_homer: Client, living_room: Device, address: str, seen: str
) -> None:
    giving_up = simpsons.reactor.pk if seen == "reactor" else ""
    answer = as_homer.post(address, {"serial": living_room.serial, "giving_up": giving_up, "channel": "delete"})
    assert answer.context["sent_along"] == {"serial": living_room.serial, "giving_up": living_room.pk}
    assert Device.objects.filter(pk__in=[living_room.pk, simpsons.reactor.pk]).count() == 2


def test_hardware_that_was_blocked_elsewhere_is_said_to_be_let_in(
    simpsons: Cast, as_homer: Client, living_room: Device, address: str
) -> None:
    blocking.block(living_room, by=simpsons.homer)
    html = as_homer.post(address, {"serial": living_room.serial}).content.decode()
    assert "It is blocked now; as “kitchen” it is let in again." in html


def test_a_device_without_a_channel_leaves_none_to_ask_about(simpsons: Cast, as_homer: Client, address: str) -> None:
    newcomer = DeviceFactory(organization=simpsons.household, name="Shed", channel=None)
    question = as_homer.post(address, {"serial": newcomer.serial})
    assert f"{newcomer.serial} is “Shed” in Household (Not ready yet)." in question.content.decode()
    as_homer.post(address, question.context["sent_along"])
    assert Device.objects.get(serial=newcomer.serial).pk == simpsons.kitchen.pk


def test_a_device_of_a_part_that_one_does_not_manage_is_not_described(simpsons: Cast, address: str) -> None:
    bart = Client()
    bart.force_login(MembershipFactory(organization=simpsons.household, relation=MANAGER).user)
    for sent in ({}, {"giving_up": simpsons.reactor.pk, "channel": "delete"}):
        html = bart.post(address, {"serial": simpsons.reactor.serial, **sent}).content.decode()
        assert escape("belongs to a part that you do not manage") in html
        assert "reactor" not in html.replace(simpsons.reactor.serial, "")
        assert "Power plant" not in html


def test_hardware_that_comes_in_meanwhile_is_not_deleted_unseen(simpsons: Cast) -> None:
    newcomer = DeviceFactory(organization=simpsons.household, serial=NEW)
    with pytest.raises(ending.WouldEnd) as found:
        ending.replace(simpsons.kitchen, serial=NEW, by=simpsons.homer)
    assert found.value.other == newcomer
    assert Device.objects.filter(pk=newcomer.pk).exists()


# ---- until the new hardware has called ----


@pytest.mark.parametrize("is_sending", [True, False])
def test_what_was_replaced_waits_for_its_new_hardware_until_that_asks(
    simpsons: Cast, as_homer: Client, address: str, is_sending: bool
) -> None:
    if is_sending:
        measure(simpsons.kitchen, "20")
    key = RegistrationKeyFactory(organization=simpsons.household)
    as_homer.post(address, {"serial": NEW})

    def pages() -> list[str]:
        kitchen, household = simpsons.kitchen.get_absolute_url(), simpsons.household.get_absolute_url()
        places = (kitchen, household, "/devices/list/?q=kitchen")
        return [as_homer.get(place).content.decode() for place in places]

    for html in pages():
        assert re.search(r'class="state state-wait"[^>]*>.*?</svg> Waits for new hardware</span>', html, re.DOTALL)
        assert "It has its key and has not sent a value so far." not in html
    assert ask(NEW, key.lookup).status_code == 200
    for html in pages():
        assert not re.search(r"</svg> Waits for new hardware</span>", html)


def test_those_that_wait_for_new_hardware_are_found_and_need_attention(
    simpsons: Cast, as_homer: Client, address: str
) -> None:
    as_homer.post(address, {"serial": NEW})
    found = as_homer.get("/devices/list/?state=awaited").context["found"]
    assert [reading.device for reading in found.readings] == [simpsons.kitchen]
    (matter,) = (one for one in matters_for(simpsons.homer, timezone.now()) if one.label == "Waits for new hardware")
    assert matter.sentence == "The new hardware of “kitchen” (Household) has not asked for its key yet."
    assert matter.url == simpsons.kitchen.get_absolute_url()
