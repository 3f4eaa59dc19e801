"""Devices write while their key is rotated: nobody waits for the other in a circle."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import Settings

from channels.platform.models import Account, ApiKey, Channel, Entry
from tests.parallel import all_at_once

ROUNDS = 8


@pytest.mark.django_db(transaction=True)
def test_writes_and_rotations_at_once_do_not_lock_each_other_out(settings: Settings) -> None:
    """Noting the first use of a key and ending it touch the same row, and both then ask for the channel's."""
    settings.PLATFORM_UPDATE_INTERVAL = 0
    channel = Channel.objects.open(Account.objects.open("Homer"), name="kitchen", field1="Temperature")

    def use_or_rotate(n: int) -> int:
        if n == 0:
            channel.rotate_write_key(overlap=timedelta(hours=1))
            return 0
        key = ApiKey.objects.get(channel=channel, writes=True, expires_at=None).value
        return Client().post("/update", {"api_key": key, "field1": str(n)}).status_code

    for _round in range(ROUNDS):
        assert sorted(all_at_once(use_or_rotate, 6)) == [0, 200, 200, 200, 200, 200]
    assert Entry.objects.filter(channel=channel).count() == 5 * ROUNDS
