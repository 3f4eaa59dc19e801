"""Closing one's account by the page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from channels.embedded import Embedded
from channels.models import ChannelKey
from channels.platforms import OutOfReach
from devices import closing
from devices.models import Closure
from orgs.errors import ChangedMeanwhile, LastManager, Suspended
from orgs.models import AuditEntry, Membership, Organization, User
from portal import take_outs
from portal.closing import close_account, erase
from portal.log_ins import LogIn
from tests.background import do_background_work
from tests.conftest import Cast
from tests.factories import PASSWORD, MembershipFactory
from tests.parallel import all_at_once
from tests.portal.conftest import long_after_the_log_in

PAGE = "/account/close/"
Close = Callable[..., Any]


@pytest.fixture
def close(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Close:
    """Confirm with the password, then send the form."""

    def send(client: Client, **data: str) -> Any:
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(PAGE, data, follow=True)

    return send


def test_marge_closes_her_account_and_is_gone(as_marge: Client, close: Close, simpsons: Cast) -> None:
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    key = ChannelKey.objects.get(holder=simpsons.marge).value
    page = close(as_marge).content.decode()
    assert "Your account is closed." in page
    assert not User.objects.filter(email="marge@example.net").exists()
    assert not LogIn.objects.filter(user=simpsons.marge.pk).exists()
    assert as_marge.get("/devices/").status_code == 302
    number = simpsons.kitchen.channel.number
    assert Client().get(f"/channels/{number}/feeds.json?api_key={key}").status_code == 400
    assert (
        Client().post(reverse("account_login"), {"login": "marge@example.net", "password": PASSWORD}).status_code == 200
    )
    noted = AuditEntry.objects.get(action="account.closed")
    assert (noted.actor, noted.actor_name) == (None, "marge@example.net")


def test_the_password_is_asked_for(as_marge: Client, simpsons: Cast) -> None:
    with long_after_the_log_in():
        assert as_marge.post(PAGE)["Location"].startswith(reverse("account_reauthenticate"))
    assert User.objects.filter(pk=simpsons.marge.pk).exists()


def test_the_only_manager_has_to_type_the_name_of_what_is_closed_with_it(
    as_homer: Client, close: Close, simpsons: Cast
) -> None:
    page = as_homer.get(PAGE).content.decode()
    assert "You are the only manager of “The Simpsons”." in page
    assert "2 devices" in page
    assert "2 other people in “The Simpsons”" in page
    field = f"name_{simpsons.home.pk}"
    for typed in ("", "Simpsons"):
        page = close(as_homer, **{field: typed}).content.decode()
        assert f'id="id_{field}_error"' in page
    assert 'value="Simpsons"' in page
    assert User.objects.filter(pk=simpsons.homer.pk).exists()
    assert not Closure.objects.exists()

    close(as_homer, **{field: "the simpsons "})
    assert not User.objects.filter(pk=simpsons.homer.pk).exists()
    do_background_work()
    assert list(Organization.objects.values_list("name", flat=True)) == ["Carl's"]


def test_with_another_manager_the_customer_lives_on(as_homer: Client, close: Close, simpsons: Cast) -> None:
    MembershipFactory(organization=simpsons.home, relation=Membership.Relation.MANAGER)
    assert "only manager" not in as_homer.get(PAGE).content.decode()
    close(as_homer)
    do_background_work()
    assert Organization.objects.filter(pk=simpsons.home.pk, suspended_at=None).exists()
    assert not User.objects.filter(pk=simpsons.homer.pk).exists()


def test_a_guest_manager_does_not_count_as_another_one(as_homer: Client, simpsons: Cast) -> None:
    guest = MembershipFactory(organization=simpsons.home, relation=Membership.Relation.MANAGER)
    Membership.objects.filter(pk=guest.pk).update(valid_until="2099-01-01T00:00Z")
    assert "only manager" in as_homer.get(PAGE).content.decode()


def test_if_the_other_manager_leaves_in_the_meantime_nothing_is_done(simpsons: Cast) -> None:
    with pytest.raises(LastManager):
        close_account(simpsons.homer, with_customers={})
    assert Membership.objects.filter(user=simpsons.homer).exists()


def test_if_somebody_else_becomes_a_manager_in_the_meantime_nothing_is_done(simpsons: Cast) -> None:
    MembershipFactory(organization=simpsons.home, relation=Membership.Relation.MANAGER)
    with pytest.raises(ChangedMeanwhile, match="The Simpsons"):
        close_account(simpsons.homer, with_customers={simpsons.home: False})
    assert not Closure.objects.exists()
    assert Membership.objects.filter(user=simpsons.homer).exists()


@pytest.mark.parametrize("until", [None, "2000-01-01T00:00Z", "2099-01-01T00:00Z"])
def test_nobody_but_its_manager_closes_a_customer_whose_manager_is_locked_out(
    simpsons: Cast, close: Close, until: str | None
) -> None:
    relation = Membership.Relation.MANAGER if until else Membership.Relation.MEMBER
    bart = MembershipFactory(organization=simpsons.home, relation=relation, valid_until=until).user
    User.objects.filter(pk=simpsons.homer.pk).update(is_active=False)
    as_bart = Client()
    as_bart.force_login(bart)
    assert "only manager" not in as_bart.get(PAGE).content.decode()
    close(as_bart, **{f"name_{simpsons.home.pk}": "The Simpsons"})
    assert not User.objects.filter(pk=bart.pk).exists()
    assert not Closure.objects.exists()
    assert Membership.objects.filter(organization=simpsons.household).exists()


def test_whoever_has_a_key_that_the_platform_has_not_ended_goes_when_it_has(
    as_marge: Client, close: Close, simpsons: Cast
) -> None:
    as_marge.post(f"/devices/{simpsons.kitchen.pk}/read-key/")
    with patch.object(Embedded, "revoke_key", side_effect=OutOfReach):
        close(as_marge)
    marge = User.objects.get(pk=simpsons.marge.pk)
    assert not marge.is_active
    assert not erase.call(marge.pk)
    for key in ChannelKey.objects.filter(holder=marge):
        key.move_to("revoked")
    assert erase.call(marge.pk)
    assert not User.objects.filter(pk=marge.pk).exists()


def test_a_suspended_customer_is_not_closed_with_the_account_of_its_only_manager(
    as_homer: Client, close: Close, simpsons: Cast
) -> None:
    simpsons.home.suspend()
    for page in (as_homer.get(PAGE), close(as_homer, **{f"name_{simpsons.home.pk}": "The Simpsons"})):
        html = page.content.decode()
        assert "The service for The Simpsons is paused, and nobody but you manages it." in html
        assert 'type="submit" class="btn btn-danger"' not in html
    assert User.objects.filter(pk=simpsons.homer.pk, is_active=True).exists()
    assert not Closure.objects.exists()
    assert simpsons.home.memberships.filter(user=simpsons.homer).exists()


def test_not_even_if_it_was_suspended_after_the_page_was_read(simpsons: Cast) -> None:
    customer = Organization.objects.get(pk=simpsons.home.pk)
    simpsons.home.suspend()
    with pytest.raises(Suspended, match=r"The Simpsons.* is paused"):
        close_account(simpsons.homer, with_customers={customer: False})
    assert not Closure.objects.exists()
    assert Membership.objects.filter(user=simpsons.homer).exists()


def test_others_may_leave_a_suspended_customer_for_good(as_marge: Client, close: Close, simpsons: Cast) -> None:
    simpsons.home.suspend()
    assert "Your account is closed." in close(as_marge).content.decode()
    assert not User.objects.filter(pk=simpsons.marge.pk).exists()


def test_somebody_whom_an_operator_let_in_again_is_not_erased(simpsons: Cast) -> None:
    assert erase.call(simpsons.marge.pk)
    assert User.objects.filter(pk=simpsons.marge.pk).exists()


def test_a_file_with_all_data_goes_too(
    as_marge: Client, close: Close, simpsons: Cast, settings: Settings, tmp_path: Path
) -> None:
    settings.TAKE_OUT_FOLDER = tmp_path
    take_out = take_outs.ask_for(simpsons.marge)
    take_out.path.write_text("everything")
    close(as_marge)
    assert list(tmp_path.iterdir()) == []


def test_where_the_account_is_ones_own_it_is_asked_what_becomes_of_the_channels(
    as_homer: Client, close: Close, simpsons: Cast
) -> None:
    name, channels = f"name_{simpsons.home.pk}", f"channels_{simpsons.home.pk}"
    with patch.object(Embedded, "can_create_accounts", False):
        assert "Keep them there" in as_homer.get(PAGE).content.decode()
        page = close(as_homer, **{name: "The Simpsons"}).content.decode()
        assert f'id="id_{channels}_error"' in page
        close(as_homer, **{name: "The Simpsons", channels: "keep"})
    assert Closure.objects.get().keep_channels


@pytest.mark.django_db(transaction=True)
def test_two_who_belong_to_what_the_other_closes_do_not_wait_for_each_other(
    simpsons: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    MembershipFactory(organization=simpsons.home, user=simpsons.carl)
    MembershipFactory(organization=simpsons.carls, user=simpsons.homer)
    both_are_at_it = Barrier(2)

    def close_customer(*args: Any, **options: Any) -> None:
        with suppress(BrokenBarrierError):  # One waits for the other to be done, as it should.
            both_are_at_it.wait(1)
        closing.close_customer(*args, **options)

    monkeypatch.setattr("portal.closing.close_customer", close_customer)
    leaving = [(simpsons.homer, simpsons.home), (simpsons.carl, simpsons.carls)]
    all_at_once(lambda n: close_account(leaving[n][0], with_customers={leaving[n][1]: False}), 2)
    assert AuditEntry.objects.filter(action="account.closed").count() == 2
