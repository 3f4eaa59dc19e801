"""`manage.py sample_environment`: a file of settings for production, with secrets that nobody has seen before."""

from __future__ import annotations

import json
import secrets
import shlex
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand

from portal.environment import SETTINGS, Setting

PRODUCTION = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": "keys.example.com",
    "PUBLIC_URL": "https://keys.example.com",
    "DATABASE_URL": "postgres://keys:PASSWORD@127.0.0.1:5432/keys",
    "CACHE_URL": "redis://127.0.0.1:6379/0",
    "EMAIL_URL": "smtp://USER:PASSWORD@mail.example.com:587/?tls=True",
    "DEFAULT_FROM_EMAIL": "Smart Widgets <keys@example.com>",
    "TRUSTED_PROXY_COUNT": "1",
}
"""What has to be different from development. `example.com` and what is in capitals is to be filled in."""


class Command(BaseCommand):
    """Prints every setting; what need not be set is commented out."""

    help = "Print a sample file of settings for production, with fresh secrets: put it where nobody else reads it."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("\n".join(_lines(setting) for setting in SETTINGS))


def _lines(setting: Setting) -> str:
    if setting.secret:
        return f"# {setting.help}\n{setting.name}={_fresh(setting)}\n"
    if setting.name in PRODUCTION:
        return f"# {setting.help}\n{setting.name}={_quoted(PRODUCTION[setting.name])}\n"
    return f"# {setting.help}\n# {setting.name}={_quoted(_as_text(setting.default))}\n"


def _quoted(text: str) -> str:
    """Return the text as shells and systemd both read it: `Smart Widgets <keys@…>` alone would be a redirection."""
    return shlex.quote(text) if text else ""


def _fresh(setting: Setting) -> str:
    return Fernet.generate_key().decode() if setting.kind == "list" else secrets.token_urlsafe(50)


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)
