"""The renewal of keys as a background task."""

from __future__ import annotations

from dataclasses import asdict

from django_tasks import task

from devices.renewal_run import run


@task()
def renew() -> dict[str, int]:
    """Do what is due about keys, and return what that was."""
    return asdict(run())
