"""`manage.py sync`: compare accounts with the channel platform now. Safe to run twice, at once, and after a crash."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels.models import PlatformAccount, PlatformAccountQuerySet
from channels.platforms import PlatformError
from channels.sync import sync
from channels.vault import CannotDecrypt


class Command(BaseCommand):
    """For a look at once; the background worker does the same every five minutes."""

    help = "Find keys that were renewed on the platform, channels that are gone there, and channels that nobody owns."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customer", help="the customer's name or number (default: all customers)")

    def handle(self, *args: Any, customer: str | None, **options: Any) -> None:
        failed = False
        for account in _accounts(customer):
            try:
                done = sync(account)
            except (PlatformError, CannotDecrypt) as error:
                failed = True
                self.stderr.write(f"{account}: {error}")
                continue
            found = [f"{what.replace('_', ' ')}: {count}" for what, count in vars(done).items() if count]
            self.stdout.write(f"{account}: {', '.join(found) or 'as we know it'}")
        if failed:
            raise CommandError("Not all accounts could be compared. What is out of reach is tried again by the worker.")


def _accounts(customer: str | None) -> PlatformAccountQuerySet:
    accounts = PlatformAccount.objects.select_related("organization").order_by("pk")
    if customer is None:
        return accounts
    is_number = customer.isascii() and customer.isdigit() and len(customer) < 18
    found = accounts.filter(organization__name=customer)
    if not found and is_number:
        found = accounts.filter(organization=int(customer))
    if not found:
        raise CommandError(f"There is no customer “{customer}” with an account on a channel platform.")
    return found
