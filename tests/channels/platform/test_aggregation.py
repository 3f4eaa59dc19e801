"""Feeds in steps: first values, sums, averages, medians. The same on every database, and as the original counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings, strategies

from channels.platform import aggregation
from channels.platform.aggregation import Steps
from channels.platform.models import Channel, Entry
from channels.platform.reading import Window
from tests.channels.platform.conftest import NOON, Keys

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def fill(keys: Keys, values: list[tuple[float, str | None]]) -> None:
    """Entries with field1 at minutes after noon."""
    Entry.objects.bulk_create(
        Entry(channel=keys.channel, entry_id=n, created_at=NOON + minutes * MINUTE, field1=value)
        for n, (minutes, value) in enumerate(values, 1)
    )


def asked(api, keys: Keys, path: str = "fields/1.json", **what: object) -> list:
    with time_machine.travel(NOON + timedelta(days=3), tick=False):
        answer = api.get(f"/channels/{keys.number}/{path}", {"api_key": keys.read, **what})
    assert answer.status_code == 200, answer.content
    return answer.json()["feeds"]


def values(found: list) -> list:
    return [entry["field1"] for entry in found]


SEVEN = [(n, str(value)) for n, value in enumerate((10, 4, 9, 7, 8, 6, 7))]


@pytest.mark.parametrize(
    ("kind", "found"), [("average", "7.285714285714286"), ("median", "7.0"), ("sum", "51.0"), ("timescale", "10")]
)
def test_the_numbers_of_the_originals_own_tests(api, kitchen, kind, found):
    fill(kitchen, SEVEN)
    assert asked(api, kitchen, **{kind: 10}) == [{"created_at": "2026-05-01T12:00:00Z", "field1": found}]


@pytest.mark.parametrize("kind", aggregation.KINDS)
def test_steps_are_whole_and_gaps_are_filled(api, kitchen, kind):
    fill(kitchen, [(3, "1"), (8, "3"), (35, "5")])
    found = asked(api, kitchen, **{kind: 10})
    assert [entry["created_at"][11:16] for entry in found] == ["12:00", "12:10", "12:20", "12:30"]
    assert values(found) == [{"timescale": "1", "sum": "4.0", "average": "2.0", "median": "2.0"}[kind], None, None,
                             "5" if kind == "timescale" else "5.0"]  # fmt: skip
    assert all("entry_id" not in entry for entry in found)


def test_results_count_entries_before_they_are_summed_up(api, kitchen):
    fill(kitchen, [(n, "1") for n in range(240)])
    assert values(asked(api, kitchen, results=120, sum=60)) == ["60.0", "60.0"]


def test_daily_is_1440_and_other_values_are_ignored(api, kitchen):
    fill(kitchen, SEVEN)
    assert asked(api, kitchen, sum="daily") == [{"created_at": "2026-05-01T00:00:00Z", "field1": "51.0"}]
    for nonsense in ("7", "0", "-10", "x", "10.5", "9" * 50, ""):
        assert len(asked(api, kitchen, sum=nonsense)) == 7


def test_the_first_kind_in_the_documented_order_wins(api, kitchen):
    fill(kitchen, SEVEN)
    assert values(asked(api, kitchen, median=10, average=10, sum=10)) == ["51.0"]
    assert values(asked(api, kitchen, median=10, timescale=10)) == ["10"]
    assert values(asked(api, kitchen, sum="nonsense", median=10)) == ["7.0"]


@pytest.mark.parametrize(
    ("kind", "found"), [("sum", "4,0"), ("average", "2,0"), ("median", "2,0"), ("timescale", "1,5")]
)
def test_decimal_commas_are_understood_and_kept(api, kitchen, kind, found):
    fill(kitchen, [(0, "1,5"), (1, "2,5")])
    assert values(asked(api, kitchen, **{kind: 10})) == [found]


@pytest.mark.parametrize(("kind", "found"), [("sum", "4.0"), ("average", "2.0"), ("median", "2.0")])
def test_what_is_no_number_does_not_count(api, kitchen, kind, found):
    fill(
        kitchen,
        [(0, "1"), (1, "warm"), (2, None), (3, "3"), (4, "1e999"), (5, "0x10"), (6, "1_000"), (7, "٣"), (8, "")],
    )
    assert values(asked(api, kitchen, **{kind: 10})) == [found]


def test_nan_counts_as_0(api, kitchen):
    fill(kitchen, [(0, "3"), (1, "NaN"), (2, " nan ")])
    assert values(asked(api, kitchen, average=10)) == ["1.0"]
    assert values(asked(api, kitchen, median=10)) == ["0.0"]


def test_steps_can_be_rounded_and_bounded(api, kitchen):
    fill(kitchen, [*SEVEN, (10, "99")])
    assert values(asked(api, kitchen, average=10, round=2)) == ["7.29", "99.00"]
    assert values(asked(api, kitchen, average=10, max=50)) == ["7.285714285714286"]


def test_steps_come_in_every_format(api, kitchen):
    fill(kitchen, SEVEN)
    key = {"api_key": kitchen.read, "sum": 10}
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        table = api.get(f"/channels/{kitchen.number}/feeds.csv", key).content.decode()
        xml = api.get(f"/channels/{kitchen.number}/feeds.xml", key).content.decode()
    assert table == "created_at,field1,field2\n2026-05-01 12:00:00 UTC,51.0,\n"
    assert "<field1>51.0</field1>" in xml
    assert "entry-id" not in xml.partition("<feeds")[2]


def test_years_without_entries_are_not_filled_in(api, kitchen):
    fill(kitchen, [(-10 * 525_600, "1"), (0, "2")])
    assert values(asked(api, kitchen, sum=10, results=8000)) == ["1.0", "2.0"]


@pytest.mark.parametrize(("kind", "found"), [("sum", "35.0"), ("average", "7.0"), ("median", "7.0")])
def test_the_last_step(api, kitchen, kind, found):
    fill(kitchen, [(n - 2, value) for n, value in SEVEN])
    path = f"/channels/{kitchen.number}/fields/1/last_{kind}"
    key = {"api_key": kitchen.read, kind: 10}
    found = {"sum": "37.0", "average": "7.4", "median": "7.0"}[kind]
    assert api.get(f"{path}.txt", key).content.decode() == found
    assert api.get(f"{path}.json", key).json() == {"created_at": "2026-05-01T12:00:00Z", "field1": found}
    assert api.get(f"/channels/{kitchen.number}/feeds/last_{kind}.json", key).json()["field1"] == found
    without = api.get(f"{path}.json", {"api_key": kitchen.read})
    assert (without.status_code, without.content) == (400, b"-1")


what_devices_send = strategies.one_of(
    strategies.none(),
    strategies.integers(-500, 500).map(str),
    strategies.text("0123456789.,e+- xN", max_size=6),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=strategies.dictionaries(strategies.integers(0, 100), what_devices_send, max_size=30),
    kind=strategies.sampled_from(["sum", "average", "median"]),
)
def test_the_database_counts_as_python_does(kitchen, numbers, kind):
    """Whatever devices send: what the database makes of it is what the plain definition makes of it."""
    from statistics import mean, median

    from channels.platform.reading import number_in

    Entry.objects.all().delete()
    fill(kitchen, sorted(numbers.items()))
    found = aggregation.summed_up(Channel.objects.get(), Window(8000), ["field1"], Steps(kind, 10))
    steps: dict[int, list[float]] = {}
    for minute, text in sorted(numbers.items()):
        steps.setdefault(minute // 10, [])
        if (number := number_in(text)) is not None:
            steps[minute // 10].append(number)
    count = {"sum": sum, "average": mean, "median": median}[kind]
    for moment, entry_id, value in found:
        expected = steps.get(int((moment - NOON) / MINUTE) // 10)
        assert entry_id is None
        assert (None if value is None else float(value.replace(",", "."))) == (
            pytest.approx(count(expected), rel=1e-9, abs=1e-9) if expected else None
        )
