"""`manage.py thermometers`: the demo's thermometers, in one process."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices.thermometer.durable import AlreadyRunning
from devices.thermometer.fleet import Fleet, derivation
from devices.thermometer.running import run_all
from devices.thermometer.state import StateUnreadable
from devices.thermometer.thermometer import Thermometer
from portal import demo
from portal.history import Room


class Command(BaseCommand):
    """Runs software thermometers with the Simpsons' serial numbers and rooms. They know the portal by HTTP alone."""

    help = "Run the thermometers of the demo; started by `manage.py demo`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("portal", help="address of the portal: http://localhost:8080")
        parser.add_argument("folder", type=Path, help="where each keeps its state")
        parser.add_argument("--count", type=int, default=5, help="how many (default: 5)")
        parser.add_argument("--period", type=float, default=5.0, help="seconds between two measurements (default: 5)")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("devices.thermometer").setLevel(logging.INFO)
        hung = demo.hang(demo.Cast.read(), options["count"])
        with ExitStack() as locks:
            try:
                thermometers = [self._thermometer(one, locks, options) for one in hung]
            except (AlreadyRunning, StateUnreadable, ValueError) as problem:
                raise CommandError(str(problem)) from None
            ending = run_all(thermometers)
        self.stdout.write("Stopped." if ending.was_stopped else "All thermometers have ended.")

    def _thermometer(self, one: demo.Hung, locks: ExitStack, options: dict[str, Any]) -> Thermometer:
        key = one.customer.registration_key
        if key is None:
            raise CommandError(f"{one.customer.name} has no registration key that everybody knows.")
        fleet = Fleet(
            folder=options["folder"],
            registration_key=key.text,
            portal=options["portal"],
            period=options["period"],
            place=one.thermometer.name,
        )
        store = fleet.member(one.thermometer.serial, locks)
        return Thermometer(store, sensor=Room(one.thermometer), derive=derivation)
