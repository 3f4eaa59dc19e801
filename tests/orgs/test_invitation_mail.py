"""A mail server that does not take one invitation keeps no other from going out, and the inviter reads which."""

from __future__ import annotations

from collections.abc import Sequence
from smtplib import SMTPException

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from pytest_django import Settings

from orgs.models import Invitation
from tests.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)
NOT_SENT = "The mail could not be sent at the moment. Send the invitation again later."
SEVERAL = {"relation": "member", "good_for": "14"}


class RefusesTheFlanders(EmailBackend):
    """Takes no mail for ned@ and maude@, and breaks at one for rod@."""

    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        match messages[0].to[0].partition("@")[0]:
            case "ned" | "maude":
                raise SMTPException
            case "rod":
                raise RuntimeError("Nobody expected that.")
        return super().send_messages(messages)


@pytest.fixture(autouse=True)
def mail_server(settings: Settings) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.RefusesTheFlanders"


def invite_several(client: Client, cast: Cast, *names: str) -> list[str]:
    """Invite these at once; return what the page says then."""
    lines = "\n".join(f"{name}@example.net" for name in names)
    address = f"/organizations/{cast.home.pk}/invite-several/"
    answer = client.post(address, {"lines": lines, **SEVERAL}, follow=True)
    return [str(message) for message in answer.context["messages"]]


def test_all_others_are_sent_and_those_that_were_not_are_named(simpsons: Cast, as_homer: Client) -> None:
    said = invite_several(as_homer, simpsons, "ned", "todd", "maude", "otto", "moe")
    assert said == [
        "3 invitations are on their way.",
        f"2 invitations were not sent (ned@example.net, maude@example.net). {NOT_SENT}",
    ]
    assert [letter.to for letter in mail.outbox] == [["todd@example.net"], ["otto@example.net"], ["moe@example.net"]]
    assert Invitation.objects.pending().count() == 5


def test_where_none_was_sent_nothing_is_said_to_be_on_its_way(simpsons: Cast, as_homer: Client) -> None:
    assert invite_several(as_homer, simpsons, "ned") == [f"1 invitation was not sent (ned@example.net). {NOT_SENT}"]


def test_what_nobody_expected_is_logged_and_keeps_no_other_from_going_out(
    simpsons: Cast, as_homer: Client, caplog: pytest.LogCaptureFixture
) -> None:
    said = invite_several(as_homer, simpsons, "rod", "todd")
    assert said == [
        "1 invitation is on its way.",
        f"1 invitation was not sent (rod@example.net). {NOT_SENT}",
    ]
    assert "Nobody expected that." in caplog.text


def test_of_those_that_are_sent_again_all_others_are_sent(simpsons: Cast, as_homer: Client) -> None:
    invite_several(as_homer, simpsons, "ned", "todd", "otto")
    mail.outbox.clear()
    chosen = {"invitations": [one.pk for one in Invitation.objects.all()]}
    answer = as_homer.post("/people/invited/resend/", chosen, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [
        "2 invitations are on their way with new links. The old ones have ended.",
        f"1 invitation was not sent (ned@example.net). {NOT_SENT}",
    ]
    assert sorted(letter.to[0] for letter in mail.outbox) == ["otto@example.net", "todd@example.net"]


@pytest.mark.parametrize("email", ["ned@example.net", "todd@" + "ü" * 60 + ".example"], ids=["refused", "no domain"])
def test_whoever_invites_one_reads_that_it_was_not_sent(simpsons: Cast, as_homer: Client, email: str) -> None:
    """The second is an address to all forms, but no mail server can be asked for the encoded domain."""
    address = f"/organizations/{simpsons.home.pk}/invite/"
    answer = as_homer.post(address, {"email": email, "relation": "member"}, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [NOT_SENT]
    assert Invitation.objects.get().email == email
