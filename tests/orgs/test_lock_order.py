"""Rows that are locked alone, and the tree of their customer: nobody waits for somebody who waits for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from devices.models import Device, RegistrationPolicy
from orgs.alone import lock_row
from orgs.audit import AuditEntry, record
from orgs.tree import lock_tree_of
from tests.conftest import Cast
from tests.orgs.test_invitations_of_former_managers import until_somebody_waits_for_us

# SQLite has one writer at a time: the other waits with all of it, and there is nothing to wait for in between.
MEANWHILE = 10 if connection.features.has_select_for_update else 0


@pytest.mark.django_db(transaction=True)
def test_who_changes_a_device_and_who_locks_the_tree_first_do_not_wait_for_each_other(simpsons: Cast) -> None:
    """The manager has the device, and writes an entry that refers to the customer; the operator comes from the tree."""
    device = simpsons.kitchen
    Device.objects.filter(pk=device.pk).update(organization=simpsons.home)
    tree_is_locked, device_is_locked = Event(), Event()

    def manager() -> None:
        try:
            with transaction.atomic():
                tree_is_locked.wait(10)
                lock_row(device)
                Device.objects.filter(pk=device.pk).update(name="Cellar")
                record("device.renamed", by=simpsons.homer, organization=simpsons.home, about=device)
                device_is_locked.set()
        finally:
            device_is_locked.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(manager)
        with transaction.atomic():
            lock_tree_of(simpsons.home)
            tree_is_locked.set()
            device_is_locked.wait(MEANWHILE)
            lock_row(device)
        done.result()
    assert Device.objects.get(pk=device.pk).name == "Cellar"
    assert AuditEntry.objects.filter(action="device.renamed").exists()


@pytest.mark.django_db(transaction=True)
def test_an_operator_and_a_manager_change_a_policy_in_one_order(simpsons: Cast, as_operator: Client) -> None:
    """Whoever has the tree gets the policy: the operator who waits for the tree has not locked the policy before."""
    RegistrationPolicy.of(simpsons.home).change(RegistrationPolicy.Admits.APPROVED)
    policy = RegistrationPolicy.objects.get()
    page = reverse("admin:devices_registrationpolicy_change", args=[policy.pk])

    def operator() -> int:
        try:
            return int(as_operator.post(page, {"admits": "none"}).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_tree_of(simpsons.home)
            changing = pool.submit(operator)
            until_somebody_waits_for_us()
            policy.change(RegistrationPolicy.Admits.EXPECTED)
        assert changing.result() in (200, 302)
    assert RegistrationPolicy.objects.get().admits in ("expected", "none")
