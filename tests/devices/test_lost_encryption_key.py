"""A stored key that no encryption key opens any more: its owner waits, nobody else does, and the operator sees it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from channels import renewal, renewal_run, sync_run
from channels.models import Channel, ChannelKey, KeyState, PlatformAccount, Renewal, RenewalPolicy
from channels.reading_keys import end_read_keys, read_key_for
from channels.tasks import revoke_read_keys
from devices import closing
from devices import renewal as renewal_of_keys
from devices import renewal_run as all_renewals
from devices.closures import Closure
from devices.models import Device
from orgs.audit import AuditEntry
from orgs.models import Organization
from tests.channels.renewing import current
from tests.conftest import Cast
from tests.devices.flats import flat, keys_of, page_of, print_them
from tests.factories import DeviceFactory
from tests.losing import bring_back, lose

DAY = timedelta(days=1)


@pytest.fixture
def lost_account(simpsons: Cast) -> PlatformAccount:
    """Carl's. Everybody's devices are older than the Simpsons', so that it comes first in each list."""
    account: PlatformAccount = simpsons.garage.channel.account
    return account


def version_of(device: Device) -> int:
    keys = ChannelKey.objects.writing().current().filter(channel__device=device)
    return int(keys.values_list("version", flat=True).get())


def test_a_renewal_that_cannot_be_carried_out_holds_up_no_other(
    lost_account: PlatformAccount, simpsons: Cast, time_machine
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    for device in (simpsons.garage, simpsons.kitchen):
        renewal.start(Channel.objects.get(device=device), by=None)
    stored = lose(lost_account, "key")
    assert renewal_run.carry_on().renewed == 1
    assert (version_of(simpsons.kitchen), version_of(simpsons.garage)) == (2, 1)
    waiting = Renewal.objects.waiting().get()
    assert waiting.trouble == Renewal.Trouble.UNREADABLE
    assert waiting.next_try_at == timezone.now() + timedelta(minutes=1)
    assert renewal_run.carry_on().renewed == 0, "it has its time, too"

    bring_back(lost_account, "key", stored)
    time_machine.shift(timedelta(minutes=1))
    assert renewal_run.carry_on().renewed == 1
    assert version_of(simpsons.garage) == 2


def test_an_old_key_that_cannot_be_read_holds_up_the_end_of_no_other(simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    olds = []
    for device in (simpsons.garage, simpsons.kitchen):
        olds.append(renewal.renew(Channel.objects.get(device=device), by=None, overlap=DAY).old_key)
    lose(olds[0], "value")
    time_machine.shift(2 * DAY)
    assert renewal_run.carry_on().ended == 1
    assert [ChannelKey.objects.defer("value").get(pk=old.pk).state for old in olds] == [
        KeyState.RETIRING,
        KeyState.ENDED,
    ]


def test_a_policy_renews_what_it_can(lost_account: PlatformAccount, simpsons: Cast, time_machine) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    other = DeviceFactory(organization=simpsons.household)
    for customer in (simpsons.carls, simpsons.home):
        RenewalPolicy.objects.create(organization=customer, write_every=30, read_every=30, registration_every=30)
    lose(lost_account, "key")
    lose(current(other.channel), "value")
    lose(ChannelKey.objects.of_the_portal().get(channel=simpsons.reactor.channel), "value")
    time_machine.shift(30 * DAY)
    done = all_renewals.run()
    assert (done.started, done.renewed, done.read_keys_renewed) == (4, 2, 3)
    assert version_of(simpsons.kitchen) == 2


def test_read_keys_of_others_end_on_the_platform(lost_account: PlatformAccount, simpsons: Cast) -> None:
    for who, device in ((simpsons.carl, simpsons.garage), (simpsons.marge, simpsons.kitchen)):
        read_key_for(who, Channel.objects.get(device=device))
    lose(lost_account, "key")
    own = ChannelKey.objects.filter(holder__isnull=False)
    end_read_keys(own)
    assert revoke_read_keys.call(list(own.values_list("pk", flat=True))) == 1
    assert dict(own.values_list("holder__given_name", "state")) == {"Carl": "retiring", "Marge": "revoked"}


def test_other_accounts_are_compared_with_the_platform(lost_account: PlatformAccount, simpsons: Cast) -> None:
    lose(lost_account, "key")
    sync_run.sync_due()
    compared = PlatformAccount.objects.filter(synced_at__isnull=False)
    assert [str(name) for name in compared.values_list("organization__name", flat=True)] == ["The Simpsons"]


def test_a_customer_that_cannot_be_closed_says_why_and_is_closed_later(
    lost_account: PlatformAccount, simpsons: Cast, time_machine
) -> None:
    stored = lose(lost_account, "key")
    closing.close_customer(simpsons.carls, keep_channels=False, by=simpsons.carl)
    closure = Closure.objects.get()
    assert closing.carry_on.call(closure.pk) == "put off"
    closure.refresh_from_db()
    assert "decrypted" in closure.trouble
    bring_back(lost_account, "key", stored)
    time_machine.move_to(closure.next_at)
    assert closing.carry_on.call(closure.pk) == "gone"


def test_the_other_flats_of_a_house_get_their_labels(house: Organization, as_homer: Client) -> None:
    lost, other = keys_of(flat("Flat 1"), flat("Flat 2"))
    stored = lose(lost, "secret")
    assert "2 keys can be printed." in as_homer.get(page_of(house)).content.decode()
    answer = print_them(as_homer, house)
    html = answer.content.decode()
    assert [label.pk for page in answer.context["pages"] for label in page] == [other.pk]
    assert other.text in html
    assert "These have no label, because their keys cannot be decrypted at the moment." in html
    assert "<li>Elm Street 12 › Flat 1</li>" in html
    shown = AuditEntry.objects.filter(action="registration_key.shown")
    assert [entry.object_id for entry in shown] == [str(other.pk)], "nobody has seen the lost one"

    bring_back(lost, "secret", stored)
    html = print_them(as_homer, house).content.decode()
    assert lost.text in html
    assert "These have no label" not in html


def test_a_house_all_keys_of_which_are_lost_gets_the_form_again(house: Organization, as_homer: Client) -> None:
    (lost,) = keys_of(flat("Flat 1"))
    lose(lost, "secret")
    html = print_them(as_homer, house).content.decode()
    assert "<li>Elm Street 12 › Flat 1</li>" in html
    assert "Show the labels" in html
    assert "<symbol" not in html


@pytest.mark.parametrize("names", [["secret"], ["secret", "envelope_key_base64"]], ids=["the secret half", "both"])
def test_the_pages_of_a_lost_key_and_of_its_organization_are_there_and_say_so(
    names: list[str], simpsons: Cast, as_homer: Client
) -> None:
    (lost,) = keys_of(simpsons.household)
    new = renewal_of_keys.renew(lost, by=None)
    for key in (lost, new):
        for name in names:
            lose(key, name)
    assert lost.lookup in as_homer.get(f"/organizations/{simpsons.household.pk}/").content.decode()
    assert lost.lookup in as_homer.get(lost.get_absolute_url()).content.decode()
    page = new.get_absolute_url()
    assert new.lookup in as_homer.get(page).content.decode()
    for step in ("show/", "labels/"):
        sent = {"sheet": "a4-24", "count": 1}
        html = as_homer.post(f"{page}{step}", sent, follow=True).content.decode()
        assert "This key cannot be decrypted at the moment." in html, step
    assert as_homer.get(f"{page}edit/", follow=True).status_code == 200
    assert not AuditEntry.objects.filter(action="registration_key.shown").exists(), "nobody has seen it"
