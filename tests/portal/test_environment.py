"""What can be set from outside, and what happens when it is set wrongly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import environment

ROOT = Path(__file__).resolve().parent.parent.parent
SECRETS = {
    "SECRET_KEY": "x" * 50,
    "FIELD_ENCRYPTION_KEYS": "ZGV2ZWxvcG1lbnQtb25seS1uZXZlci1wcm9kdWN0aW8=",
    "LOOKUP_HASH_KEY": "y" * 50,
    "EMAIL_URL": "smtp://localhost:25",
}


def start(*command: str, **given: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "manage.py", *(command or ("check",))],
        cwd=ROOT,
        env={**clean, **given},
        capture_output=True,
        text=True,
    )


def test_development_needs_nothing() -> None:
    assert start().returncode == 0


def test_production_starts_with_its_secrets_alone() -> None:
    assert start(DEBUG="off", **SECRETS).returncode == 0


@pytest.mark.parametrize("missing", SECRETS)
def test_with_debug_off_the_start_fails_with_a_sentence_that_names_the_missing_secret(missing: str) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing}
    result = start(DEBUG="off", **given)
    assert result.returncode != 0
    last_line = result.stderr.strip().splitlines()[-1]
    assert f"{missing} is not set" in last_line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("CHANNEL_PLATFORM", "thingsboard"),
        ("PLATFORM_BULK_LIMIT", "many"),
        ("PLATFORM_PLANS", "{hobby}"),
    ],
)
def test_a_value_that_makes_no_sense_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        environment.read(os.environ)


def test_every_setting_is_in_the_readmes_table() -> None:
    readme = (ROOT / "README.md").read_text()
    for setting in environment.SETTINGS:
        assert environment.table_row(setting) in readme, f"{setting.name}: run `manage.py settings_table`"
