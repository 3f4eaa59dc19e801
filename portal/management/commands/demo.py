"""`manage.py demo`: the whole product on one machine, with data in it and thermometers that measure."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orgs.models import User
from portal import demo, history
from portal.processes import READY_WITHIN, CannotRun, Children, Portal, Stopped, is_free, stoppable

PERIOD = 5


class Command(BaseCommand):
    """Supervises the portal, a background worker and the thermometers, and ends them all with itself."""

    help = "Run the portal with the Simpsons and a handful of thermometers in it. For development only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8080, help="where the portal listens (default: 8080)")
        parser.add_argument("--thermometers", type=int, default=5, help="how many measure (default: 5)")
        parser.add_argument(
            "--state",
            type=Path,
            default=settings.BASE_DIR / "var" / "demo",
            help="folder for the thermometers' state and for logs (default: var/demo)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(str(demo.NotInProduction()))
        port, count, folder = options["port"], options["thermometers"], options["state"]
        if not 0 < port < 65536 or not 0 <= count <= 100:
            raise CommandError("--port is a number from 1 to 65535, --thermometers one from 0 to 100.")
        if not is_free(port):
            raise CommandError(
                f"Port {port} is in use, perhaps by another demo. End that, or choose another port: "
                f"make run PORT={port + 1}"
            )
        self.stdout.ending = ""  # Rich ends its lines itself.
        console = Console(file=cast(IO[str], self.stdout), highlight=False)
        try:
            with stoppable(), Children(folder) as children:
                self._run(console, children, port, count, folder)
        except CannotRun as problem:
            raise CommandError(str(problem)) from None
        except Stopped:
            console.print("\nEverything has been stopped. The data stays for the next time.")

    def _run(self, console: Console, children: Children, port: int, count: int, folder: Path) -> None:
        simpsons = demo.Cast.read()
        hung = demo.hang(simpsons, count)
        portal = Portal(children, port=port, CHANNEL_PLATFORM="embedded")
        console.print("Preparing the database …")
        portal.manage("migrate", "--verbosity=0")
        if not User.objects.filter(email=simpsons.operator.email).exists():
            # A new database: what the thermometers know of an old one would only confuse them.
            shutil.rmtree(folder / "thermometers", ignore_errors=True)
        portal.manage("simpsons", f"--thermometers={count}")
        console.print("Starting the portal and the thermometers …")
        portal.start()
        portal.start_worker()
        for name in history.fill(hung, portal.url):
            console.print(f"  {escape(name)} has measurements of the last {history.HOURS} hours.")
        if count:
            began = timezone.now()
            portal.start_thermometers(count, PERIOD, folder / "thermometers")
            children.wait_until(lambda: history.all_measure(hung, since=began), within=READY_WITHIN)
        _introduce(console, simpsons, hung, portal.url, folder)
        children.watch()


def _introduce(console: Console, simpsons: demo.Cast, hung: list[demo.Hung], url: str, folder: Path) -> None:
    """Say what there is to see, and how."""
    console.print()
    addresses = Table.grid(padding=(0, 2))
    addresses.add_row("[bold]Portal[/]", f"[bold cyan]{url}/[/]")
    addresses.add_row("Mail", f"[cyan]{url}/outbox/[/]", "no mail is sent; it is shown there")
    addresses.add_row("Administration", f"[cyan]{url}/admin/[/]")
    console.print(addresses)
    console.print(f"\nLog in with one of these, password [bold]{escape(simpsons.password)}[/]:\n")
    console.print(_who_is_who(simpsons, hung))
    console.print()
    if hung:
        names = ", ".join(one.thermometer.name for one in hung)
        console.print(f"{len(hung)} thermometers measure every {PERIOD} seconds: {escape(names)}.")
    key = simpsons.customers[0].registration_key
    if key is not None:
        console.print("Switch on one more of your own, in another terminal:")
        state = "--state var/mine.json"
        program = "  .venv/bin/python -m devices.thermometer"
        console.print(
            f"{program} configure {state} --registration-key {key.text} --portal {url} --yes",
            f"{program} run {state}",
            sep="\n",
            soft_wrap=True,
        )
    console.print(f"\nLogs are in {escape(str(_short(folder)))}.", soft_wrap=True)
    # In a line of its own: behind a long path it would be broken in the middle.
    console.print("[bold]Stop everything with Ctrl-C.[/]")


def _who_is_who(simpsons: demo.Cast, hung: list[demo.Hung]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    for customer in simpsons.customers:
        for place in customer.places:
            names = [one.thermometer.name for one in hung if one.place is place]
            for member in place.members:
                table.add_row(member.email, f"sees {place.name}: {', '.join(names) or 'no thermometers'}")
        manages = "and all below it" if customer.places else "another customer"
        table.add_row(customer.manager.email, f"manages {customer.name}, {manages}")
    table.add_row(simpsons.operator.email, "operates the portal: the administration")
    return table


def _short(folder: Path) -> Path:
    return folder.relative_to(settings.BASE_DIR) if folder.is_relative_to(settings.BASE_DIR) else folder
