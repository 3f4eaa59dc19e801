"""An invitation is good as long as whoever sent it may invite there; the managers who are left decide about others."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from devices.attention import matters_for
from devices.places import change_place
from orgs import invitations
from orgs.errors import InvitationNotGood
from orgs.models import Invitation, Membership, User
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

NEW = {"given_name": "Moe", "password1": "one-more-round-4711", "password2": "one-more-round-4711"}


@pytest.fixture
def place(simpsons: Cast) -> Membership:
    """Lenny's, who manages the power plant."""
    simpsons.lenny.memberships.update(relation=MANAGER)
    return simpsons.lenny.memberships.select_related("organization", "user").get()


@pytest.fixture
def token(simpsons: Cast, place: Membership) -> str:
    """Of an invitation that Lenny has sent to an address of his own."""
    return sent(simpsons.lenny, simpsons)


def sent(by: User, cast: Cast, email: str = "moe@example.org", **more: object) -> str:
    invitation = invitations.invite(organization=cast.power_plant, email=email, by=by, **more)
    token = invitation.renew_token()
    invitation.save()
    return token


def opens(token: str) -> bool:
    return Client().get(f"/invitations/{token}/").status_code == 200


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_it_is_good_as_long_as_its_sender_manages_the_place(token: str) -> None:
    assert opens(token)


def test_nobody_gets_in_by_the_invitation_of_somebody_who_was_removed(
    simpsons: Cast, as_homer: Client, place: Membership, token: str
) -> None:
    as_homer.post(f"/memberships/{place.pk}/remove/")
    assert not opens(token)
    assert Client().post(f"/invitations/{token}/", NEW).status_code == 404
    assert not User.objects.filter(email="moe@example.org").exists()
    moe = UserFactory(email="moe@example.org")
    with pytest.raises(InvitationNotGood):
        invitations.accept_as(moe, token)


def test_nor_of_a_guest_whose_time_is_over(token: str) -> None:
    Membership.objects.filter(organization__name="Power plant").update(valid_until=timezone.now())
    assert not opens(token)


def test_nor_of_somebody_whom_an_operator_has_locked_out(simpsons: Cast, token: str) -> None:
    User.objects.filter(pk=simpsons.lenny.pk).update(is_active=False)
    assert not opens(token)


def test_nor_of_somebody_who_has_closed_the_account(simpsons: Cast, token: str) -> None:
    simpsons.lenny.delete()
    assert not opens(token)


def test_whoever_manages_it_from_above_goes_on_standing_behind_it(
    simpsons: Cast, as_homer: Client, place: Membership, token: str
) -> None:
    MembershipFactory(user=simpsons.lenny, organization=simpsons.home, relation=MANAGER)
    assert "on hold" not in text(as_homer, f"/memberships/{place.pk}/remove/")
    as_homer.post(f"/memberships/{place.pk}/remove/")
    assert opens(token)


def test_the_invitation_of_an_operator_is_good(simpsons: Cast) -> None:
    assert opens(sent(UserFactory(is_staff=True), simpsons))
    assert not opens(sent(UserFactory(), simpsons))


@pytest.mark.parametrize("page", ["remove", "edit", "move"])
def test_the_page_says_beforehand_how_many_there_are(
    simpsons: Cast, as_homer: Client, place: Membership, token: str, page: str
) -> None:
    sent(simpsons.lenny, simpsons, "barney@example.org")
    sent(simpsons.homer, simpsons, "ned@example.org")
    html = text(as_homer, f"/memberships/{place.pk}/{page}/")
    assert re.search(r"has sent 2 invitations|2 invitations that .* has sent", html)
    assert "until another manager sends them again" in html


@pytest.mark.parametrize(
    ("page", "form"),
    [("remove", {}), ("edit", {"relation": "member"}), ("move", {"organization": "household"})],
)
def test_the_message_says_afterwards_how_many_there_are(
    simpsons: Cast, as_homer: Client, place: Membership, token: str, page: str, form: dict[str, str]
) -> None:
    data = form | ({"organization": str(simpsons.household.pk)} if page == "move" else {})
    html = as_homer.post(f"/memberships/{place.pk}/{page}/", data, follow=True).content.decode()
    assert "1 invitation that Lenny" in html
    assert "is on hold: send it again, or withdraw it." in html
    assert not opens(token)


def test_somebody_who_leaves_is_told(simpsons: Cast, as_lenny: Client, place: Membership, token: str) -> None:
    html = text(as_lenny, f"/memberships/{place.pk}/leave/")
    assert "1 invitation that you have sent is on hold until another manager sends it again." in html


def test_a_member_has_none(simpsons: Cast, as_homer: Client) -> None:
    place = simpsons.marge.memberships.get()
    for page in ("remove", "edit", "move"):
        assert "invitation" not in text(as_homer, f"/memberships/{place.pk}/{page}/")


def test_who_takes_the_removal_back_has_them_back(
    simpsons: Cast, as_homer: Client, place: Membership, token: str
) -> None:
    html = as_homer.post(f"/memberships/{place.pk}/remove/", follow=True).content.decode()
    offer = re.search(r'name="undo" value="([^"]+)"', html)
    assert offer
    as_homer.post("/memberships/restore/", {"undo": offer[1]})
    assert opens(token)


def test_the_managers_who_are_left_find_it_and_send_it_again_in_their_own_name(
    simpsons: Cast, as_homer: Client, place: Membership, token: str, django_capture_on_commit_callbacks
) -> None:
    change_place(place, relation="member", valid_until=None)
    for address in ("/people/invited/", f"/organizations/{simpsons.power_plant.pk}/"):
        assert "whoever sent it does not manage this any more" in text(as_homer, address)
    (matter,) = [one for one in matters_for(simpsons.homer, timezone.now()) if "invited" in str(one.sentence)]
    assert str(matter.sentence).startswith("Whoever invited moe@example.org to Power plant does not manage it any more")
    with django_capture_on_commit_callbacks(execute=True):
        as_homer.post(f"/invited/{Invitation.objects.get().pk}/resend/")
    assert Invitation.objects.get().invited_by == simpsons.homer
    assert str(simpsons.homer) in mail.outbox[-1].subject
    link = re.search(r"/invitations/([\w-]+)/", str(mail.outbox[-1].body))
    assert link
    assert opens(link[1])
    assert "does not manage this any more" not in text(as_homer, "/people/invited/")


def test_one_that_is_sent_again_while_its_sender_manages_stays_the_senders(
    simpsons: Cast, as_homer: Client, token: str
) -> None:
    as_homer.post(f"/invited/{Invitation.objects.get().pk}/resend/")
    assert Invitation.objects.get().invited_by == simpsons.lenny


def test_whoever_opens_it_asks_for_a_new_one_with_one_click(simpsons: Cast, place: Membership, token: str) -> None:
    change_place(place, relation="member", valid_until=None)
    mail.outbox.clear()
    Client().post(f"/invitations/{token}/ask/")
    (letter,) = mail.outbox
    assert letter.to == [simpsons.homer.email]
    assert "whoever sent it does not manage “Power plant” any more" in str(letter.body)


# ---- what an invitation does to a place that is there ----


@pytest.mark.parametrize("ends_in", [None, 100])
def test_a_member_does_not_manage_for_longer_than_was_offered(simpsons: Cast, ends_in: int | None) -> None:
    now = timezone.now()
    until = now + timedelta(days=ends_in) if ends_in else None
    moe = MembershipFactory(organization=simpsons.power_plant, valid_until=until, user__email="moe@example.org").user
    token = sent(simpsons.homer, simpsons, relation=MANAGER, membership_until=now + timedelta(days=10))
    client = Client()
    client.force_login(moe)
    assert "You belong to Power plant for longer" in client.post(f"/invitations/{token}/").content.decode()
    assert moe.memberships.values_list("relation", "valid_until").get() == ("member", until)
    assert Invitation.objects.pending().exists(), "the manager still sees that it was of no use"


@pytest.mark.django_db(transaction=True)
def test_who_is_made_a_manager_for_good_while_they_accept_stays_one(simpsons: Cast) -> None:
    """Otherwise the place would get the later of two ends, though it has none by now."""
    soon = timezone.now() + timedelta(days=1)
    moe = MembershipFactory(organization=simpsons.home, relation=MANAGER, valid_until=soon).user
    invitation = invitations.invite(
        organization=simpsons.home,
        email=moe.email,
        by=simpsons.homer,
        relation=MANAGER,
        membership_until=soon + timedelta(days=1),
    )
    token = invitation.renew_token()
    invitation.save()

    def accept() -> None:
        try:
            invitations.accept_as(moe, token)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            place = moe.memberships.select_related("organization", "user").get()
            change_place(place, relation=MANAGER, valid_until=None)
            accepting = pool.submit(accept)
            until_somebody_waits_for_us()
        accepting.result()
    assert moe.memberships.get().valid_until is None


def until_somebody_waits_for_us() -> None:
    """Return when another connection waits for this transaction; with SQLite every other one does anyway."""
    if connection.vendor != "postgresql":
        return
    until = monotonic() + 30
    with connection.cursor() as cursor:
        while monotonic() < until:
            cursor.execute("SELECT pg_backend_pid() = ANY(pg_blocking_pids(pid)) FROM pg_locks WHERE NOT granted")
            if (True,) in cursor.fetchall():
                return
    pytest.fail("Nobody waits.")


@pytest.mark.parametrize("is_below", [False, True], ids=["the same place by a second address", "one below it"])
def test_a_guest_who_manages_gives_themselves_no_place_for_good(is_below: bool, simpsons: Cast) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    guest = MembershipFactory(organization=simpsons.household, relation=MANAGER, valid_until=tomorrow).user
    EmailAddress.objects.create(user=guest, email="second@example.org", verified=True)
    where = OrganizationFactory(name="Attic", parent=simpsons.household) if is_below else simpsons.household
    link = invitations.invite(
        organization=where, email=guest.email if is_below else "second@example.org", relation=MANAGER, by=guest
    )
    token = link.renew_token()
    link.save()
    client = Client()
    client.force_login(guest)
    answer = client.post(f"/invitations/{token}/")
    assert answer.status_code == 404
    assert "You have sent this invitation yourself." in answer.content.decode()
    assert [place.valid_until for place in Membership.objects.filter(user=guest)] == [tomorrow]
    link.refresh_from_db()
    assert link.accepted_at is None
