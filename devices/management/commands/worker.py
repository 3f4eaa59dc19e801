"""`manage.py worker`: do background tasks, and put those in the queue that are to be done every so often."""

from __future__ import annotations

import logging
import threading
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone
from django_tasks.signals import task_finished
from django_tasks_db.management.commands import db_worker

from channels.chores import Chore
from channels.tasks import sync_accounts
from devices import door, renewal_tasks
from devices.closing import carry_on
from devices.models import Closure

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks whether a chore is due."""
KEEP_RESULTS = timedelta(days=7)
SYNC_EVERY = timedelta(seconds=30)
"""How often it is looked which accounts are to be compared with the platform; each has its own time."""
DOOR_EVERY = timedelta(minutes=1)
"""How often it is looked whether managers are to be told of devices that wait."""
AT_WORK = "worker"
"""The chore that says that a worker is at work."""
HEARD_OF_EVERY = timedelta(seconds=30)
MISSED_AFTER = timedelta(minutes=5)


class Command(db_worker.Command):
    """django-tasks' worker for the database backend, with a clock. Any number of them may run."""

    help = "Do background tasks; renew the keys that are due and compare accounts with the platform every so often."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(reload=False)
        parser.add_argument(
            "--renew-every", type=float, default=60, help="seconds between two runs of renew (default: 60)"
        )

    def handle(self, *, renew_every: float, **options: Any) -> None:  # type: ignore[override]
        chores = {
            "renew": timedelta(seconds=renew_every),
            "sync": SYNC_EVERY,
            "close": SYNC_EVERY,
            "door": DOOR_EVERY,
            "prune": timedelta(days=1),
        }
        task_finished.connect(say_at_work)
        if not options["batch"]:
            threading.Thread(target=_keep_looking, args=(chores,), name="chores", daemon=True).start()
        super().handle(**options)


def say_at_work(**_signal: Any) -> None:
    """Say that a worker is at work, since it has just finished something; it never has nothing to do for long."""
    now = timezone.now()
    if Chore.take("worker is heard of", every=HEARD_OF_EVERY, now=now):
        Chore.promise(AT_WORK, within=MISSED_AFTER, now=now)


def _keep_looking(chores: Mapping[str, timedelta]) -> None:
    never = threading.Event()
    while True:
        try:
            enqueue_due(chores)
        except DatabaseError as error:
            # The thread must outlive a database that restarts.
            log.warning("The chores could not be looked at (%s); trying again.", type(error).__name__)
            connection.close()
        close_old_connections()
        never.wait(LOOK_EVERY)


def enqueue_due(chores: Mapping[str, timedelta]) -> list[str]:
    """Put the chores into the queue whose time has come, each in one of all workers; return their names."""
    now = timezone.now()
    taken = [name for name, every in chores.items() if Chore.take(name, every=every, now=now)]
    for name in taken:
        if name == "renew":
            renewal_tasks.renew.enqueue()
        elif name == "sync":
            sync_accounts.enqueue()
        elif name == "close":
            for closure in Closure.objects.due(now):
                carry_on.enqueue(closure.pk)
        elif name == "door":
            door.tell_managers.enqueue()
        else:
            door.forget_those_that_went_away(now)
            call_command("clearsessions")
            call_command("prune_db_task_results", min_age_days=KEEP_RESULTS.days, verbosity=0)
    return taken
