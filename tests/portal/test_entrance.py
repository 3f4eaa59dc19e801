"""Coming in: what the pages say when something is wrong, and what they know already."""

from __future__ import annotations

import re
from html import unescape

import pytest
from allauth.core import context
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from orgs import invitations
from orgs.models import Invitation, User
from portal.accounts import SecondFactors
from tests.conftest import Cast
from tests.factories import PASSWORD

FIREFOX = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"


@pytest.fixture
def visitor(client: Client) -> Client:
    cache.clear()  # It counts tries, those of other tests too.
    return client


@pytest.fixture
def invitation_page(simpsons: Cast, django_capture_on_commit_callbacks) -> str:
    """The address in the mail to Carl, who has an account."""
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite(organization=simpsons.household, email="carl@example.net", by=simpsons.homer)
    found = re.search(r"/invitations/[\w-]+/", str(mail.outbox[-1].body))
    assert found
    return found[0]


def text(answer) -> str:  # type: ignore[no-untyped-def]
    return unescape(answer.content.decode())


def test_whoever_logs_in_to_accept_need_not_type_the_address(visitor: Client, invitation_page: str) -> None:
    html = text(visitor.get("/accounts/login/", {"next": invitation_page}))
    assert 'value="carl@example.net"' in html


@pytest.mark.parametrize(
    "address", ["", "/devices/", "/invitations/unknown/", "/nowhere", "https://elsewhere.example/"]
)
def test_no_other_way_to_the_log_in_names_anybody(visitor: Client, invitation_page: str, address: str) -> None:
    assert "carl@example.net" not in text(visitor.get("/accounts/login/", {"next": address}))


def test_a_withdrawn_invitation_names_nobody(visitor: Client, invitation_page: str) -> None:
    invitations.withdraw(Invitation.objects.get())
    assert "carl@example.net" not in text(visitor.get("/accounts/login/", {"next": invitation_page}))


def test_a_wrong_password_is_said_with_what_helps(visitor: Client, simpsons: Cast) -> None:
    html = text(visitor.post("/accounts/login/", {"login": "marge@example.net", "password": "wrong"}))
    assert "The e-mail address or the password is not right. “Show” lets you read what you type." in html
    assert 'value="marge@example.net"' in html


def test_an_empty_log_in_does_not_speak_of_saving(visitor: Client, db: None) -> None:
    html = text(visitor.post("/accounts/login/", {}))
    assert "Please look at the marked fields." in html
    assert "Nothing has been saved" not in html


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("/signup/", {"Given name", "Family name", "E-mail address", "Password", "The same password once more"}),
        ("/accounts/login/", {"E-mail address", "Password"}),
        ("/accounts/password/reset/", {"E-mail address"}),
        ("/accounts/password/change/", {"Present password", "New password", "The same password once more"}),
        ("/accounts/email/", {"New e-mail address"}),
        ("/accounts/reauthenticate/", {"Password"}),
    ],
)
def test_what_is_missing_is_called_as_on_the_page(
    address: str, named: set[str], visitor: Client, as_marge: Client, simpsons: Cast
) -> None:
    client = visitor if address in ("/signup/", "/accounts/login/", "/accounts/password/reset/") else as_marge
    as_marge.post("/accounts/reauthenticate/", {"password": PASSWORD})
    html = text(client.post(address, {"action_add": ""}))
    assert set(re.findall(r"Please fill in “(.+?)”", html)) == named
    labels = {label.strip() for label in re.findall(r'<label class="form-label"[^>]*>([^<]+)', html)}
    assert named <= labels


def test_too_many_wrong_passwords_say_how_long_to_wait(visitor: Client, simpsons: Cast) -> None:
    for _try in range(6):
        answer = visitor.post("/accounts/login/", {"login": "marge@example.net", "password": "wrong"})
    assert "Please wait five minutes" in text(answer)


def test_too_many_wishes_for_a_mail_get_a_page_of_ours(visitor: Client, simpsons: Cast) -> None:
    for _try in range(6):
        answer = visitor.post("/accounts/password/reset/", {"email": "marge@example.net"})
    assert answer.status_code == 429
    assert "Please try again in five minutes" in text(answer)
    assert 'lang="en"' in text(answer)


def test_what_was_sent_after_the_session_had_ended_is_said_not_to_be_done(visitor: Client, simpsons: Cast) -> None:
    answer = visitor.post("/account/", {"given_name": "Marjorie"}, follow=True)
    assert answer.redirect_chain == [("/accounts/login/?next=/account/", 302)]
    assert "You were no longer logged in, so that was not done" in text(answer)


def test_looking_at_a_page_without_being_logged_in_says_nothing_of_the_kind(visitor: Client, db: None) -> None:
    assert "no longer logged in" not in text(visitor.get("/account/", follow=True))


def test_the_page_for_a_new_password_offers_one_way_for_those_who_forgot_the_old(as_marge: Client) -> None:
    html = text(as_marge.get("/accounts/password/change/"))
    assert html.count("/accounts/password/reset/") == 1
    assert "New password" in html


def test_phones_offer_digits_for_a_code(as_marge: Client, simpsons: Cast) -> None:
    as_marge.post("/accounts/reauthenticate/", {"password": PASSWORD})
    html = text(as_marge.get("/accounts/2fa/totp/activate/"))
    assert 'inputmode="numeric"' in html
    assert 'href="otpauth://totp/' in html


def test_a_mail_about_the_account_names_the_browser_as_people_do(as_marge: Client, simpsons: Cast) -> None:
    new = "a-new-one-for-the-hallway"
    as_marge.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
        headers={"user-agent": FIREFOX},
    )
    assert "Browser: Firefox on Android\n" in str(mail.outbox[-1].body)


def test_a_passkey_is_called_after_the_browser_that_it_is_made_in(
    simpsons: Cast,
    rf,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    def proposed(user: User) -> str:
        with context.request_context(rf.get("/", headers={"user-agent": FIREFOX})):
            return SecondFactors().generate_authenticator_name(user, Authenticator.Type.WEBAUTHN)

    assert proposed(simpsons.marge) == "Firefox on Android"
    Authenticator.objects.create(
        user=simpsons.marge, type=Authenticator.Type.WEBAUTHN, data={"name": "Firefox on Android"}
    )
    assert proposed(simpsons.marge) == "Firefox on Android 2"
    assert proposed(simpsons.homer) == "Firefox on Android"


def test_a_link_that_has_been_used_tells_those_who_are_logged_in_as_whom(as_carl: Client, invitation_page: str) -> None:
    as_carl.post(invitation_page)
    html = text(as_carl.get(invitation_page))
    assert "You are logged in as <strong>carl@example.net</strong>" in html
    assert "just log in" not in html


@pytest.mark.parametrize(("given_name", "who"), [("", "ned@example.org has"), ("Ned", "Ned (ned@example.org) has")])
def test_who_asks_for_a_new_link_is_named_once(simpsons: Cast, given_name: str, who: str) -> None:
    invited = Invitation(
        organization=simpsons.household, email="ned@example.org", given_name=given_name, invited_by=simpsons.homer
    )
    token = invited.renew_token()
    invited.expires_at = timezone.now()
    invited.save()
    invitations.ask_for_new(token)
    assert f"\n{who} opened the invitation" in str(mail.outbox[-1].body)
