"""Many entries in one request."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from channels.platform.models import Account, ApiKey, Channel, Entry, Latest
from tests.channels.platform.conftest import NOON, Keys
from tests.parallel import all_at_once

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def send(api, keys: Keys, updates: list, *, key: str | None = None, number: int | None = None):
    body = json.dumps({"write_api_key": keys.write if key is None else key, "updates": updates})
    return api.post(f"/channels/{number or keys.number}/bulk_update.json", body, content_type="application/json")


def send_csv(api, keys: Keys, updates: str, form: str):
    sent = {"write_api_key": keys.write, "time_format": form, "updates": updates}
    return api.post(f"/channels/{keys.number}/bulk_update.csv", sent)


def stored(*names: str) -> list[tuple]:
    return list(Entry.objects.order_by("entry_id").values_list("entry_id", "created_at", *names))


def test_values_of_every_kind_arrive_as_text(api, kitchen):
    answer = send(
        api,
        kitchen,
        [
            {"created_at": "2026-05-01 10:00:00 +0000", "field1": "1", "status": "ok"},
            {
                "created_at": 1777629615,
                "field1": 2.50,
                "field2": True,
                "latitude": 1.5,
                "longitude": -2,
                "elevation": "3",
            },
            {"created_at": "2026-05-01 12:00:30 +0200", "field1": None, "unknown": {"a": 1}},
        ],
    )
    assert answer.status_code == 202
    assert stored("field1", "field2", "status", "latitude", "longitude", "elevation") == [
        (1, NOON - timedelta(hours=2), "1", None, "ok", None, None, None),
        (2, NOON - timedelta(hours=2) + 15 * SECOND, "2.5", "true", None, "1.5", "-2.0", "3.0"),
        (3, NOON - timedelta(hours=2) + 30 * SECOND, None, None, None, None, None, None),
    ]


def test_numbers_follow_those_of_single_writes_and_last_values_are_kept(api, kitchen):
    api.get(f"/update?api_key={kitchen.write}&field2=40")
    send(api, kitchen, [{"created_at": "2026-05-01T10:00:00Z", "field1": n} for n in (1,)])
    latest = Latest.objects.get()
    assert (latest.last_entry_id, latest.field1, latest.field1_id, latest.field2_id) == (2, "1", 2, 1)


def test_the_newest_value_of_each_field_is_kept_with_its_own_entry(api, kitchen):
    updates = [
        {"created_at": "2026-05-01T10:00:00Z", "field1": "a", "field2": "x"},
        {"created_at": "2026-05-01T10:00:01Z", "field1": "b"},
        {"created_at": "2026-05-01T10:00:02Z", "status": "end"},
    ]
    send(api, kitchen, updates)
    latest = Latest.objects.get()
    assert (latest.field1, latest.field1_id, latest.field2, latest.field2_id) == ("b", 2, "x", 1)
    assert (latest.last_entry_id, latest.status, latest.values()) == (3, "end", {})
    assert latest.field1_at == NOON - timedelta(hours=2) + SECOND


def test_relative_times_count_from_the_last_entry(api, kitchen):
    with time_machine.travel(NOON, tick=False) as clock:
        api.get(f"/update?api_key={kitchen.write}&field1=0")
        clock.shift(timedelta(hours=1))
        send(api, kitchen, [{"delta_t": 15, "field1": 1}, {"delta_t": "30", "field1": 2}])
    assert [moment for _, moment in stored()] == [NOON, NOON + 15 * SECOND, NOON + 45 * SECOND]


@pytest.mark.parametrize("has_entries", [True, False])
def test_a_series_that_begins_with_0_ends_now(api, kitchen, has_entries):
    with time_machine.travel(NOON - timedelta(hours=1), tick=False) as clock:
        if has_entries:
            api.get(f"/update?api_key={kitchen.write}&field1=0")
        clock.move_to(NOON)
        send_csv(api, kitchen, "0,1|15,2|15,3", "relative")
    assert [moment for _, moment in stored()][-3:] == [NOON - 30 * SECOND, NOON - 15 * SECOND, NOON]


def test_csv_columns_stand_for_fields_position_and_status(api, kitchen):
    lines = "2026-05-01T10:00:00Z,1,2,,,,,,8,40.5,-79,12,fine, thank you|2026-05-01T10:00:01Z,,3"
    answer = send_csv(api, kitchen, lines, "absolute")
    assert (answer.status_code, answer.content) == (202, b'{"success":true}')
    assert [
        row[2:] for row in stored("field1", "field2", "field8", "latitude", "longitude", "elevation", "status")
    ] == [
        ("1", "2", "8", "40.5", "-79.0", "12.0", "fine, thank you"),
        (None, "3", None, None, None, None, None),
    ]


def test_bulk_writes_have_an_interval_of_their_own(api, kitchen, settings):
    settings.PLATFORM_BULK_INTERVAL = 15.0
    with time_machine.travel(NOON, tick=False) as clock:
        assert send(api, kitchen, [{"created_at": "2026-05-01T10:00:00Z", "field1": 1}]).status_code == 202
        assert api.get(f"/update?api_key={kitchen.write}&field1=2").content == b"2"
        clock.shift(14 * SECOND)
        early = send(api, kitchen, [{"created_at": "2026-05-01T10:00:01Z", "field1": 1}])
        assert early.status_code == 429
        assert early.json()["error"]["error_code"] == "error_too_many_requests"
        assert "15 seconds" in early.json()["error"]["details"]
        assert early["Retry-After"] == "15"
        clock.shift(SECOND)
        assert send(api, kitchen, [{"created_at": "2026-05-01T10:00:01Z", "field1": 1}]).status_code == 202


def test_only_a_write_key_of_that_channel_will_do(api, kitchen, plaza):
    updates = [{"created_at": "2026-05-01T10:00:00Z", "field1": 1}]
    for key in ("0" * 16, "", kitchen.read, kitchen.account, plaza.write):
        answer = send(api, kitchen, updates, key=key)
        assert answer.status_code == 401
        assert answer.json()["error"]["error_code"] == "error_auth_required"
    assert send(api, kitchen, updates, number=99999).status_code == 404
    assert not Entry.objects.exists()


def test_the_key_may_come_as_api_key_or_in_a_header(api, kitchen):
    body = json.dumps({"updates": [{"created_at": "2026-05-01T10:00:00Z", "field1": 1}]})
    path = f"/channels/{kitchen.number}/bulk_update.json"
    headers = {"X-THINGSPEAKAPIKEY": kitchen.write}
    assert api.post(path, body, content_type="application/json", headers=headers).status_code == 202


def test_a_bulk_write_counts_as_many_messages(api, homer, kitchen, settings):
    settings.PLATFORM_YEARLY_MESSAGES = 3
    settings.PLATFORM_BULK_INTERVAL = 0.0
    assert send(api, kitchen, [{"created_at": f"2026-05-01T10:00:0{n}Z"} for n in range(2)]).status_code == 202
    answer = send(api, kitchen, [{"created_at": f"2026-05-01T11:00:0{n}Z"} for n in range(2)])
    assert answer.status_code == 402
    assert answer.json()["error"]["error_code"] == "error_payment_required"
    assert Entry.objects.count() == 2
    assert Account.objects.get(pk=homer.pk).messages == 2


def test_entries_that_are_there_already_refuse_the_whole_call(api, kitchen, settings):
    settings.PLATFORM_BULK_INTERVAL = 0.0
    first = [{"created_at": "2026-05-01T10:00:00Z", "field1": 1}]
    send(api, kitchen, first)
    answer = send(api, kitchen, [{"created_at": "2026-05-01T09:00:00Z", "field1": 2}, *first])
    assert answer.status_code == 409
    assert Entry.objects.count() == 1
    assert Latest.objects.get().last_entry_id == 1


def test_the_use_of_the_key_is_noted(api, kitchen):
    with time_machine.travel(NOON, tick=False):
        send(api, kitchen, [{"created_at": "2026-05-01T10:00:00Z"}])
    assert ApiKey.objects.get(writes=True).last_used_at == NOON


def test_960_entries_are_one_insert(api, kitchen):
    updates = [{"delta_t": 1, "field1": n, "field2": "x"} for n in range(960)]
    with CaptureQueriesContext(connection) as queries:
        assert send(api, kitchen, updates).status_code == 202
    inserts = [query["sql"] for query in queries if query["sql"].startswith("INSERT")]
    assert len(inserts) == 1
    assert Entry.objects.count() == 960
    assert list(Entry.objects.order_by("entry_id").values_list("field1", flat=True)) == [str(n) for n in range(960)]


def test_a_larger_plan_writes_more_at_once(api, homer, kitchen, settings):
    settings.PLATFORM_PLANS = {"standard": {"bulk_limit": 3000}}
    Account.objects.filter(pk=homer.pk).update(plan_name="standard")
    answer = send(api, kitchen, [{"delta_t": 1, "field1": n} for n in range(2500)])
    assert answer.status_code == 202
    assert sorted(Entry.objects.values_list("entry_id", flat=True)) == list(range(1, 2501))


@pytest.mark.django_db(transaction=True)
def test_parallel_bulk_and_single_writes_give_every_number_once(kitchen, settings):
    from channels.platform import bulk, values
    from channels.platform.writing import write_entry

    settings.PLATFORM_BULK_INTERVAL = 0.0
    channel = Channel.objects.get()

    def work(worker: int) -> None:
        begin = NOON + timedelta(hours=worker)
        if worker % 2:
            rows = [(values.read({"field1": "1"}, created_at=begin + n * SECOND), None) for n in range(20)]
            bulk.write_many(kitchen.write, channel, rows, now=begin)
        else:
            for n in range(10):
                write_entry(kitchen.write, values.read({"field1": "1"}, created_at=begin + n * SECOND), now=begin)

    all_at_once(work, 6)
    assert sorted(Entry.objects.values_list("entry_id", flat=True)) == list(range(1, 91))
    assert Latest.objects.get().last_entry_id == 90
