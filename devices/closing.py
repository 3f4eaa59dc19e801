"""Closing a customer: everything goes. The service ends at once, the rest is carried through in the background.

Each step leaves the database such that the next one, in whatever process, finds out by itself what is left to do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django_tasks import task

from channels.models import Channel, PlatformAccount
from channels.platforms import BadAccountKey, NoSuchChannel, PlatformError
from channels.vault import CannotDecrypt
from devices.closures import Closure
from devices.models import Device, ExpectedDevice, PendingDevice, RegistrationKey
from devices.tasks import AGAIN
from orgs import audit, tree
from orgs.errors import BeingClosed, Suspended
from orgs.models import Invitation, Membership, Organization, User
from orgs.readers import as_read_by, mail_to

STEP = 10.0
"""Seconds after which a step ends: other work of the worker wants its turn."""


@transaction.atomic
def close_customer(customer: Organization, *, keep_channels: bool, by: User, address: str | None = None) -> None:
    """End the service of a customer for everybody, for good, and have all that it has deleted.

    From the running transaction's end on nobody sees anything of it, and no device gets in; its people are mailed.
    With `keep_channels` the channels stay on the platform, where that is an account of the customer's own. Raises
    Suspended: what an operator has frozen is not deleted.
    """
    tree.lock_tree_of(customer)
    if Closure.objects.filter(customer=customer).exists():
        return
    if Organization.objects.get_queryset().suspended().filter(pk=customer.pk).exists():
        raise Suspended(_cannot_be_closed(customer))
    everywhere = {"organization__tree_id": customer.tree_id}
    people = User.objects.filter(pk__in=Membership.objects.current().filter(**everywhere).values("user"))
    account = PlatformAccount.objects.defer("key").filter(organization=customer).first()
    keep_channels = keep_channels and account is not None and not account.on_platform.can_create_accounts
    audit.record(
        "customer.closed",
        by=by,
        organization=customer,
        about=customer,
        address=address,
        devices=Device.objects.filter(customer=customer).count(),
        people=people.count(),
        channels_kept=keep_channels,
    )
    for person in people.exclude(pk=by.pk).order_by("pk"):
        _mail(person, customer, by)
    Membership.objects.filter(**everywhere).delete()
    Invitation.objects.filter(**everywhere).delete()
    RegistrationKey.objects.filter(customer=customer, revoked_at__isnull=True).update(revoked_at=timezone.now())
    customer.suspend()
    closure = Closure.objects.create(customer=customer, keep_channels=keep_channels, begun_by=by.email)
    transaction.on_commit(lambda: carry_on.enqueue(closure.pk))


@transaction.atomic
def resume(customer: Organization) -> None:
    """Let a suspended customer go on. Raises BeingClosed: its people and its good keys are gone already."""
    tree.lock_tree_of(customer)
    if closure := Closure.objects.filter(customer=customer).first():
        said = _("“{name}” was closed by {who} and is being deleted. It cannot be resumed.")
        raise BeingClosed(said.format(name=customer.name, who=closure.begun_by))
    customer.resume()


def _cannot_be_closed(customer: Organization) -> str:
    return _(
        "The service for “{name}” is paused. Until it goes on nothing of it is deleted. Please write to Smart Widgets."
    ).format(name=customer.name)


def _mail(person: User, customer: Organization, by: User) -> None:
    with as_read_by(person):
        context: Mapping[str, object] = {"person": person, "customer": customer, "by": by}
        body = render_to_string("devices/mail/customer_closed.txt", dict(context))
        mail_to(person.email, _("{customer} has been closed").format(customer=customer.name), body)


@task()
def carry_on(pk: int) -> str:
    """Do one step at closing a customer. Return "gone" when all is done, else what comes next.

    The worker looks for closures at which nobody is at work: one whose process has died is taken up again.
    """
    closure = Closure.objects.select_related("customer").filter(pk=pk).first()
    if closure is None:
        return "gone"
    if not closure.take(timezone.now()):
        return "somebody else is at work"
    try:
        is_over = _step(closure, until=time.monotonic() + STEP)
    except (PlatformError, CannotDecrypt) as problem:
        closure.put_off(timezone.now() + AGAIN[min(closure.attempts, len(AGAIN) - 1)], str(problem))
        return "put off"
    if is_over:
        return "gone"
    closure.hand_on(timezone.now())
    carry_on.enqueue(pk)
    return "more to do"


def _step(closure: Closure, *, until: float) -> bool:
    """Delete as much as there is time for; return whether that was all. Raises PlatformError and CannotDecrypt."""
    customer = closure.customer
    account = PlatformAccount.objects.filter(organization=customer).first()
    if account is not None:
        # The latest first: those that a device has left know the first of their line, and must go before it.
        for channel in account.channels.order_by("-pk"):
            _delete(channel, account, keep=closure.keep_channels)
            if time.monotonic() > until:
                return False
    with transaction.atomic():
        for left in (Device, PendingDevice, ExpectedDevice):
            left.objects.filter(customer=customer).delete()
        keys = RegistrationKey.objects.filter(customer=customer)
        keys.update(successor=None, first=None)
        keys.delete()
        if account is not None:
            _close(account)
        # Somebody may have accepted an invitation at the moment in which it was closed.
        Membership.objects.filter(organization__tree_id=customer.tree_id).delete()
        tree.delete_customer(customer)
    return True


def _delete(channel: Channel, account: PlatformAccount, *, keep: bool) -> None:
    if not keep and channel.gone_at is None:
        try:
            account.on_platform.delete_channel(account.key, channel.number)
        except NoSuchChannel:
            pass  # Somebody was faster, maybe this process before it died.
        except BadAccountKey:
            # The account is lost to us, and with it what could be deleted there. Whoever asks later finds this.
            audit.record("channel.not_deleted", by=None, organization=account.organization, about=channel)
    with transaction.atomic():
        Device.objects.filter(channel=channel).delete()
        channel.delete()


def _close(account: PlatformAccount) -> None:
    if account.on_platform.is_in_our_database:
        with suppress(BadAccountKey):  # It is gone already.
            account.on_platform.close_account(account.key)
    account.delete()
