"""`manage.py reencrypt`: bring all secrets at rest under the newest master key while the portal runs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.reencryption import Column, Outcome, columns, needing_an_old_key, reencrypt

NAMED = 10
"""How many rows of a column are named that still need an old key."""


class Command(BaseCommand):
    """May be stopped at any time and started again; see docs/operations.md for the whole of a rotation."""

    help = (
        "Encrypt all secrets at rest anew under the first of FIELD_ENCRYPTION_KEYS, and say whether any needs another."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing, only say what still needs an old key")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        found = columns()
        if not check:
            for column in found:
                self._say(column, reencrypt(column, tell=_Progress(self, column)))
        # A second look: processes that were not restarted yet have gone on writing under the key before.
        left = 0
        for column in found:
            rows = list(needing_an_old_key(column))
            left += len(rows)
            if rows:
                named = ", ".join(map(str, rows[:NAMED])) + (", …" if len(rows) > NAMED else "")
                self.stderr.write(f"{column}: {len(rows)} still need an old key or cannot be opened: {named}")
        if left:
            raise CommandError(
                f"{left} secrets are not under the newest key. Leave the old keys in FIELD_ENCRYPTION_KEYS, restart "
                "all processes of the portal with the new list, and run this again."
            )
        self.stdout.write("Everything is under the newest key. The others can leave FIELD_ENCRYPTION_KEYS.")

    def _say(self, column: Column, outcome: Outcome) -> None:
        self.stdout.write(
            f"{column}: {outcome.done} encrypted anew, {outcome.current} were"
            + (f", {outcome.overtaken} changed by somebody else meanwhile" if outcome.overtaken else "")
            + (f", {outcome.unreadable} that no key opens" if outcome.unreadable else "")
        )


class _Progress:
    """Tells how far a column is, after each batch."""

    def __init__(self, command: BaseCommand, column: Column) -> None:
        self.command, self.column = command, column
        self.seen, self.all = 0, column.count()

    def __call__(self, count: int) -> None:
        self.seen += count
        if self.seen < self.all:
            self.command.stdout.write(f"{self.column}: {self.seen} of {self.all}")
