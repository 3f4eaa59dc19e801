"""Whoever manages until a day gives nothing that lasts longer: a caretaker's deputy leaves nobody behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from devices.places import change_place
from orgs import invitations, tree
from orgs.models import Invitation, Membership, User
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory, UserFactory
from tests.orgs.test_invitations_of_former_managers import until_somebody_waits_for_us

END = datetime(2031, 5, 4, 12, tzinfo=UTC)
"""At noon, as operators can set it; a day on a page means its last moment."""


@pytest.fixture
def bart(simpsons: Cast) -> User:
    """Somebody who manages Household until a day."""
    return MembershipFactory(organization=simpsons.household, relation=MANAGER, valid_until=END).user


@pytest.fixture
def as_bart(bart: User) -> Client:
    client = Client()
    client.force_login(bart)
    return client


def invite(client: Client, simpsons: Cast, **form: str) -> str:
    sent = {"email": "ned@example.net", "relation": "member", **form}
    return client.post(f"/organizations/{simpsons.household.pk}/invite/", sent, follow=True).content.decode()


def test_the_form_offers_the_guests_own_last_day(simpsons: Cast, as_bart: Client, as_homer: Client) -> None:
    for page in ("invite", "invite-several"):
        html = as_bart.get(f"/organizations/{simpsons.household.pk}/{page}/").content.decode()
        assert 'value="2031-05-04"' in html
        assert "You manage until that day yourself" in html
        html = as_homer.get(f"/organizations/{simpsons.household.pk}/{page}/").content.decode()
        assert "You manage until that day yourself" not in html


@pytest.mark.parametrize("until", ["2031-05-05", "2040-01-01"])
def test_a_later_day_is_refused_and_the_last_one_named(simpsons: Cast, as_bart: Client, until: str) -> None:
    html = invite(as_bart, simpsons, membership_until=until)
    assert "You manage this until 4 May 2031 yourself." in html
    assert not Invitation.objects.exists()


def test_for_good_is_refused(simpsons: Cast, as_bart: Client) -> None:
    assert 'aria-invalid="true"' in invite(as_bart, simpsons, membership_until="")
    several = {"lines": "ned@example.net", "relation": "member", "membership_until": ""}
    as_bart.post(f"/organizations/{simpsons.household.pk}/invite-several/", several)
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(("until", "ends"), [("2031-05-04", END), ("2031-05-03", None)])
def test_the_last_day_and_those_before_are_the_guests_to_give(
    simpsons: Cast, as_bart: Client, until: str, ends: datetime | None
) -> None:
    invite(as_bart, simpsons, membership_until=until)
    given = Invitation.objects.get().membership_until
    assert given is not None
    assert given <= END
    assert str(timezone.localdate(given)) == until
    assert ends is None or given == ends


def test_a_manager_for_good_gives_for_good(simpsons: Cast, as_homer: Client) -> None:
    invite(as_homer, simpsons)
    assert Invitation.objects.get().membership_until is None


def test_who_manages_for_good_from_above_gives_for_good_though_a_guest_below(simpsons: Cast, bart: User) -> None:
    MembershipFactory(user=bart, organization=simpsons.home, relation=MANAGER)
    client = Client()
    client.force_login(bart)
    invite(client, simpsons)
    assert Invitation.objects.get().membership_until is None


def test_even_without_the_form_nothing_longer_is_given(simpsons: Cast, bart: User) -> None:
    sent = invitations.invite(organization=simpsons.household, email="ned@example.net", by=bart)
    assert sent.membership_until == END


def test_who_accepts_later_gets_no_more_than_the_guest_has_by_then(simpsons: Cast, bart: User) -> None:
    sent = invitations.invite(organization=simpsons.household, email="ned@example.net", by=bart)
    token = sent.renew_token()
    sent.save()
    sooner = timezone.now() + timedelta(days=2)
    Membership.objects.filter(user=bart).update(valid_until=sooner)
    ned = invitations.accept_with_new_account(token, given_name="Ned", family_name="", password="okily-dokily")
    assert ned.memberships.get().valid_until == sooner


def test_what_a_guest_takes_over_ends_with_them(simpsons: Cast, bart: User) -> None:
    """An invitation for good, of somebody who manages no more, is sent again by the guest: it is theirs now."""
    former = MembershipFactory(organization=simpsons.household, relation=MANAGER)
    sent = invitations.invite(organization=simpsons.household, email="ned@example.net", by=former.user)
    former.delete()
    invitations.resend(sent, by=bart)
    sent.refresh_from_db()
    assert (sent.invited_by, sent.membership_until) == (bart, END)


def test_what_somebody_else_offered_for_good_stays_for_good_when_a_guest_sends_it_again(
    simpsons: Cast, bart: User
) -> None:
    sent = invitations.invite(organization=simpsons.household, email="ned@example.net", by=simpsons.homer)
    invitations.resend(sent, by=bart)
    sent.refresh_from_db()
    assert (sent.invited_by, sent.membership_until) == (simpsons.homer, None)


# ---- the places of others ----


def change(client: Client, place: Membership, **form: str) -> str:
    address = f"/memberships/{place.pk}/edit/"
    seen = client.get(address).context["form"]["seen"].value()
    return client.post(address, {"seen": seen, **form}, follow=True).content.decode()


@pytest.mark.parametrize(
    ("relation", "until"),
    [("member", ""), ("member", "2031-05-05"), ("manager", "2031-04-01"), ("manager", "2031-05-05")],
)
def test_a_guest_prolongs_no_place_beyond_their_own_and_makes_nobody_manage_for_longer(
    simpsons: Cast, as_bart: Client, relation: str, until: str
) -> None:
    before = datetime(2031, 4, 1, 12, tzinfo=UTC)
    place = MembershipFactory(user=UserFactory(), organization=simpsons.household, valid_until=before)
    html = change(as_bart, place, relation=relation, valid_until=until)
    place.refresh_from_db()
    assert place.valid_until is not None
    assert place.valid_until <= END
    is_refused = until in ("", "2031-05-05")
    assert ("You manage this until 4 May 2031 yourself." in html) == is_refused
    assert place.relation == ("member" if is_refused else relation)


def test_a_guest_makes_no_manager_for_good_of_a_member_for_good(simpsons: Cast, as_bart: Client) -> None:
    place = simpsons.marge.memberships.get()
    assert "You manage this until 4 May 2031 yourself." in change(as_bart, place, relation="manager", valid_until="")
    place.refresh_from_db()
    assert (place.relation, place.valid_until) == ("member", None)


def test_a_guest_shortens_and_takes_back_as_any_manager(simpsons: Cast, as_bart: Client) -> None:
    place = MembershipFactory(user=UserFactory(), organization=simpsons.household, relation=MANAGER)
    change(as_bart, place, relation="member", valid_until="")
    place.refresh_from_db()
    assert (place.relation, place.valid_until) == ("member", None)
    change(as_bart, place, relation="member", valid_until="2035-01-01")
    place.refresh_from_db()
    assert place.valid_until is not None
    assert timezone.localdate(place.valid_until).year == 2035


@pytest.mark.parametrize(("until", "is_moved"), [(None, False), (END + timedelta(days=1), False), (END, True)])
def test_a_guest_puts_nobody_further_up_for_longer(
    simpsons: Cast, as_bart: Client, until: datetime | None, is_moved: bool
) -> None:
    attic = tree.create_below(simpsons.household, "Attic")
    place = MembershipFactory(user=UserFactory(), organization=attic, valid_until=until)
    html = as_bart.post(f"/memberships/{place.pk}/move/", {"organization": simpsons.household.pk}, follow=True).content
    assert (b"nobody can be put there for longer" in html) != is_moved
    place.refresh_from_db()
    assert place.organization == (simpsons.household if is_moved else attic)


def test_further_down_a_guest_puts_anybody(simpsons: Cast, as_bart: Client) -> None:
    attic = tree.create_below(simpsons.household, "Attic")
    place = simpsons.marge.memberships.get()
    as_bart.post(f"/memberships/{place.pk}/move/", {"organization": attic.pk})
    place.refresh_from_db()
    assert place.organization == attic


@pytest.mark.django_db(transaction=True)
def test_who_is_given_an_end_while_somebody_accepts_gives_no_more_than_that(simpsons: Cast) -> None:
    soon = timezone.now() + timedelta(days=1)
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    friend = UserFactory(email="milhouse@example.org")
    sent = invitations.invite(organization=simpsons.household, email=friend.email, by=bart)
    token = sent.renew_token()
    sent.save()

    def accept() -> None:
        try:
            invitations.accept_as(friend, token)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            place = bart.memberships.select_related("organization", "user").get()
            change_place(place, relation=MANAGER, valid_until=soon)
            accepting = pool.submit(accept)
            until_somebody_waits_for_us()
        accepting.result()
    assert friend.memberships.get().valid_until == soon
