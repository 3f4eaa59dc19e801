"""Compile the texts in other languages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal.translations import compile_catalogs


class Command(BaseCommand):
    help = "Compile the texts in other languages (locale/*/LC_MESSAGES/*.po), as far as they have changed."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        for catalog in compile_catalogs():
            self.stdout.write(f"compiled {catalog}")
