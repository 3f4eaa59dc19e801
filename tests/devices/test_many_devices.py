"""The pages of a landlord: a fixed number of queries and a small page, with 10 devices and with 1000."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from devices.models import Device, ExpectedDevice, PendingDevice
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory

SMALL = 100_000


@pytest.fixture(params=[10, 1000])
def landlord(simpsons: Cast, request: pytest.FixtureRequest) -> Cast:
    """So many devices, of which every other one is blocked; and so many that wait, and that are expected."""
    key = RegistrationKeyFactory(organization=simpsons.home)
    here = {"customer": simpsons.home, "organization": simpsons.household}
    serials = [f"flat-{n}" for n in range(request.param)]
    Device.objects.bulk_create(
        Device(**here, serial=serial, name=f"Flat {n}", blocked_at=timezone.now() if n % 2 else None)
        for n, serial in enumerate(serials)
    )
    PendingDevice.objects.bulk_create(
        PendingDevice(**here, serial=f"new-{serial}", asked_with=key, address="192.0.2.7") for serial in serials
    )
    ExpectedDevice.objects.bulk_create(ExpectedDevice(**here, serial=f"later-{serial}") for serial in serials)
    return simpsons


@pytest.mark.parametrize(
    ("address", "queries"),
    [
        ("/devices/list/?q=flat", 9),
        ("/devices/list/?state=blocked", 8),
        ("/devices/list/?state=no_channel&order=-name", 8),
        ("/devices/list/?q=flat&page=2", 9),
        ("/devices/pending/", 10),
        ("/organizations/{home}/expected-devices/", 8),
        ("/organizations/{home}/registration-policy/", 7),
    ],
)
def test_a_list_costs_the_same_and_stays_small(
    landlord: Cast, as_homer: Client, address: str, queries: int, django_assert_num_queries
) -> None:
    with django_assert_num_queries(queries):
        answer = as_homer.get(address.format(home=landlord.home.pk))
    assert answer.status_code == 200
    assert len(answer.content) < SMALL


def test_a_whole_page_is_let_in_at_once(landlord: Cast, as_homer: Client) -> None:
    chosen = list(PendingDevice.objects.values_list("pk", flat=True)[:50])
    as_homer.post("/devices/pending/decide/", {"step": "approve", "pending": chosen})
    assert not PendingDevice.objects.filter(pk__in=chosen).exists()
    assert Device.objects.filter(serial__startswith="new-").count() == len(chosen)
