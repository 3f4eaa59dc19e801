"""Homer renews a registration key in the browser, sees who has moved, and ends the old one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from channels.models import RenewalPolicy
from devices import renewal
from devices.models import RegistrationKey
from orgs.audit import AuditEntry
from tests.conftest import Cast
from tests.devices.test_registration_address import ask
from tests.factories import RegistrationKeyFactory

DAY = timedelta(days=1)


@pytest.fixture
def old(simpsons: Cast) -> RegistrationKey:
    key = RegistrationKeyFactory(organization=simpsons.household, label="First floor")
    for serial in ("one", "two", "three"):
        assert ask(serial, key.lookup).status_code == 200
    return key


def page(client: Client, key: RegistrationKey) -> str:
    answer = client.get(key.get_absolute_url())
    assert answer.status_code == 200
    return answer.content.decode()


def step(client: Client, key: RegistrationKey, name: str, **data: str) -> str:
    answer = client.post(f"{key.get_absolute_url()}{name}/", data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_renewing_leads_to_the_new_key_and_says_who_has_moved(old: RegistrationKey, as_homer: Client) -> None:
    html = step(as_homer, old, "renew", ends="moved")
    new = RegistrationKey.objects.exclude(pk=old.pk).get()
    assert "takes the place of" in html
    assert "0 of 3 devices have moved." in html
    assert "The old key ends by itself when all have moved" in html
    ask("one", new.lookup)
    html = page(as_homer, new)
    assert "1 of 3 devices have moved." in html
    assert {name for name in ("one", "two", "three") if f">{name}</a>" in html} == {"two", "three"}
    assert page(as_homer, old).count("1 of 3 devices have moved.") == 1, "the old key's page says the same"


def test_when_all_have_moved_the_page_says_that_the_old_key_can_end(old: RegistrationKey, as_homer: Client) -> None:
    new = renewal.renew(old, by=None, until=timezone.now() + DAY)
    for serial in ("one", "two", "three"):
        ask(serial, new.lookup)
    assert "3 of 3 devices have moved. The old key can end now." in page(as_homer, new)


def test_the_old_key_can_end_on_a_day(old: RegistrationKey, as_homer: Client) -> None:
    day = timezone.localdate() + 5 * DAY
    html = step(as_homer, old, "renew", ends="day", day=day.isoformat())
    old.refresh_from_db()
    assert old.expires_at is not None
    assert timezone.localtime(old.expires_at).date() == day
    assert not old.ends_when_moved
    assert "The old key ends on" in html


@pytest.mark.parametrize(
    ("day", "said"), [("", "Choose a day."), ("2020-01-01", "has passed"), ("soon", "a day like this")]
)
def test_a_day_that_makes_no_sense_is_said_on_its_field(
    old: RegistrationKey, as_homer: Client, day: str, said: str
) -> None:
    answer = as_homer.post(f"{old.get_absolute_url()}renew/", {"ends": "day", "day": day})
    form = answer.context["form"]
    assert list(form.errors) == ["day"]
    assert said in form.errors["day"][0]
    assert RegistrationKey.objects.count() == 1


def test_a_second_manager_is_told_that_it_has_been_renewed(old: RegistrationKey, as_homer: Client) -> None:
    renewal.renew(old, by=None)
    assert "has been renewed already" in step(as_homer, old, "renew", ends="moved")
    assert RegistrationKey.objects.count() == 2


def test_ending_it_by_hand_says_first_whom_that_locks_out(
    old: RegistrationKey, as_homer: Client, simpsons: Cast
) -> None:
    new = renewal.renew(old, by=None)
    ask("one", new.lookup)
    question = as_homer.get(f"{old.get_absolute_url()}end/").content.decode()
    assert "2 devices have not fetched the new key yet: “three”, “two”." in question
    assert ask("two", old.lookup).status_code == 200
    assert "has ended" in step(as_homer, old, "end")
    assert ask("two", old.lookup).status_code == 403
    entry = AuditEntry.objects.get(action="registration_key.ended")
    assert (entry.actor, entry.details["left_behind"]) == (simpsons.homer, 2)


def test_a_key_without_a_successor_is_not_ended(old: RegistrationKey, as_homer: Client) -> None:
    assert "no successor" in step(as_homer, old, "end")
    assert ask("one", old.lookup).status_code == 200


def test_revoking_can_include_the_keys_that_travelled_in_its_envelopes(old: RegistrationKey, as_homer: Client) -> None:
    new = renewal.renew(old, by=None)
    assert "2 keys" in step(as_homer, old, "revoke", with_successors="on")
    assert [ask("one", key.lookup).status_code for key in (old, new)] == [403, 403]


def test_revoking_the_old_key_alone_leaves_the_new_one(old: RegistrationKey, as_homer: Client) -> None:
    new = renewal.renew(old, by=None)
    step(as_homer, old, "revoke")
    assert [ask("one", key.lookup).status_code for key in (old, new)] == [403, 200]


def test_the_timeline_shows_the_whole_line_without_secrets(old: RegistrationKey, as_homer: Client) -> None:
    second = renewal.renew(old, by=None)
    third = renewal.renew(second, by=None)
    unrelated = RegistrationKeyFactory(organization=old.organization)
    html = page(as_homer, second)
    for key in (old, second, third):
        assert key.lookup in html
        assert key.secret not in html
    assert unrelated.lookup not in html
    assert "3 devices use it" in html


def test_the_day_of_the_next_renewal_is_said(old: RegistrationKey, as_homer: Client, simpsons: Cast) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, registration_every=365)
    assert "renewed by itself about" in page(as_homer, old)


@pytest.mark.parametrize("count", [1, 40])
def test_the_page_takes_a_fixed_number_of_queries(
    old: RegistrationKey, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    for number in range(count):
        ask(f"more-{number}", old.lookup)
    new = renewal.renew(old, by=None)
    page(as_homer, new)
    with django_assert_num_queries(13):
        page(as_homer, new)
