"""Homer invites; whoever has the link, and nobody else, gets in, with a password that only they know."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from orgs import invitations
from orgs.errors import InvitationNotGood
from orgs.models import Invitation, Membership, User
from orgs.readers import mail_to
from tests.conftest import Cast
from tests.factories import UserFactory
from tests.parallel import all_at_once

BART = {"given_name": "Bart", "family_name": "Simpson", "password": "eat-my-shorts-4711"}


@pytest.fixture
def invite(simpsons: Cast, django_capture_on_commit_callbacks):
    def send(email: str = "bart@example.com", **more: object) -> str:
        with django_capture_on_commit_callbacks(execute=True):
            invitations.invite(organization=simpsons.household, email=email, by=simpsons.homer, **more)
        link = re.search(r"/invitations/([\w-]+)/", str(mail.outbox[-1].body))
        assert link
        return link[1]

    return send


def test_bart_gets_an_account_a_confirmed_address_and_his_place(simpsons: Cast, invite) -> None:
    bart = invitations.accept_with_new_account(invite(), **BART)
    assert bart.check_password(BART["password"])
    assert EmailAddress.objects.get(user=bart).verified
    assert Membership.objects.get(user=bart).organization == simpsons.household
    assert Membership.objects.get(user=bart).relation == Membership.Relation.MEMBER


def test_the_mail_goes_to_the_address_alone_and_the_token_is_stored_as_a_hash(invite) -> None:
    token = invite()
    assert mail.outbox[-1].to == ["bart@example.com"]
    assert token not in str(Invitation.objects.values().get())


def test_a_name_with_a_line_end_makes_no_mail_fail(simpsons: Cast, invite) -> None:
    User.objects.filter(pk=simpsons.homer.pk).update(given_name="Homer\r\nBcc: carl@example.net")
    simpsons.homer.refresh_from_db()
    invite()
    assert mail.outbox[-1].subject.startswith("Homer Bcc: carl@example.net ")
    assert mail.outbox[-1].recipients() == ["bart@example.com"]
    mail_to("homer@example.net", "“Kitchen\nsink” is silent", "…")
    assert mail.outbox[-1].subject == "“Kitchen sink” is silent"


def test_a_link_works_once(invite) -> None:
    token = invite()
    invitations.accept_with_new_account(token, **BART)
    with pytest.raises(InvitationNotGood):
        invitations.find(token)


def test_unknown_expired_and_withdrawn_links_are_refused_alike(invite) -> None:
    withdrawn, expired = invite("a@example.com"), invite("b@example.com")
    Invitation.objects.filter(email="a@example.com").update(revoked_at=timezone.now())
    Invitation.objects.filter(email="b@example.com").update(expires_at=timezone.now() - timedelta(seconds=1))
    sentences = set()
    for token in ("no-such-token", withdrawn, expired):
        with pytest.raises(InvitationNotGood) as refusal:
            invitations.find(token)
        sentences.add(str(refusal.value))
    assert len(sentences) == 1


def test_a_second_invitation_replaces_the_first(invite) -> None:
    first, second = invite(), invite("BART@example.com")
    with pytest.raises(InvitationNotGood):
        invitations.find(first)
    assert invitations.find(second).email == "bart@example.com"


def test_somebody_with_an_account_gets_a_second_place_and_keeps_the_password(simpsons: Cast, invite) -> None:
    token = invite("carl@example.net")
    with pytest.raises(InvitationNotGood):
        invitations.accept_with_new_account(token, **BART)
    invitations.accept_as(simpsons.carl, token)
    assert Membership.objects.filter(user=simpsons.carl).count() == 2


def test_nobody_else_can_take_the_place(invite) -> None:
    token = invite("bart@example.com")
    with pytest.raises(InvitationNotGood):
        invitations.accept_as(UserFactory(), token)
    assert invitations.find(token)


@pytest.mark.django_db(transaction=True)
def test_a_link_opened_many_times_at_once_makes_one_account(invite) -> None:
    token = invite()

    def accept(_n: int) -> bool:
        try:
            invitations.accept_with_new_account(token, **BART)
        except InvitationNotGood:
            return False
        return True

    assert sum(all_at_once(accept, 4)) == 1
    assert User.objects.filter(email="bart@example.com").count() == 1
