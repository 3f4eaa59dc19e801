"""The life of a key is a table, and the database keeps its rules."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from channels.errors import IllegalMove
from channels.models import MOVES, OVER, ChannelKey, KeyState
from tests.conftest import Cast

CASES = [(old, new) for old in KeyState for new in KeyState]


def test_every_state_has_its_row() -> None:
    assert set(MOVES) == set(KeyState)


@pytest.mark.parametrize(("old", "new"), CASES)
def test_only_the_moves_of_the_table_are_possible(simpsons: Cast, old: KeyState, new: KeyState) -> None:
    key = ChannelKey.holding("AAAABBBBCCCCDDDD", channel=simpsons.kitchen.channel, kind=ChannelKey.Kind.READ, state=old)
    key.ended_at = timezone.now() if old in OVER else None
    key.save()
    if new in MOVES[old]:
        assert key.move_to(new)
        key.refresh_from_db()
        assert key.state == new
        assert (key.ended_at is not None) == (new in OVER)
    else:
        with pytest.raises(IllegalMove):
            key.move_to(new)


def test_of_two_that_move_a_key_one_is_told_that_it_was_late(simpsons: Cast) -> None:
    key = simpsons.kitchen.channel.keys.writing().get()
    same = ChannelKey.objects.get(pk=key.pk)
    assert key.move_to(KeyState.RETIRING)
    assert not same.move_to(KeyState.REVOKED)


def test_a_channel_has_one_current_write_key(simpsons: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ChannelKey.holding("X" * 16, channel=simpsons.kitchen.channel, kind=ChannelKey.Kind.WRITE).save()


def test_an_ended_key_knows_when(simpsons: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ChannelKey.objects.update(state=KeyState.ENDED)


def test_a_write_key_is_nobodys_own(simpsons: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        simpsons.kitchen.channel.keys.writing().update(holder=simpsons.marge)
