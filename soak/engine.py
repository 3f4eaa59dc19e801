"""One run, in a process whose settings are those of the portal: `python -m soak` starts it."""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import django

django.setup()

from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from channels.models import ChannelKey, Renewal  # noqa: E402
from devices.models import Device, RegistrationKey  # noqa: E402
from portal.processes import CannotRun, Children, Stopped, stoppable  # noqa: E402
from portal.story.stage import Stage as StoryStage  # noqa: E402
from portal.story.telling import StoryFailed  # noqa: E402
from soak import books  # noqa: E402
from soak.fleet import Folder  # noqa: E402
from soak.homer import Homer, signed_up  # noqa: E402
from soak.stage import Missed, Stage  # noqa: E402

ROUNDS = 2
"""How often all keys are renewed."""


@dataclass(frozen=True)
class Plan:
    """How much of it there is. `away` is how many measurements each device keeps while the platform is not there."""

    devices: int
    away: int
    period: float
    seed: str
    rng: random.Random

    @property
    def poll_every(self) -> float:
        """Seconds between two polls of a device, instead of a day."""
        return max(2.0, self.devices / 5)


def say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def play(folder: Path, platform: str, plan: Plan) -> bool:
    """Play all of it; return whether it ended well. Raises Missed, CannotRun or StoryFailed when it did not end."""
    with Children(folder) as children:
        stage = Stage(children, folder, platform)
        stage.start()
        thingspeak = stage.thingspeak.portal.url if stage.thingspeak else ""
        story = signed_up(StoryStage(stage.portal.portal.url, folder, stage.account_key, thingspeak))
        key = RegistrationKey.objects.get(lookup=story.key.lookup)
        drama = Drama(stage, Folder(folder / "fleet", plan.devices), Homer(story, plan.rng), plan)
        fleet = stage.start_fleet(
            drama.fleet.path,
            key.text,
            portal=stage.portal.portal.url,
            count=plan.devices,
            period=plan.period,
            poll_every=plan.poll_every,
            seed=plan.seed,
        )
        say(f"Homer has signed up, and {plan.devices} thermometers are switched on.")
        drama.wait_until_all_deliver()
        for number in range(1, ROUNDS + 1):
            key = drama.renew_everything(key, number)
        drama.fleet.stop_measuring()
        stage.wait_for_the_end_of(fleet)
        return drama.closing(key)


@dataclass
class Drama:
    """What happens, to whom."""

    stage: Stage
    fleet: Folder
    homer: Homer
    plan: Plan

    def renew_everything(self, key: RegistrationKey, number: int) -> RegistrationKey:
        """Let Homer renew all keys, end what is to be ended in the middle, and wait until all devices have moved.

        Returns the new registration key.
        """
        since = timezone.now()
        devices = self._devices_to_renew()
        asking = threading.Thread(target=self._ask, args=(key, devices, since), name="Homer", daemon=True)
        asking.start()
        at = self.plan.rng.randrange(self.plan.devices)
        self.stage.wait_until(lambda: self._progress(since) > at, f"{at + 1} renewals are begun")
        self._take_away(number, at + 1)
        self.stage.wait_until(lambda: not asking.is_alive(), "Homer has asked for all renewals")
        key.refresh_from_db()
        newest = key.successor
        if newest is None:
            raise Missed("It did not come about that Homer renews the registration key.")
        self.stage.wait_until(lambda: self._is_settled(key, newest), "all devices use their newest keys")
        self.wait_until_all_deliver()
        say(f"Round {number}: all keys are renewed, and all devices use them.")
        return newest

    def wait_until_all_deliver(self) -> None:
        """Wait until each device has delivered two measurements more."""
        waiting = {serial: self.fleet.delivered(serial) + 2 for serial in self.fleet.serials}

        def all_have() -> bool:
            for serial in [one for one, count in waiting.items() if self.fleet.delivered(one) >= count]:
                del waiting[serial]
            return not waiting

        self.stage.wait_until(all_have, f"{len(waiting)} devices deliver what they measure")

    def closing(self, key: RegistrationKey) -> bool:
        """Count everything, and say how it ended."""
        wrong = [
            *books.wrong_in_feeds(self.fleet),
            *books.wrong_in_keys(self.fleet, key),
            *books.wrong_in_registration_keys(self.stage.portal.portal.url, key),
        ]
        for words in wrong[:20]:
            say(f"WRONG: {words}")
        count = sum(len(self.fleet.taken(serial)) for serial in self.fleet.serials)
        devices, seed = self.plan.devices, self.plan.seed
        if wrong:
            say(f"{devices} devices, {count} measurements, {len(wrong)} things wrong; seed {seed}.")
        else:
            old = books.old_keys()
            say(
                f"{devices} devices, {count} measurements, all there exactly once; every device uses its newest keys, "
                f"{old} old keys are refused; seed {seed}."
            )
        return not wrong

    def _devices_to_renew(self) -> list[Device]:
        devices = list(Device.objects.order_by("serial"))
        self.plan.rng.shuffle(devices)
        return devices

    def _ask(self, key: RegistrationKey, devices: list[Device], since: datetime) -> None:
        try:
            self.homer.renew_everything(key, devices, since)
        finally:
            connection.close()

    def _progress(self, since: datetime) -> int:
        """How many write keys have begun to be replaced."""
        begun = Renewal.objects.filter(started_at__gte=since).count()
        return begun or ChannelKey.objects.filter(origin=ChannelKey.Origin.PLATFORM, created_at__gte=since).count()

    def _take_away(self, number: int, at: int) -> None:
        """Kill the portal in the first round, take the platform away in the second; bring it back after a while."""
        is_kill = number == 1
        server = self.stage.portal if is_kill else self.stage.platform
        server.end(at_once=is_kill)
        say(f"Round {number}: {server.portal.name} is {'killed' if is_kill else 'taken away'} after {at} renewals.")
        enough = {serial: len(self.fleet.taken(serial)) + self.plan.away for serial in self.fleet.serials}
        self.stage.wait_until(
            lambda: all(len(self.fleet.taken(serial)) >= count for serial, count in enough.items()),
            f"each device measures {self.plan.away} times",
        )
        server.start()
        say(f"Round {number}: {server.portal.name} is back.")

    def _is_settled(self, old: RegistrationKey, new: RegistrationKey) -> bool:
        old.refresh_from_db()
        return (
            not old.is_good
            and not Renewal.objects.open().exists()
            and all(books.has_moved(self.fleet, serial, new) for serial in self.fleet.serials)
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m soak.engine")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--platform", required=True)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--away", type=int, required=True)
    parser.add_argument("--period", type=float, required=True)
    parser.add_argument("--seed", required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    plan = Plan(arguments.devices, arguments.away, arguments.period, arguments.seed, rng)
    try:
        with stoppable():
            return 0 if play(arguments.folder, arguments.platform, plan) else 1
    except (Missed, CannotRun, StoryFailed) as problem:
        say(f"{problem} Seed {plan.seed}.")
    except Stopped:
        say("Stopped before the end.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
