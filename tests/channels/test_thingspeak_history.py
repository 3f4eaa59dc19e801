"""A history longer than one answer is read backwards, and every entry comes once."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from channels import thingspeak_history
from channels.platforms import Entry, Feed

TEN = datetime(2024, 5, 1, 10, tzinfo=UTC)


def channel(seconds: list[float]) -> tuple[Callable[[int, datetime | None], Feed], list[int]]:
    """Return how a channel with entries at these seconds is read, and the sizes of its answers.

    As the original does, it tells times in whole seconds and takes windows to the second.
    """
    entries = [(TEN + timedelta(seconds=second), n) for n, second in enumerate(seconds, 1)]
    sizes = []

    def read(results: int, end: datetime | None) -> Feed:
        inside = [(moment, n) for moment, n in entries if end is None or moment <= end][-results:]
        sizes.append(len(inside))
        found = [Entry(n, moment.replace(microsecond=0), {1: str(n)}) for moment, n in inside]
        return Feed(7, "Kitchen", {1: "Temperature"}, found)

    return read, sizes


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 6, 10])
def test_every_entry_comes_once_newest_first(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thingspeak_history, "MOST_RESULTS", 4)
    read, sizes = channel([n * 15 for n in range(count)])
    header, *lines = thingspeak_history.csv_lines(read)
    assert header == "created_at,entry_id,field1\n"
    assert [row[1] for row in csv.reader(lines)] == [str(n) for n in range(count, 0, -1)]
    assert max(sizes) <= 4


def test_entries_of_one_second_that_did_not_fit_into_an_answer_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thingspeak_history, "MOST_RESULTS", 3)
    read, _sizes = channel([0, 0.2, 0.8, 5, 6])
    _header, *lines = thingspeak_history.csv_lines(read)
    assert [row[1] for row in csv.reader(lines)] == ["5", "4", "3", "2", "1"]
