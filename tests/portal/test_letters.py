"""Mail goes out in the background: no page fails with the mail server, nothing is lost, and no link stays behind."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, send_mail
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from orgs.models import AuditEntry, Invitation, User
from portal.letters import TRIES, Letter
from portal.mail import post
from portal.processes import free_port
from tests.background import do_background_work
from tests.conftest import Cast
from tests.factories import NOON, PASSWORD
from tests.losing import lose

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
SIGN_UP = {
    "email": "ned@example.org",
    "given_name": "Ned",
    "family_name": "Flanders",
    "organization": "The Flanders",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture(autouse=True)
def in_background(db: None, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.MAIL_TRANSPORT = "portal.mail.InBackground", LOCMEM


@pytest.fixture
def no_mail_server(in_background: None, settings: Settings) -> None:
    settings.MAIL_TRANSPORT, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", free_port()


def as_stored() -> str:
    """All that the tables of mails and tasks hold, as a thief of the database would read it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM portal_letter")
        letters = cursor.fetchall()
    tasks = DBTaskResult.objects.values_list("args_kwargs", "return_value", "traceback")
    return json.dumps([letters, list(tasks)], default=str)


def test_a_sign_up_does_not_fail_with_the_mail_server_and_its_link_comes_later(
    client: Client, no_mail_server: None, settings: Settings
) -> None:
    answer = client.post("/accounts/signup/", SIGN_UP, follow=True)
    assert answer.status_code == 200
    assert "ned@example.org" in answer.content.decode()
    do_background_work()
    assert Letter.objects.held_up().get().trouble == "ConnectionRefusedError"

    settings.MAIL_TRANSPORT = LOCMEM
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        do_background_work()
        (letter,) = mail.outbox
        assert letter.to == ["ned@example.org"]
        link = re.search(r"/accounts/confirm-email/\S+", str(letter.body))
        assert link
        assert client.get(link[0]).status_code == 200
    assert not Letter.objects.exists()


@pytest.mark.parametrize("email", ["homer@example.net", "nobody@example.org"])
def test_asking_for_a_new_password_answers_as_always_while_the_mail_server_is_away(
    email: str, client: Client, simpsons: Cast, no_mail_server: None
) -> None:
    answer = client.post("/accounts/password/reset/", {"email": email})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/password/reset/done/")
    do_background_work()
    assert Letter.objects.held_up().get().to == email


def test_changing_the_address_does_not_fail_with_the_mail_server(
    simpsons: Cast, as_homer: Client, no_mail_server: None
) -> None:
    as_homer.post("/accounts/reauthenticate/", {"password": PASSWORD})
    answer = as_homer.post("/accounts/email/", {"email": "homer@example.org", "action_add": ""}, follow=True)
    assert answer.status_code == 200
    assert "homer@example.org" in {letter.to for letter in Letter.objects.all()}


@pytest.mark.django_db(transaction=True)
def test_an_invitation_is_sent_when_the_mail_server_is_back(
    simpsons: Cast, as_homer: Client, no_mail_server: None, settings: Settings
) -> None:
    form = {"email": "bart@example.net", "relation": "member"}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form, follow=True)
    assert "could not be sent" not in answer.content.decode()
    do_background_work()
    assert Invitation.objects.pending().count() == 1
    settings.MAIL_TRANSPORT = LOCMEM
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        do_background_work()
    assert [letter.to for letter in mail.outbox] == [["bart@example.net"]]


def test_no_link_is_readable_in_the_database_neither_before_nor_after(client: Client) -> None:
    client.post("/accounts/signup/", SIGN_UP)
    before = as_stored()
    do_background_work()
    link = re.search(r"/accounts/confirm-email/(\S+)/", str(mail.outbox[0].body))
    assert link
    assert "ned@example.org" in before  # The table is not merely empty.
    for stored in (before, as_stored()):
        assert link[1] not in stored
        assert "confirm-email" not in stored


def test_what_is_rolled_back_is_not_mailed() -> None:
    with transaction.atomic():
        send_mail("Subject", "Body", None, ["ned@example.org"])
        transaction.set_rollback(True)
    do_background_work()
    assert not mail.outbox


def test_a_mail_arrives_as_it_was_written() -> None:
    message = EmailMultiAlternatives(
        "Grüße", "Text", "keys@example.com", ["a@example.org"], bcc=["b@example.org"], reply_to=["c@example.org"],
        cc=["d@example.org"], headers={"X-Kind": "test"},
    )  # fmt: skip
    message.attach_alternative("<p>Text</p>", "text/html")
    message.send()
    do_background_work()
    (sent,) = mail.outbox
    for name in ("subject", "body", "from_email", "to", "bcc", "cc", "reply_to"):
        assert getattr(sent, name) == getattr(message, name), name
    assert sent.extra_headers["X-Kind"] == "test"
    assert [tuple(one) for one in sent.alternatives] == [("<p>Text</p>", "text/html")]


def test_a_mail_with_a_file_is_refused_in_words() -> None:
    message = EmailMessage("Subject", "Body", to=["a@example.org"])
    message.attach("file.txt", "text")
    with pytest.raises(ValueError, match="attachments"):
        message.send()


def test_a_worker_that_dies_in_the_middle_leaves_the_mail_to_the_next_try(settings: Settings) -> None:
    send_mail("Subject", "Body", None, ["ned@example.org"])
    settings.MAIL_TRANSPORT = "tests.portal.test_letters.Dies"
    with pytest.raises(KeyboardInterrupt):
        do_background_work()
    settings.MAIL_TRANSPORT = LOCMEM
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        do_background_work()
    assert len(mail.outbox) == 1


class Refuses:
    """A mail server that says what is in the address: "550" for good, "450" for now."""

    def __init__(self, **_options: object) -> None: ...

    def send_messages(self, messages: list[EmailMessage]) -> int:
        raise SMTPRecipientsRefused({to: (int(to[:3]), b"no") for message in messages for to in message.to})


@pytest.mark.parametrize(("to", "left"), [("550@example.org", 0), ("450@example.org", 1)])
def test_an_address_that_is_refused_for_good_is_given_up_at_once(to: str, left: int, settings: Settings) -> None:
    settings.MAIL_TRANSPORT = "tests.portal.test_letters.Refuses"
    send_mail("Subject", "Body", None, [to])
    do_background_work()
    assert Letter.objects.count() == left


class Dies:
    """A mail server in the middle of whose answer the power fails."""

    def __init__(self, **_options: object) -> None: ...

    def send_messages(self, _messages: list[EmailMessage]) -> int:
        raise KeyboardInterrupt


def test_two_workers_send_a_mail_once() -> None:
    send_mail("Subject", "Body", None, ["ned@example.org"])
    letter = Letter.objects.get()
    assert letter.take(timezone.now())
    assert post(letter.pk) == "somebody else's turn"
    assert not mail.outbox


def test_after_a_week_a_mail_is_given_up_and_its_link_is_gone(no_mail_server: None) -> None:
    now: datetime = NOON
    with time_machine.travel(now) as clock:
        send_mail("Subject", "Body", None, ["ned@example.org"])
        for _try in range(TRIES):
            do_background_work()
            if not Letter.objects.exists():
                break
            clock.move_to(Letter.objects.get().next_at)
        assert not Letter.objects.exists()
        assert timedelta(days=5) < timezone.now() - now < timedelta(days=8)
    given_up = AuditEntry.objects.get(action="letter.given_up")
    assert "ned@example.org" in given_up.object_label
    assert given_up.details == {"tries": TRIES, "trouble": "ConnectionRefusedError"}


def test_a_mail_that_nobody_can_decrypt_holds_up_no_other_and_is_seen_and_given_up(db: None) -> None:
    with time_machine.travel(NOON) as clock:
        for to in ("ned@example.org", "maude@example.org"):
            send_mail("Subject", "Body", None, [to])
        lost = Letter.objects.get(to="ned@example.org")
        lose(lost, "content")
        for _try in range(TRIES):
            do_background_work()
            assert [letter.to for letter in mail.outbox] == [["maude@example.org"]]
            left = Letter.objects.defer("content").first()
            if left is None:
                break
            assert left.trouble == "CannotDecrypt"
            clock.move_to(left.next_at)
        assert not Letter.objects.exists()
        assert not DBTaskResult.objects.ready().exists()


def test_what_nobody_expected_to_go_wrong_is_not_tried_for_ever(settings: Settings) -> None:
    settings.MAIL_TRANSPORT = "tests.portal.test_letters.Dies"
    send_mail("Subject", "Body", None, ["ned@example.org"])
    Letter.objects.update(tries=TRIES - 1)
    with pytest.raises(KeyboardInterrupt):
        do_background_work()
    assert DBTaskResult.objects.count() == 1, "the one that has died"


def test_operators_see_what_is_held_up_and_no_link(client: Client, no_mail_server: None, settings: Settings) -> None:
    settings.STAFF_NEED_SECOND_FACTOR = False
    send_mail("Subject", "https://example.org/secret", None, ["ned@example.org"])
    do_background_work()
    client.force_login(User.objects.create_superuser("operator@example.com", PASSWORD))
    for address in ("/admin/portal/letter/", f"/admin/portal/letter/{Letter.objects.get().pk}/change/"):
        html = client.get(address).content.decode()
        assert "ned@example.org" in html
        assert "ConnectionRefusedError" in html
        assert "secret" not in html
