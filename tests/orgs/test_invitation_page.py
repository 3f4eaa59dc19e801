"""Inviting on the page of an organization, and the page behind the link in the mail."""

from __future__ import annotations

import re
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from unittest.mock import patch

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from orgs.audit import AuditEntry
from orgs.invitations_a_day import sent_since
from orgs.models import Invitation, Membership, Organization, User
from tests.conftest import MANAGER, Cast
from tests.factories import PASSWORD, UserFactory

BART = {
    "given_name": "Bart",
    "family_name": "Simpson",
    "password1": "eat-my-shorts-4711",
    "password2": "eat-my-shorts-4711",
}


def link() -> str:
    """The address in the newest mail."""
    found = re.search(r"/invitations/[\w-]+/", str(mail.outbox[-1].body))
    assert found
    return found[0]


@pytest.fixture
def invite(simpsons: Cast, as_homer: Client, django_capture_on_commit_callbacks):
    def send(email: str = "bart@example.net", relation: str = "member") -> str:
        form = {"email": email, "given_name": "Bart", "family_name": "", "relation": relation}
        with django_capture_on_commit_callbacks(execute=True):
            answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form)
        assert answer.status_code == 302
        return link()

    return send


@pytest.fixture
def visitor() -> Client:
    return Client()


# ---- inviting ----


def test_homer_cannot_tell_whether_an_address_has_an_account(
    simpsons: Cast, as_homer: Client, django_capture_on_commit_callbacks
) -> None:
    pages = []
    now = timezone.now()
    for email in ("carl@example.net", "bart@example.net"):
        form = {"email": email, "relation": "member"}
        with time_machine.travel(now, tick=False), django_capture_on_commit_callbacks(execute=True):
            answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form, follow=True)
        pages.append(
            re.sub(r"(invited/)\d+|csrf.*?>|\w+@example.net|data-chart.*|hx-headers.*", r"\1", answer.content.decode())
        )
        Invitation.objects.all().delete()
    assert pages[0] == pages[1]
    assert [message.to for message in mail.outbox] == [["carl@example.net"], ["bart@example.net"]]
    assert mail.outbox[0].subject == mail.outbox[1].subject


@pytest.mark.parametrize("typed", ["Homer@Example.net", "second@example.org"])
def test_nobody_invites_themselves_by_any_of_their_addresses(simpsons: Cast, as_homer: Client, typed: str) -> None:
    EmailAddress.objects.create(user=simpsons.homer, email="Second@example.org", verified=True)
    form = {"email": typed, "relation": "manager"}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form)
    assert "This is your own address." in answer.context["form"].errors["email"][0]
    assert not Invitation.objects.exists()


def test_an_address_that_somebody_has_not_confirmed_is_not_theirs(simpsons: Cast, as_homer: Client) -> None:
    EmailAddress.objects.create(user=simpsons.homer, email="carl@example.net", verified=False)
    form = {"email": "carl@example.net", "relation": "member"}
    as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form)
    assert Invitation.objects.get().email == "carl@example.net"


@pytest.mark.parametrize("typed", ["", "bart", "bart@"])
def test_a_bad_address_is_said_on_its_field_and_nothing_is_sent(simpsons: Cast, as_homer: Client, typed: str) -> None:
    form = {"email": typed, "given_name": "Bart", "relation": "manager"}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form)
    assert list(answer.context["form"].errors) == ["email"]
    assert 'value="Bart"' in answer.content.decode()
    assert not mail.outbox


def test_somebody_whom_homer_sees_there_already_is_not_invited_again(simpsons: Cast, as_homer: Client) -> None:
    form = {"email": "MARGE@example.net", "relation": "member"}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form)
    assert "is in Household already" in answer.content.decode()
    assert not Invitation.objects.exists()


def test_inviting_twice_leaves_one_invitation_with_a_new_link(invite, visitor: Client) -> None:
    first, second = invite(), invite()
    assert visitor.get(first).status_code == 404
    assert visitor.get(second).status_code == 200
    assert Invitation.objects.pending().count() == 1


def test_sending_again_ends_the_old_link(
    invite, as_homer: Client, visitor: Client, django_capture_on_commit_callbacks
) -> None:
    old = invite()
    invitation = Invitation.objects.get()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    with django_capture_on_commit_callbacks(execute=True):
        as_homer.post(f"/invited/{invitation.pk}/resend/")
    assert visitor.get(old).status_code == 404
    assert visitor.get(link()).status_code == 200


def test_a_withdrawn_invitation_lets_nobody_in(invite, as_homer: Client, visitor: Client) -> None:
    address = invite()
    as_homer.post(f"/invited/{Invitation.objects.get().pk}/withdraw/")
    assert visitor.get(address).status_code == 404


def test_an_accepted_invitation_is_neither_sent_again_nor_withdrawn(invite, as_homer: Client, visitor: Client) -> None:
    visitor.post(invite(), BART)
    sent = len(mail.outbox)
    for step in ("resend", "withdraw"):
        answer = as_homer.post(f"/invited/{Invitation.objects.get().pk}/{step}/", follow=True)
        assert "has been accepted or withdrawn in the meantime" in answer.content.decode()
    assert len(mail.outbox) == sent


@pytest.mark.django_db(transaction=True)
def test_a_mail_server_that_is_away_is_said_and_the_invitation_can_be_sent_later(
    simpsons: Cast, as_homer: Client
) -> None:
    form = {"email": "bart@example.net", "relation": "member"}
    with patch("orgs.invitation_mail.send_mail", side_effect=SMTPServerDisconnected):
        answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form, follow=True)
    html = answer.content.decode()
    assert "The mail could not be sent at the moment" in html
    assert "Send again" in html
    assert Invitation.objects.pending().count() == 1


# ---- accepting, without an account ----


def test_bart_chooses_his_own_password_and_lands_on_his_devices(simpsons: Cast, invite, visitor: Client) -> None:
    answer = visitor.post(invite(), BART, follow=True)
    assert answer.redirect_chain == [("/devices/", 302)]
    assert "kitchen" in answer.content.decode()
    assert "You now see the devices of Household" in answer.content.decode()
    assert User.objects.get(email="bart@example.net").check_password(BART["password1"])


def test_the_names_that_homer_gave_are_filled_in_and_can_be_changed(invite, visitor: Client) -> None:
    address = invite()
    assert 'value="Bart"' in visitor.get(address).content.decode()
    visitor.post(address, BART | {"given_name": "Bartholomew"})
    assert User.objects.get(email="bart@example.net").given_name == "Bartholomew"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"password1": "12345678", "password2": "12345678"}, "entirely numeric"),
        ({"password1": "password", "password2": "password"}, "too common"),
        ({"password1": "bart@example.net", "password2": "bart@example.net"}, "too similar to the e-mail address"),
        ({"password2": "something-else-4711"}, "didn’t match"),
        ({"given_name": ""}, "required"),
    ],
)
def test_a_weak_or_mistyped_password_is_said_and_makes_nobody(
    invite, visitor: Client, wrong: dict[str, str], sentence: str
) -> None:
    answer = visitor.post(invite(), BART | wrong)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert sentence in html.replace("&#x27;", "’")
    assert not User.objects.filter(email="bart@example.net").exists()
    assert BART["password1"] not in html


def test_the_page_is_not_kept_by_any_cache(invite, visitor: Client) -> None:
    assert "no-store" in visitor.get(invite())["Cache-Control"]


def test_accepting_is_in_the_audit(invite, visitor: Client) -> None:
    visitor.post(invite(), BART)
    entry = AuditEntry.objects.get(action="invitation.accepted")
    assert entry.actor == User.objects.get(email="bart@example.net")


# ---- accepting, with an account ----


@pytest.fixture
def lisa(db: None) -> User:
    return UserFactory(email="lisa@example.net", given_name="Lisa")


def test_lisa_who_has_an_account_logs_in_first_and_then_accepts(
    simpsons: Cast, lisa: User, invite, visitor: Client
) -> None:
    address = invite("lisa@example.net")
    html = visitor.get(address).content.decode()
    assert f"/accounts/login/?next={address}" in html
    assert "password1" not in html

    answer = visitor.post(f"/accounts/login/?next={address}", {"login": lisa.email, "password": PASSWORD}, follow=True)
    assert "Accept and go to my devices" in answer.content.decode()

    assert visitor.post(address)["Location"] == "/devices/"
    assert Membership.objects.get(user=lisa).organization == simpsons.household


def test_opening_the_link_accepts_nothing(lisa: User, invite, visitor: Client) -> None:
    """Mail programs and scanners open links."""
    visitor.force_login(lisa)
    visitor.get(invite("lisa@example.net"))
    assert not Membership.objects.filter(user=lisa).exists()


def test_an_account_is_not_replaced_by_a_new_one(lisa: User, invite, visitor: Client) -> None:
    visitor.post(invite("lisa@example.net"), BART)
    assert not Membership.objects.filter(user=lisa).exists()
    assert User.objects.filter(email="lisa@example.net").count() == 1
    lisa.refresh_from_db()
    assert lisa.check_password(PASSWORD)


@pytest.mark.parametrize("email", ["bart@example.net", "lisa@example.net"])
def test_somebody_else_who_is_logged_in_is_asked_to_log_out(
    simpsons: Cast, lisa: User, invite, as_carl: Client, email: str
) -> None:
    address = invite(email)
    for answer in (as_carl.get(address), as_carl.post(address, BART)):
        assert "This invitation is for somebody else" in answer.content.decode()
    assert not Membership.objects.filter(user=simpsons.carl, organization=simpsons.household).exists()
    assert as_carl.post("/accounts/logout/", {"next": address})["Location"] == address


def test_a_manager_who_is_invited_as_a_member_stays_a_manager(simpsons: Cast, invite, as_homer: Client) -> None:
    Membership.objects.create(user=simpsons.carl, organization=simpsons.household, relation=MANAGER)
    Membership.objects.filter(user=simpsons.carl, organization=simpsons.household).update(
        valid_until=timezone.now() - timedelta(days=1)
    )
    address = invite("carl@example.net", "member")
    Membership.objects.filter(user=simpsons.carl).update(valid_until=None)
    client = Client()
    client.force_login(simpsons.carl)
    client.post(address)
    assert simpsons.carl.memberships.get(organization=simpsons.household).relation == MANAGER


def test_a_guest_whose_time_had_run_out_is_back(simpsons: Cast, invite, as_marge: Client) -> None:
    Membership.objects.filter(user=simpsons.marge).update(valid_until=timezone.now() - timedelta(days=1))
    as_marge.post(invite("marge@example.net"))
    assert simpsons.marge.memberships.get().valid_until is None


# ---- links that are not good ----


def test_a_link_that_is_not_good_says_what_to_do_and_nothing_else(invite, visitor: Client) -> None:
    used = invite()
    Client().post(used, BART)
    expired = invite("a@example.net")
    Invitation.objects.filter(email="a@example.net").update(expires_at=timezone.now())
    pages = set()
    for address in (used, expired, "/invitations/nonsense/"):
        answer = visitor.get(address)
        assert answer.status_code == 404
        page = answer.content.decode().replace(address, "")  # Where the language switch leads back to.
        pages.add(re.sub(r"csrf.*?>", "", page))
        assert visitor.post(address, BART).status_code == 404
    assert len(pages) == 1
    assert "Ask whoever invited you for a new one" in pages.pop()


def test_a_customer_cannot_write_to_strangers_without_end(
    simpsons: Cast, as_homer: Client, as_carl: Client, settings: Settings
) -> None:
    settings.INVITATIONS_A_DAY = 2

    def invite(name: str, client: Client = as_homer, into: Organization = simpsons.household) -> HttpResponse:
        form = {"email": f"{name}@example.net", "relation": "member"}
        return client.post(f"/organizations/{into.pk}/invite/", form)

    assert invite("ned").status_code == 302
    pending = Invitation.objects.get()
    link_before = pending.token_hash
    assert as_homer.post(f"/invited/{pending.pk}/resend/").status_code == 302
    pending.refresh_from_db()
    link_again = pending.token_hash
    assert link_again != link_before
    refused = invite("maude")
    assert refused.status_code == 200
    assert "No more than 2 invitations can be sent within a day." in refused.content.decode()
    assert "maude@example.net" in refused.content.decode()
    as_homer.post(f"/invited/{pending.pk}/resend/")
    pending.refresh_from_db()
    assert pending.token_hash == link_again
    assert invite("lou", as_carl, simpsons.carls).status_code == 302
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)):
        assert invite("maude").status_code == 302


def test_the_invitations_of_a_day_are_counted_by_an_index_of_their_own(simpsons: Cast) -> None:
    if connection.vendor == "postgresql":  # which otherwise scans a table of a few rows
        connection.cursor().execute("SET LOCAL enable_seqscan = off")
    counted = sent_since(timezone.now() - timedelta(days=1), organization=simpsons.household)
    assert "audit_of_invitations_sent" in counted.order_by().explain()
