from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from django.test import Client

from channels.platform.models import Account, Channel
from tests.channels.platform.server import Server, running

NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class Keys:
    """A channel with its keys, as its owner holds them."""

    channel: Channel
    account: str
    write: str
    read: str

    @property
    def number(self) -> int:
        return self.channel.number


def a_channel(account: Account, **settings: object) -> Keys:
    channel = Channel.objects.open(account, **settings)
    write, read = channel.api_keys.all()
    return Keys(channel, account.key, write.value, read.value)


@pytest.fixture
def api() -> Client:
    """A client without cookies, CSRF tokens or log-in, as devices are."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def homer(db) -> Account:
    return Account.objects.open("The Simpsons")


@pytest.fixture
def carl(db) -> Account:
    return Account.objects.open("Carl")


@pytest.fixture
def kitchen(homer, settings) -> Keys:
    """A private channel with two labelled fields, and no interval between writes."""
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    return a_channel(homer, name="Kitchen", field1="Temperature", field2="Humidity")


@pytest.fixture
def plaza(carl, settings) -> Keys:
    """A public channel."""
    settings.PLATFORM_UPDATE_INTERVAL = 0.0
    return a_channel(carl, name="Plaza", field1="Noise", public=True)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The portal under gunicorn, with an account on the platform."""
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server
