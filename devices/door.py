"""Telling managers by mail that devices wait at the door, and forgetting those that went away."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django_tasks import task

from channels.chores import Chore
from devices.admission_models import DoorMail, PendingDevice
from orgs import access
from orgs.models import Membership, Organization, User
from orgs.paths import Paths
from orgs.readers import as_read_by, mail_to

NOT_AGAIN_FOR = timedelta(days=1)
GONE_AFTER = timedelta(days=30)
NAMED = 20
"""How many devices a mail names; the rest are counted."""


@task()
def tell_managers() -> int:
    """Mail to the managers of devices that have come to the door since they were told last; return the mails.

    A manager has one mail when the first comes, however many follow, and the next a day later if more have come.
    """
    now, mails = timezone.now(), 0
    with transaction.atomic():
        Chore.have_alone("door mail")
        for manager in _managers_of_waiting():
            mails += _tell(manager, now)
    return mails


def _managers_of_waiting() -> list[User]:
    places = PendingDevice.objects.waiting().order_by().values("organization").distinct()
    managers: set[User] = set()
    for place in Organization.objects.filter(pk__in=places):
        who = access.people_who_see(place).filter(relation=Membership.Relation.MANAGER)
        managers |= {membership.user for membership in who}
    return sorted(managers, key=lambda person: person.email)


def _tell(manager: User, now: datetime) -> int:
    waiting = PendingDevice.objects.managed_by(manager).waiting().order_by("first_asked_at", "pk")
    told = DoorMail.objects.filter(person=manager).first()
    if told is not None and (told.sent_at > now - NOT_AGAIN_FOR or not waiting.filter(first_asked_at__gt=told.sent_at)):
        return 0
    count = waiting.count()
    if not count:
        return 0
    DoorMail.objects.update_or_create(person=manager, defaults={"sent_at": now})
    paths = Paths(manager)
    context = {
        "count": count,
        "devices": [
            {"serial": one.serial, "place": paths.to(one.organization)}
            for one in waiting.select_related("organization")[:NAMED]
        ],
        "more": max(0, count - NAMED),
        "link": settings.PUBLIC_URL + reverse("pending_devices"),
    }
    with as_read_by(manager):
        said = ngettext("A device waits for you to let it in", "{count} devices wait for you to let them in", count)
        body = render_to_string("devices/mail/at_the_door.txt", context)
        mail_to(manager.email, said.format(count=count), body)
    return 1


def forget_those_that_went_away(now: datetime) -> int:
    """Take from the list those that have not asked for a month; return how many those were.

    Who was refused stays refused: that was somebody's decision.
    """
    gone = PendingDevice.objects.waiting().filter(last_asked_at__lt=now - GONE_AFTER)
    return gone.delete()[0]
