"""`manage.py renew`: do what is due about keys, once. Safe to run twice, at once, and after a crash."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from devices.renewal_run import run


class Command(BaseCommand):
    """For cron, or for a look; the background worker does the same every minute."""

    help = "Renew the keys that are due, carry on renewals that are open, end keys that are over."

    def handle(self, *args: Any, **options: Any) -> None:
        done = run()
        if done.is_nothing:
            self.stdout.write("Nothing was due.")
            return
        for what, count in asdict(done).items():
            if count:
                self.stdout.write(f"{what.replace('_', ' ')}: {count}")
