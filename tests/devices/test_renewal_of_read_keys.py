"""People's read keys, and those with which the portal reads, are renewed as the policy says."""

from __future__ import annotations

import pytest

from channels.embedded import Embedded
from channels.models import ChannelKey, KeyState, RenewalPolicy
from channels.reading_keys import read_key_for
from devices import renewal_run
from tests.conftest import Cast
from tests.devices.conftest import DAY
from tests.devices.test_renewal_mail import sent

pytestmark = pytest.mark.usefixtures("at_noon")


def test_a_persons_read_key_is_renewed_with_an_overlap_and_a_mail(simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, read_every=60, overlap=7 * DAY)
    channel = simpsons.kitchen.channel
    platform = channel.account.on_platform
    old = read_key_for(simpsons.marge, channel)
    at_noon.shift(60 * DAY)
    assert renewal_run.run().read_keys_renewed == 3  # hers, and the portal's own two
    new = read_key_for(simpsons.marge, channel)
    assert new != old
    assert platform.read_feed(channel.number, read_key=old).number == channel.number
    (message,) = [message for message in sent() if message.to == [simpsons.marge.email]]
    assert "kitchen" in message.body
    assert old not in message.body
    assert new not in message.body
    at_noon.shift(7 * DAY)
    assert renewal_run.run().read_keys_ended >= 1
    with pytest.raises(Exception, match="does not read it"):
        platform.read_feed(channel.number, read_key=old)
    assert platform.read_feed(channel.number, read_key=new).number == channel.number


def test_the_portal_goes_on_reading_while_its_own_key_is_renewed(simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, read_every=60)
    channel = simpsons.kitchen.channel
    platform = channel.account.on_platform
    before = ChannelKey.objects.of_the_portal().get(channel=channel)
    at_noon.shift(60 * DAY)
    renewal_run.run()
    after = ChannelKey.objects.of_the_portal().get(channel=channel)
    assert after.value != before.value
    for key in (before, after):
        assert platform.read_feed(channel.number, read_key=key.value).number == channel.number
    at_noon.shift(DAY)
    renewal_run.run()
    before.refresh_from_db()
    assert before.state == KeyState.ENDED
    with pytest.raises(Exception, match="does not read it"):
        platform.read_feed(channel.number, read_key=before.value)


def test_a_channel_that_is_gone_keeps_no_other_read_key_from_being_renewed(simpsons: Cast, at_noon) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, read_every=60)
    gone, still_there = simpsons.kitchen.channel, simpsons.reactor.channel
    Embedded().delete_channel(gone.account.key, gone.number)
    at_noon.shift(60 * DAY)
    assert renewal_run.run().read_keys_renewed == 1
    assert ChannelKey.objects.of_the_portal().get(channel=still_there).version == 2
