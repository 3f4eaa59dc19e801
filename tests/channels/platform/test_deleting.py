"""A channel with a long history is deleted in parts: others write in between, and what has died is begun again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from channels.platform import feed_models
from channels.platform.models import ApiKey, Channel, Entry, Latest
from channels.platform.values import EntryValues
from channels.platform.writing import write_entry
from tests.channels.platform.conftest import NOON, Keys
from tests.channels.renewing import ProcessDied

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


def write(key: str, minute: int) -> None:
    write_entry(key, EntryValues({"field1": str(minute)}), now=NOON + minute * MINUTE)


@pytest.fixture
def long_history(kitchen: Keys, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Ten entries, of which three are deleted at a time."""
    monkeypatch.setattr(feed_models, "DELETED_AT_ONCE", 3)
    for minute in range(10):
        write(kitchen.write, minute)
    return kitchen


def die_at(number: int) -> Any:
    """Let the process die before the statement of that number that deletes entries."""
    seen = []

    def watch(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('DELETE FROM "platform_entry"'):
            seen.append(sql)
            if len(seen) == number:
                raise ProcessDied
        return execute(sql, *rest)

    return connection.execute_wrapper(watch)


def test_a_process_that_dies_has_done_what_it_has_done_and_the_next_one_finishes(long_history: Keys) -> None:
    with pytest.raises(ProcessDied), die_at(3):
        long_history.channel.discard()
    assert list(Entry.objects.order_by("entry_id").values_list("entry_id", flat=True)) == [7, 8, 9, 10]
    assert Channel.objects.filter(pk=long_history.number).exists()
    write(long_history.write, 10)

    Channel.objects.get(pk=long_history.number).discard()
    for model in (Entry, Latest, ApiKey, Channel):
        assert not model.objects.exists()


def test_a_cleared_channel_counts_from_one_though_a_process_has_died_while_it_was_cleared(long_history: Keys) -> None:
    with pytest.raises(ProcessDied), die_at(2):
        long_history.channel.clear()
    write(long_history.write, 10)
    assert Entry.objects.count() == 8
    long_history.channel.clear()
    write(long_history.write, 11)
    assert Entry.objects.get().entry_id == 1
