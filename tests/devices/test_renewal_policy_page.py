"""Homer decides when keys are renewed by themselves, sees what that means, and nobody overwrites him silently."""

from __future__ import annotations

import re
from datetime import time, timedelta

import pytest
from django.test import Client
from django.utils.html import escape

from channels import renewal
from channels.models import PlatformAccount, RenewalPolicy
from devices.policy_words import example, in_words
from orgs.audit import AuditEntry
from orgs.models import Organization
from tests.conftest import Cast
from tests.devices.conftest import DAY, NOON
from tests.factories import DeviceFactory, MembershipFactory

pytestmark = pytest.mark.usefixtures("at_noon")
TYPED = {
    "write_every": "90",
    "registration_every": "",
    "read_every": "365",
    "overlap": "5",
    "instead": "remind",
    "quiet_from": "22:00",
    "quiet_until": "06:00",
    "time_zone": "Europe/Bratislava",
    "remind_before": "2",
    "report_after": "on",
}


def at(organization: Organization, piece: str = "") -> str:
    return f"/organizations/{organization.pk}/renewal-policy/{piece}"


def page(client: Client, organization: Organization) -> str:
    answer = client.get(at(organization))
    assert answer.status_code == 200
    return answer.content.decode()


def typed(client: Client, organization: Organization, **fields: str) -> dict[str, str]:
    """What Homer sends who has opened the form just now."""
    seen = client.get(at(organization)).context["form"].now
    return {**TYPED, "seen": seen, **fields}


def test_a_policy_is_stored_as_it_was_typed(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(simpsons.home), typed(as_homer, simpsons.home))
    assert answer.status_code == 302
    policy = RenewalPolicy.objects.get()
    assert (policy.organization, policy.changed_by) == (simpsons.home, simpsons.homer)
    assert (policy.write_every, policy.registration_every, policy.read_every) == (90, None, 365)
    assert (policy.overlap, policy.time_zone) == (5 * DAY, "Europe/Bratislava")
    assert (policy.quiet_from, policy.quiet_until) == (time(22), time(6))
    assert (policy.remind_before, policy.report_after, policy.paused) == (2, True, False)
    assert AuditEntry.objects.get().action == "renewal_policy.made"


def test_it_is_said_in_words(simpsons: Cast, as_homer: Client) -> None:
    as_homer.post(at(simpsons.home), typed(as_homer, simpsons.home))
    html = page(as_homer, simpsons.home)
    for sentence in (
        "Write keys are renewed every 90 days, each up to 9 days earlier so that not all change at once.",
        "Registration keys are renewed by hand alone.",
        "An old key stays good beside the new one for 5 days at most.",
        "Nothing is renewed between 22:00 and 06:00 (Europe/Bratislava).",
        "Managers get a mail 2 days before.",
    ):
        assert escape(sentence) in html


def test_an_example_says_what_it_does_here(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=90)
    html = page(as_homer, simpsons.home)
    assert "With 2 devices there is about one renewal every 45 days." in html
    assert re.search(r"The next one is about \d+ August 2026", html)


@pytest.mark.parametrize(
    ("every", "devices", "said"),
    [
        (90, 9, "With 9 devices there is about one renewal every 10 days."),
        (30, 300, "With 300 devices there are about 10 renewals a day."),
        (30, 1, "With 1 device there is about one renewal every 30 days."),
        (30, 0, "No device is under it yet."),
        (None, 5, "No write key is renewed by itself under it."),
    ],
)
def test_examples(every: int | None, devices: int, said: str) -> None:
    assert example(RenewalPolicy(write_every=every), devices, None) == [said]


def test_what_somebody_has_typed_can_be_looked_at_before_it_is_saved(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(simpsons.home), typed(as_homer, simpsons.home, write_every="10", preview="yes"))
    html = answer.content.decode()
    assert "not saved yet" in html
    assert "With 2 devices there is about one renewal every 5 days." in html
    assert 'value="10"' in html
    assert not RenewalPolicy.objects.exists()


def test_what_is_inherited_is_said_with_where_it_comes_from(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    html = page(as_homer, simpsons.household)
    assert "That of The Simpsons holds:" in html
    assert "Write keys are renewed every 30 days" in html
    assert 'name="write_every" value="30"' in html, "a policy of its own begins as what holds"


def test_the_manager_of_a_part_does_not_learn_what_is_above(simpsons: Cast) -> None:
    client = Client()
    client.force_login(MembershipFactory(organization=simpsons.household, relation="manager").user)
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    html = page(client, simpsons.household)
    assert "That of an organization above holds:" in html
    assert "The Simpsons" not in html


def test_a_pause_above_is_said(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, paused=True)
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=10)
    assert "Renewals are paused above this organization" in page(as_homer, simpsons.household)
    assert "Renewals are paused above this organization" not in page(as_homer, simpsons.home)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"write_every": "0"}, "write_every"),
        ({"write_every": "often"}, "write_every"),
        ({"read_every": "4000"}, "read_every"),
        ({"overlap": ""}, "overlap"),
        ({"overlap": "90"}, "overlap"),  # must be shorter than the time between two renewals
        ({"quiet_until": ""}, "quiet_until"),
        ({"quiet_from": ""}, "quiet_from"),
        ({"time_zone": "Springfield"}, "time_zone"),
        ({"remind_before": "61"}, "remind_before"),
    ],
)
def test_what_makes_no_sense_is_marked_and_kept(
    simpsons: Cast, as_homer: Client, fields: dict[str, str], wrong: str
) -> None:
    answer = as_homer.post(at(simpsons.home), typed(as_homer, simpsons.home, **fields))
    assert list(answer.context["form"].errors) == [wrong]
    assert 'name="read_every" value="' in answer.content.decode()
    assert not RenewalPolicy.objects.exists()


def test_two_managers_who_edit_at_once_do_not_overwrite_each_other_silently(
    simpsons: Cast, as_homer: Client, at_noon
) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    old = typed(as_homer, simpsons.home, write_every="60")
    at_noon.shift(timedelta(minutes=1))
    lisa = MembershipFactory(user__given_name="Lisa", organization=simpsons.home, relation="manager").user
    other = Client()
    other.force_login(lisa)
    other.post(at(simpsons.home), typed(other, simpsons.home, write_every="45"))

    answer = as_homer.post(at(simpsons.home), old)
    html = answer.content.decode()
    assert "Lisa" in html
    assert "has changed this policy in the meantime" in html
    assert "every 45 days" in html
    assert RenewalPolicy.objects.get().write_every == 45
    again = {**TYPED, "write_every": "60", "seen": answer.context["form"].data["seen"]}
    assert as_homer.post(at(simpsons.home), again).status_code == 302
    assert RenewalPolicy.objects.get().write_every == 60


def test_a_policy_that_somebody_has_just_removed_is_not_made_again_silently(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    old = typed(as_homer, simpsons.home, write_every="60")
    RenewalPolicy.objects.all().delete()
    assert "has removed this policy" in as_homer.post(at(simpsons.home), old).content.decode()
    assert not RenewalPolicy.objects.exists()


def test_the_pause_is_a_switch(simpsons: Cast, as_homer: Client) -> None:
    policy = RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    html = as_homer.post(at(simpsons.home, "pause/"), {"paused": "on"}, follow=True).content.decode()
    assert "Those that have begun go on to their end" in html
    assert "Let renewals go on" in html
    policy.refresh_from_db()
    assert policy.paused
    as_homer.post(at(simpsons.home, "pause/"))
    policy.refresh_from_db()
    assert not policy.paused
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "renewal_policy.paused",
        "renewal_policy.resumed",
    ]


def test_what_is_inherited_cannot_be_paused_from_below(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    html = as_homer.post(at(simpsons.household, "pause/"), {"paused": "on"}, follow=True).content.decode()
    assert "no policy of its own to pause" in html
    assert not RenewalPolicy.objects.filter(paused=True).exists()


def test_removing_it_says_first_what_holds_then(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=10)
    question = as_homer.get(at(simpsons.household, "remove/")).content.decode()
    assert "Write keys are renewed every 30 days" in question
    as_homer.post(at(simpsons.household, "remove/"))
    assert [policy.organization for policy in RenewalPolicy.objects.all()] == [simpsons.home]
    assert AuditEntry.objects.get().action == "renewal_policy.removed"


def test_a_change_during_a_renewal_has_a_clear_outcome(simpsons: Cast, as_homer: Client) -> None:
    assert simpsons.kitchen.channel
    policy = RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, overlap=7 * DAY)
    running = renewal.renew(simpsons.kitchen.channel, by=None, overlap=policy.overlap)
    html = page(as_homer, simpsons.home)
    assert "Those that have begun keep the time that they were given." in html
    assert "1 is under way." in html
    as_homer.post(at(simpsons.home), typed(as_homer, simpsons.home, overlap="1"))
    running.refresh_from_db()
    assert running.deadline == NOON + 7 * DAY


def test_a_policy_with_everything_by_hand_says_so() -> None:
    said = in_words(RenewalPolicy(remind_before=3, report_after=False))
    assert said[:3] == [
        "Write keys are renewed by hand alone.",
        "Registration keys are renewed by hand alone.",
        "People's read keys are renewed by hand alone.",
    ]
    assert not any("mail" in sentence for sentence in said)


@pytest.mark.parametrize("count", [1, 60])
def test_it_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, count: int, django_assert_num_queries
) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    for _n in range(count):
        DeviceFactory(organization=simpsons.household)
    with django_assert_num_queries(12):
        page(as_homer, simpsons.home)


def test_what_is_done_where_keys_cannot_be_renewed_is_asked_only_there(simpsons: Cast, as_homer: Client) -> None:
    question = "Where a write key cannot be renewed from here"
    assert question not in page(as_homer, simpsons.home)
    PlatformAccount.objects.update(platform="thingspeak")
    assert question in page(as_homer, simpsons.home)


def test_what_is_not_asked_stays_as_it_was(simpsons: Cast, as_homer: Client) -> None:
    kept = {"instead": RenewalPolicy.Instead.REPLACE, "keep_replaced": False}
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, **kept)
    hidden = as_homer.get(at(simpsons.home)).context["form"]
    sent = {name: hidden[name].value() for name in kept}
    as_homer.post(at(simpsons.home), typed(as_homer, simpsons.home, write_every="60") | sent)
    stored = RenewalPolicy.objects.get(organization=simpsons.home)
    assert (stored.write_every, stored.instead, stored.keep_replaced) == (60, *kept.values())
