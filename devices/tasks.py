"""What is done in the background."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django_tasks import task
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from channels.platforms import NoSuchChannel, PlatformError
from devices.keys_below import make_some_missing_keys
from devices.models import Device
from orgs import access
from orgs.models import Organization, User

AGAIN = (timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
TRIES = 30
"""After about a week it is given up."""
MAKING_TAKES = timedelta(minutes=5)
"""Longer than the keys of one step ever take: a task that began before that has died with its worker."""


@task()
def rename_channel(device: int, attempt: int = 0) -> bool:
    """Call the device's channel on the platform as the device is called by now; try again later if it is away."""
    found = Device.objects.select_related("channel__account").filter(pk=device).first()
    if found is None or found.channel is None:
        return False
    account = found.channel.account
    try:
        account.on_platform.update_channel(account.key, found.channel.number, name=str(found))
    except NoSuchChannel:
        return False
    except PlatformError:
        if attempt < TRIES:
            wait = AGAIN[min(attempt, len(AGAIN) - 1)]
            rename_channel.using(run_after=timezone.now() + wait).enqueue(device, attempt + 1)
        return False
    return True


@task()
def make_registration_keys(organization: int, person: int, address: str | None) -> int:
    """Make a registration key for each of the lowest organizations below one that has none, as long as `person` may.

    Some at a time, so that others have their turn. Return how many are still without one.
    """
    by = User.objects.filter(pk=person).first()
    place = access.managed_organizations(by).filter(pk=organization).first() if by else None
    if by is None or place is None:
        return 0
    left = make_some_missing_keys(place, by=by, address=address)
    if left:
        make_registration_keys.enqueue(organization, person, address)
    return left


def is_making_registration_keys(organization: Organization) -> bool:
    """Whether keys for what is below `organization` are asked for, and not all made yet."""
    unfinished = DBTaskResult.objects.filter(
        Q(status=TaskResultStatus.READY)
        | Q(status=TaskResultStatus.RUNNING, started_at__gt=timezone.now() - MAKING_TAKES),
        task_path=make_registration_keys.module_path,
        args_kwargs__args__0=organization.pk,
    )
    return unfinished.exists()
