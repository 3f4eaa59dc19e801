"""Storing one entry: the numbers, the interval, the quota, the last values, the use of keys, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from channels.platform import values, writing
from channels.platform.errors import MomentTaken, QuotaUsedUp, TooEarly, UnknownKey
from channels.platform.models import Account, ApiKey, Entry, Latest
from channels.platform.writing import write_entry
from tests.channels.platform.conftest import NOON, Keys, a_channel
from tests.parallel import all_at_once

SECOND = timedelta(seconds=1)


def write(key: str, at=NOON, created_at=None, **sent: str) -> int:
    return write_entry(key, values.read(sent, created_at=created_at), now=at).entry_id


@pytest.mark.django_db
class TestNumbersAndValues:
    def test_entries_are_numbered_from_one(self, kitchen: Keys):
        assert [write(kitchen.write, NOON + n * SECOND, field1=str(n)) for n in range(3)] == [1, 2, 3]

    def test_each_channel_counts_for_itself(self, kitchen: Keys, plaza: Keys):
        write(kitchen.write, field1="1")
        assert write(plaza.write, field1="1") == 1

    def test_an_entry_without_any_field_is_stored(self, kitchen: Keys):
        assert write(kitchen.write) == 1
        assert Entry.objects.get().field1 is None

    def test_the_last_values_are_kept_on_the_channel(self, kitchen: Keys):
        write(kitchen.write, NOON, field1="20", field2="40", status="warm", latitude="1")
        write(kitchen.write, NOON + SECOND, field1="21")
        latest = Latest.objects.get()
        assert (latest.last_entry_id, latest.last_entry_at) == (2, NOON + SECOND)
        assert (latest.field1, latest.field1_id, latest.field1_at) == ("21", 2, NOON + SECOND)
        assert (latest.field2, latest.field2_id, latest.field2_at) == ("40", 1, NOON)
        assert (latest.status, latest.latitude) == (None, None)
        assert latest.values() == {1: "21"}

    def test_created_at_is_the_moment_that_the_device_says(self, kitchen: Keys):
        write(kitchen.write, NOON, created_at=NOON - 60 * SECOND, field1="1")
        assert Entry.objects.get().created_at == NOON - 60 * SECOND

    def test_a_second_entry_of_the_same_moment_is_refused_and_leaves_no_gap(self, kitchen: Keys):
        write(kitchen.write, NOON, created_at=NOON, field1="1")
        with pytest.raises(MomentTaken):
            write(kitchen.write, NOON + SECOND, created_at=NOON, field1="2")
        assert Latest.objects.get().field1 == "1"
        assert write(kitchen.write, NOON + 2 * SECOND, field1="3") == 2

    def test_two_writes_in_one_microsecond_are_two_entries(self, kitchen: Keys):
        assert [write(kitchen.write, NOON, field1="1"), write(kitchen.write, NOON, field1="2")] == [1, 2]


@pytest.mark.django_db
class TestWhoMayWriteAndWhen:
    def test_a_write_comes_no_sooner_than_the_interval(self, kitchen: Keys, settings):
        settings.PLATFORM_UPDATE_INTERVAL = 1.0
        write(kitchen.write, NOON, field1="1")
        with pytest.raises(TooEarly):
            write(kitchen.write, NOON + timedelta(milliseconds=999), field1="2")
        assert write(kitchen.write, NOON + SECOND, field1="3") == 2
        assert Entry.objects.count() == 2

    def test_the_interval_counts_from_arrival_not_from_created_at(self, kitchen: Keys, settings):
        settings.PLATFORM_UPDATE_INTERVAL = 1.0
        write(kitchen.write, NOON, created_at=NOON - 3600 * SECOND, field1="1")
        with pytest.raises(TooEarly):
            write(kitchen.write, NOON, created_at=NOON - 3000 * SECOND, field1="2")

    def test_a_clock_that_was_set_back_does_not_close_the_channel(self, kitchen: Keys, settings):
        settings.PLATFORM_UPDATE_INTERVAL = 15.0
        write(kitchen.write, NOON, field1="1")
        assert write(kitchen.write, NOON - 3600 * SECOND, field1="2") == 2

    def test_a_plan_has_its_own_interval(self, homer: Account, kitchen: Keys, plaza: Keys, settings):
        settings.PLATFORM_UPDATE_INTERVAL = 1.0
        settings.PLATFORM_PLANS = {"hobby": {"update_interval": 15}}
        Account.objects.filter(pk=homer.pk).update(plan_name="hobby")
        for key in (kitchen.write, plaza.write):
            write(key, NOON, field1="1")
        with pytest.raises(TooEarly):
            write(kitchen.write, NOON + 14 * SECOND, field1="2")
        assert write(kitchen.write, NOON + 15 * SECOND, field1="2") == 2
        assert write(plaza.write, NOON + SECOND, field1="2") == 2

    def test_an_account_whose_plan_was_taken_away_has_the_default_one(self, homer: Account, kitchen: Keys, settings):
        settings.PLATFORM_UPDATE_INTERVAL = 1.0
        settings.PLATFORM_PLANS = {"hobby": {"update_interval": 15}}
        Account.objects.filter(pk=homer.pk).update(plan_name="gone")
        write(kitchen.write, NOON, field1="1")
        assert write(kitchen.write, NOON + SECOND, field1="2") == 2

    def test_unknown_read_and_ended_keys_do_not_write(self, kitchen: Keys):
        for key in ("0" * 16, kitchen.read, kitchen.account, ""):
            with pytest.raises(UnknownKey):
                write(key, field1="1")
        ApiKey.objects.filter(writes=True).update(expires_at=NOON)
        with pytest.raises(UnknownKey):
            write(kitchen.write, NOON, field1="1")
        assert write(kitchen.write, NOON - SECOND, field1="1") == 1

    def test_old_and_new_write_key_are_both_good_during_the_overlap(self, kitchen: Keys):
        new = kitchen.channel.rotate_write_key(overlap=60 * SECOND, at=NOON).value
        assert write(kitchen.write, NOON + 59 * SECOND, field1="1") == 1
        assert write(new, NOON + 60 * SECOND, field1="2") == 2
        with pytest.raises(UnknownKey):
            write(kitchen.write, NOON + 60 * SECOND, field1="3")

    def test_a_yearly_quota_ends_and_begins_again(self, homer: Account, kitchen: Keys, settings):
        settings.PLATFORM_YEARLY_MESSAGES = 2
        Account.objects.filter(pk=homer.pk).update(messages_since=NOON)
        for n in range(2):
            write(kitchen.write, NOON + n * SECOND, field1="1")
        with pytest.raises(QuotaUsedUp):
            write(kitchen.write, NOON + 3 * SECOND, field1="1")
        assert Entry.objects.count() == 2
        assert Latest.objects.get().last_entry_id == 2
        assert write(kitchen.write, NOON + timedelta(days=366), field1="1") == 3
        homer.refresh_from_db()
        assert (homer.messages, homer.messages_since) == (1, NOON + timedelta(days=366))

    def test_a_plan_may_have_a_quota_of_its_own(self, homer: Account, kitchen: Keys, plaza: Keys, settings):
        settings.PLATFORM_PLANS = {"hobby": {"yearly_messages": 1}}
        Account.objects.filter(pk=homer.pk).update(plan_name="hobby", messages_since=NOON)
        write(kitchen.write, NOON, field1="1")
        with pytest.raises(QuotaUsedUp):
            write(kitchen.write, NOON + SECOND, field1="1")
        assert [write(plaza.write, NOON + n * SECOND, field1="1") for n in range(3)] == [1, 2, 3]


@pytest.mark.django_db
class TestUseOfKeys:
    def test_first_and_last_use_are_noted_once_a_minute(self, kitchen: Keys):
        key = ApiKey.objects.get(writes=True)
        for seconds, noted in ((0, 0), (59, 0), (60, 60), (119, 60), (121, 121)):
            write(kitchen.write, NOON + seconds * SECOND, field1="1")
            key.refresh_from_db()
            assert (key.first_used_at, key.last_used_at) == (NOON, NOON + noted * SECOND)

    def test_the_use_of_a_read_key_is_noted_once_an_hour(self, api, kitchen: Keys):
        key = ApiKey.objects.get(writes=False)
        for seconds, noted in ((0, 0), (3599, 0), (3600, 3600)):
            with time_machine.travel(NOON + seconds * SECOND, tick=False):
                assert api.get(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.read}").status_code == 200
            key.refresh_from_db()
            assert (key.first_used_at, key.last_used_at) == (NOON, NOON + noted * SECOND)

    def test_reading_with_a_write_key_is_no_use_of_it(self, api, kitchen: Keys):
        """Whoever waits for a device to take up its new key must not be deceived by somebody who looks."""
        api.get(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.write}")
        assert ApiKey.objects.get(writes=True).first_used_at is None

    def test_the_first_use_of_a_new_key_is_noted_at_once(self, kitchen: Keys):
        write(kitchen.write, NOON, field1="1")
        new = kitchen.channel.rotate_write_key(overlap=60 * SECOND, at=NOON)
        write(new.value, NOON + SECOND, field1="1")
        new.refresh_from_db()
        assert new.first_used_at == NOON + SECOND


def statements(call) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        call()
    around = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
    return [query["sql"] for query in queries if not query["sql"].startswith(around)]


WRITE = 1 if connection.vendor == "postgresql" else 2
"""Statements of a write: PostgreSQL takes both as one."""


@pytest.mark.django_db
class TestCost:
    def test_a_write_is_one_statement_on_postgresql_and_two_on_sqlite(self, api, kitchen: Keys):
        path = f"/update?api_key={kitchen.write}&field1=21.5&field2=40&status=ok"
        with time_machine.travel(NOON, tick=False) as clock:
            first = statements(lambda: api.get(path))  # the key's use is noted
            clock.shift(SECOND)
            found = statements(lambda: api.get(path))
        starts = [[sql.split()[0] for sql in each] for each in (first, found)]
        if connection.vendor == "postgresql":
            assert starts == [["WITH"], ["WITH"]]
        else:
            assert starts == [["UPDATE", "INSERT", "UPDATE"], ["UPDATE", "INSERT"]]

    def test_further_plans_cost_no_statement(self, api, kitchen: Keys, settings):
        settings.PLATFORM_PLANS = {"hobby": {"update_interval": 15}}
        path = f"/update?api_key={kitchen.write}&field1=21.5"
        with time_machine.travel(NOON, tick=False) as clock:
            api.get(path)
            clock.shift(SECOND)
            assert len(statements(lambda: api.get(path))) == WRITE

    def test_a_quota_costs_one_statement(self, api, kitchen: Keys, settings):
        settings.PLATFORM_YEARLY_MESSAGES = 1000
        path = f"/update?api_key={kitchen.write}&field1=21.5"
        with time_machine.travel(NOON, tick=False) as clock:
            api.get(path)
            clock.shift(SECOND)
            assert len(statements(lambda: api.get(path))) == WRITE + 1

    def test_a_refusal_is_two_statements(self, api, kitchen: Keys, settings):
        assert len(statements(lambda: api.get("/update?api_key=0000000000000000&field1=1"))) == 2
        assert len(statements(lambda: api.get("/update?field1=1"))) == 0

    def test_last_value_and_age_do_not_touch_the_feed(self, api, kitchen: Keys):
        write(kitchen.write, field1="1", field2="2")
        write(kitchen.write, NOON + SECOND, field1="2")
        api.get(f"/channels/{kitchen.number}/feeds/last.json?api_key={kitchen.read}")  # the key's use is noted
        for path in (
            "feeds/last.json", "fields/1/last", "fields/2/last.json", "feeds/last_data_age.json",
            "fields/2/last_data_age.txt", "status/last.json", "feeds/last.txt",
        ):  # fmt: skip
            found = statements(lambda path=path: api.get(f"/channels/{kitchen.number}/{path}?api_key={kitchen.read}"))
            assert len(found) == 2, path
            assert "platform_entry" not in "".join(found), path


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_parallel_writes_give_every_number_once(self, kitchen: Keys):
        def some(worker: int) -> list[int]:
            return [
                write(kitchen.write, NOON + SECOND * worker + timedelta(milliseconds=n), field1="1") for n in range(25)
            ]

        given = [number for numbers in all_at_once(some, 8) for number in numbers]
        assert sorted(given) == list(range(1, 201))
        assert sorted(Entry.objects.values_list("entry_id", flat=True)) == list(range(1, 201))
        assert Latest.objects.get().last_entry_id == 200

    def test_of_parallel_writes_within_the_interval_one_is_stored(self, kitchen: Keys, settings):
        settings.PLATFORM_UPDATE_INTERVAL = 1.0

        def one(worker: int) -> int:
            try:
                return write(kitchen.write, NOON + timedelta(milliseconds=worker), field1="1")
            except TooEarly:
                return 0

        assert sorted(all_at_once(one, 8)) == [0] * 7 + [1]
        assert Entry.objects.count() == 1

    def test_parallel_writes_do_not_overdraw_the_quota(self, kitchen: Keys, settings):
        settings.PLATFORM_YEARLY_MESSAGES = 5

        def one(worker: int) -> bool:
            try:
                write(kitchen.write, NOON + timedelta(milliseconds=worker), field1="1")
            except QuotaUsedUp:
                return False
            return True

        assert sum(all_at_once(one, 8)) == 5
        assert sorted(Entry.objects.values_list("entry_id", flat=True)) == [1, 2, 3, 4, 5]

    def test_clearing_between_writes_starts_again_without_strays(self, kitchen: Keys):
        def work(worker: int) -> None:
            if worker == 0:
                kitchen.channel.clear()
            else:
                for n in range(10):
                    write(kitchen.write, NOON + SECOND * worker + timedelta(milliseconds=n), field1="1")

        all_at_once(work, 6)
        left = sorted(Entry.objects.values_list("entry_id", flat=True))
        assert left == list(range(1, Latest.objects.get().last_entry_id + 1))

    def test_deleting_between_writes_leaves_nothing(self, homer: Account, settings):
        settings.PLATFORM_UPDATE_INTERVAL = 0.0
        doomed = a_channel(homer, name="Doomed")

        def work(worker: int) -> None:
            if worker == 0:
                doomed.channel.discard()
            else:
                for n in range(10):
                    try:
                        write(doomed.write, NOON + SECOND * worker + timedelta(milliseconds=n), field1="1")
                    except UnknownKey:
                        return

        all_at_once(work, 4)
        assert not Entry.objects.exists()
        assert not ApiKey.objects.exists()


def test_every_combination_of_fields_has_one_statement_text():
    """They are cached, and the cache must not grow with what devices send."""
    assert writing._advance_sql.cache_info().maxsize == 512
    assert writing._insert_sql.cache_info().maxsize == 512
