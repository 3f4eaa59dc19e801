"""Operators invite by the same rules as everybody else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from orgs import invitations
from orgs.errors import MailNotSent
from orgs.models import AuditEntry, Invitation
from tests.conftest import Cast
from tests.orgs.operating import act, said, url


def _link_in(message: Any) -> str:
    match = re.search(r"/invitations/(\S+)/", str(message.body))
    assert match
    return match[1]


def test_an_invitation_is_sent_and_its_link_is_not_shown(
    as_operator: Client, simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    until = timezone.localtime(timezone.now() + timedelta(days=3))
    data = {
        "organization": simpsons.household.pk, "email": "Maggie@example.net", "given_name": "Maggie",
        "family_name": "", "relation": "member", "expires_at_0": f"{until:%Y-%m-%d}", "expires_at_1": f"{until:%H:%M}",
    }  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        response = as_operator.post(url("invitation_add"), data, follow=True)
    (message,) = mail.outbox
    assert message.to == ["maggie@example.net"]
    token = _link_in(message)
    assert invitations.find(token).organization == simpsons.household
    assert token not in response.content.decode()


def test_an_invitation_whose_mail_does_not_go_out_is_kept_and_that_is_said(
    as_operator: Client, simpsons: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with patch("orgs.admin_invitations.invitations.resend", side_effect=MailNotSent("No mail today.")):
        invitation = invitations.invite(organization=simpsons.household, email="bart@example.net", by=simpsons.homer)
        assert "No mail today." in said(act(as_operator, "invitation", "resend", invitation))
    # On commit, after the row is there: the form must not come back and invite again.
    with patch("orgs.admin_invitations.invitations.invite", side_effect=MailNotSent("No mail today.")):
        data = {"organization": simpsons.household.pk, "email": "lisa@example.net", "relation": "member"}
        until = timezone.localtime(timezone.now() + timedelta(days=3))
        data |= {"expires_at_0": f"{until:%F}", "expires_at_1": "12:00"}
        response = as_operator.post(url("invitation_add"), data)
    assert response["Location"] == url("invitation_changelist")
    assert "No mail today." in said(response)


@pytest.fixture
def invitation(simpsons: Cast) -> Invitation:
    return invitations.invite(organization=simpsons.household, email="maggie@example.net", by=simpsons.homer)


def test_a_new_link_is_sent_for_an_invitation_that_has_run_out(
    as_operator: Client, invitation: Invitation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    old = invitation.token_hash
    with django_capture_on_commit_callbacks(execute=True):
        response = act(as_operator, "invitation", "resend", invitation)
    assert "maggie@example.net" in said(response)
    assert invitations.find(_link_in(mail.outbox[0])) == invitation
    invitation.refresh_from_db()
    assert invitation.token_hash != old
    assert not invitation.is_expired
    assert AuditEntry.objects.about(invitation).exists()


def test_an_invitation_is_withdrawn(as_operator: Client, invitation: Invitation) -> None:
    act(as_operator, "invitation", "withdraw", invitation)
    invitation.refresh_from_db()
    assert invitation.revoked_at is not None


@pytest.mark.parametrize("action", ["resend", "withdraw"])
def test_an_invitation_that_was_accepted_is_left_alone(
    action: str, as_operator: Client, invitation: Invitation, mailoutbox: list[Any]
) -> None:
    Invitation.objects.update(accepted_at=timezone.now())
    response = act(as_operator, "invitation", action, invitation)
    assert "accepted or withdrawn" in said(response)
    assert not mailoutbox


def test_an_invitation_is_not_edited_after_it_was_sent(as_operator: Client, invitation: Invitation) -> None:
    response = as_operator.post(url("invitation_change", invitation.pk), {"email": "bart@example.net"})
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("open", {}),
        ("expired", {"expires_at": timezone.now() - timedelta(days=1)}),
        ("accepted", {"accepted_at": timezone.now()}),
        ("withdrawn", {"revoked_at": timezone.now()}),
    ],
)
def test_invitations_are_filtered_by_where_they_stand(
    state: str, change: dict[str, Any], as_operator: Client, invitation: Invitation
) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(**change)
    for asked in ("open", "expired", "accepted", "withdrawn"):
        response = as_operator.get(url("invitation_changelist"), {"state": asked})
        assert list(response.context["cl"].result_list) == ([invitation] if asked == state else [])


def test_what_cannot_be_written_down_is_not_done(as_operator: Client, simpsons: Cast) -> None:
    sent = invitations.invite(organization=simpsons.household, email="maggie@example.net", by=simpsons.homer)
    with (
        patch("orgs.admin_invitations.InvitationAdmin.log_change", side_effect=RuntimeError),
        pytest.raises(RuntimeError),
    ):
        act(as_operator, "invitation", "withdraw", sent)
    sent.refresh_from_db()
    assert sent.revoked_at is None
