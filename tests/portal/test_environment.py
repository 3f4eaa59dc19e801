"""What can be set from outside, and what happens when it is set wrongly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

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


def test_an_address_for_mail_that_makes_no_sense_stops_the_start_without_repeating_it() -> None:
    result = start(EMAIL_URL="ftp://homer:secret@mail.example.com")
    assert result.returncode != 0
    assert "EMAIL_URL must look like smtp://" in result.stderr.strip().splitlines()[-1]
    assert "secret" not in result.stderr.strip().splitlines()[-1]


def test_every_setting_is_in_the_readmes_table() -> None:
    readme = (ROOT / "README.md").read_text()
    for setting in environment.SETTINGS:
        assert environment.table_row(setting) in readme, f"{setting.name}: run `manage.py settings_table`"


def settings_in(file: str) -> dict[str, str]:
    """Return what a shell that reads the file puts into the environment: docs/deployment.md has one do so."""
    lines = [line for line in file.splitlines() if line and not line.startswith("#")]
    names = [line.partition("=")[0] for line in lines]
    read = ["/bin/sh", "-euc", 'set -a; eval "$0"; exec env -0', file]
    environment = subprocess.run(read, capture_output=True, text=True, check=True, env={}).stdout
    found = dict(line.split("=", 1) for line in environment.split("\0") if line)
    return {name: found[name] for name in names}


def test_the_sample_file_is_all_that_production_needs_and_its_secrets_are_fresh() -> None:
    sample, another = (settings_in(start("sample_environment").stdout) for _ in range(2))
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "LOOKUP_HASH_KEY"):
        assert sample[name] != another[name]
    deployed = start("check", "--deploy", "--fail-level", "WARNING", **sample)
    assert (deployed.returncode, deployed.stderr) == (0, "")


def test_a_shell_reads_also_what_is_commented_out() -> None:
    file = start("sample_environment").stdout
    every = re.sub(r"^# (?=[A-Z_]+=)", "", file, flags=re.MULTILINE)
    read = settings_in(every)
    assert read["DEFAULT_FROM_EMAIL"] == "Smart Widgets <keys@example.com>"
    assert read["PLATFORM_PLANS"] == "{}"


def test_every_setting_is_in_the_sample_file() -> None:
    file = start("sample_environment").stdout
    assert [setting.name for setting in environment.SETTINGS if f"{setting.name}=" not in file] == []


@pytest.mark.parametrize(
    ("address", "goes_to"),
    [
        ("/accounts/login/", 301),
        ("/devices/", 301),
        ("/update?api_key=x&field1=1", 400),
        ("/channels/1/feeds.json", 404),
        ("/midpoint/ws/iot/devices/1?key=HQ481047", 403),
        ("/updates/", 301),
    ],
)
@pytest.mark.django_db
def test_people_are_sent_to_https_and_devices_are_answered(
    client: Client, settings: Settings, address: str, goes_to: int
) -> None:
    for name, value in _https().items():
        setattr(settings, name, value)
    assert client.get(address).status_code == goes_to


@cache
def _https() -> dict[str, object]:
    """Return what the settings are behind a TLS proxy."""
    names = ("SECURE_SSL_REDIRECT", "SECURE_REDIRECT_EXEMPT")
    code = f"import json; from django.conf import settings; print(json.dumps([getattr(settings, n) for n in {names}]))"
    found = start("shell", "--no-imports", "-c", code, DEBUG="off", PUBLIC_URL="https://keys.example.com", **SECRETS)
    return dict(zip(names, json.loads(found.stdout.splitlines()[-1]), strict=True))


def test_mail_that_goes_by_a_mail_server_goes_through_the_background() -> None:
    show = ("shell", "-v0", "-c", "from django.conf import settings as s; print(s.EMAIL_BACKEND, s.MAIL_TRANSPORT)")
    by_smtp = start(*show, DEBUG="off", **SECRETS)
    assert by_smtp.stdout.split() == ["portal.mail.InBackground", "django.core.mail.backends.smtp.EmailBackend"]
    in_the_demo = start(*show)
    assert in_the_demo.stdout.split() == ["portal.outbox.OutboxBackend"] * 2


@pytest.mark.parametrize(("pooled", "prepared_after"), [("yes", "None True"), ("no", "2 False")])
def test_behind_a_pooler_nothing_is_prepared(pooled: str, prepared_after: str) -> None:
    program = (
        "from django.db import connection; own = connection.settings_dict; "
        "print(own['OPTIONS']['prepare_threshold'], own['DISABLE_SERVER_SIDE_CURSORS'])"
    )
    database = {"DATABASE_URL": "postgres://somebody@127.0.0.1/somewhere", "DATABASE_POOLED": pooled}
    assert start("shell", "--no-imports", "-c", program, **database).stdout.strip() == prepared_after
