"""One of everything that the administration shows, with secrets where there are some."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import timedelta

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.mail import EmailMessage
from django.utils import timezone

from channels import renewal
from channels.findings import Finding
from channels.keys_shown import note_shown
from channels.models import ChannelKey, Chore, PlatformAccount, RenewalPolicy
from channels.platform.models import ApiKey, Entry, Latest
from channels.platform.models import Channel as PlatformChannel
from channels.renewal_rounds import RenewalRound
from channels.tasks import check_account
from devices.models import (
    Closure,
    ExpectedDevice,
    FormerDevice,
    PendingDevice,
    RegistrationKey,
    RegistrationPolicy,
    RollOver,
)
from devices.registration_key_text import RegistrationKeyText
from orgs import invitations
from orgs.audit import record
from orgs.models import Organization, User
from portal.models import Letter
from portal.tasks import delete_take_out
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory

MAILED_LINK = "https://keys.example.net/invitations/n0b0dy-but-the-guest/"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def registration_key(organization: Organization, by: User) -> RegistrationKey:
    """A key whose envelope key is made up: deriving dozens of them would take long and prove nothing here."""
    text = RegistrationKeyText.generate()
    return RegistrationKey.objects.create(
        customer=organization.customer,
        organization=organization,
        lookup=text.lookup,
        secret=text.secret,
        envelope_key_base64=base64.b64encode(secrets.token_bytes(32)).decode("ascii"),
        created_by=by,
    )


def household(customer: Organization) -> None:
    """One more of everything."""
    member = MembershipFactory(organization=OrganizationFactory(parent=customer), created_by=User.objects.first())
    device = DeviceFactory(organization=member.organization)
    assert device.channel
    device.registered_with = registration_key(customer, member.user)
    device.save()
    remote = PlatformChannel.objects.get(number=device.channel.number)
    mine = ApiKey.objects.issue(remote, writes=False, note="Marge")
    ChannelKey.holding(mine.value, channel=device.channel, kind=ChannelKey.Kind.READ, holder=member.user).save()
    note_shown(device.channel.keys.latest("pk").pk, to=member.user)
    renewal.renew(device.channel, by=member.user)
    Entry.objects.create(channel=remote, entry_id=1, created_at=timezone.now(), field1="21.5")
    Latest.objects.filter(channel=remote).update(last_entry_id=1, written_at=timezone.now(), field1="21.5", field1_id=1)
    invitation = invitations.invite(
        organization=member.organization, email=f"guest-{member.pk}@example.net", by=member.user
    )
    record("device.moved", by=member.user, organization=member.organization, about=device, address="192.0.2.7")
    assert invitation.token_hash
    check_account.enqueue(customer.platform_account.pk)
    delete_take_out.enqueue(1, MAILED_LINK)  # Whatever a task is given: this one's is the name of a secret file.
    Letter.holding(EmailMessage("You are invited", f"Open {MAILED_LINK}", to=["guest@example.net"])).save()
    RenewalRound.objects.create(organization=member.organization, by=member.user, overlap=timedelta(days=7))
    RenewalPolicy.objects.create(organization=member.organization, write_every=30, changed_by=member.user)
    Finding.objects.create(
        account=customer.platform_account,
        kind=Finding.Kind.CLONED,
        number=remote.number,
        channel=device.channel,
        settled_by=member.user,
    )
    RollOver.objects.create(device=device, old_channel=device.channel, by=member.user, overlap=timedelta(days=7))
    Closure.objects.get_or_create(customer=customer, defaults={"begun_by": member.user.email})
    RegistrationPolicy.objects.update_or_create(customer=customer, defaults={"admits": "approved"})
    at_the_door = {"customer": customer, "organization": member.organization, "serial": f"door-{member.pk}"}
    PendingDevice.objects.create(
        **at_the_door, asked_with=device.registered_with, refused_at=timezone.now(), refused_by=member.user
    )
    ExpectedDevice.objects.create(**at_the_door, name="Attic")
    FormerDevice.objects.create(
        customer=customer,
        serial="gone",
        organization_name="Attic",
        how="deleted",
        successor=device,
        ended_by=member.user,
    )
    Chore.objects.create(name=f"Chore {member.pk}", next_at=timezone.now())
    TOTP.activate(member.user, TOTP_SECRET)
    RecoveryCodes.activate(member.user)
    Group.objects.create(name=f"Support {member.pk}")


def make() -> None:
    """Make two of everything in the database that the settings name, and print some objects of each model as JSON.

    For a portal that a test has started: `manage.py shell -c "from tests.one_of_each import make; make()"`.
    """
    for name in ("The Flanders", "Moe's"):
        household(OrganizationFactory(name=name))
    Letter.objects.update(trouble="SMTPServerDisconnected", tries=3)
    Closure.objects.update(trouble="The platform is out of reach.")
    PlatformAccount.objects.update(state=PlatformAccount.State.REFUSED)
    models = admin.site._registry
    # The first and the last differ most: a customer and a part of one, an operator and a guest.
    ends = {model: model._default_manager.order_by("pk") for model in models}
    examples = {
        model._meta.label: [str(one.pk) for one in dict.fromkeys((found.first(), found.last())) if one]
        for model, found in ends.items()
    }
    print(json.dumps(examples))  # noqa: T201
