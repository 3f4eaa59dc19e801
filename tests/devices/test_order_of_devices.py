"""Lists of devices and organizations are in the order in which people count."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from channels.compiled import insert
from devices import ending
from devices.models import Device
from devices.organizations import trees_of
from orgs import access, tree
from orgs.fields import OrganizationField
from orgs.models import Organization
from tests.conftest import Cast
from tests.factories import DeviceFactory

NAMES = ["Thermometer 6", "thermometer 10", "Thermometer 9", "Ärmelkanal", "Aal", "zoo"]
IN_ORDER = ["Aal", "Ärmelkanal", "Thermometer 6", "Thermometer 9", "thermometer 10", "zoo"]


@pytest.fixture
def flat(simpsons: Cast) -> Organization:
    flat = tree.create_below(simpsons.home, "Flat")
    for name in NAMES:
        DeviceFactory(organization=flat, name=name, channel=None)
    for serial in ("20", "3"):
        DeviceFactory(organization=flat, name="", serial=serial, channel=None)
    return flat


def test_the_database_sorts_numbers_as_numbers_and_the_nameless_last(flat: Organization) -> None:
    assert [str(one) for one in Device.objects.filter(organization=flat).order_by(*Device.BY_NAME)] == [
        *IN_ORDER, "3", "20",
    ]  # fmt: skip
    assert [str(one) for one in Device.objects.filter(organization=flat).order_by(*Device.BY_NAME_BACKWARDS)] == [
        *reversed(IN_ORDER), "20", "3",
    ]  # fmt: skip


def test_the_key_follows_the_name_and_the_serial_number(simpsons: Cast) -> None:
    device = DeviceFactory(organization=simpsons.home, name="Flat 9", channel=None)
    device.describe(name="Flat 10", description="")
    assert Device.objects.get(pk=device.pk).sort_key == "0flat 0210"
    device.describe(name="", description="")
    ending.replace(device, serial="B7", by=simpsons.homer)
    assert Device.objects.get(pk=device.pk).sort_key == "1b017"


def test_a_device_that_registers_gets_its_key_without_a_statement_more(
    simpsons: Cast, django_assert_num_queries
) -> None:
    device = Device(customer=simpsons.home, organization=simpsons.home, serial="A12")
    with django_assert_num_queries(1):
        insert(device)
    assert Device.objects.get(pk=device.pk).sort_key == "1a0212"


def test_devices_from_before_are_given_their_key_in_batches(
    flat: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    Device.objects.update(sort_key="")
    migration = import_module("devices.migrations.0011_fill_device_sort_key")
    monkeypatch.setattr(migration, "BATCH", 2)
    migration.fill(apps, None)
    assert [str(one) for one in Device.objects.filter(organization=flat).order_by("sort_key")][:6] == IN_ORDER
    assert not Device.objects.filter(sort_key="").exists()


def test_flats_are_counted_in_trees_and_in_choices(simpsons: Cast) -> None:
    for number in (10, 6, 9):
        tree.create_below(simpsons.household, f"Flat {number}")
    (home,) = trees_of(simpsons.homer)
    household = home.below[0]
    assert [branch.organization.name for branch in household.below] == ["Flat 6", "Flat 9", "Flat 10"]
    field = OrganizationField(access.visible_organizations(simpsons.homer), empty_label=None)
    assert [label for _value, label in field.choices] == [
        "The Simpsons",
        "The Simpsons › Household",
        "The Simpsons › Household › Flat 6",
        "The Simpsons › Household › Flat 9",
        "The Simpsons › Household › Flat 10",
        "The Simpsons › Power plant",
    ]
