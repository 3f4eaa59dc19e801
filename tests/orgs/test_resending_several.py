"""Several invitations are sent again with one button, and Homer reads which were not, and why."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orgs import invitations
from orgs.audit import AuditEntry
from orgs.models import Invitation
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db
Commits = Callable[..., AbstractContextManager[Any]]
ADDRESS = "/people/invited/resend/"


@pytest.fixture
def three(simpsons: Cast) -> list[Invitation]:
    """Lisa's, which has expired, Bart's and Maggie's."""
    made = [
        invitations.invite(organization=simpsons.household, email=f"{name}@example.org", by=simpsons.homer)
        for name in ("lisa", "bart", "maggie")
    ]
    long_ago = timezone.now() - timedelta(days=30)
    Invitation.objects.filter(pk=made[0].pk).update(created_at=long_ago, expires_at=long_ago + timedelta(days=14))
    return made


def send(client: Client, chosen: list[Invitation], commits: Commits, **more: str) -> list[str]:
    """Press the button with these chosen; return what the page says then."""
    with commits(execute=True):
        answer = client.post(ADDRESS, {"invitations": [one.pk for one in chosen], **more}, follow=True)
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def tokens() -> dict[str, str]:
    return dict(Invitation.objects.values_list("email", "token_hash"))


def test_all_that_are_chosen_get_a_new_link_and_the_others_keep_theirs(
    three: list[Invitation], as_homer: Client, django_capture_on_commit_callbacks: Commits
) -> None:
    before = tokens()
    said = send(as_homer, three[:2], django_capture_on_commit_callbacks)
    assert said == ["2 invitations are on their way with new links. The old ones have ended."]
    assert sorted(one.to[0] for one in mail.outbox) == ["bart@example.org", "lisa@example.org"]
    after = tokens()
    assert {email for email, token in after.items() if token != before[email]} == {
        "lisa@example.org",
        "bart@example.org",
    }
    assert not Invitation.objects.get(pk=three[0].pk).is_expired
    assert AuditEntry.objects.filter(action="invitation.sent_again").count() == 2


def test_the_limit_of_a_day_holds_and_is_told(
    three: list[Invitation], as_homer: Client, settings: Any, django_capture_on_commit_callbacks: Commits
) -> None:
    settings.INVITATIONS_A_DAY = 2
    before = tokens()
    said = send(as_homer, three, django_capture_on_commit_callbacks)
    assert said == [
        "2 invitations are on their way with new links. The old ones have ended.",
        "1 invitation was not sent (maggie@example.org). No more than 2 invitations can be sent within a day. "
        "Please go on tomorrow.",
    ]
    assert len(mail.outbox) == 2
    assert tokens()["maggie@example.org"] == before["maggie@example.org"], "her link is still good"


def test_one_that_was_accepted_meanwhile_is_told_and_does_not_keep_the_others(
    three: list[Invitation], as_homer: Client, django_capture_on_commit_callbacks: Commits
) -> None:
    Invitation.objects.filter(email="bart@example.org").update(accepted_at=timezone.now())
    said = send(as_homer, three, django_capture_on_commit_callbacks)
    assert said == [
        "2 invitations are on their way with new links. The old ones have ended.",
        "1 invitation was not sent (bart@example.org). This invitation has been accepted or withdrawn in the meantime.",
    ]
    assert "bart@example.org" not in {one.to[0] for one in mail.outbox}


def test_one_that_was_on_hold_is_good_again_in_the_name_of_whoever_sends_it(
    simpsons: Cast, three: list[Invitation], as_homer: Client, django_capture_on_commit_callbacks: Commits
) -> None:
    gone = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    held = invitations.invite(organization=simpsons.household, email="otto@example.org", by=gone)
    gone.memberships.all().delete()
    said = send(as_homer, [three[1], held], django_capture_on_commit_callbacks)
    assert said == [
        "2 invitations are on their way with new links. The old ones have ended. "
        "1 of them was on hold and is yours now."
    ]
    held.refresh_from_db()
    assert held.invited_by == simpsons.homer


def test_of_what_was_on_hold_a_guest_gives_no_more_than_they_have(
    simpsons: Cast, three: list[Invitation], django_capture_on_commit_callbacks: Commits
) -> None:
    soon = timezone.now() + timedelta(days=20)
    gone = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    held = invitations.invite(organization=simpsons.household, email="otto@example.org", by=gone)
    gone.memberships.all().delete()
    guest = Client()
    guest.force_login(MembershipFactory(organization=simpsons.household, relation=MANAGER, valid_until=soon).user)
    send(guest, [three[1], held], django_capture_on_commit_callbacks)
    until = dict(Invitation.objects.values_list("email", "membership_until"))
    assert (until["otto@example.org"], until["bart@example.org"]) == (soon, None)


def test_each_customer_has_a_limit_of_its_own(
    simpsons: Cast,
    three: list[Invitation],
    as_homer: Client,
    settings: Any,
    django_capture_on_commit_callbacks: Commits,
) -> None:
    settings.INVITATIONS_A_DAY = 2
    MembershipFactory(user=simpsons.homer, organization=simpsons.carls, relation=MANAGER)
    carls = invitations.invite(organization=simpsons.carls, email="dan@example.org", by=simpsons.carl)
    said = send(as_homer, [*three, carls], django_capture_on_commit_callbacks)
    assert said[0] == "3 invitations are on their way with new links. The old ones have ended."
    assert said[1].startswith("1 invitation was not sent (maggie@example.org). No more than 2 invitations")
    assert "dan@example.org" in {one.to[0] for one in mail.outbox}


def test_fifty_cost_as_many_queries_as_two(simpsons: Cast, as_homer: Client) -> None:
    """Until they are stored: each is mailed to after that."""
    lines = [invitations.Invitee(f"{n}@example.org", "", "", simpsons.household) for n in range(52)]
    pks = [one.pk for one in invitations.invite_each(lines, by=simpsons.homer)]

    def queries_for(chosen: list[int]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_homer.post(ADDRESS, {"invitations": chosen}).status_code == 302
        return len(queries)

    few, many = queries_for(pks[:2]), queries_for(pks[2:])
    assert AuditEntry.objects.filter(action="invitation.sent_again").count() == 52
    assert few == many


@pytest.mark.parametrize("who", ["marge", "carl"])
def test_nobody_sends_what_is_not_theirs_not_even_beside_what_is(
    simpsons: Cast, three: list[Invitation], who: str, django_capture_on_commit_callbacks: Commits
) -> None:
    own = invitations.invite(organization=simpsons.carls, email="dan@example.org", by=simpsons.carl)
    client = Client()
    client.force_login(getattr(simpsons, who))
    before = tokens()
    send(client, [*three, own], django_capture_on_commit_callbacks)
    assert tokens() == before
    assert mail.outbox == []


def test_nothing_chosen_is_said(simpsons: Cast, as_homer: Client, django_capture_on_commit_callbacks: Commits) -> None:
    assert send(as_homer, [], django_capture_on_commit_callbacks) == ["Choose at least one invitation."]


def test_the_button_leads_back_to_the_page_of_the_list_and_nowhere_else(
    three: list[Invitation], as_homer: Client
) -> None:
    for back, there in {
        "/people/invited/?page=2": "/people/invited/?page=2",
        "/people/invited/": "/people/invited/",
        "https://evil.example/people/invited/?": "/people/invited/",
    }.items():
        assert as_homer.post(ADDRESS, {"invitations": three[0].pk, "next": back})["Location"] == there


def test_the_list_offers_to_choose_each_and_all(three: list[Invitation], as_homer: Client) -> None:
    page = as_homer.get("/people/invited/").content.decode()
    assert page.count('name="invitations"') == 3
    assert 'data-choose-all="invitations"' in page
