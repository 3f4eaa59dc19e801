"""Flats of a house, their keys, and the page that prints labels of them."""

from __future__ import annotations

from typing import Any

from django.test import Client

from devices.models import RegistrationKey
from orgs.models import Organization
from tests.factories import RegistrationKeyFactory


def flat(name: str) -> Organization:
    return Organization.objects.get(name=name)


def page_of(organization: Organization) -> str:
    return f"/organizations/{organization.pk}/labels/"


def print_them(client: Client, organization: Organization, **wanted: object) -> Any:
    return client.post(page_of(organization), {"sheet": "a4-24", "each": 1, "readable": "on", **wanted})


def keys_of(*organizations: Organization) -> list[RegistrationKey]:
    return [RegistrationKeyFactory(organization=organization) for organization in organizations]
