"""What managers are mailed about renewals: before, afterwards, and what only they can do."""

from __future__ import annotations

import re
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.core import mail
from pytest_django import Settings

from channels.models import ChannelKey, PlatformAccount, Renewal, RenewalPolicy
from devices import renewal_run
from tests.background import do_background_work
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.devices.conftest import DAY
from tests.factories import MembershipFactory

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def policy(simpsons: Cast, at_noon) -> RenewalPolicy:
    """All keys of the Simpsons every 30 days; those that the cast has are from this noon."""
    return RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, time_zone="UTC")


def sent() -> list[mail.EmailMessage]:
    """The mails, after the background worker has sent what is in its queue."""
    do_background_work()
    return mail.outbox


def test_managers_hear_three_days_before_in_one_mail_for_all(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    MembershipFactory(organization=simpsons.household, relation="manager", user__email="lisa@example.net")
    at_noon.shift(23 * DAY)
    renewal_run.run()
    assert sent() == []
    for _hour in range(8 * 24):
        at_noon.shift(timedelta(hours=1))
        renewal_run.run()
        if mail.outbox or sent():
            break
    (message,) = mail.outbox
    assert message.to == [simpsons.homer.email]
    assert message.subject == "Keys of The Simpsons will be renewed"
    assert "kitchen" in message.body
    assert "reactor" in message.body
    assert f"/organizations/{simpsons.home.pk}/keys/" in message.body
    assert Renewal.objects.count() == 0
    renewal_run.run()
    assert len(sent()) == 1


def test_managers_hear_what_became_of_it(policy: RenewalPolicy, simpsons: Cast, at_noon, client) -> None:
    RenewalPolicy.objects.update(remind_before=None)
    at_noon.shift(30 * DAY)
    renewal_run.run()
    client.post("/update", {"api_key": current(simpsons.kitchen.channel).value, "field1": "20"})
    renewal_run.run()
    assert sent() == [], "one of two is still under way"
    at_noon.shift(7 * DAY)
    renewal_run.run()
    (message,) = sent()
    assert message.subject == "Keys of The Simpsons have been renewed"
    moved, absent = message.body.split("did not fetch")
    assert "kitchen" in moved
    assert "reactor" in absent
    renewal_run.run()
    assert len(sent()) == 1


def test_no_mail_holds_a_key(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    at_noon.shift(28 * DAY)
    renewal_run.run()
    at_noon.shift(20 * DAY)
    renewal_run.run()
    texts = "".join(message.subject + message.body for message in sent())
    assert texts
    assert not [key for key in ChannelKey.objects.all() if key.value in texts]
    assert not re.search(r"[{}]|None", texts)


def test_what_only_people_can_renew_is_asked_for_once_a_week(policy: RenewalPolicy, simpsons: Cast, at_noon) -> None:
    PlatformAccount.objects.filter(organization=simpsons.home).update(platform="thingspeak")
    at_noon.shift(30 * DAY)
    renewal_run.run()
    (message,) = sent()
    assert message.subject == "Please renew keys of The Simpsons"
    assert "Generate New Write API Key" in message.body
    assert Renewal.objects.count() == 0
    at_noon.shift(6 * DAY)
    renewal_run.run()
    assert len(sent()) == 1
    at_noon.shift(DAY)
    renewal_run.run()
    assert len(sent()) == 2


def test_a_mail_server_that_is_away_gets_the_mail_later(policy: RenewalPolicy, at_noon, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.MAIL_TRANSPORT = "portal.mail.InBackground", settings.EMAIL_BACKEND
    at_noon.shift(27 * DAY)  # Each is due within the three days that follow, whatever its part of the spread.
    renewal_run.run()
    with patch("django.core.mail.backends.locmem.EmailBackend.send_messages", side_effect=ConnectionRefusedError):
        assert sent() == []
    at_noon.shift(timedelta(minutes=1))
    assert len(sent()) == 1
