"""The key of a customer's account on the channel platform: renewed there, or a new one entered here."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from channels.models import PlatformAccount
from channels.platforms import PlatformError
from orgs import audit
from orgs.models import User


class AnotherAccount(PlatformError):
    """The key is good, but belongs to an account that has not got the customer's channels."""


@transaction.atomic
def renew(account: PlatformAccount, *, by: User, address: str | None = None) -> None:
    """Replace the key by a new one of the platform's making; the old one is dead at once, devices notice nothing.

    Raises CannotDo where the platform leaves that to people, and BadAccountKey. The platform that can do it is in this
    process and shares the transaction, so the new key cannot get lost on the way.
    """
    account.replace_key(account.on_platform.renew_account_key(account.key))
    account.record_check(PlatformAccount.State.VERIFIED)
    audit.record("platform_account.renewed", by=by, organization=account.organization, about=account, address=address)


def enter(account: PlatformAccount, key: str, *, by: User, address: str | None = None) -> None:
    """Store the key that a person has renewed on the platform's own pages.

    Raises AnotherAccount when the key's account lacks a channel of the customer's devices, BadAccountKey when there is
    no such account, and OutOfReach or NotUnderstood when that cannot be told now; the old key then stays.
    """
    there = {channel.number for channel in account.on_platform.list_channels(key)}
    ours = account.channels.filter(device__isnull=False).values_list("number", flat=True)
    if missing := sorted(set(ours) - there):
        raise AnotherAccount(
            _("This key belongs to another account: channel {number} is not there.").format(number=missing[0])
        )
    with transaction.atomic():
        account.replace_key(key)
        account.record_check(PlatformAccount.State.VERIFIED)
        audit.record(
            "platform_account.entered", by=by, organization=account.organization, about=account, address=address
        )
