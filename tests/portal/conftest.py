"""A landlord with two houses, each with a "Flat 3"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from devices.models import ExpectedDevice, PendingDevice
from orgs import audit, invitations
from orgs.models import Organization, User
from tests.conftest import MANAGER, Cast
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory

ELM, OAK = "Elm Street 12 › Flat 3", "Oak Street 7 › Flat 3"


def long_after_the_log_in() -> time_machine.travel:
    """Go to a time at which somebody who logs in now is asked once more who they are."""
    asked_again_after = timedelta(seconds=settings.ACCOUNT_REAUTHENTICATION_TIMEOUT + 1)
    return time_machine.travel(timezone.now() + asked_again_after, tick=False)


@dataclass
class Houses:
    """Homer's two houses; Selma manages the one in Elm Street, and Otto lives in its Flat 3."""

    elm: Organization
    elm_flat: Organization
    oak_flat: Organization
    selma: User
    otto: User


@pytest.fixture
def houses(simpsons: Cast) -> Houses:
    def house(name: str) -> tuple[Organization, Organization]:
        made = OrganizationFactory(name=name, parent=Organization.objects.get(pk=simpsons.home.pk))
        flat = OrganizationFactory(name="Flat 3", parent=made)
        return Organization.objects.get(pk=made.pk), Organization.objects.get(pk=flat.pk)

    elm, elm_flat = house("Elm Street 12")
    _oak, oak_flat = house("Oak Street 7")
    selma = MembershipFactory(user__given_name="Selma", organization=elm, relation=MANAGER).user
    otto = MembershipFactory(user__given_name="Otto", organization=elm_flat).user
    MembershipFactory(user=otto, organization=oak_flat)
    for flat in (elm_flat, oak_flat):
        DeviceFactory(organization=flat, name="Bathroom")
        invitations.invite(organization=flat, email="lodger@example.net", by=simpsons.homer)
        PendingDevice.objects.create(customer=simpsons.home, organization=flat, serial=f"55{flat.pk:04}")
        ExpectedDevice.objects.create(customer=simpsons.home, organization=flat, serial=f"66{flat.pk:04}")
        audit.record("organization.described", by=simpsons.homer, organization=flat, about=flat)
    return Houses(elm, elm_flat, oak_flat, selma, otto)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
