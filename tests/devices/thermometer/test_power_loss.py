"""The power goes at any instant: what is on the disk then is enough to go on, and nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from devices.thermometer import durable
from tests.devices.thermometer.conftest import Bench
from tests.devices.thermometer.world import KEY, NEXT_KEY


class PowerLoss(BaseException):
    """Nothing after this instruction happens. Not an Exception: no code may survive it by catching."""


class Power:
    """Goes off before the nth call of the system that has to do with files, or half-way through it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.calls = 0
        for name in ("open", "write", "fsync", "replace", "fchmod"):
            monkeypatch.setattr(durable.os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **options: object) -> object:
            self.calls += 1
            if self.left is not None:
                if self.left == 0:
                    if name == "write":  # half of it reached the disk
                        descriptor, data = arguments
                        call(descriptor, bytes(data)[: len(data) // 2])  # type: ignore[arg-type, call-overload]
                    raise PowerLoss
                self.left -= 1
            return call(*arguments, **options)

        return wrapped


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    return Power(monkeypatch)


def run_until_power_loss(bench: Bench, seconds: float) -> bool:
    """Run; return whether the power went."""
    try:
        bench.run_for(seconds)
    except PowerLoss:
        return True
    return False


def renew_everything(bench: Bench) -> None:
    bench.world.renew_write_key(timedelta(minutes=10))
    bench.world.registration_keys[NEXT_KEY.lookup] = NEXT_KEY
    bench.world.offered = NEXT_KEY
    bench.world.hint = True


@pytest.mark.parametrize("lost_answers", [0, 1])
def test_power_loss_at_any_instant_of_a_renewal_leaves_a_working_key(
    bench: Bench, power: Power, lost_answers: int, tmp_path: Path
) -> None:
    instants = 0
    while True:
        # A fresh thermometer and world each time; then the power goes one instant later than the last time.
        bench.path = tmp_path / f"{instants}.json"
        bench.world.__dict__.update(current=(142770, "WRITEKEY00000001", 1), previous_until=None, offered=None)
        bench.world.channel.__dict__.update(keys={"WRITEKEY00000001": None}, feed={}, stored=[], last_write=None)
        bench.world.registration_keys = {KEY.lookup: KEY}
        bench.world.hint = False
        bench.sensor.taken.clear()
        power.left = None
        bench.configure()
        bench.power_up()
        bench.run_for(20)
        renew_everything(bench)
        bench.world.lost_answers = lost_answers

        power.left = instants
        went = run_until_power_loss(bench, 40)
        power.left = None
        kept = len(bench.sensor.taken)
        bench.power_up()
        bench.run_for(60)

        taken = {value for _at, value in bench.world.channel.stored}
        assert len(bench.world.channel.stored) == len(taken), f"doubled at instant {instants}"
        missing = set(bench.sensor.taken) - taken
        # Only a measurement whose own writing was cut off can be missing: it was the last one before the cut.
        assert missing <= ({f"{kept:.2f}"} if went else set()), f"lost at instant {instants}"
        assert bench.state.credentials is not None
        assert bench.state.credentials.key_version == 2
        assert bench.state.registration.lookup == NEXT_KEY.lookup
        if not went:
            break
        instants += 1
    assert instants > 30


def test_a_file_holds_the_old_content_or_the_new_whenever_the_power_goes(tmp_path: Path, power: Power) -> None:
    file = tmp_path / "file"
    for instant in range(100):
        power.left = None
        durable.write_atomically(file, b"old")
        power.left = instant
        try:
            durable.write_atomically(file, b"new content")
        except PowerLoss:
            assert file.read_bytes() in (b"old", b"new content")
        else:
            assert file.read_bytes() == b"new content"
            break
    assert instant >= 5


def test_the_new_content_is_on_the_disk_before_it_takes_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    for name in ("write", "fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(
            durable.os, name, lambda *arguments, call=call, name=name: (happened.append(name), call(*arguments))[1]
        )

    durable.write_atomically(tmp_path / "file", b"content")

    assert happened == ["write", "fsync", "replace", "fsync"]


@pytest.mark.parametrize("when", ["open", "write", "fsync", "replace"])
def test_a_full_disk_costs_neither_key_nor_measurements(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    bench.run_for(31)
    renew_everything(bench)

    def full(*arguments: object, **options: object) -> object:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(durable.os, when, full)
        bench.run_for(120)
    assert "No space left on device" in caplog.text
    bench.run_for(900)

    assert bench.stored == bench.sensor.taken
    assert bench.state.registration.lookup == NEXT_KEY.lookup


_KILLED_BY_ITSELF = """
import os, signal, sys
from pathlib import Path
import requests
from devices.thermometer import durable
from devices.thermometer.state import StateStore
from devices.thermometer.thermometer import Thermometer

path, call, nth = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
real, calls = getattr(os, call), 0

def deadly(*arguments, **options):
    global calls
    calls += 1
    if calls == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)

setattr(durable.os, call, deadly)
session = requests.Session()
session.trust_env = False
thermometer = Thermometer(StateStore.load(path), session=session, count=2)
while not thermometer.is_finished:
    thermometer.step()
    thermometer._measure_at = 0
"""


@pytest.mark.parametrize(
    ("call", "nth"), [("replace", 1), ("replace", 2), ("fsync", 1), ("fsync", 3), ("fsync", 4), ("write", 2)]
)
def test_a_process_killed_with_sigkill_leaves_files_that_the_next_one_goes_on_with(
    bench: Bench, call: str, nth: int
) -> None:
    bench.world.interval = timedelta(0)
    killed = subprocess.run([sys.executable, "-c", _KILLED_BY_ITSELF, str(bench.path), call, str(nth)], check=False)
    assert killed.returncode == -signal.SIGKILL

    bench.power_up(count=1)
    bench.run_for(60)

    values = [value for _at, value in bench.world.channel.stored]
    assert len(set(values)) == len(values)
    assert "1.00" in values
    assert len(bench.thermometer.outbox) == 0
