"""A new customer: everything that comes with a sign-up, or nothing."""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from channels.models import PlatformAccount
from channels.platforms import platform_named
from channels.tasks import check_account
from devices.models import RegistrationKey
from orgs import tree
from orgs.models import Membership, Organization, User

CHECK_AGAIN_AFTER = timedelta(minutes=5)


@transaction.atomic
def sign_up(
    *,
    email: str,
    password: str,
    given_name: str,
    family_name: str,
    organization: str = "",
    account_key: str = "",
    account_state: PlatformAccount.State = PlatformAccount.State.UNVERIFIED,
) -> User:
    """Create user, customer organization, manager membership, platform account and registration key.

    `account_key` is the ThingSpeak account key, and `account_state` what ThingSpeak said of it; both are unused where
    the platform creates accounts itself. An account that is not verified yet is checked again in the background.
    Raises IntegrityError if the address has an account.
    """
    user = User.objects.create_user(email, password, given_name=given_name, family_name=family_name)
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=True)
    customer = tree.create_customer(organization or default_name(given_name, family_name))
    Membership.objects.create(user=user, organization=customer, relation=Membership.Relation.MANAGER, created_by=user)
    account = _open_account(customer, account_key, account_state)
    RegistrationKey.issue(customer, by=user)
    if account.state == PlatformAccount.State.UNVERIFIED:
        later = timezone.now() + CHECK_AGAIN_AFTER
        check_account.using(run_after=later).enqueue(account.pk)
    return user


def default_name(given_name: str, family_name: str) -> str:
    """Return the name of an organization whose owner gave none."""
    return _("{given} {family}'s home").format(given=given_name, family=family_name)


def _open_account(customer: Organization, key: str, state: PlatformAccount.State) -> PlatformAccount:
    platform = platform_named(settings.CHANNEL_PLATFORM)
    if platform.can_create_accounts:
        key, state = platform.create_account(customer.name), PlatformAccount.State.VERIFIED
    return PlatformAccount.objects.create(
        organization=customer,
        platform=platform.name,
        key=key,
        state=state,
        checked_at=timezone.now() if state == PlatformAccount.State.VERIFIED else None,
    )
