"""Print the README's table of settings."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal import environment


class Command(BaseCommand):
    help = "Print the table of settings as it stands in the README."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("| variable | default | meaning |\n|---|---|---|")
        for setting in environment.SETTINGS:
            self.stdout.write(environment.table_row(setting))
