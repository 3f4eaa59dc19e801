"""`manage.py platform_account`: open an account on the platform inside this portal, for programs and other portals."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from channels.platforms import platform_named


class Command(BaseCommand):
    """What signing up on ThingSpeak's site is there, where this portal plays ThingSpeak for somebody."""

    help = "Open an account on the embedded channel platform and print its account API key, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="whose account it is")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(platform_named("embedded").create_account(options["name"]))
