"""What tests of both platforms have in common; the fixtures are in `conftest`."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from channels.platforms import Platform, RemoteChannel

IN_PROCESS = pytest.param("in_process", marks=pytest.mark.django_db)
# The live server has connections of its own, which see only what is committed.
OVER_HTTP = pytest.param("over_http", marks=pytest.mark.django_db(transaction=True))


def create(platform: Platform, account: str, marker: str = "kitchen-1", name: str = "kitchen") -> RemoteChannel:
    return platform.create_channel(account, name=name, marker=marker, labels={1: "Light", 2: "Temp"})


def write(channel: RemoteChannel, at: datetime, **values: str) -> None:
    """Store an entry as a device does."""
    answer = Client().post(
        "/update", {"api_key": channel.write_key, "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", **values}
    )
    assert answer.content != b"0"
