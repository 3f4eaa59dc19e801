"""The key of a customer's account on the channel platform: renewed there, or a new one entered here."""

from __future__ import annotations

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from channels.models import Finding, PlatformAccount
from channels.platforms import PlatformError
from orgs import audit
from orgs.audit import AuditEntry
from orgs.models import User


class AnotherAccount(PlatformError):
    """The key is good, but belongs to an account that has none of the customer's channels."""


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
    """Store the key that a person has renewed on the platform's own pages, or that a program has renewed by the API.

    Raises AnotherAccount when none of the customer's channels is in the key's account, BadAccountKey when there is no
    such account, and OutOfReach or NotUnderstood when that cannot be told now; the old key then stays. Two people who
    enter a key at once do no harm: an account has one key, so that both have the same, or one is refused.
    """
    there = {channel.number for channel in account.on_platform.list_channels(key)}
    ours = _known_channels(account)
    # A platform's numbers are its own: one of them proves the account. What is missing besides is found by the next
    # comparison, and is no reason to leave the portal without a key.
    if ours and not ours & there:
        said = ngettext(
            "This key belongs to another account: your channel {number} is not there. Nothing has been changed. Enter "
            "the key of the account in which your channel is.",
            "This key belongs to another account: none of your {count} channels is there, {number} for example. "
            "Nothing has been changed. Enter the key of the account in which your channels are.",
            len(ours),
        )
        raise AnotherAccount(said.format(count=len(ours), number=min(ours)))
    with transaction.atomic():
        account.replace_key(key)
        account.record_check(PlatformAccount.State.VERIFIED)
        # Soon compared: what is missing there shall not take five minutes to be seen.
        PlatformAccount.objects.filter(pk=account.pk).update(next_sync_at=None)
        audit.record(
            "platform_account.entered", by=by, organization=account.organization, about=account, address=address
        )


def _known_channels(account: PlatformAccount) -> set[int]:
    """Return the numbers of the channels that should be in the account: those not known to be deleted there."""
    deleted = Finding.objects.open().filter(kind=Finding.Kind.CHANNEL_MISSING, account=account)
    return set(account.channels.exclude(number__in=deleted.values("number")).values_list("number", flat=True))


def history_of(account: PlatformAccount) -> list[tuple[AuditEntry, str | Promise]]:
    """Return what happened to the account's key, the newest first, with what to call it on screen."""
    entries = AuditEntry.objects.about(account).filter(action__in=HAPPENED)
    return [(entry, HAPPENED[entry.action]) for entry in entries[:REMEMBERED]]


REMEMBERED = 20
HAPPENED: dict[str, str | Promise] = {
    "platform_account.entered": gettext_lazy("New key entered"),
    "platform_account.renewed": gettext_lazy("Renewed from here"),
    "platform_account.shown": gettext_lazy("Shown"),
}
