"""How long a link is good, how long a guest's place is, and what becomes of both when time has passed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from orgs import invitations
from orgs.models import Invitation, Membership, User
from tests.conftest import MANAGER, Cast
from tests.factories import NOON, MembershipFactory

Invite = Callable[..., Invitation]
NEW = {"given_name": "Ned", "password1": "hi-diddly-ho-4711", "password2": "hi-diddly-ho-4711"}


@pytest.fixture
def invite(simpsons: Cast, django_capture_on_commit_callbacks) -> Invite:
    """Let Homer invite Ned on the page of Household."""

    def send(**form: str) -> Invitation:
        homer = Client()
        homer.force_login(simpsons.homer)
        with django_capture_on_commit_callbacks(execute=True):
            answer = homer.post(
                f"/organizations/{simpsons.household.pk}/invite/",
                {"email": "ned@example.org", "relation": "member", **form},
            )
        assert answer.status_code == 302, answer.context["form"].errors
        return Invitation.objects.pending().get(email=form.get("email", "ned@example.org"))

    return send


def link() -> str:
    """The address in the newest mail with one."""
    found = re.search(r"/invitations/[\w-]+/", "".join(str(message.body) for message in reversed(mail.outbox)))
    assert found
    return found[0]


# ---- how long the link is good ----


@time_machine.travel(NOON, tick=False)
@pytest.mark.parametrize(
    ("form", "until"),
    [
        ({}, NOON + timedelta(days=14)),
        ({"good_for": "1"}, NOON + timedelta(days=1)),
        ({"good_for": "30"}, NOON + timedelta(days=30)),
        ({"good_for": "day", "expires_at": "2026-06-05"}, datetime(2026, 6, 5, 23, 59, 59, 999999, tzinfo=UTC)),
        # A day that was typed without being chosen is not meant.
        ({"good_for": "7", "expires_at": "2026-06-05"}, NOON + timedelta(days=7)),
    ],
)
def test_homer_chooses_how_long_the_link_is_good(invite: Invite, form: dict[str, str], until: datetime) -> None:
    assert invite(**form).expires_at == until


@time_machine.travel(NOON, tick=False)
@pytest.mark.parametrize(
    ("form", "field", "sentence"),
    [
        ({"good_for": "day"}, "expires_at", "Choose the day."),
        ({"good_for": "day", "expires_at": "2026-05-31"}, "expires_at", "This day has passed."),
        ({"good_for": "day", "expires_at": "tomorrow"}, "expires_at", "Enter a day like this: 2027-12-31"),
        ({"good_for": "day", "expires_at": "2027-06-01"}, "expires_at", "A link is good for 90 days at most."),
        ({"good_for": "365"}, "good_for", "This cannot be chosen here. Choose something that is offered."),
        ({"membership_until": "2026-05-31"}, "membership_until", "This day has passed."),
    ],
)
def test_a_time_that_does_not_do_is_said_on_its_field(
    simpsons: Cast, form: dict[str, str], field: str, sentence: str
) -> None:
    homer = Client()
    homer.force_login(simpsons.homer)
    typed = {"email": "ned@example.org", "given_name": "Ned", "relation": "manager", **form}
    answer = homer.post(f"/organizations/{simpsons.household.pk}/invite/", typed)
    assert answer.context["form"].errors == {field: [sentence]}
    assert 'value="Ned"' in answer.content.decode()
    assert not mail.outbox


@time_machine.travel(NOON, tick=False)
def test_sent_again_it_is_good_for_as_long_as_it_was(simpsons: Cast, invite: Invite) -> None:
    invitation = invite(good_for="3")
    with time_machine.travel(NOON + timedelta(days=20), tick=False):
        invitations.resend(invitation, by=simpsons.homer)
        invitation.refresh_from_db()
        assert invitation.expires_at == NOON + timedelta(days=23)


# ---- how long the place is ----


@time_machine.travel(NOON)
def test_a_guest_gets_a_place_that_ends_and_reads_so_in_the_mail(simpsons: Cast, invite: Invite) -> None:
    invite(membership_until="2026-06-20")
    assert "as a guest, until 20 June 2026" in str(mail.outbox[-1].body)
    Client().post(link(), NEW)
    place = Membership.objects.get(user__email="ned@example.org")
    assert place.valid_until == datetime(2026, 6, 20, 23, 59, 59, 999999, tzinfo=UTC)


@time_machine.travel(NOON)
def test_a_link_ends_no_later_than_the_place_that_it_leads_to(simpsons: Cast, invite: Invite) -> None:
    invitation = invite(membership_until="2026-06-03", good_for="30")
    assert invitation.expires_at == invitation.membership_until
    address = link()
    with time_machine.travel("2026-06-04 00:00:01Z"):
        assert Client().post(address, NEW).status_code == 404
        with pytest.raises(invitations.InvitationNotGood, match="Withdraw this invitation"):
            invitations.resend(invitation, by=simpsons.homer)
    assert not User.objects.filter(email="ned@example.org").exists()


GUEST, LONGER = NOON + timedelta(days=10), NOON + timedelta(days=100)


@time_machine.travel(NOON)
@pytest.mark.parametrize(
    ("has", "offered", "gets"),
    [
        (("member", GUEST), ("member", LONGER), ("member", LONGER)),
        (("member", GUEST), ("member", None), ("member", None)),
        (("member", LONGER), ("member", GUEST), ("member", LONGER)),
        (("member", None), ("member", GUEST), ("member", None)),
        (("manager", GUEST), ("member", None), ("manager", GUEST)),
        (("manager", GUEST), ("manager", None), ("manager", None)),
        (("member", NOON - timedelta(days=1)), ("member", GUEST), ("member", GUEST)),
        (("manager", NOON - timedelta(days=1)), ("member", GUEST), ("member", GUEST)),
    ],
)
def test_an_invitation_gives_and_never_takes(
    simpsons: Cast, has: tuple[str, datetime | None], offered: tuple[str, datetime | None], gets: tuple[str, object]
) -> None:
    ned = MembershipFactory(
        organization=simpsons.household, relation=has[0], valid_until=has[1], user__email="ned@example.org"
    ).user
    invitation = invitations.invite(
        organization=simpsons.household,
        email=ned.email,
        by=simpsons.homer,
        relation=offered[0],
        membership_until=offered[1],
    )
    token = invitation.renew_token()
    invitation.save()
    invitations.accept_as(ned, token)
    assert ned.memberships.values_list("relation", "valid_until").get() == gets


# ---- asking for a new one ----


@pytest.fixture
def late(invite: Invite) -> str:
    """The address of a link that has expired. No mail is in the outbox."""
    invite(given_name="Ned")
    Invitation.objects.update(expires_at=timezone.now())
    address = link()
    mail.outbox.clear()
    return address


def test_whoever_comes_too_late_asks_with_one_click_and_homer_sends_a_new_one(
    simpsons: Cast, late: str, as_homer: Client, django_capture_on_commit_callbacks
) -> None:
    visitor = Client()
    assert 'action="ask/"' in visitor.get(late).content.decode()
    assert "We have your request" in visitor.post(f"{late}ask/", follow=True).content.decode()
    (letter,) = mail.outbox
    assert letter.to == [simpsons.homer.email]
    assert letter.subject == "Ned asks for a new invitation to Household"
    assert f"/organizations/{simpsons.household.pk}/#people" in str(letter.body)
    assert "/invitations/" not in str(letter.body)

    html = as_homer.get(f"/organizations/{simpsons.household.pk}/").content.decode()
    assert "Asks for a new one" in html
    assert "Send a new one" in html
    with django_capture_on_commit_callbacks(execute=True):
        as_homer.post(f"/invited/{Invitation.objects.get().pk}/resend/")
    assert "Asks for a new one" not in as_homer.get(f"/organizations/{simpsons.household.pk}/").content.decode()
    assert visitor.post(link(), NEW).status_code == 302


@pytest.mark.parametrize("page", ["invite", "invite-several"])
def test_the_day_of_ones_choice_is_not_called_optional_but_what_it_is_needed_for(
    simpsons: Cast, as_homer: Client, page: str
) -> None:
    html = as_homer.get(f"/organizations/{simpsons.household.pk}/{page}/").content.decode()
    field = html.split('id="id_expires_at_field"')[1].split("<input")[0]
    assert "optional" not in field
    assert "Needed for “Until a day of my choice”" in field


@pytest.mark.parametrize("what", ["expired", "withdrawn", "used", "invented"])
def test_the_answer_is_one_for_all_links_and_true_of_each(what: str, late: str) -> None:
    invited = Invitation.objects.all()
    if what == "withdrawn":
        invited.update(revoked_at=timezone.now())
    elif what == "used":
        invited.update(accepted_at=timezone.now())
    address = "/invitations/invented/" if what == "invented" else late
    html = Client().post(f"{address}ask/", follow=True).content.decode()
    told = re.findall(r"<(?:h1|p)>(.+?)</(?:h1|p)>", html)
    assert told == [
        "We have your request",
        "If this was an invitation that has expired, whoever can send you a new link with one click is told by mail, "
        "once a day at most.",
        "If it was withdrawn or used already, or the link is not complete, nobody is told. Then talk to the person who "
        "invited you.",
    ]
    assert bool(mail.outbox) == (what == "expired")


def test_it_is_passed_on_once_a_day(late: str) -> None:
    for _ in range(3):
        Client().post(f"{late}ask/")
    assert len(mail.outbox) == 1
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        Client().post(f"{late}ask/")
    assert len(mail.outbox) == 2


def test_asking_tells_nothing_about_the_link_and_mails_for_none_but_an_expired_one(
    simpsons: Cast, invite: Invite
) -> None:
    addresses = ["/invitations/nonsense/"]
    for name in ("good", "used", "withdrawn", "expired"):
        invite(email=f"{name}@example.org")
        addresses.append(link())
    Invitation.objects.filter(email="used@example.org").update(accepted_at=timezone.now(), expires_at=timezone.now())
    withdrawn = Invitation.objects.filter(email="withdrawn@example.org")
    withdrawn.update(revoked_at=timezone.now(), expires_at=timezone.now())
    Invitation.objects.filter(email="expired@example.org").update(expires_at=timezone.now())
    mail.outbox.clear()
    answers = [Client().post(f"{address}ask/") for address in addresses]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "/invitations/asked/")}
    assert [letter.subject for letter in mail.outbox] == ["expired@example.org asks for a new invitation to Household"]


def test_whoever_invited_and_no_longer_manages_is_not_asked_but_who_does(simpsons: Cast, late: str) -> None:
    near = MembershipFactory(organization=simpsons.household, relation=MANAGER, user__email="near@example.org").user
    Invitation.objects.update(invited_by=simpsons.lenny)
    Client().post(f"{late}ask/")
    assert mail.outbox[-1].to == [near.email]


def test_somebody_in_two_customers_logs_in_accepts_and_finds_both_on_the_start_page(
    simpsons: Cast, invite: Invite, as_carl: Client
) -> None:
    invite(email="carl@example.net")
    answer = as_carl.post(link(), follow=True)
    html = answer.content.decode()
    assert answer.redirect_chain == [("/devices/", 302)]
    assert "kitchen" in html
    assert "garage" in html
    (his, household) = as_carl.get("/organizations/").context["trees"]
    assert (his.organization, household.organization) == (simpsons.carls, simpsons.household)
    # He manages one of them; in the other he sees.
    assert (his.is_managed, household.is_managed) == (True, False)
