"""Where somebody is logged in: listed, and ended from elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orgs import invitations
from orgs.models import AuditEntry
from portal.log_ins import LogIn
from tests.conftest import Cast
from tests.factories import NOON, PASSWORD
from tests.portal.conftest import long_after_the_log_in

PHONE = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"


def browser(user_agent: str = DESK, address: str = "192.0.2.7") -> Client:
    """A browser in which Marge has logged in by the form."""
    client = Client(HTTP_USER_AGENT=user_agent, REMOTE_ADDR=address)
    answer = client.post(reverse("account_login"), {"login": "marge@example.net", "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_logged_in(client: Client) -> bool:
    return client.get("/devices/").status_code == 200


def the_log_in_of(client: Client) -> LogIn:
    return LogIn.objects.get(session=client.session.session_key)


def test_log_ins_are_listed_with_browser_address_and_time(simpsons: Cast) -> None:
    browser(PHONE, "198.51.100.4")
    page = browser().get("/account/log-ins/").content.decode()
    assert "Chrome on Android" in page
    assert "198.51.100.4" in page
    assert "Firefox on Linux" in page
    assert page.count("This one") == 1
    assert page.count("End it") == 1


def test_one_that_is_ended_from_elsewhere_is_out_at_its_next_click(simpsons: Cast) -> None:
    desk, phone, tablet = browser(), browser(PHONE), browser(PHONE)
    assert is_logged_in(phone)
    desk.post(f"/account/log-ins/{the_log_in_of(phone).pk}/end/")
    assert not is_logged_in(phone)
    assert is_logged_in(desk)
    assert is_logged_in(tablet)
    noted = AuditEntry.objects.get(action="log_in.ended")
    assert noted.actor == simpsons.marge
    assert noted.details == {"count": 1, "browser": PHONE}


def test_all_others_are_ended_at_once(simpsons: Cast) -> None:
    desk, phone, tablet = browser(), browser(PHONE), browser(PHONE)
    page = desk.post("/account/log-ins/", follow=True).content.decode()
    assert "2 other log-ins have ended." in page
    assert [is_logged_in(client) for client in (desk, phone, tablet)] == [True, False, False]


def test_nobody_ends_somebody_elses(simpsons: Cast, as_homer: Client) -> None:
    phone = browser(PHONE)
    address = f"/account/log-ins/{the_log_in_of(phone).pk}/end/"
    assert as_homer.post(address).status_code == 404
    assert is_logged_in(phone)
    assert PHONE not in as_homer.get("/account/log-ins/").content.decode()


def test_a_link_ends_nothing(simpsons: Cast) -> None:
    desk, phone = browser(), browser(PHONE)
    desk.get(f"/account/log-ins/{the_log_in_of(phone).pk}/end/")
    assert is_logged_in(phone)


def test_who_logs_out_is_not_listed_any_more(simpsons: Cast) -> None:
    phone = browser(PHONE)
    phone.post(reverse("account_logout"))
    assert not LogIn.objects.exists()


def test_a_new_password_ends_all_other_log_ins(simpsons: Cast) -> None:
    desk, phone = browser(), browser(PHONE)
    confirm_with_password(desk)
    new = "a-beehive-of-blue-hair"
    desk.post(
        reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new, "password2": new}, follow=True
    )
    assert not is_logged_in(phone)
    assert is_logged_in(desk)
    assert LogIn.objects.get() == the_log_in_of(desk)


def confirm_with_password(client: Client) -> None:
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


def test_since_survives_a_change_of_the_password_and_last_seen_moves(simpsons: Cast) -> None:
    with time_machine.travel(NOON, tick=False):
        desk = browser()
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        confirm_with_password(desk)
        new = "a-beehive-of-blue-hair"
        data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
        desk.post(reverse("account_change_password"), data)
        desk.get("/devices/")
        log_in = the_log_in_of(desk)
        assert (log_in.since, log_in.seen_at) == (NOON, NOON + timedelta(hours=1))


def test_last_seen_is_written_at_most_every_five_minutes(simpsons: Cast) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        desk = browser()
        clock.shift(timedelta(minutes=4))
        desk.get("/devices/")
        assert the_log_in_of(desk).seen_at == NOON
        clock.shift(timedelta(minutes=2))
        desk.get("/devices/", REMOTE_ADDR="203.0.113.9")
        assert (the_log_in_of(desk).seen_at, the_log_in_of(desk).address) == (
            NOON + timedelta(minutes=6),
            "203.0.113.9",
        )


def test_a_session_from_before_there_were_log_ins_gets_one(simpsons: Cast) -> None:
    desk = browser()
    session = desk.session
    del session["log_in"]
    session.save()
    LogIn.objects.all().delete()
    assert is_logged_in(desk)
    assert the_log_in_of(desk).user == simpsons.marge


def test_a_log_in_whose_time_has_run_out_is_not_listed(simpsons: Cast) -> None:
    desk = browser()
    phone = browser(PHONE)
    store = import_module(settings.SESSION_ENGINE).SessionStore
    store(phone.session.session_key).model.objects.filter(pk=phone.session.session_key).update(
        expire_date=timezone.now()
    )
    assert "Android" not in desk.get("/account/log-ins/").content.decode()


@pytest.mark.django_db
def test_a_visitor_has_none(client: Client) -> None:
    client.get("/")
    assert not LogIn.objects.exists()


def test_a_new_password_is_in_the_audit(simpsons: Cast) -> None:
    desk = browser()
    confirm_with_password(desk)
    new = "a-beehive-of-blue-hair"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    desk.post(reverse("account_change_password"), data)
    noted = AuditEntry.objects.get(action="account.new_password")
    assert (noted.actor, noted.address, noted.details) == (simpsons.marge, "192.0.2.7", {})


def test_a_new_address_is_in_the_audit_and_the_old_one_is_told(simpsons: Cast) -> None:
    desk = browser()
    confirm_with_password(desk)
    desk.post(reverse("account_email"), {"action_add": "", "email": "marge@bouvier.example"})
    link = re.search(r"/accounts/confirm-email/\S+", mail.outbox[0].body)
    assert link
    desk.post(link[0])
    simpsons.marge.refresh_from_db()
    assert simpsons.marge.email == "marge@bouvier.example"
    noted = AuditEntry.objects.get(action="account.new_address")
    assert noted.details == {"before": "marge@example.net"}
    assert [message.to for message in mail.outbox] == [["marge@bouvier.example"], ["marge@example.net"]]


@pytest.mark.django_db(transaction=True)  # allauth tells of a new one when the transaction is over.
def test_second_factors_are_in_the_audit_without_their_secrets(simpsons: Cast) -> None:
    with time_machine.travel(NOON, tick=False):
        desk = browser()
        confirm_with_password(desk)
        secret = desk.get(reverse("mfa_activate_totp")).context["form"].secret
        code = format_hotp_value(hotp_value(secret, int(NOON.timestamp()) // 30))
        desk.post(reverse("mfa_activate_totp"), {"code": code})
        desk.post(reverse("mfa_deactivate_totp"))
    entries = AuditEntry.objects.filter(actor=simpsons.marge, action__startswith="account.second_factor")
    told = [(entry.action, entry.details["factor"]) for entry in entries.order_by("pk")]
    assert ("account.second_factor_added", "totp") in told
    assert ("account.second_factor_removed", "totp") in told
    assert secret not in str([entry.details for entry in entries])


# ---- who has just logged in ----


def asks_again(client: Client, step: str) -> bool:
    new_address = {"action_add": "", "email": "marge@example.org"}
    answer = client.post(reverse(step), new_address) if step == "account_email" else client.get(reverse(step))
    return answer.status_code == 302 and answer["Location"].startswith(reverse("account_reauthenticate"))


STEPS = ("mfa_activate_totp", "mfa_add_webauthn", "account_email")


@pytest.mark.parametrize("step", STEPS)
def test_who_has_just_logged_in_is_not_asked_again_who_they_are(simpsons: Cast, step: str) -> None:
    assert not asks_again(browser(), step)


def test_nor_is_who_has_just_chosen_a_password_by_an_invitation(simpsons: Cast) -> None:
    invited = invitations.invite(organization=simpsons.household, email="bart@example.net", by=simpsons.homer)
    token = invited.renew_token()
    invited.save()
    client = Client()
    own = "eat-my-shorts-4711"
    client.post(f"/invitations/{token}/", {"given_name": "Bart", "password1": own, "password2": own})
    assert is_logged_in(client)
    assert not asks_again(client, "mfa_activate_totp")


@pytest.mark.parametrize("step", STEPS)
def test_five_minutes_later_everybody_is_asked(simpsons: Cast, step: str) -> None:
    desk = browser()
    with long_after_the_log_in():
        desk.get("/devices/")  # Being seen is not logging in.
        assert asks_again(desk, step)
        confirm_with_password(desk)
        assert not asks_again(desk, step)
