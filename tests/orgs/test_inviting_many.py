"""A landlord invites all tenants of a house at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import override
from pytest_django import Settings

from orgs import invitations, tree
from orgs.audit import AuditEntry
from orgs.invitations import Invitee
from orgs.inviting_many import read_invitees
from orgs.models import Invitation, Membership, Organization
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory

WANTED = {"relation": "member", "good_for": "14"}


def page_of(organization: Organization) -> str:
    return f"/organizations/{organization.pk}/invite-several/"


def send(client: Client, organization: Organization, lines: str, **form: object) -> str:
    answer = client.post(page_of(organization), {"lines": lines, **WANTED, **form}, follow=True)
    return answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_each_line_is_an_invitation_with_a_mail_of_its_own(simpsons: Cast, as_homer: Client) -> None:
    lines = "ned@example.net\nMaude@Example.net, Maude Flanders, Power plant\n\nrod@example.net,Rod van Flanders;"
    html = send(as_homer, simpsons.home, lines.replace(";", ""))
    assert "3 invitations are on their way." in html
    sent = {one.email: one for one in Invitation.objects.select_related("organization")}
    assert {email: one.organization for email, one in sent.items()} == {
        "ned@example.net": simpsons.home,
        "maude@example.net": simpsons.power_plant,
        "rod@example.net": simpsons.home,
    }
    assert (sent["rod@example.net"].given_name, sent["rod@example.net"].family_name) == ("Rod", "van Flanders")
    assert [one.invited_by for one in sent.values()] == [simpsons.homer] * 3
    assert sorted(letter.to[0] for letter in mail.outbox) == sorted(sent)
    links = {next(word for word in str(letter.body).split() if "/invitations/" in word) for letter in mail.outbox}
    assert len(links) == 3


def test_nobody_is_among_those_whom_they_invite(simpsons: Cast, as_homer: Client) -> None:
    html = send(as_homer, simpsons.home, "ned@example.net\nHomer@example.net,,Household")
    assert "homer@example.net is your own address: leave it out." in html
    assert not Invitation.objects.exists()


def test_all_get_what_is_chosen_for_all(simpsons: Cast, as_homer: Client) -> None:
    until = timezone.localdate() + timedelta(days=30)
    send(as_homer, simpsons.home, "ned@example.net\nmaude@example.net", relation="manager", membership_until=str(until))
    for one in Invitation.objects.all():
        assert one.relation == MANAGER
        assert one.membership_until is not None
        assert timezone.localdate(one.membership_until) == until


def test_the_history_of_each_place_tells_of_its_invitation(simpsons: Cast, as_homer: Client) -> None:
    send(as_homer, simpsons.home, "ned@example.net\nmaude@example.net,,Household")
    for place in (simpsons.home, simpsons.household):
        entry = AuditEntry.objects.filter(organization=place, action="invitation.sent").get()
        assert entry.actor == simpsons.homer


def test_a_file_does_as_well_and_its_first_line_may_name_the_columns(simpsons: Cast, as_homer: Client) -> None:
    file = SimpleUploadedFile("tenants.csv", "Organization;Email\nHousehold;ned@example.net\n".encode("utf-8-sig"))
    as_homer.post(page_of(simpsons.home), {"file": file, **WANTED})
    assert Invitation.objects.get().organization == simpsons.household


def test_the_heads_of_columns_may_be_what_pages_call_them(simpsons: Cast) -> None:
    with override("de"):
        for email in ("E-Mail-Adresse", "e-mail"):
            [ned] = read_invitees(f"Organisation;{email}\nHousehold;ned@example.net", top=simpsons.home).rows
            assert (ned.email, ned.organization) == ("ned@example.net", simpsons.household)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ned", "Line 2: “ned” is no e-mail address."),
        (", Ned Flanders", "Line 2: “” is no e-mail address."),
        ("n" * 243 + "@example.net", f"Line 2: “{'n' * 80}” is no e-mail address."),
        ("n" * 242 + "@İxample.net", f"Line 2: “{'n' * 80}” is no e-mail address."),
        ("ned@example.net,Ned,Garage", "Line 2: there is no organization called “Garage”."),
        ("ned@example.net,Ned,Carl's", "Line 2: there is no organization called “Carl's”."),
        ("OK@example.net", "Line 2: ok@example.net is in line 1 already."),
        ("marge@example.net,,Household", "Line 2: Marge … is in Household already."),
        ("ned@example.net," + "x" * 101, "Line 2: the name is longer than 100 letters."),
        ("ned@example.net,Ned " + "x" * 101, "Line 2: the name is longer than 100 letters."),
        ("ned@example.net,N\x07ed", "Line 2: there are characters in the name that cannot be printed."),
        ("ned@example.net,Ned,Household,7", "Line 2: there are more columns than email, name and organization."),
    ],
)
def test_a_bad_line_is_named_and_nobody_is_invited(simpsons: Cast, as_homer: Client, line: str, problem: str) -> None:
    html = send(as_homer, simpsons.home, f"ok@example.net\n{line}")
    assert re.search(re.escape(escape(problem)).replace("…", r"\w+"), html)
    assert "ok@example.net" in html
    assert not Invitation.objects.exists()
    assert mail.outbox == []


def test_the_longest_address_that_can_be_stored_is_invited(simpsons: Cast, as_homer: Client) -> None:
    longest = "n" * 242 + "@example.net"
    assert "1 invitation is on its way." in send(as_homer, simpsons.home, longest)
    assert Invitation.objects.get().email == longest


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("n\0ed@example.net", "“n\0ed@example.net” is no e-mail address."),
        ("ned@example.net,N\0ed", "there are characters in the name that cannot be printed."),
        ("ned@example.net,Ned,House\0hold", "there is no organization called “House\0hold”."),
    ],
)
def test_a_file_with_a_character_that_no_database_stores_is_refused(
    simpsons: Cast, as_homer: Client, line: str, problem: str
) -> None:
    """What is typed is looked at by the form field; what is in a file is not."""
    file = SimpleUploadedFile("tenants.csv", line.encode())
    answer = as_homer.post(page_of(simpsons.home), {"file": file, **WANTED})
    assert f"Line 1: {problem}" in answer.context["form"].errors["lines"]
    assert not Invitation.objects.exists()


def test_whoever_manages_a_part_names_only_what_is_in_it(simpsons: Cast) -> None:
    for name in ("The Simpsons", "Power plant", "The Simpsons › Power plant"):
        (said,) = read_invitees(f"ned@example.net,,{name}", top=simpsons.household).problems
        assert said == f"Line 1: there is no organization called “{name}”."
    flat = tree.create_below(simpsons.household, "Flat 3")
    (row,) = read_invitees("ned@example.net,,Flat 3", top=simpsons.household).rows
    assert row.organization == flat


def test_an_empty_form_says_what_is_missing(simpsons: Cast, as_homer: Client) -> None:
    assert "Enter at least one e-mail address, or choose a file." in send(as_homer, simpsons.home, " \n")


def test_a_file_with_a_mistake_comes_back_as_text(simpsons: Cast, as_homer: Client) -> None:
    file = SimpleUploadedFile("tenants.csv", b"ned@example.net\nmaude")
    html = as_homer.post(page_of(simpsons.home), {"file": file, **WANTED}).content.decode()
    assert "ned@example.net\nmaude</textarea>" in html


def test_more_than_a_day_has_left_are_refused_and_nobody_is_invited(
    simpsons: Cast, as_homer: Client, settings: Settings
) -> None:
    settings.INVITATIONS_A_DAY = 3
    send(as_homer, simpsons.home, "ned@example.net")
    html = send(as_homer, simpsons.home, "rod@example.net\ntodd@example.net\nmaude@example.net")
    assert "Only 2 more invitations can be sent within this day, and here are 3. Nobody was invited." in html
    assert "maude@example.net" in html
    assert Invitation.objects.get().email == "ned@example.net"
    assert "2 invitations are on their way." in send(as_homer, simpsons.home, "rod@example.net\ntodd@example.net")


def test_a_hundred_and_one_are_too_many_at_a_time(simpsons: Cast, as_homer: Client) -> None:
    html = send(as_homer, simpsons.home, "\n".join(f"tenant{n}@example.net" for n in range(101)))
    assert "More than 100 people at a time are too many." in html
    assert not Invitation.objects.exists()


def test_no_more_than_a_hundred_lines_are_read_however_bad_they_are(simpsons: Cast) -> None:
    read = read_invitees("email\n" + "x\n" * 250_000, top=simpsons.home)
    assert read.problems[0] == "More than 100 people at a time are too many."
    assert read.problems[-1] == "Line 101: “x” is no e-mail address."
    assert len(read.problems) == 101


def test_a_hundred_lines_and_one_that_names_the_columns_are_not_too_many(simpsons: Cast) -> None:
    read = read_invitees("email\n\n" + "\n".join(f"tenant{n}@example.net" for n in range(100)), top=simpsons.home)
    assert read.problems == []
    assert len(read.rows) == 100


def test_when_somebody_else_invites_one_in_the_same_moment_nobody_is_invited_here(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one's is stored after we have looked for earlier ones, and before ours is."""
    seconds_too_late = invitations._end_earlier_ones

    def end(invitees: Sequence[Invitee]) -> None:
        seconds_too_late(invitees)
        theirs = Invitation(organization=simpsons.home, email="maude@example.net", invited_by=simpsons.homer)
        theirs.renew_token()
        theirs.save()

    monkeypatch.setattr(invitations, "_end_earlier_ones", end)
    html = send(as_homer, simpsons.home, "ned@example.net\nmaude@example.net")
    assert "Nobody was invited here: try again." in html
    assert not Invitation.objects.exists()
    assert not AuditEntry.objects.filter(action="invitation.sent").exists()


def test_an_account_that_exists_is_treated_like_one_that_does_not(simpsons: Cast, as_homer: Client) -> None:
    html = send(as_homer, simpsons.home, "carl@example.net\nnobody@example.net")
    assert "2 invitations are on their way." in html
    assert Invitation.objects.count() == 2
    assert not Membership.objects.filter(user=simpsons.carl, organization=simpsons.home).exists()


def test_seventy_people_cost_as_many_queries_as_two(simpsons: Cast, as_homer: Client) -> None:
    """Until they are stored: each is mailed to after that. (Of a few more SQLite takes several statements.)"""

    def queries_for(count: int, name: str) -> int:
        lines = "\n".join(f"{name}{n}@example.net,,{('Household', 'Power plant')[n % 2]}" for n in range(count))
        with CaptureQueriesContext(connection) as queries:
            assert as_homer.post(page_of(simpsons.home), {"lines": lines, **WANTED}).status_code == 302
        return len(queries)

    few, many = queries_for(2, "few"), queries_for(70, "many")
    assert Invitation.objects.count() == AuditEntry.objects.filter(action="invitation.sent").count() == 72
    assert few == many


def test_a_second_list_replaces_the_invitations_of_the_first_and_no_others(simpsons: Cast, as_homer: Client) -> None:
    send(as_homer, simpsons.home, "ned@example.net\nmaude@example.net,,Household\nrod@example.net")
    before = dict(Invitation.objects.values_list("email", "pk"))
    send(as_homer, simpsons.home, "NED@example.net,,Household\nMaude@example.net,,Household\ntodd@example.net")
    pending = Invitation.objects.pending().values_list("email", "organization__name").order_by("pk")
    assert list(pending) == [
        ("ned@example.net", "The Simpsons"),
        ("rod@example.net", "The Simpsons"),
        ("ned@example.net", "Household"),
        ("maude@example.net", "Household"),
        ("todd@example.net", "The Simpsons"),
    ]
    assert Invitation.objects.get(pk=before["maude@example.net"]).revoked_at is not None


def test_a_guest_gives_each_place_until_they_manage_it_no_longer(simpsons: Cast) -> None:
    """In one organization for good, in another until a day, and in what is below it for longer."""
    attic = tree.create_below(simpsons.household, "Attic")
    now = timezone.now()
    soon, later = now + timedelta(days=20), now + timedelta(days=40)
    guest = MembershipFactory(organization=simpsons.household, relation=MANAGER, valid_until=soon).user
    MembershipFactory(user=guest, organization=attic, relation=MANAGER, valid_until=later)
    MembershipFactory(user=guest, organization=simpsons.power_plant, relation=MANAGER)
    MembershipFactory(user=guest, organization=simpsons.home)
    places = (simpsons.household, attic, simpsons.power_plant)
    made = invitations.invite_each([Invitee("ned@example.net", "", "", place) for place in places], by=guest)
    assert [one.membership_until for one in made] == [soon, later, None]


def test_a_guest_gives_no_place_for_good_while_the_tree_moves(simpsons: Cast) -> None:
    """What was read of an organization before somebody put others in front of it says nothing about who manages it."""
    soon = timezone.now() + timedelta(days=20)
    plant = Organization.objects.get(pk=simpsons.power_plant.pk)
    guest = MembershipFactory(organization=plant, relation=MANAGER, valid_until=soon).user
    tree.create_paths_below(simpsons.household, [(f"Room {n}",) for n in range(5)])
    (made,) = invitations.invite_each([Invitee("ned@example.net", "", "", plant)], by=guest)
    assert made.membership_until == soon
