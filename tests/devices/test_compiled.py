"""A query that is compiled once gives what the ORM gives."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db.models import QuerySet

from devices.compiled import CompiledQuery
from devices.models import Device
from tests.conftest import Cast


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
