"""The journal of unsent measurements."""

from __future__ import annotations

import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from devices.thermometer.outbox import Outbox

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def contents(outbox: Outbox) -> list[tuple[int, datetime, str, int | None]]:
    return [(taken.number, taken.at, taken.value, taken.doubt) for taken in outbox]


def test_what_is_in_it_survives(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    first, second, third = (outbox.add(f"{n}.00", NOON + timedelta(seconds=n)) for n in range(3))
    outbox.doubt([first, second], 7)
    outbox.clear_doubt([second])
    outbox.move(third)
    outbox.done([first])

    again = Outbox(tmp_path / "outbox")

    assert contents(again) == contents(outbox)
    assert [(taken.value, taken.doubt) for taken in again] == [("1.00", None), ("2.00", None)]


def test_numbers_and_seconds_are_not_used_again_after_a_restart(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    only = outbox.add("1.00", NOON)
    outbox.done([only])

    again = Outbox(tmp_path / "outbox").add("2.00", NOON)

    assert again.number > only.number
    assert again.at == NOON + timedelta(seconds=1)


def test_a_line_cut_off_by_a_power_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    Outbox(path).add("1.00", NOON)
    with path.open("ab") as journal:
        journal.write(b'["add",2,"2026-11-')

    outbox = Outbox(path)
    outbox.add("3.00", NOON + timedelta(seconds=9))

    assert [taken.value for taken in Outbox(path)] == ["1.00", "3.00"]


@pytest.mark.parametrize(
    "damage", [b"\x00\x00\x00\n", b"[1,\n", b'["what"]\n', b'{"add":1}\n', b'["add",1]\n', b"\xff\n"]
)
def test_a_damaged_line_costs_that_line_alone_and_a_copy_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    path = tmp_path / "outbox"
    outbox = Outbox(path)
    outbox.add("1.00", NOON)
    with path.open("ab") as journal:
        journal.write(damage)
    before = path.read_bytes()
    Outbox(path, read_only=True)
    assert path.read_bytes() == before

    again = Outbox(path)

    assert [taken.value for taken in again] == ["1.00"]
    assert "1 lines" in caplog.text
    assert (tmp_path / "outbox.damaged").read_bytes() == before


def test_the_journal_does_not_grow_with_what_was_delivered(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = Outbox(path)
    for number in range(2000):
        taken = outbox.add(f"{number}.00", NOON + timedelta(seconds=number))
        outbox.doubt([taken], 1)
        outbox.done([taken])

    assert path.stat().st_size < 20_000


def test_only_the_owner_can_read_it_even_after_somebody_copied_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    Outbox(path).add("1.00", NOON)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    path.chmod(0o644)
    Outbox(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_looking_at_it_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = Outbox(path)
    outbox.done([outbox.add("1.00", NOON)])
    before = path.read_bytes()

    assert len(Outbox(path, read_only=True)) == 0
    assert path.read_bytes() == before
    assert not (tmp_path / "other").exists()
    assert len(Outbox(tmp_path / "other", read_only=True)) == 0
    assert not (tmp_path / "other").exists()


class Journal(RuleBasedStateMachine):
    """Whatever is done, in whatever order, a restart finds what was there before."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.outbox = Outbox(Path(self.folder.name) / "outbox")
        self.taken = 0

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(later=st.integers(-5000, 5000))
    def add(self, later: int) -> None:
        self.taken += 1
        self.outbox.add(f"{self.taken}.00", NOON + timedelta(seconds=later))

    @rule(count=st.integers(1, 3), channel=st.integers(1, 2))
    def doubt(self, count: int, channel: int) -> None:
        self.outbox.doubt(list(self.outbox)[:count], channel)

    @rule(which=st.integers(0, 5))
    def clear(self, which: int) -> None:
        self.outbox.clear_doubt(list(self.outbox)[which : which + 1])

    @rule(which=st.integers(0, 5))
    def done(self, which: int) -> None:
        self.outbox.done(list(self.outbox)[which : which + 2])

    @rule(which=st.integers(0, 5))
    def move(self, which: int) -> None:
        for taken in list(self.outbox)[which : which + 1]:
            self.outbox.move(taken)

    @rule(seconds=st.integers(-5000, 5000))
    def correct(self, seconds: int) -> None:
        self.outbox.correct(seconds)

    @rule()
    def restart(self) -> None:
        before = contents(self.outbox)
        self.outbox = Outbox(self.outbox.path)
        assert contents(self.outbox) == before

    @invariant()
    def is_on_the_disk(self) -> None:
        if hasattr(self, "outbox"):
            assert contents(Outbox(self.outbox.path, read_only=True)) == contents(self.outbox)


TestJournal = Journal.TestCase
TestJournal.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
