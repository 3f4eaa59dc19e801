"""A name carries nobody's link into mail to strangers."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client

from orgs import invitations
from orgs.models import Invitation, User
from orgs.person_names import refuse_web_address
from tests.conftest import Cast
from tests.factories import PASSWORD

LINK = "Click http://evil.example now"
SAID = "This looks like a web address."


@pytest.mark.parametrize(
    "name",
    [
        LINK,
        "ftp://evil",
        "go to WWW.evil",
        "evil.example/now",
        "Evil.Example/now",
        "evil.com",
        "Look at evil.com, Bart",
        "bart@evil.com",
        "xn--vil.example",
    ],
)
def test_a_web_address_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError, match=SAID):
        refuse_web_address(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Anne-Marie",
        "O'Neil",
        "Dr. Who",
        "Dr.Who",
        "J.R.",
        "J. R. R.",
        "St.John",
        "Sammy Davis Jr.",
        "Bart / Lisa",
        "Ewwww",
        "José Núñez",
        "李",
    ],
)
def test_a_name_is_a_name(name: str) -> None:
    refuse_web_address(name)


@pytest.mark.parametrize("field", ["given_name", "family_name"])
def test_an_invitation_carries_no_link_of_somebody_elses(field: str, simpsons: Cast, as_homer: Client) -> None:
    form = {"email": "bart@example.net", "relation": "member", field: LINK}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite/", form)
    assert SAID in answer.context["form"].errors[field][0]
    assert not Invitation.objects.exists()
    assert not mail.outbox


@pytest.mark.parametrize("name", [LINK, "evil.example/now you"])
def test_nor_does_one_of_many(name: str, simpsons: Cast, as_homer: Client) -> None:
    lines = f"lisa@example.net, Lisa\nbart@example.net, {name}"
    form = {"lines": lines, "relation": "member", "good_for": "14"}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/invite-several/", form)
    (said,) = answer.context["form"].errors["lines"]
    assert said.startswith(f"bart@example.net: {SAID}")
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("field", ["given_name", "family_name"])
def test_nobody_calls_themselves_like_that(field: str, simpsons: Cast, as_marge: Client) -> None:
    profile = {"given_name": "Marge", "family_name": "Simpson", "language": "browser", "time_zone": "browser"}
    assert SAID in as_marge.post("/account/", {**profile, field: LINK}).context["form"].errors[field][0]
    invited = invitations.invite(organization=simpsons.household, email="bart@example.net", by=simpsons.homer)
    token = invited.renew_token()
    invited.save()
    newcomer = {"given_name": "Bart", "password1": PASSWORD, "password2": PASSWORD, field: LINK}
    answer = Client().post(f"/invitations/{token}/", newcomer)
    assert SAID in answer.context["form"].errors[field][0]
    form = {"email": "ned@example.net", "given_name": "Ned", "family_name": "Flanders"}
    answer = Client().post("/signup/", {**form, "password1": PASSWORD, "password2": PASSWORD, field: LINK})
    assert SAID in answer.context["form"].errors[field][0]
    assert not User.objects.filter(email__in=("bart@example.net", "ned@example.net")).exists()
