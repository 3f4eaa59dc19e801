"""The bench notices when the database does not hold what was confirmed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench.checks import Checks, devices, entries, interval
from bench.feeds import _uses_index
from bench.report import is_right, text
from channels.platform.models import Account, Channel, Entry, Latest
from devices.models import Device
from tests.conftest import Cast
from tests.factories import NOON


@pytest.fixture
def channel(db: None) -> Channel:
    """A channel with the entries 1 to 3, a second apart."""
    channel = Channel.objects.open(Account.objects.open("Homer"), name="kitchen", field1="Temperature")
    for number in (1, 2, 3):
        moment = NOON + timedelta(seconds=number)
        Entry.objects.create(channel=channel, entry_id=number, created_at=moment, field1=str(number))
    Latest.objects.filter(channel=channel).update(last_entry_id=3, newest_id=3, field1="3")
    return channel


def wrong(channel: Channel, *, accepted: int = 3, under_way: int = 0, rows: int = 1) -> list[str]:
    checks = Checks()
    entries(checks, "update", [channel.number], accepted=accepted, under_way=under_way, rows=rows)
    interval(checks, "update", [channel.number], 1.0)
    assert len(checks.right) + len(checks.wrong) == 4
    return checks.wrong


def test_nothing_is_wrong_with_a_whole_channel(channel: Channel) -> None:
    assert wrong(channel) == []
    assert wrong(channel, accepted=2, under_way=1) == []
    assert wrong(channel, accepted=1, rows=3) == []


@pytest.mark.parametrize(("accepted", "under_way"), [(4, 0), (2, 0), (1, 1)])
def test_more_or_fewer_entries_than_confirmed_are_noticed(channel: Channel, accepted: int, under_way: int) -> None:
    (sentence,) = wrong(channel, accepted=accepted, under_way=under_way)
    assert sentence.startswith("update: 3 entries are stored")


def test_half_a_bulk_write_is_noticed(channel: Channel) -> None:
    assert len(wrong(channel, accepted=1, under_way=1, rows=2)) == 1


def test_a_gap_is_noticed(channel: Channel) -> None:
    Entry.objects.filter(channel=channel, entry_id=2).delete()
    (sentence,) = wrong(channel, accepted=2)
    assert "without gap" in sentence


def test_a_forgotten_last_value_is_noticed(channel: Channel) -> None:
    Latest.objects.filter(channel=channel).update(field1="2")
    (sentence,) = wrong(channel)
    assert "number and value of its last entry" in sentence


def test_an_interval_that_was_not_kept_is_noticed(channel: Channel) -> None:
    Entry.objects.filter(channel=channel, entry_id=2).update(created_at=NOON + timedelta(seconds=2.1))
    (sentence,) = wrong(channel)
    assert "s or more after the one before" in sentence


def test_a_device_without_a_channel_is_noticed(simpsons: Cast) -> None:
    checks = Checks()
    devices(checks, known=3, accepted=0, under_way=0)
    assert checks.wrong == []
    Device.objects.create(customer=simpsons.home, organization=simpsons.home, serial="lost")
    devices(checks, known=3, accepted=0, under_way=1)
    assert len(checks.wrong) == 3


@pytest.mark.parametrize(
    ("plan", "by_index"),
    [
        (["SEARCH platform_entry USING INDEX one_entry_a_moment (channel_id=?)"], True),
        (["SCAN platform_entry"], False),
        (["Index Scan Backward using one_entry_a_moment on platform_entry"], True),
        (["Sort", "  ->  Seq Scan on platform_entry"], False),
        ([], False),
    ],
)
def test_a_plan_that_reads_the_whole_table_is_told_from_one_that_does_not(plan: list[str], by_index: bool) -> None:
    assert _uses_index(plan) is by_index


def test_a_run_with_something_wrong_fails_and_says_what() -> None:
    case = {"title": "update", "connections": 8, "rate": 1000.0, "rows": 1, "p50": 1.0, "p99": 2.0}
    found = {
        "database": "SQLite 3",
        "cases": [case | {"ratio": 0.9, "at least": 0.8}, case | {"ratio": 0.7, "at least": 0.8}],
        "reading": {"entries": 5_000_000, "filled in seconds": 1.0, "reads": []},
        "statements": {"update": {"then": 2}},
        "right": ["all is stored"],
        "wrong": ["one is missing"],
    }
    results = {
        "at": "now",
        "command": "bench",
        "seconds": 1.0,
        "machine": {"cores": "2"},
        "databases": {"sqlite": found},
    }
    lines = text(results)
    assert not is_right(results)
    assert "**WRONG**: one is missing" in lines
    assert lines.count("reached") == lines.count("SHORT") == 1
    assert is_right(results | {"databases": {"sqlite": found | {"wrong": []}, "postgresql": None}})
