"""Each person has a read key of their own: made when first asked for, ended with the right to it."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from channels.embedded import Embedded
from channels.models import ChannelKey, KeyState
from channels.platforms import NoAccess, OutOfReach
from channels.reading_keys import end_read_keys, read_key_for
from channels.tasks import revoke_read_keys
from tests.conftest import Cast
from tests.factories import UserFactory, give_channel
from tests.parallel import all_at_once


def opens(key: str, number: int) -> bool:
    try:
        Embedded().read_feed(number, read_key=key)
    except NoAccess:
        return False
    return True


def test_the_key_is_made_when_first_asked_for_and_stays_the_same(simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    assert not ChannelKey.objects.filter(holder=simpsons.marge).exists()
    key = read_key_for(simpsons.marge, channel)
    assert read_key_for(simpsons.marge, channel) == key
    assert opens(key, channel.number)
    assert ChannelKey.objects.get(holder=simpsons.marge).kind == ChannelKey.Kind.READ


def test_two_people_have_two_keys_and_neither_is_the_portals(simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    portal = ChannelKey.objects.of_the_portal().get(channel=channel).value
    keys = {read_key_for(simpsons.homer, channel), read_key_for(simpsons.marge, channel), portal}
    assert len(keys) == 3


@pytest.mark.django_db(transaction=True)
def test_clicks_at_once_give_one_key_and_leave_no_other_behind(simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    keys = set(all_at_once(lambda _: read_key_for(simpsons.marge, channel), 6))
    assert len(keys) == 1
    at_the_platform = Embedded().get_channel(channel.account.key, channel.number).read_keys
    assert set(at_the_platform) == keys | {ChannelKey.objects.of_the_portal().get(channel=channel).value}


def test_where_read_keys_cannot_be_added_everybody_gets_the_shared_one(simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    shared = ChannelKey.objects.of_the_portal().get(channel=channel).value
    with patch.object(Embedded, "can_add_read_keys", False):
        assert read_key_for(simpsons.homer, channel) == read_key_for(simpsons.marge, channel) == shared
    assert not ChannelKey.objects.filter(holder__isnull=False).exists()


def test_a_shared_key_that_the_portal_does_not_know_yet_is_asked_for(simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    shared = ChannelKey.objects.of_the_portal().get(channel=channel).value
    ChannelKey.objects.reading().delete()
    with patch.object(Embedded, "can_add_read_keys", False):
        assert read_key_for(simpsons.marge, channel) == shared
    assert ChannelKey.objects.of_the_portal().get(channel=channel).value == shared


def test_nothing_is_stored_when_the_platform_is_out_of_reach(simpsons: Cast) -> None:
    with patch.object(Embedded, "add_read_key", side_effect=OutOfReach), pytest.raises(OutOfReach):
        read_key_for(simpsons.marge, simpsons.kitchen.channel)
    assert not ChannelKey.objects.filter(holder=simpsons.marge).exists()


@pytest.fixture
def marges_key(simpsons: Cast) -> ChannelKey:
    read_key_for(simpsons.homer, simpsons.kitchen.channel)
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    return ChannelKey.objects.get(holder=simpsons.marge)


def test_an_ended_key_opens_nothing_and_touches_nobody_elses(
    simpsons: Cast, marges_key: ChannelKey, django_capture_on_commit_callbacks
) -> None:
    number = simpsons.kitchen.channel.number
    with django_capture_on_commit_callbacks(execute=True):
        assert end_read_keys(ChannelKey.objects.filter(holder=simpsons.marge)) == 1
    assert not opens(marges_key.value, number)
    assert opens(read_key_for(simpsons.homer, simpsons.kitchen.channel), number)
    marges_key.refresh_from_db()
    assert marges_key.state == KeyState.REVOKED


def test_after_an_end_a_new_key_is_another_one(
    simpsons: Cast, marges_key: ChannelKey, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        end_read_keys(ChannelKey.objects.filter(holder=simpsons.marge))
    assert read_key_for(simpsons.marge, simpsons.kitchen.channel) != marges_key.value


def test_the_portals_own_keys_and_write_keys_are_not_ended(simpsons: Cast) -> None:
    assert end_read_keys(ChannelKey.objects.all()) == 0
    assert ChannelKey.objects.current().count() == ChannelKey.objects.count()


def test_a_platform_that_is_out_of_reach_hears_of_the_end_later(
    simpsons: Cast, marges_key: ChannelKey, django_capture_on_commit_callbacks
) -> None:
    with patch.object(Embedded, "revoke_key", side_effect=OutOfReach):
        with django_capture_on_commit_callbacks(execute=True):
            end_read_keys(ChannelKey.objects.filter(holder=simpsons.marge))
        assert ChannelKey.objects.get(pk=marges_key.pk).state == KeyState.RETIRING
        later = DBTaskResult.objects.filter(task_path__endswith="revoke_read_keys").order_by("run_after").last()
    assert later is not None
    assert later.run_after > timezone.now() + timedelta(minutes=4)
    assert revoke_read_keys.call(*later.args_kwargs["args"]) == 0
    assert not opens(marges_key.value, simpsons.kitchen.channel.number)


def test_the_end_is_remembered_even_if_the_process_dies_right_after_the_transaction(
    simpsons: Cast, marges_key: ChannelKey, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=False):
        end_read_keys(ChannelKey.objects.filter(holder=simpsons.marge))
    waiting = DBTaskResult.objects.get(task_path__endswith="revoke_read_keys")
    revoke_read_keys.call(*waiting.args_kwargs["args"])
    assert not opens(marges_key.value, simpsons.kitchen.channel.number)


def test_the_keys_of_a_channel_that_is_gone_have_ended_with_it(
    simpsons: Cast, marges_key: ChannelKey, django_capture_on_commit_callbacks
) -> None:
    channel = simpsons.kitchen.channel
    Embedded().delete_channel(channel.account.key, channel.number)
    with django_capture_on_commit_callbacks(execute=True):
        end_read_keys(ChannelKey.objects.filter(holder=simpsons.marge))
    assert ChannelKey.objects.get(pk=marges_key.pk).state == KeyState.REVOKED


def test_channels_of_one_person_have_different_keys(simpsons: Cast) -> None:
    lisa = UserFactory()
    simpsons.kitchen.channel = None
    simpsons.kitchen.save()
    other = give_channel(simpsons.kitchen)
    assert read_key_for(lisa, other) != read_key_for(lisa, simpsons.reactor.channel)
