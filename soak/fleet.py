"""The thermometers, all in one process: `soak.engine` starts `python -m soak.fleet`.

They measure until the file `stop` is in their folder, deliver what they have kept, and end. What each has measured is
in a file of its own, apart from what it knows itself.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import requests

from devices.thermometer.fleet import Fleet, derivation
from devices.thermometer.outbox import Outbox
from devices.thermometer.sensor import NoReading
from devices.thermometer.state import State, StateStore
from devices.thermometer.thermometer import Thermometer, outbox_beside

LONGEST_NAP = 0.2


def serials(count: int) -> list[str]:
    return [f"SOAK{number:04}" for number in range(1, count + 1)]


class Counting:
    """A sensor whose values are all different, and are written down."""

    def __init__(self, path: Path, is_over: Callable[[], bool]) -> None:
        self._path = path
        self._is_over = is_over
        self._taken = len(taken(path))

    def measure(self, at: datetime) -> float:
        if self._is_over():
            raise NoReading("The measuring is over.")
        self._taken += 1
        with self._path.open("a") as log:
            log.write(f"{self._taken / 100:.2f}\n")
        return self._taken / 100


def taken(path: Path) -> list[str]:
    """Return what was measured so far, according to the file."""
    return path.read_text().split() if path.exists() else []


class Folder:
    """What is seen of the fleet from outside: the devices' files."""

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.serials = serials(count)

    def taken(self, serial: str) -> list[str]:
        return taken(self.path / f"{serial}.taken")

    def state(self, serial: str) -> State:
        return StateStore.load(self.path / f"{serial}.json").state

    def update_url(self, serial: str) -> str:
        """Return where the device writes to, "" if it does not know yet."""
        credentials = self.state(serial).credentials
        return credentials.update_url if credentials else ""

    def delivered(self, serial: str) -> int:
        """Return how many measurements the platform has confirmed, at least."""
        # In this order: a measurement that comes in between is counted as kept, and not as taken.
        count = len(self.taken(serial))
        return count - len(Outbox(outbox_beside(self.path / f"{serial}.json"), read_only=True))

    def stop_measuring(self) -> None:
        (self.path / "stop").touch()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m soak.fleet")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--portal", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--period", type=float, required=True)
    parser.add_argument("--poll-every", type=float, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--key-file", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    stop = arguments.folder / "stop"
    fleet = Fleet(
        folder=arguments.folder,
        registration_key=arguments.key_file.read_text(),
        portal=arguments.portal,
        period=arguments.period,
        place="Springfield",
    )
    with ExitStack() as locks:
        threads = []
        for serial in serials(arguments.count):
            thermometer = Thermometer(
                fleet.member(serial, locks),
                sensor=Counting(arguments.folder / f"{serial}.taken", stop.exists),
                session=_session(),
                rng=random.Random(f"{arguments.seed} {serial}"),
                poll_every=arguments.poll_every,
                derive=derivation,
            )
            threads.append(threading.Thread(target=_live, args=(thermometer, stop.exists), name=serial))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return 0


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy that the environment names has no way to this machine
    return session


def _live(thermometer: Thermometer, is_over: Callable[[], bool]) -> None:
    while not (is_over() and len(thermometer.outbox) == 0):
        time.sleep(min(LONGEST_NAP, thermometer.step()))


if __name__ == "__main__":
    sys.exit(main())
