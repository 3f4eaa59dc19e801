"""A day at the very end of the calendar is refused: some time zones cannot say it, and PostgreSQL's driver neither."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from devices.models import RegistrationKey
from orgs.models import Membership, User
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory

TOO_FAR = "9999-12-31"


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def homer_reads_in(request: pytest.FixtureRequest, simpsons: Cast) -> None:
    User.objects.filter(pk=simpsons.homer.pk).update(time_zone=request.param)


def seen(client: Client, page: str) -> dict[str, Any]:
    form = client.get(page).context["form"]
    return {"seen": form["seen"].value()} if "seen" in form.fields else {}


@pytest.mark.usefixtures("homer_reads_in")
def test_no_form_takes_it(simpsons: Cast, as_homer: Client, key: RegistrationKey) -> None:
    place = Membership.objects.get(user=simpsons.marge)
    forms = {
        f"/memberships/{place.pk}/edit/": {"relation": "member", "valid_until": TOO_FAR},
        f"/organizations/{simpsons.household.pk}/registration-keys/new/": {"expires_at": TOO_FAR},
        f"/registration-keys/{key.pk}/edit/": {"expires_at": TOO_FAR},
        f"/registration-keys/{key.pk}/renew/": {"ends": "day", "day": TOO_FAR},
    }
    for page, typed in forms.items():
        answer = as_homer.post(page, typed | seen(as_homer, page))
        assert answer.status_code == 200, page
        assert "This day is too far away: 100 years at the most." in answer.content.decode(), page
        assert TOO_FAR in answer.content.decode(), "what was typed stays"
    assert set(Membership.objects.values_list("valid_until", flat=True)) == {None}
    assert list(RegistrationKey.objects.filter(organization=simpsons.household)) == [key]
    assert RegistrationKey.objects.get(pk=key.pk).expires_at is None


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_nor_does_the_administration(simpsons: Cast, as_operator: Client, day: str) -> None:
    place = Membership.objects.get(user=simpsons.marge)
    page = reverse("admin:orgs_membership_change", args=[place.pk])
    typed = {"relation": "member", "valid_until_0": day, "valid_until_1": "23:00"}
    answer = as_operator.post(page, typed)
    assert answer.status_code == 200
    assert "Enter a day of another year." in answer.content.decode()
    assert Membership.objects.get(pk=place.pk).valid_until is None
