"""What operators do for somebody who cannot log in, has lost a phone, or has left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import Group, Permission
from django.contrib.messages import get_messages
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from channels.keys_shown import note_shown
from orgs.models import AuditEntry, User
from portal.accounts import AccountAdapter
from portal.letters import Letter
from portal.log_ins import LogIn
from tests.conftest import Cast
from tests.factories import PASSWORD, UserFactory
from tests.one_of_each import TOTP_SECRET

LIST = reverse("admin:orgs_user_changelist")


@pytest.fixture(autouse=True)
def _mail_at_once(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def clerk(db: None) -> Client:
    """An operator who may change people, but is no superuser."""
    person = UserFactory(email="clerk@example.net", is_staff=True)
    named = ("view_user", "change_user", "view_emailaddress", "change_emailaddress", "delete_authenticator",
             "view_authenticator", "change_group", "view_group")  # fmt: skip
    person.user_permissions.set(Permission.objects.filter(codename__in=named))
    client = Client()
    client.force_login(person)
    return client


def _act(client: Client, action: str, *people: User, **more: str) -> list[str]:
    response = client.post(LIST, {"action": action, "_selected_action": [one.pk for one in people], **more})
    return [str(message) for message in get_messages(response.wsgi_request)]


def _page(client: Client, person: User) -> str:
    return client.get(reverse("admin:orgs_user_change", args=[person.pk])).content.decode()


def test_somebody_who_forgot_the_password_is_sent_a_link(simpsons: Cast, as_operator: Client) -> None:
    said = _act(as_operator, "send_password_link", simpsons.marge)
    assert said == ["marge@example.net: A link for a new password was sent."]
    (letter,) = mail.outbox
    assert letter.to == ["marge@example.net"]
    assert "/accounts/password/reset/key/" in str(letter.body)
    assert "A link for a new password" in AuditEntry.objects.about(simpsons.marge).get().details["what"]


def test_who_is_locked_out_is_sent_none(simpsons: Cast, as_operator: Client) -> None:
    User.objects.filter(pk=simpsons.marge.pk).update(is_active=False)
    assert _act(as_operator, "send_password_link", simpsons.marge) == [
        "marge@example.net: Nothing was sent: they are locked out."
    ]
    assert mail.outbox == []


def test_who_has_not_confirmed_the_address_is_sent_the_link_again(simpsons: Cast, as_operator: Client) -> None:
    assert _act(as_operator, "send_confirmation_link", simpsons.marge) == [
        "marge@example.net: Nothing was sent: the address is confirmed."
    ]
    EmailAddress.objects.filter(user=simpsons.marge).update(verified=False)
    assert "was sent" in _act(as_operator, "send_confirmation_link", simpsons.marge)[0]
    assert "/accounts/confirm-email/" in str(mail.outbox[0].body)


def test_who_has_lost_the_phone_gets_in_by_password_again_and_is_told(simpsons: Cast, as_operator: Client) -> None:
    TOTP.activate(simpsons.marge, TOTP_SECRET)
    at_home = Client()
    at_home.force_login(simpsons.marge)
    question = as_operator.post(LIST, {"action": "remove_second_factors", "_selected_action": [simpsons.marge.pk]})
    assert "call back on a number that you know" in question.content.decode()
    assert Authenticator.objects.filter(user=simpsons.marge).exists()
    said = _act(as_operator, "remove_second_factors", simpsons.marge, confirmed="yes")
    assert said == ["marge@example.net: The second factor was removed, with its recovery codes."]
    assert not Authenticator.objects.filter(user=simpsons.marge).exists()
    assert [letter.to for letter in mail.outbox] == [["marge@example.net"]]
    assert at_home.get("/devices/").status_code == 302, "All log-ins have ended."
    assert AuditEntry.objects.about(simpsons.marge).filter(action="operator.changed").exists()


@pytest.mark.parametrize("several", [False, True], ids=["on its own page", "chosen in the list"])
def test_who_loses_it_by_the_list_of_second_factors_is_told_and_logged_out_too(
    simpsons: Cast, as_operator: Client, several: bool
) -> None:
    TOTP.activate(simpsons.marge, TOTP_SECRET)
    factor = Authenticator.objects.get(user=simpsons.marge)
    at_home = Client()
    at_home.force_login(simpsons.marge)
    if several:
        chosen = {"action": "delete_selected", "_selected_action": [factor.pk], "post": "yes"}
        as_operator.post(reverse("admin:mfa_authenticator_changelist"), chosen)
    else:
        as_operator.post(reverse("admin:mfa_authenticator_delete", args=[factor.pk]), {"post": "yes"})
    assert not Authenticator.objects.filter(user=simpsons.marge).exists()
    assert [letter.to for letter in mail.outbox] == [["marge@example.net"]]
    assert at_home.get("/devices/").status_code == 302


def test_who_may_not_remove_second_factors_one_by_one_does_not_with_the_persons_action(
    simpsons: Cast, clerk: Client
) -> None:
    TOTP.activate(simpsons.marge, TOTP_SECRET)
    User.objects.get(email="clerk@example.net").user_permissions.remove(
        Permission.objects.get(codename="delete_authenticator")
    )
    assert 'value="remove_second_factors"' not in _page(clerk, simpsons.marge)
    _act(clerk, "remove_second_factors", simpsons.marge, confirmed="yes")
    assert Authenticator.objects.filter(user=simpsons.marge).exists()


def test_a_second_factor_stays_whose_removal_cannot_be_mailed(
    simpsons: Cast, as_operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would be gone without a word in the audit."""
    TOTP.activate(simpsons.marge, TOTP_SECRET)

    def refuse(*args: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(AccountAdapter, "send_notification_mail", refuse)
    with pytest.raises(ConnectionRefusedError):
        _act(as_operator, "remove_second_factors", simpsons.marge, confirmed="yes")
    assert Authenticator.objects.filter(user=simpsons.marge).exists()
    assert not AuditEntry.objects.filter(action="operator.changed").exists()


def test_all_log_ins_of_somebody_are_ended_and_counted(simpsons: Cast, as_operator: Client) -> None:
    for _ in range(2):
        Client().post(reverse("account_login"), {"login": simpsons.marge.email, "password": PASSWORD})
    assert _act(as_operator, "end_log_ins", simpsons.marge) == ["marge@example.net: 2 log-ins were ended."]
    assert not LogIn.objects.filter(user=simpsons.marge).exists()
    again = _act(as_operator, "end_log_ins", simpsons.marge)
    assert again[-1] == "marge@example.net: They are logged in nowhere."


@pytest.mark.parametrize(
    "action", ["send_password_link", "send_confirmation_link", "end_log_ins", "remove_second_factors"]
)
def test_who_is_no_superuser_does_nothing_to_an_operator(action: str, simpsons: Cast, clerk: Client) -> None:
    otto = UserFactory(email="otto@example.net", is_staff=True, is_superuser=True)
    TOTP.activate(otto, TOTP_SECRET)
    assert _act(clerk, action, otto, confirmed="yes") == [
        "otto@example.net: Only a superuser may do that to an operator."
    ]
    assert mail.outbox == []
    assert Authenticator.objects.filter(user=otto).exists()


def test_who_is_no_superuser_cannot_take_an_operators_account_over(simpsons: Cast, clerk: Client) -> None:
    otto = UserFactory(email="otto@example.net", is_staff=True, is_superuser=True)
    TOTP.activate(otto, TOTP_SECRET)
    before = User.objects.get(pk=otto.pk)
    new = {"password1": "a-new-one-for-otto", "password2": "a-new-one-for-otto", "usable_password": "true"}
    assert clerk.post(reverse("admin:auth_user_password_change", args=[otto.pk]), new).status_code == 403
    inlines = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    clerk.post(reverse("admin:orgs_user_change", args=[otto.pk]), {"email": "mine@example.net"} | inlines)
    address = EmailAddress.objects.get(user=otto)
    clerk.post(
        reverse("admin:account_emailaddress_change", args=[address.pk]),
        {"user": otto.pk, "email": "mine@example.net", "verified": "on", "primary": "on"},
    )
    factor = Authenticator.objects.get(user=otto)
    chosen = {"action": "delete_selected", "_selected_action": [factor.pk], "post": "yes"}
    clerk.post(reverse("admin:mfa_authenticator_changelist"), chosen)
    group = Group.objects.create(name="Clerks")
    everything = {"name": "Clerks", "permissions": [Permission.objects.get(codename="delete_user").pk]}
    assert clerk.post(reverse("admin:auth_group_change", args=[group.pk]), everything).status_code == 403
    after = User.objects.get(pk=otto.pk)
    assert (after.email, after.password) == (before.email, before.password)
    assert EmailAddress.objects.get(user=otto).email == "otto@example.net"
    assert Authenticator.objects.filter(user=otto).exists()
    assert not group.permissions.exists()


@pytest.mark.parametrize("rank", [{"is_staff": True}, {"is_superuser": True}])
def test_who_is_no_superuser_gives_no_address_to_an_operator(
    rank: dict[str, bool], simpsons: Cast, clerk: Client
) -> None:
    """To each confirmed address a link for a new password is mailed."""
    clerk_person = User.objects.get(email="clerk@example.net")
    clerk_person.user_permissions.add(Permission.objects.get(codename="add_emailaddress"))
    otto = UserFactory(email="otto@example.net", **rank)
    mine = {"user": otto.pk, "email": "mine@example.net", "verified": "on"}
    clerk.post(reverse("admin:account_emailaddress_add"), mine)
    of_marge = EmailAddress.objects.create(user=simpsons.marge, email="second@example.net", verified=False)
    page = reverse("admin:account_emailaddress_change", args=[of_marge.pk])
    clerk.post(page, mine)
    own = EmailAddress.objects.get(user=otto)
    assert own.email == "otto@example.net"
    assert clerk.get(reverse("admin:account_emailaddress_change", args=[own.pk])).status_code == 302
    clerk.post(page, mine | {"user": simpsons.marge.pk})
    assert EmailAddress.objects.filter(user=simpsons.marge, email="mine@example.net").exists()


def test_who_is_no_superuser_helps_customers_all_the_same(simpsons: Cast, clerk: Client) -> None:
    new = {"password1": "a-new-one-for-marge", "password2": "a-new-one-for-marge", "usable_password": "true"}
    assert clerk.post(reverse("admin:auth_user_password_change", args=[simpsons.marge.pk]), new).status_code == 302
    assert "was sent" in _act(clerk, "send_password_link", simpsons.marge)[-1]


def test_a_change_of_rights_is_in_the_audit(as_operator: Client) -> None:
    as_operator.post(reverse("admin:auth_group_add"), {"name": "Clerks"})
    assert AuditEntry.objects.get(action="operator.added").object_id == str(Group.objects.get().pk)


def test_a_persons_page_says_why_they_cannot_log_in_or_see_nothing(simpsons: Cast, as_operator: Client) -> None:
    marge = simpsons.marge
    assert "nothing: they can log in and see something" in _page(as_operator, marge)
    simpsons.home.suspend()
    assert "Each customer where they have a place is suspended" in _page(as_operator, marge)
    marge.memberships.update(valid_until=timezone.now() - timedelta(days=1))
    assert "All places have run out" in _page(as_operator, marge)
    marge.memberships.all().delete()
    assert "They have no place in any organization" in _page(as_operator, marge)
    EmailAddress.objects.filter(user=marge).update(verified=False)
    assert "The address is not confirmed" in _page(as_operator, marge)
    User.objects.filter(pk=marge.pk).update(is_active=False, password="!")
    page = _page(as_operator, marge)
    assert "They are locked out" in page
    assert "There is no password" in page


def test_what_somebody_saw_who_has_left_is_one_click_from_their_page(simpsons: Cast, as_operator: Client) -> None:
    assert simpsons.kitchen.channel
    key = simpsons.kitchen.channel.keys.latest("pk")
    note_shown(key.pk, to=simpsons.lenny)
    note_shown(key.pk, to=simpsons.marge)
    address = f"{reverse('admin:channels_shownkey_changelist')}?user__id__exact={simpsons.lenny.pk}"
    assert address in _page(as_operator, simpsons.lenny)
    shown = as_operator.get(address)
    assert [showing.name for showing in shown.context["cl"].result_list] == ["lenny@example.net"]
    assert str(simpsons.kitchen.channel.number) in shown.content.decode()


def test_a_mail_that_hangs_is_tried_again_at_once(simpsons: Cast, as_operator: Client) -> None:
    later = timezone.now() + timedelta(hours=6)
    letter = Letter.objects.create(to="marge@example.net", content="{}", tries=5, trouble="OSError", next_at=later)
    chosen: dict[str, Any] = {"action": "try_now", "_selected_action": [letter.pk]}
    response = as_operator.post(reverse("admin:portal_letter_changelist"), chosen)
    said = [str(message) for message in get_messages(response.wsgi_request)]
    assert said == ["1 mail is tried again now: look again in a minute."]
    letter.refresh_from_db()
    assert letter.next_at <= timezone.now()


def test_an_address_that_an_operator_confirms_is_audited(simpsons: Cast, as_operator: Client) -> None:
    address = EmailAddress.objects.get(user=simpsons.marge)
    chosen = {"action": "make_verified", "_selected_action": [address.pk]}

    def said() -> str:
        response = as_operator.post(reverse("admin:account_emailaddress_changelist"), chosen)
        return [str(message) for message in get_messages(response.wsgi_request)][-1]

    assert said() == "marge@example.net was confirmed before."
    EmailAddress.objects.filter(pk=address.pk).update(verified=False)
    assert said() == "marge@example.net is confirmed."
    assert AuditEntry.objects.about(address).get().details["what"] == "Confirmed."
