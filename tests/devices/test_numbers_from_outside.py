"""Numbers that no row has: a form that is sent with them answers as with any other wrong choice."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import Cast

STRANGE = ["9" * 30, "9" * 5000, str(2**63), "-1", "1.5", "x\0"]


@pytest.mark.parametrize("number", STRANGE)
@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/devices/list/move/", "devices"),
        ("/devices/list/block/", "devices"),
        ("/devices/list/unblock/", "devices"),
        ("/devices/pending/decide/", "pending"),
    ],
)
def test_a_number_that_no_device_can_have_is_no_choice(
    simpsons: Cast, as_homer: Client, address: str, field: str, number: str
) -> None:
    sent = {field: [number, str(simpsons.kitchen.pk)], "organization": simpsons.household.pk, "step": "approve"}
    response = as_homer.post(address, sent, follow=True)
    assert [message.level_tag for message in response.context["messages"]] == ["error"]


@pytest.mark.parametrize("number", STRANGE)
def test_a_number_that_no_expected_device_can_have_takes_nothing_off_the_list(
    simpsons: Cast, as_homer: Client, number: str
) -> None:
    address = f"/organizations/{simpsons.home.pk}/expected-devices/forget/"
    response = as_homer.post(address, {"expected": [number]}, follow=True)
    assert "Choose at least one serial number." in response.content.decode()
