"""`manage.py health`: whether database, cache and worker do their work."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.health import WEB, WORKER


class Command(BaseCommand):
    """Ends with an error if something does not, so that cron or systemd can tell somebody."""

    help = "Say whether database, cache and background worker do their work."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        failing = []
        for name, works in {**WEB, **WORKER}.items():
            is_well = works()
            self.stdout.write(f"{name}: {'ok' if is_well else 'failing'}")
            if not is_well:
                failing.append(name)
        if failing:
            raise CommandError(f"Failing: {', '.join(failing)}. See docs/operations.md, “Is it well?”.")
