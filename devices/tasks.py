"""What is done in the background."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from channels.platforms import NoSuchChannel, PlatformError
from devices.keys_below import make_some_missing_keys
from devices.models import Device
from orgs import access
from orgs.models import User

AGAIN = (timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
TRIES = 30
"""After about a week it is given up."""


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
