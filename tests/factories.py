"""Good objects; a test names only what matters to it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import cache
from typing import Any

import factory
from allauth.account.models import EmailAddress
from django.utils import timezone

from channels.models import Channel, ChannelKey, PlatformAccount
from channels.platforms import platform_named
from devices.models import Device, DeviceContact, RegistrationKey
from devices.registration_key_text import RegistrationKeyText
from orgs import tree
from orgs.models import Membership, Organization, User

PASSWORD = "donuts-and-duff-42"


# Deriving an envelope key takes 0.2 s, so tests share a few registration keys.
# `RegistrationKey.issue` has its own test.
KEY_TEXTS = [RegistrationKeyText("HQ481047", "1JWORF43"), *(RegistrationKeyText.generate() for _ in range(50))]


@cache
def _envelope_key(text: RegistrationKeyText) -> str:
    return base64.b64encode(text.derive()).decode("ascii")


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    given_name = factory.Faker("first_name")
    family_name = factory.Faker("last_name")
    email = factory.LazyAttributeSequence(lambda user, n: f"{user.given_name}{n}@example.net".lower())

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        user = User.objects.create_user(password=kwargs.pop("password", PASSWORD), **kwargs)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        return user


class OrganizationFactory(factory.django.DjangoModelFactory):
    """A customer, or with `parent` an organization below it."""

    class Meta:
        model = Organization

    name = factory.Sequence(lambda n: f"Organization {n}")

    @classmethod
    def _create(cls, model_class: type[Organization], *args: Any, **kwargs: Any) -> Organization:
        parent = kwargs.pop("parent", None)
        return tree.create_below(parent, **kwargs) if parent else tree.create_customer(**kwargs)


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    organization = factory.SubFactory(OrganizationFactory)
    relation = Membership.Relation.MEMBER


class PlatformAccountFactory(factory.django.DjangoModelFactory):
    """A real account on the embedded platform."""

    class Meta:
        model = PlatformAccount

    organization = factory.SubFactory(OrganizationFactory)
    platform = "embedded"
    key = factory.LazyAttribute(lambda account: platform_named("embedded").create_account(account.organization.name))
    state = PlatformAccount.State.VERIFIED


class RegistrationKeyFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = RegistrationKey

    organization = factory.SubFactory(OrganizationFactory)

    @classmethod
    def _create(cls, model_class: type[RegistrationKey], *args: Any, **kwargs: Any) -> RegistrationKey:
        used = set(RegistrationKey.objects.values_list("lookup", flat=True))
        text = next(text for text in KEY_TEXTS if text.lookup not in used)
        return RegistrationKey.objects.create(
            customer=kwargs["organization"].customer,
            lookup=text.lookup,
            secret=text.secret,
            envelope_key_base64=_envelope_key(text),
            **kwargs,
        )


class DeviceFactory(factory.django.DjangoModelFactory):
    """A device that has registered, with a channel on the embedded platform; with `channel=None` one without yet."""

    class Meta:
        model = Device

    organization = factory.SubFactory(OrganizationFactory)
    serial = factory.Sequence(lambda n: f"7474382{n:04}")
    name = ""

    @classmethod
    def _create(cls, model_class: type[Device], *args: Any, **kwargs: Any) -> Device:
        kwargs.setdefault("customer", kwargs["organization"].customer)
        without_channel = "channel" in kwargs
        device = Device.objects.create(**kwargs)
        if not without_channel:
            give_channel(device)
            DeviceContact.objects.create(device=device, asked_at=timezone.now())
        return device


def give_channel(device: Device) -> Channel:
    """Create the device's channel on its customer's platform, as registering does."""
    account = PlatformAccount.objects.filter(organization=device.customer).first() or PlatformAccountFactory(
        organization=device.customer
    )
    remote = account.on_platform.create_channel(
        account.key, name=str(device), marker=device.marker, labels={1: "Temperature"}
    )
    channel = Channel.objects.create(account=account, number=remote.number)
    ChannelKey.holding(remote.write_key, channel=channel, kind=ChannelKey.Kind.WRITE).save()
    for key in remote.read_keys:
        ChannelKey.holding(key, channel=channel, kind=ChannelKey.Kind.READ).save()
    device.channel = channel
    device.save(update_fields=["channel"])
    return channel


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
