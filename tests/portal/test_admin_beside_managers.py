"""An operator who has had a page of the administration open for a while does not undo what managers did meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from devices.models import RegistrationKey
from orgs.models import Membership, Organization, User
from tests.conftest import MANAGER, Cast
from tests.factories import RegistrationKeyFactory, UserFactory
from tests.parallel import all_at_once


class Fields(HTMLParser):
    """What a browser would send of a page, had nobody typed anything."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self._select, self._text = "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.sent.setdefault(self._select, []).append(value)
        elif tag == "textarea":
            self._text = name
            self.sent[name] = [""]
        elif tag == "input" and name and given.get("type") == "checkbox":
            if "checked" in given:
                self.sent[name] = [value or "on"]
        elif tag == "input" and name and given.get("type") not in ("submit", "search"):
            self.sent.setdefault(name, []).append(value)

    def handle_endtag(self, tag: str) -> None:
        self._text = "" if tag == "textarea" else self._text

    def handle_data(self, data: str) -> None:
        if self._text:
            self.sent[self._text] = [data.lstrip("\n")]


def fields(answer: Any) -> dict[str, list[str]]:
    return Fields(answer.content.decode()).sent


def page_of(thing: Model) -> str:
    return f"/admin/{thing._meta.app_label}/{thing._meta.model_name}/{thing.pk}/change/"


def test_what_a_manager_wrote_meanwhile_stays_when_the_operator_saves_another_field(
    simpsons: Cast, as_operator: Client
) -> None:
    key = RegistrationKeyFactory(organization=simpsons.household, label="Spring")
    kitchen, household = simpsons.kitchen, simpsons.household
    opened = {thing: fields(as_operator.get(page_of(thing))) for thing in (kitchen, household, key)}
    kitchen.describe(name=kitchen.name, description="Behind the fridge")
    household.describe(name=household.name, description="742 Evergreen Terrace")
    key.change(label="Summer", expires_at=None, use_limit=None)
    for thing, typed in ((kitchen, {"name": "Pantry"}), (household, {"name": "Home"}), (key, {"use_limit": "9"})):
        assert as_operator.post(page_of(thing), opened[thing] | typed).status_code == 302
        thing.refresh_from_db()
    assert (kitchen.name, kitchen.description) == ("Pantry", "Behind the fridge")
    assert (household.name, household.description) == ("Home", "742 Evergreen Terrace")
    assert (key.label, key.use_limit) == ("Summer", 9)


def test_a_field_that_both_have_changed_comes_back_once_with_what_it_is_now(
    simpsons: Cast, as_operator: Client
) -> None:
    opened = fields(as_operator.get(page_of(simpsons.kitchen)))
    simpsons.kitchen.describe(name="Pantry", description="")
    answer = as_operator.post(page_of(simpsons.kitchen), opened | {"name": "Cellar"})
    assert "Somebody else has changed this: it is “Pantry” now" in answer.content.decode()
    simpsons.kitchen.refresh_from_db()
    assert simpsons.kitchen.name == "Pantry"
    again = fields(answer)
    assert again["name"] == ["Cellar"]
    assert as_operator.post(page_of(simpsons.kitchen), again).status_code == 302
    simpsons.kitchen.refresh_from_db()
    assert simpsons.kitchen.name == "Cellar"


def test_who_hesitates_after_the_refusal_is_told_of_the_next_change_too(simpsons: Cast, as_operator: Client) -> None:
    opened = fields(as_operator.get(page_of(simpsons.kitchen)))
    simpsons.kitchen.describe(name="Pantry", description="")
    told = fields(as_operator.post(page_of(simpsons.kitchen), opened | {"name": "Cellar"}))
    simpsons.kitchen.describe(name="Larder", description="")
    answer = as_operator.post(page_of(simpsons.kitchen), told)
    assert "it is “Larder” now" in answer.content.decode()


def test_two_who_type_the_same_need_not_be_told(simpsons: Cast, as_operator: Client) -> None:
    opened = fields(as_operator.get(page_of(simpsons.kitchen)))
    simpsons.kitchen.describe(name="Pantry", description="")
    assert as_operator.post(page_of(simpsons.kitchen), opened | {"name": "Pantry"}).status_code == 302


def a_moment(simpsons: Cast) -> tuple[Model, Callable[[], object], dict[str, Any], str]:
    key = RegistrationKeyFactory(organization=simpsons.household)
    end = timezone.now() + timedelta(days=3)
    return (
        key,
        lambda: RegistrationKey.objects.filter(pk=key.pk).update(expires_at=end),
        {"expires_at_0": "2099-01-01", "expires_at_1": "12:00:00"},
        str(timezone.localtime(end).year),
    )


def a_place(simpsons: Cast) -> tuple[Model, Callable[[], object], dict[str, Any], str]:
    return (
        simpsons.kitchen,
        lambda: simpsons.kitchen.move(simpsons.power_plant),
        {"organization": simpsons.home.pk},
        "Power plant",
    )


def a_choice(simpsons: Cast) -> tuple[Model, Callable[[], object], dict[str, Any], str]:
    place = simpsons.marge.memberships.get()
    until = timezone.now() + timedelta(days=3)
    return (
        place,
        lambda: Membership.objects.filter(pk=place.pk).update(relation=MANAGER, valid_until=until),
        {"valid_until_0": "2099-01-01", "valid_until_1": "12:00:00"},
        str(timezone.localtime(until).year),
    )


def a_switch_beside_a_list(simpsons: Cast) -> tuple[Model, Callable[[], object], dict[str, Any], str]:
    ours, theirs = Group.objects.create(name="Ours"), Group.objects.create(name="Theirs")
    return simpsons.lenny, lambda: simpsons.lenny.groups.add(theirs), {"groups": [ours.pk]}, "Theirs"


@pytest.mark.parametrize("kind", [a_moment, a_place, a_choice, a_switch_beside_a_list])
def test_every_kind_of_field_is_compared_and_named(
    simpsons: Cast, as_operator: Client, kind: Callable[[Cast], Any]
) -> None:
    thing, change, typed, named = kind(simpsons)
    opened = fields(as_operator.get(page_of(thing)))
    change()
    answer = as_operator.post(page_of(thing), opened | typed)
    html = answer.content.decode()
    assert "Somebody else has changed this" in html
    assert named in html.split("Somebody else has changed this")[1][:200]
    again = fields(answer)
    assert as_operator.post(page_of(thing), again).status_code == 302


def test_what_was_left_alone_keeps_what_it_is_now_whatever_its_kind(simpsons: Cast, as_operator: Client) -> None:
    opened = fields(as_operator.get(page_of(simpsons.lenny)))
    group = Group.objects.create(name="Night shift")
    simpsons.lenny.groups.add(group)
    User.objects.filter(pk=simpsons.lenny.pk).update(is_active=False, family_name="Leonard")
    assert as_operator.post(page_of(simpsons.lenny), opened | {"given_name": "Lenford"}).status_code == 302
    lenny = User.objects.get(pk=simpsons.lenny.pk)
    assert (lenny.given_name, lenny.family_name, lenny.is_active) == ("Lenford", "Leonard", False)
    assert list(lenny.groups.all()) == [group]


@pytest.mark.django_db(transaction=True)
def test_an_operator_and_a_manager_who_save_at_once_do_not_overwrite_each_other(simpsons: Cast) -> None:
    operator = UserFactory(is_staff=True, is_superuser=True)
    clients = [Client(), Client()]
    clients[0].force_login(operator)
    clients[1].force_login(simpsons.homer)
    edit = f"{simpsons.household.get_absolute_url()}edit/"
    for turn in range(5):
        opened = fields(clients[0].get(page_of(simpsons.household)))
        seen = clients[1].get(edit).context["form"]["seen"].value()
        sent: list[tuple[str, dict[str, Any]]] = [
            (page_of(simpsons.household), opened | {"name": f"Operator's {turn}"}),
            (edit, {"name": f"Homer's {turn}", "description": "", "seen": seen}),
        ]
        saved = all_at_once(lambda n, sent=sent: clients[n].post(*sent[n]).status_code == 302, 2)  # type: ignore[misc]
        assert sum(saved) == 1
        name = Organization.objects.get(pk=simpsons.household.pk).name
        assert name == (f"Operator's {turn}" if saved[0] else f"Homer's {turn}")
