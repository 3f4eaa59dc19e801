"""Homer signs up: everything comes with it, or nothing."""

from __future__ import annotations

import re
from unittest.mock import patch

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django_tasks_db.models import DBTaskResult

from channels.models import PlatformAccount
from channels.platforms import BadAccountKey, OutOfReach
from channels.tasks import check_account
from channels.thingspeak import ThingSpeak
from devices.models import RegistrationKey
from orgs.models import Membership, Organization, User
from portal.signup import sign_up
from tests.factories import UserFactory
from tests.parallel import all_at_once

HOMER = {
    "email": "Homer@Example.com",
    "organization": "The Simpsons",
    "given_name": "Homer",
    "family_name": "Simpson",
    "password1": "donuts-and-duff-42",
    "password2": "donuts-and-duff-42",
}
KEY = "R9TUHWKR8OOQEHWU"


@pytest.fixture
def on_thingspeak(settings) -> None:
    settings.CHANNEL_PLATFORM = "thingspeak"


def post(**changes: str):
    return Client(REMOTE_ADDR="198.51.100.7").post("/signup/", {**HOMER, **changes})


def nothing_was_created() -> bool:
    models = (User, Organization, Membership, PlatformAccount, RegistrationKey, EmailAddress)
    return not any(model.objects.exists() for model in models)


@pytest.mark.django_db
def test_a_sign_up_makes_user_customer_membership_account_and_key() -> None:
    response = post()
    assert response.status_code == 302
    user = User.objects.get(email="homer@example.com")
    customer = Organization.objects.get()
    assert (customer.name, customer.is_customer) == ("The Simpsons", True)
    assert Membership.objects.get().relation == Membership.Relation.MANAGER
    assert Membership.objects.get().user == user
    assert customer.platform_account.state == PlatformAccount.State.VERIFIED
    key = RegistrationKey.objects.get(organization=customer)
    assert re.fullmatch(r"[A-Z0-9]{8}-[A-Z0-9]{8}", key.text)


@pytest.mark.django_db
def test_an_organization_without_a_name_is_called_after_its_owner() -> None:
    post(organization="")
    assert Organization.objects.get().name == "Homer Simpson's home"


@pytest.mark.django_db
def test_the_address_is_confirmed_by_the_link_in_the_mail_before_homer_can_log_in() -> None:
    client = Client()
    client.post("/signup/", HOMER)
    assert client.get("/accounts/email/").status_code == 302
    (message,) = mail.outbox
    link = re.search(r"http://testserver(/\S+)", str(message.body))
    assert link
    page = client.get(link[1])
    assert page.status_code == 200
    assert not EmailAddress.objects.get().verified
    client.post(link[1])
    assert EmailAddress.objects.get().verified


@pytest.mark.django_db
@pytest.mark.parametrize(
    "last_step", ["portal.signup.RegistrationKey.issue", "portal.signup.Membership.objects.create"]
)
def test_a_sign_up_that_fails_in_the_middle_leaves_nothing(last_step: str) -> None:
    with patch(last_step, side_effect=RuntimeError), pytest.raises(RuntimeError):
        sign_up(email="homer@example.com", password="x", given_name="Homer", family_name="Simpson")
    assert nothing_was_created()


@pytest.mark.django_db
def test_a_known_address_is_answered_like_a_new_one_and_its_owner_gets_a_mail() -> None:
    UserFactory(email="homer@example.com")
    new = post(email="ned@example.com")
    mail.outbox.clear()
    known = post()
    assert (known.status_code, known["Location"]) == (new.status_code, new["Location"])
    assert Organization.objects.count() == 1
    (message,) = mail.outbox
    assert message.to == ["homer@example.com"]
    assert "password" in str(message.body).lower()


@pytest.mark.django_db
def test_a_known_address_costs_the_same_slow_steps_as_a_new_one() -> None:
    with (
        patch("devices.registration_key_text.derive_key", return_value=bytes(32)) as derive,
        patch("portal.forms.make_password") as hashed,
    ):
        post()
        assert derive.call_count == 1
        post()
        assert derive.call_count == 2
        assert hashed.call_count == 1


@pytest.mark.django_db(transaction=True)
def test_a_form_sent_twice_at_once_makes_one_customer() -> None:
    statuses = [response.status_code for response in all_at_once(lambda _n: post(), 4)]
    assert statuses == [302] * 4
    assert User.objects.count() == Organization.objects.count() == RegistrationKey.objects.count() == 1


@pytest.mark.django_db
def test_what_is_wrong_is_said_on_its_field_and_what_was_typed_stays() -> None:
    response = post(password2="something else", email="not-an-address")
    assert response.status_code == 200
    assert set(response.context["form"].errors) == {"email", "password2"}
    assert 'value="The Simpsons"' in response.content.decode()
    assert nothing_was_created()


@pytest.mark.django_db
def test_the_embedded_platform_asks_for_no_account_key() -> None:
    assert "thingspeak_api_key" not in Client().get("/signup/").content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("on_thingspeak")
def test_a_wrong_thingspeak_key_is_said_on_its_field_and_nothing_is_created() -> None:
    with patch.object(ThingSpeak, "validate_account", side_effect=BadAccountKey):
        response = post(thingspeak_api_key=KEY)
    assert "ThingSpeak does not know this key" in str(response.context["form"].errors["thingspeak_api_key"])
    assert nothing_was_created()


@pytest.mark.django_db
@pytest.mark.usefixtures("on_thingspeak")
def test_on_thingspeak_the_key_is_required() -> None:
    assert "thingspeak_api_key" in post().context["form"].errors
    assert nothing_was_created()


@pytest.mark.django_db
@pytest.mark.usefixtures("on_thingspeak")
def test_a_good_thingspeak_key_is_stored_verified_and_encrypted() -> None:
    with patch.object(ThingSpeak, "validate_account", return_value=None) as validate:
        post(thingspeak_api_key=f" {KEY.lower()} ")
    validate.assert_called_once_with(KEY)
    account = PlatformAccount.objects.get()
    assert (account.key, account.state) == (KEY, PlatformAccount.State.VERIFIED)


@pytest.mark.django_db
@pytest.mark.usefixtures("on_thingspeak")
def test_with_thingspeak_out_of_reach_homer_is_let_in_and_the_key_is_checked_later() -> None:
    with patch.object(ThingSpeak, "validate_account", side_effect=OutOfReach):
        post(thingspeak_api_key=KEY)
        account = PlatformAccount.objects.get()
        assert account.state == PlatformAccount.State.UNVERIFIED
        assert DBTaskResult.objects.get().args_kwargs["args"] == [account.pk]
        # Still out of reach: it comes back once more.
        check_account.call(account.pk)
    assert DBTaskResult.objects.count() == 2
    with patch.object(ThingSpeak, "validate_account", return_value=None):
        assert check_account.call(account.pk) == "verified"
    with patch.object(ThingSpeak, "validate_account", side_effect=BadAccountKey):
        assert check_account.call(account.pk) == "refused"
