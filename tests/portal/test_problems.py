"""Refusals have a status, in one place; what nobody expected is a 500 without a word about the inside."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.test import Client

from devices.errors import DeviceRefusal
from portal.problems import STATUS


def test_no_refusal_lacks_a_status() -> None:
    assert set(DeviceRefusal.__subclasses__()) == set(STATUS)


@pytest.mark.django_db
def test_what_nobody_expected_is_a_500_that_tells_nothing() -> None:
    client = Client(raise_request_exception=False)
    with patch("devices.api.register", side_effect=RuntimeError("secret-in-the-text")):
        response = client.get("/midpoint/ws/iot/devices/1?key=HQ481047")
    assert response.status_code == 500
    assert b"secret-in-the-text" not in response.content
    assert b"Traceback" not in response.content


@pytest.mark.django_db
def test_the_description_of_the_api_is_valid_and_open_to_all() -> None:
    response = Client().get("/api/schema/")
    assert response.status_code == 200
    assert b"/midpoint/ws/iot/devices/{serial}" in response.content
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
