"""What operators see of new and former devices, and the one thing that they change."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from devices import blocking, ending, pending
from devices.expected import Expected, enter
from devices.models import FormerDevice, PendingDevice, RegistrationPolicy
from orgs.audit import AuditEntry
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory


@pytest.fixture
def cast(simpsons: Cast) -> Cast:
    """Somebody waits, somebody was refused, somebody is expected, and the kitchen's hardware was replaced."""
    key = RegistrationKeyFactory(organization=simpsons.household)
    RegistrationPolicy.of(simpsons.home).change("approved")
    for serial in ("waits-1", "refused-1"):
        Client().get(f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}")
    pending.refuse(PendingDevice.objects.get(serial="refused-1"), by=simpsons.homer)
    enter([Expected("expected-1", "Attic", simpsons.household)], customer=simpsons.home)
    ending.replace(simpsons.kitchen, serial="new-1", by=simpsons.homer)
    return simpsons


def listed(client: Client, name: str, query: str = "") -> str:
    answer = client.get(reverse(f"admin:devices_{name}_changelist") + query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("name", "query", "there", "not_there"),
    [
        ("registrationpolicy", "", "The Simpsons", "Carl&#x27;s"),
        ("pendingdevice", "", "waits-1", "expected-1"),
        ("pendingdevice", "?decision=waiting", "waits-1", "refused-1"),
        ("pendingdevice", "?decision=refused", "refused-1", "waits-1"),
        ("pendingdevice", "?q=127.0.0.1", "waits-1", "expected-1"),
        ("expecteddevice", "?q=attic", "expected-1", "waits-1"),
        ("formerdevice", "?q=kitchen", "replaced by another one", "waits-1"),
    ],
)
@pytest.mark.usefixtures("cast")
def test_the_lists_answer_support_questions(
    as_operator: Client, name: str, query: str, there: str, not_there: str
) -> None:
    html = listed(as_operator, name, query)
    assert there in html
    assert not_there not in html


def test_each_row_opens(as_operator: Client, cast: Cast) -> None:
    for thing in (RegistrationPolicy.objects.get(), PendingDevice.objects.first(), FormerDevice.objects.get()):
        assert thing is not None
        name = thing._meta.model_name
        answer = as_operator.get(reverse(f"admin:devices_{name}_change", args=[thing.pk]))
        assert answer.status_code == 200


def test_an_operator_opens_the_door_of_a_customer(as_operator: Client, cast: Cast) -> None:
    policy = RegistrationPolicy.objects.get()
    as_operator.post(reverse("admin:devices_registrationpolicy_change", args=[policy.pk]), {"admits": "all"})
    assert RegistrationPolicy.of(cast.home).admits == "all"
    assert AuditEntry.objects.get(action="operator.changed").organization == cast.home


def test_blocked_devices_are_found(as_operator: Client, cast: Cast) -> None:
    blocking.block(cast.reactor, by=cast.homer)
    html = listed(as_operator, "device", "?blocked_at__isempty=0")
    assert cast.reactor.serial in html
    assert cast.garage.serial not in html
