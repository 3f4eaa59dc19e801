"""What is compiled once does what the ORM does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from channels.compiled import CompiledQuery, CompiledUpdate, insert, insert_new
from channels.models import ChannelKey
from devices.models import Device, DeviceContact
from tests.conftest import Cast
from tests.factories import NOON


def by_serial_and_name(serial: str, name: str) -> QuerySet:
    return Device.objects.filter(serial=serial, name=name).values_list("pk", "uid", "created_at")


def test_it_finds_the_same_row_with_the_same_types_again_and_again(simpsons: Cast, django_assert_num_queries) -> None:
    query = CompiledQuery(by_serial_and_name, "serial", "name")
    for device in (simpsons.kitchen, simpsons.reactor):
        with django_assert_num_queries(1):
            row = query.first(serial=device.serial, name=device.name)
        assert row == by_serial_and_name(device.serial, device.name).get()
        assert isinstance(row[2], datetime)
    assert query.first(serial=simpsons.kitchen.serial, name="reactor") is None


def test_a_value_is_never_taken_for_sql(simpsons: Cast) -> None:
    query = CompiledQuery(by_serial_and_name, "serial", "name")
    assert query.first(serial="' OR 1=1 --", name="%s %(serial)s") is None


@pytest.mark.django_db
def test_a_parameter_that_the_query_does_not_use_is_noticed() -> None:
    query = CompiledQuery(lambda serial, name: Device.objects.filter(serial=serial).values_list("pk"), "serial", "name")
    with pytest.raises(ValueError, match="does not use name"):
        query.first(serial="1", name="2")


def the_moved(device: int, at: datetime) -> tuple[QuerySet, dict[str, object]]:
    return DeviceContact.objects.filter(device_id=device), {"asked_at": at}


EXAMPLE = {"device": -7, "at": datetime(2001, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("may_be_lost", [False, True])
def test_an_update_changes_the_rows_that_it_names_and_counts_them(
    may_be_lost: bool, simpsons: Cast, django_assert_num_queries
) -> None:
    update = CompiledUpdate(the_moved, may_be_lost=may_be_lost, **EXAMPLE)
    for device in (simpsons.kitchen, simpsons.reactor):
        DeviceContact.objects.filter(device=device).update(asked_at=NOON)
    later = NOON + timedelta(microseconds=1)
    with django_assert_num_queries(1):
        assert update.run(device=simpsons.kitchen.pk, at=later) == 1
    assert DeviceContact.objects.get(device=simpsons.kitchen).asked_at == later
    assert DeviceContact.objects.get(device=simpsons.reactor).asked_at == NOON
    assert update.run(device=simpsons.reactor.pk, at=later) == 1
    assert update.run(device=0, at=later) == 0


def test_an_update_finds_a_row_by_a_uuid(simpsons: Cast) -> None:
    by_uid = CompiledUpdate(lambda uid: (Device.objects.filter(uid=uid), {"name": "found"}), uid=UUID(int=7))
    assert by_uid.run(uid=simpsons.garage.uid) == 1
    simpsons.garage.refresh_from_db()
    assert simpsons.garage.name == "found"


@pytest.mark.django_db
def test_a_parameter_that_the_update_does_not_use_is_noticed() -> None:
    update = CompiledUpdate(lambda device, at: (Device.objects.filter(pk=device), {"name": ""}), **EXAMPLE)
    with pytest.raises(ValueError, match="does not use at"):
        update.run(device=1, at=NOON)


def test_rows_are_inserted_as_save_does(simpsons: Cast) -> None:
    saved = Device(customer=simpsons.home, organization=simpsons.home, serial="saved", created_at=NOON)
    saved.save(force_insert=True)
    first, second = (
        Device(customer=simpsons.home, organization=simpsons.home, serial=serial, created_at=NOON)
        for serial in ("first", "second")
    )
    insert(first, second)
    assert second.pk > first.pk > saved.pk
    assert not first._state.adding
    unlike = {"id", "uid", "serial", "sort_key"}
    found = [
        {name: value for name, value in row.items() if name not in unlike}
        for row in Device.objects.filter(serial__in=("saved", "first")).values()
    ]
    assert found[0] == found[1]
    assert Device.objects.get(serial="first") == first
    keys = dict(Device.objects.filter(serial__in=("saved", "first")).values_list("serial", "sort_key"))
    assert keys["first"] == keys["saved"].replace("saved", "first")
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(Device(customer=simpsons.home, organization=simpsons.home, serial="first"))


def test_a_new_row_is_inserted_once_and_the_transaction_goes_on(simpsons: Cast) -> None:
    def same() -> Device:
        return Device(customer=simpsons.home, organization=simpsons.home, serial="once")

    first, second = same(), same()
    with transaction.atomic():
        assert insert_new(first)
        assert not insert_new(second)
        assert Device.objects.get(serial="once").uid == first.uid
    assert first.pk == Device.objects.get(serial="once").pk
    assert second.pk is None


def test_secrets_are_inserted_encrypted(simpsons: Cast) -> None:
    channel = simpsons.kitchen.channel
    key = ChannelKey.holding("C0FPQ9W3ET7A4S2S", channel=channel, kind=ChannelKey.Kind.READ)
    insert(key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM channels_channelkey WHERE id = %s", [key.pk])
        assert "C0FPQ9W3ET7A4S2S" not in cursor.fetchone()[0]
    assert ChannelKey.objects.get(pk=key.pk).value == "C0FPQ9W3ET7A4S2S"


def test_the_server_plans_a_query_once_a_connection(simpsons: Cast) -> None:
    """On PostgreSQL; SQLite takes so little time to plan that it has nothing to keep."""
    query = CompiledQuery(by_serial_and_name, "serial", "name")
    for _ in range(6):
        assert query.first(serial=simpsons.kitchen.serial, name=simpsons.kitchen.name) is not None
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%devices_device%'")
            assert cursor.fetchone()[0] == 1
