"""`manage.py story`: play the story of the keys and check that it is true."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from typing import IO, Any, cast
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from portal.processes import CannotRun, Stopped, stoppable
from portal.story.play import play
from portal.story.stage import Stage, own_portal, own_portal_and_thingspeak, running_portal
from portal.story.telling import JSONLines, Narrator, Teller


class Command(BaseCommand):
    """Exit status: 0 when the whole story is true, 1 when a step is not as it should be or nothing could be played."""

    help = "Play the story, from Homer's sign-up to Marge's chart, over HTTP and with a software thermometer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
        parser.add_argument(
            "--base-url", default="", help="a portal that runs; without it, one is started for the story"
        )
        parser.add_argument("--json", action="store_true", help="one line of JSON a step, then a summary")
        parser.add_argument(
            "--platform",
            choices=["embedded", "thingspeak"],
            default="embedded",
            help="thingspeak: a second instance plays ThingSpeak, and the portal that is started uses it",
        )
        parser.add_argument(
            "--account-key", default="", help="with --base-url: an account API key, where the portal asks for one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.ending = ""  # Rich ends its lines itself.
        console = Console(file=cast(IO[str], self.stdout), highlight=False)
        teller = Teller(JSONLines(console) if options["json"] else Narrator(console))
        try:
            with stoppable(), _stage(options) as stage:
                play(stage, teller, platform=options["platform"])
        except CannotRun as problem:
            raise CommandError(str(problem)) from None
        except Stopped:
            raise CommandError("Stopped before the end of the story.") from None
        if not teller.close():
            raise SystemExit(1)


def _stage(options: dict[str, Any]) -> AbstractContextManager[Stage]:
    address, platform = options["base_url"], options["platform"]
    if not address:
        return own_portal_and_thingspeak() if platform == "thingspeak" else own_portal()
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
        raise CommandError("--base-url is an address like http://localhost:8080.")
    if platform == "thingspeak" and not options["account_key"]:
        raise CommandError(
            "Which platform a running portal uses is its own setting, and to sign up there Homer needs an account on "
            "it: give its key with --account-key, or leave --base-url away and both are started here."
        )
    return running_portal(address, options["account_key"])
