"""A registration key is renewed without a serial cable."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone

from channels.errors import CannotRenew
from devices import renewal
from devices.models import Device, RegistrationKey
from orgs.audit import AuditEntry
from tests.channels.renewing import ProcessDied
from tests.conftest import Cast
from tests.devices.test_registration_address import ask, opened
from tests.factories import RegistrationKeyFactory
from tests.parallel import all_at_once

DAY = timedelta(days=1)


@pytest.fixture
def old(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household, label="kitchen and hall")


def current_etag(serial: str, key: RegistrationKey) -> dict[str, str]:
    return {"if-none-match": ask(serial, key.lookup)["ETag"]}


def test_a_known_device_gets_the_new_key_inside_the_envelope_of_the_old(old: RegistrationKey, simpsons: Cast) -> None:
    has_current = current_etag(simpsons.kitchen.serial, old)
    assert ask(simpsons.kitchen.serial, old.lookup, **has_current).status_code == 304
    new = renewal.renew(old, by=simpsons.homer)

    response = ask(simpsons.kitchen.serial, old.lookup, **has_current)
    assert response.status_code == 200, "a device with a current write key hears of it, too"
    payload = opened(response, old)
    assert payload.registration_key is not None
    assert payload.registration_key.text == new.text
    assert payload.registration_key.derive() == new.envelope_key
    assert (new.organization, new.label, new.created_by) == (old.organization, old.label, simpsons.homer)


def test_a_device_that_asks_with_the_new_key_is_not_told_again(old: RegistrationKey, simpsons: Cast) -> None:
    new = renewal.renew(old, by=None)
    response = ask(simpsons.kitchen.serial, new.lookup)
    assert opened(response, new).registration_key is None
    assert ask(simpsons.kitchen.serial, new.lookup, **{"if-none-match": response["ETag"]}).status_code == 304


def test_new_devices_get_in_with_the_new_key_alone(old: RegistrationKey) -> None:
    assert ask("came-before", old.lookup).status_code == 200
    new = renewal.renew(old, by=None)
    refused = ask("came-after", old.lookup)
    assert (refused.status_code, refused.json()["code"]) == (403, "key_not_good")
    assert not Device.objects.filter(serial="came-after").exists()
    assert ask("came-after", new.lookup).status_code == 200
    assert ask("came-before", old.lookup).status_code == 200


def test_a_device_whose_registration_was_interrupted_completes_it_with_the_old_key(
    old: RegistrationKey, simpsons: Cast
) -> None:
    Device.objects.create(
        customer=simpsons.home, organization=simpsons.household, serial="half-way", registered_with=old
    )
    renewal.renew(old, by=None)
    assert ask("half-way", old.lookup).status_code == 200


def test_the_old_key_ends_at_its_date(old: RegistrationKey, simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    renewal.renew(old, by=None, until=timezone.now() + DAY)
    time_machine.shift(DAY - timedelta(seconds=1))
    assert ask(simpsons.kitchen.serial, old.lookup).status_code == 200
    time_machine.shift(timedelta(seconds=1))
    assert ask(simpsons.kitchen.serial, old.lookup).status_code == 403


def test_a_renewal_does_not_make_a_key_live_longer_than_it_was_meant_to(old: RegistrationKey) -> None:
    soon = timezone.now() + DAY
    RegistrationKey.objects.update(expires_at=soon)
    old.refresh_from_db()
    new = renewal.renew(old, by=None, until=soon + DAY)
    assert (old.expires_at, new.expires_at) == (soon, soon)


def test_ending_the_old_key_by_hand_has_effect_on_the_next_request(old: RegistrationKey, simpsons: Cast) -> None:
    renewal.renew(old, by=None)
    assert ask(simpsons.kitchen.serial, old.lookup).status_code == 200
    renewal.end(old, by=simpsons.homer)
    assert ask(simpsons.kitchen.serial, old.lookup).status_code == 403


def test_a_key_without_successor_is_not_ended_but_revoked(old: RegistrationKey, simpsons: Cast) -> None:
    with pytest.raises(CannotRenew):
        renewal.end(old, by=simpsons.homer)
    renewal.revoke(old, by=simpsons.homer)
    assert ask(simpsons.kitchen.serial, old.lookup).status_code == 403


def test_progress_says_who_has_moved(old: RegistrationKey, simpsons: Cast, django_assert_num_queries) -> None:
    for serial in ("one", "two", "three"):
        ask(serial, old.lookup)
    ask(simpsons.kitchen.serial, RegistrationKeyFactory(organization=simpsons.home).lookup)
    new = renewal.renew(old, by=None)
    ask("one", old.lookup)
    ask("two", new.lookup)
    told = renewal.progress(old)
    with django_assert_num_queries(3):
        assert {device.serial for device in told.devices} == {"one", "two", "three"}
        assert {device.serial for device in told.moved} == {"two"}
        assert {device.serial for device in told.left_behind} == {"one", "three"}


def test_the_old_key_ends_by_itself_when_all_have_moved_and_not_before(old: RegistrationKey) -> None:
    for serial in ("one", "two"):
        ask(serial, old.lookup)
    new = renewal.renew(old, by=None)
    ask("one", new.lookup)
    assert renewal.end_moved() == 0
    ask("two", new.lookup)
    assert renewal.end_moved() == 1
    assert renewal.end_moved() == 0
    assert ask("one", old.lookup).status_code == 403


def test_with_a_date_the_old_key_does_not_end_before_it(old: RegistrationKey) -> None:
    renewal.renew(old, by=None, until=timezone.now() + DAY)
    assert renewal.end_moved() == 0


def test_a_device_that_went_back_to_the_old_key_counts_as_left_behind(old: RegistrationKey) -> None:
    ask("one", old.lookup)
    new = renewal.renew(old, by=None)
    ask("one", new.lookup)
    ask("one", old.lookup)
    assert renewal.end_moved() == 0


def test_a_device_that_slept_through_two_renewals_takes_one_step(old: RegistrationKey, simpsons: Cast) -> None:
    second = renewal.renew(old, by=None)
    third = renewal.renew(second, by=None)
    renewal.end(second, by=simpsons.homer)
    payload = opened(ask(simpsons.kitchen.serial, old.lookup), old)
    assert payload.registration_key is not None
    assert payload.registration_key.text == third.text


def test_a_device_that_was_moved_elsewhere_follows_the_renewals_of_the_key_it_came_with(
    old: RegistrationKey, simpsons: Cast
) -> None:
    ask("one", old.lookup)
    Device.objects.get(serial="one").move(simpsons.power_plant)
    second = renewal.renew(old, by=None)
    assert ask("one", second.lookup).status_code == 200
    third = renewal.renew(second, by=None)
    assert ask("one", third.lookup).status_code == 200
    unrelated = RegistrationKeyFactory(organization=simpsons.household)
    assert ask("one", unrelated.lookup).status_code == 409


def test_a_revoked_successor_is_not_handed_out(old: RegistrationKey, simpsons: Cast) -> None:
    new = renewal.renew(old, by=None)
    renewal.revoke(new, by=simpsons.homer)
    response = ask(simpsons.kitchen.serial, old.lookup)
    assert opened(response, old).registration_key is None


def test_a_revocation_can_include_the_keys_that_travelled_in_its_envelopes(
    old: RegistrationKey, simpsons: Cast
) -> None:
    second = renewal.renew(old, by=None)
    third = renewal.renew(second, by=None)
    other = RegistrationKeyFactory(organization=simpsons.household)
    assert renewal.revoke(second, by=simpsons.homer, with_successors=True) == 2
    answers = {key: ask(simpsons.kitchen.serial, key.lookup).status_code for key in (old, second, third, other)}
    assert answers == {old: 200, second: 403, third: 403, other: 200}


def test_a_key_is_renewed_once(old: RegistrationKey, simpsons: Cast) -> None:
    same = RegistrationKey.objects.get(pk=old.pk)
    renewal.renew(old, by=None)
    with pytest.raises(CannotRenew, match="already"):
        renewal.renew(old, by=None)
    with pytest.raises(CannotRenew, match="just"):
        renewal.renew(same, by=None)
    assert RegistrationKey.objects.count() == 2
    renewal.revoke(old, by=simpsons.homer)
    with pytest.raises(CannotRenew, match="over"):
        renewal.renew(old, by=None)


@pytest.mark.django_db(transaction=True)
def test_of_four_renewals_at_once_one_wins(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household)

    def renew(_n: int) -> bool:
        try:
            renewal.renew(RegistrationKey.objects.get(pk=key.pk), by=None)
        except CannotRenew:
            return False
        return True

    assert sum(all_at_once(renew, 4)) == 1
    assert RegistrationKey.objects.count() == 2


def test_a_process_that_dies_on_the_way_leaves_no_key_that_nobody_asked_for(
    old: RegistrationKey, simpsons: Cast
) -> None:
    with pytest.raises(ProcessDied), patch.object(renewal, "_record", side_effect=ProcessDied):
        renewal.renew(old, by=simpsons.homer)
    assert RegistrationKey.objects.get() == old
    old.refresh_from_db()
    assert renewal.renew(old, by=simpsons.homer) == RegistrationKey.objects.exclude(pk=old.pk).get()


def test_the_limit_of_devices_is_that_of_the_whole_line(simpsons: Cast) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household, use_limit=2)
    assert ask("one", key.lookup).status_code == 200
    new = renewal.renew(RegistrationKey.objects.get(pk=key.pk), by=None)
    assert ask("one", new.lookup).status_code == 200
    assert ask("two", new.lookup).status_code == 200
    assert ask("three", new.lookup).status_code == 409


def test_a_renewal_costs_the_hot_path_nothing_but_one_update_at_the_change(
    old: RegistrationKey, simpsons: Cast, time_machine, django_assert_num_queries
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    serial = simpsons.kitchen.serial
    ask(serial, old.lookup)
    new = renewal.renew(old, by=None)
    with django_assert_num_queries(1):
        ask(serial, old.lookup)
    with django_assert_num_queries(2):
        ask(serial, new.lookup)
    with django_assert_num_queries(1):
        ask(serial, new.lookup)


def test_everything_is_audited_without_the_key(old: RegistrationKey, simpsons: Cast) -> None:
    new = renewal.renew(old, by=simpsons.homer, address="192.0.2.7")
    renewal.end(old, by=simpsons.homer)
    renewal.revoke(new, by=simpsons.homer)
    entries = AuditEntry.objects.filter(action__startswith="registration_key.").order_by("pk")
    assert [entry.action for entry in entries] == [
        "registration_key.renewed",
        "registration_key.ended",
        "registration_key.revoked",
    ]
    assert entries[0].address == "192.0.2.7"
    told = repr(list(entries.values()))
    assert old.secret not in told
    assert new.secret not in told
