"""Guessing registration keys is slow."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from devices import tries
from tests.conftest import Cast
from tests.factories import NOON, RegistrationKeyFactory

TEXT = {"HTTP_ACCEPT": "text/plain"}


def ask(lookup: str, address: str = "203.0.113.9", **headers: str):
    path = "/midpoint/ws/iot/devices/74743827342"
    return Client().get(path, {"key": lookup}, REMOTE_ADDR=address, **headers)


@pytest.fixture
def guesser(db: None):
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(tries.MOST):
            assert ask("AAAAAAAA").status_code == 403
        yield clock


def test_who_tries_one_bad_key_after_another_has_to_wait(guesser) -> None:
    refused = ask("AAAAAAAA")
    assert refused.status_code == 429
    assert refused["Retry-After"] == "60"
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "throttled"
    assert ask("AAAAAAAA", **TEXT).content.startswith(b"error=throttled ")


def test_waiting_costs_no_look_into_the_database(guesser, django_assert_num_queries) -> None:
    ask("AAAAAAAA")
    with django_assert_num_queries(0):
        assert ask("BBBBBBBB").status_code == 429


def test_a_good_key_from_there_has_to_wait_as_well_so_that_guessing_tells_nothing(guesser, simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    ask("AAAAAAAA")
    assert ask(key.lookup).status_code == 429


def test_other_addresses_are_served(guesser, simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    ask("AAAAAAAA")
    assert ask(key.lookup, address="203.0.113.10").status_code != 429


def test_after_a_minute_it_goes_on(guesser, simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    ask("AAAAAAAA")
    guesser.shift(timedelta(seconds=61))
    assert ask(key.lookup).status_code == 200


def test_good_keys_are_not_counted(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)
    for _ in range(tries.MOST + 5):
        assert ask(key.lookup).status_code == 200
