"""`manage.py simpsons`: put the demo's people and thermometers into the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices.errors import DeviceRefusal
from portal import demo


class Command(BaseCommand):
    """Loads what is missing; safe to run again."""

    help = "Load the Simpsons: people, organizations and thermometers for development. Changes nothing that is there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--thermometers", type=int, default=5, help="how many are registered (default: 5)")

    def handle(self, *args: Any, **options: Any) -> None:
        cast = demo.Cast.read()
        try:
            demo.load(cast)
            demo.switch_on(demo.hang(cast, options["thermometers"]))
        except (demo.NotInProduction, DeviceRefusal) as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write("The Simpsons are there.")
