"""Operators issue and revoke registration keys without seeing them, and rename and move devices."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from channels.embedded import Embedded
from channels.models import Channel, PlatformAccount
from devices.models import Device, DeviceContact, RegistrationKey
from devices.registration_key_text import derive_key
from orgs.models import AuditEntry
from orgs.operator_links import NOTHING, when
from tests.conftest import Cast
from tests.devices.measuring import measure
from tests.factories import RegistrationKeyFactory


def _url(name: str, *args: object) -> str:
    return reverse(f"admin:devices_{name}", args=args)


def _said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def _revoke(client: Client, *keys: RegistrationKey, **data: str) -> Any:
    chosen = {"action": "revoke", "_selected_action": [key.pk for key in keys]}
    return client.post(_url("registrationkey_changelist"), chosen | data)


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.home, label="Bag of thermometers")


def test_a_new_key_is_whole_and_not_shown(as_operator: Client, simpsons: Cast) -> None:
    data = {"organization": simpsons.household.pk, "label": "Kitchen", "use_limit": "3"}
    response = as_operator.post(_url("registrationkey_add"), data, follow=True)
    key = RegistrationKey.objects.get()
    assert (key.customer, key.organization) == (simpsons.home, simpsons.household)
    assert (key.label, key.use_limit) == ("Kitchen", 3)
    assert key.envelope_key == derive_key(key.secret, key.lookup)
    assert key.created_by
    assert key.created_by.email == "operator@example.net"
    html = response.content.decode()
    assert key.masked in html
    assert key.secret not in html
    assert key.envelope_key_base64 not in html
    entry = AuditEntry.objects.get()
    assert (entry.object_id, entry.organization) == (str(key.pk), simpsons.household)


def test_label_expiry_and_limit_are_changed_and_the_key_stays(as_operator: Client, key: RegistrationKey) -> None:
    secret, envelope_key = key.secret, key.envelope_key
    as_operator.post(_url("registrationkey_change", key.pk), {"label": "Garage", "use_limit": "5"})
    changed = RegistrationKey.objects.get(pk=key.pk)
    assert (changed.label, changed.use_limit) == ("Garage", 5)
    assert (changed.secret, changed.envelope_key) == (secret, envelope_key)


def test_a_limit_below_the_devices_that_came_already_is_refused(as_operator: Client, key: RegistrationKey) -> None:
    RegistrationKey.objects.update(uses=4)
    response = as_operator.post(_url("registrationkey_change", key.pk), {"label": "", "use_limit": "3"})
    assert "More devices than that" in response.content.decode()


def test_revoking_asks_first(as_operator: Client, key: RegistrationKey) -> None:
    page = _revoke(as_operator, key)
    assert key.lookup in page.content.decode()
    key.refresh_from_db()
    assert key.is_good

    assert key.lookup in _said(_revoke(as_operator, key, confirmed="yes"))
    key.refresh_from_db()
    assert not key.is_good
    assert AuditEntry.objects.about(key).get().details["what"] == "Revoked."


def test_a_key_that_is_revoked_already_keeps_its_date(as_operator: Client, key: RegistrationKey) -> None:
    key.revoke()
    before = key.revoked_at
    _revoke(as_operator, key, confirmed="yes")
    key.refresh_from_db()
    assert key.revoked_at == before


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("good", {}),
        ("used_up", {"use_limit": 2, "uses": 2}),
        ("expired", {"expires_at": timezone.now() - timedelta(days=1)}),
        ("revoked", {"revoked_at": timezone.now()}),
    ],
)
def test_keys_are_filtered_by_whether_they_let_devices_in(
    state: str, change: dict[str, Any], as_operator: Client, key: RegistrationKey
) -> None:
    RegistrationKey.objects.update(**change)
    for asked in ("good", "used_up", "expired", "revoked"):
        response = as_operator.get(_url("registrationkey_changelist"), {"state": asked})
        assert list(response.context["cl"].result_list) == ([key] if asked == state else [])
    page = as_operator.get(_url("registrationkey_change", key.pk)).content.decode()
    assert state.replace("_", " ") in page


def test_a_key_is_not_deleted(as_operator: Client, key: RegistrationKey) -> None:
    assert as_operator.post(_url("registrationkey_delete", key.pk), {"post": "yes"}).status_code == 403


def test_a_device_is_renamed_and_moved_within_its_customer(as_operator: Client, simpsons: Cast) -> None:
    channel, serial = simpsons.kitchen.channel, simpsons.kitchen.serial
    data = {"name": "Fridge", "organization": simpsons.power_plant.pk, "serial": "STOLEN"}
    as_operator.post(_url("device_change", simpsons.kitchen.pk), data)
    simpsons.kitchen.refresh_from_db()
    assert (simpsons.kitchen.name, simpsons.kitchen.organization) == ("Fridge", simpsons.power_plant)
    assert (simpsons.kitchen.channel, simpsons.kitchen.serial) == (channel, serial)
    assert list(Device.objects.visible_to(simpsons.marge)) == []


def test_a_device_does_not_go_to_another_customer(as_operator: Client, simpsons: Cast) -> None:
    data = {"name": "kitchen", "organization": simpsons.carls.pk}
    response = as_operator.post(_url("device_change", simpsons.kitchen.pk), data)
    assert "stays with its customer" in response.content.decode()
    simpsons.kitchen.refresh_from_db()
    assert simpsons.kitchen.organization == simpsons.household


def test_devices_are_neither_made_nor_deleted_here(as_operator: Client, simpsons: Cast) -> None:
    assert as_operator.get(_url("device_add")).status_code == 403
    assert as_operator.post(_url("device_delete", simpsons.kitchen.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(("asked", "found"), [("day", "kitchen"), ("week", "reactor"), ("never", "garage")])
def test_silent_devices_are_found(asked: str, found: str, as_operator: Client, simpsons: Cast) -> None:
    now = timezone.now()
    DeviceContact.objects.filter(device=simpsons.kitchen).update(asked_at=now - timedelta(hours=1))
    DeviceContact.objects.filter(device=simpsons.reactor).update(asked_at=now - timedelta(days=8))
    DeviceContact.objects.filter(device=simpsons.garage).delete()
    response = as_operator.get(_url("device_changelist"), {"asked": asked})
    assert [str(device) for device in response.context["cl"].result_list] == [found]


def test_a_device_without_a_channel_is_found(as_operator: Client, simpsons: Cast) -> None:
    Device.objects.filter(pk=simpsons.kitchen.pk).update(channel=None)
    response = as_operator.get(_url("device_changelist"), {"channel__isempty": "1"})
    assert list(response.context["cl"].result_list) == [simpsons.kitchen]


def _last_measured(client: Client, device: Device) -> tuple[str, str]:
    """What the list and the page say of it."""
    page = client.get(_url("device_changelist"), {"q": device.serial}).content.decode()
    [cell] = re.findall(r'<td class="field-last_measured">(.*?)</td>', page)
    one = client.get(_url("device_change", device.pk)).content.decode()
    [line] = re.findall(r'field-last_measured.*?<div class="readonly">(.*?)</div>', one, re.DOTALL)
    return cell, line


def test_operators_see_when_a_device_measured_though_it_has_not_asked(as_operator: Client, simpsons: Cast) -> None:
    assert _last_measured(as_operator, simpsons.kitchen) == (NOTHING, NOTHING)
    DeviceContact.objects.filter(device=simpsons.kitchen).update(asked_at=timezone.now() - timedelta(days=90))
    at = timezone.now().replace(microsecond=0) - timedelta(minutes=3)
    measure(simpsons.kitchen, "21.5", at)
    assert _last_measured(as_operator, simpsons.kitchen) == (when(at), when(at))
    assert _last_measured(as_operator, simpsons.reactor) == (NOTHING, NOTHING)
    Device.objects.filter(pk=simpsons.kitchen.pk).update(channel=None)
    assert _last_measured(as_operator, simpsons.kitchen) == (NOTHING, NOTHING)


def test_what_was_measured_in_the_channel_before_counts_until_there_is_more(
    as_operator: Client, simpsons: Cast
) -> None:
    kitchen, account = simpsons.kitchen, simpsons.kitchen.channel.account
    earlier = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    measure(kitchen, "21", earlier)
    made = Embedded().create_channel(account.key, name="Kitchen", marker="next", labels={})
    kitchen.channel = Channel.objects.create(account=account, number=made.number, first=kitchen.channel)
    kitchen.save()
    assert _last_measured(as_operator, kitchen) == (when(earlier), when(earlier))
    later = earlier + timedelta(minutes=5)
    Client().post("/update", {"api_key": made.write_key, "field1": "22", "created_at": later.isoformat()})
    assert _last_measured(as_operator, kitchen) == (when(later), when(later))


def test_where_the_platform_tells_it_to_key_holders_alone_the_list_says_so(as_operator: Client, simpsons: Cast) -> None:
    PlatformAccount.objects.filter(channels__device=simpsons.kitchen).update(platform="thingspeak")
    assert _last_measured(as_operator, simpsons.kitchen) == ("not told by its platform",) * 2
