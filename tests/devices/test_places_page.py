"""Changing, moving and ending somebody's place, and what that does to their keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from channels.models import ChannelKey
from channels.reading_keys import read_key_for
from devices.models import Device
from orgs import tree
from orgs.audit import AuditEntry
from orgs.models import Membership, Organization, User
from tests.conftest import MANAGER, Cast
from tests.factories import NOON, DeviceFactory, MembershipFactory

MEMBER = Membership.Relation.MEMBER


@pytest.fixture
def simpsons(simpsons: Cast) -> Cast:
    """The cast by their given names alone, as the pages then say them."""
    User.objects.update(family_name="")
    return simpsons


def place_of(user: User) -> Membership:
    return user.memberships.get()


def at(place: Membership, step: str) -> str:
    return f"/memberships/{place.pk}/{step}/"


def read_keys(device: Device) -> set[User | None]:
    keys = ChannelKey.objects.current().reading().filter(channel=device.channel, holder__isnull=False)
    return {key.holder for key in keys.select_related("holder")}


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: object) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode())).replace("&#x27;", "'")  # type: ignore[attr-defined]


# ---- changing ----


def test_a_member_becomes_a_manager(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    assert as_marge.get(f"/organizations/{simpsons.household.pk}/new/").status_code == 404
    answer = as_homer.post(at(place_of(simpsons.marge), "edit"), {"relation": MANAGER}, follow=True)
    assert "The place of Marge is changed." in text(answer)
    assert as_marge.get(f"/organizations/{simpsons.household.pk}/new/").status_code == 200


@pytest.mark.parametrize(
    ("also_above", "days", "is_changed"),
    [(False, None, False), (False, 30, False), (False, 5, True), (True, None, True)],
    ids=["for good", "longer", "shorter", "manages it from above for good"],
)
def test_a_guest_does_not_prolong_their_own_place(
    simpsons: Cast, also_above: bool, days: int | None, is_changed: bool
) -> None:
    soon = timezone.now() + timedelta(days=10)
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER, valid_until=soon).user
    place = place_of(bart)
    if also_above:
        MembershipFactory(organization=simpsons.home, relation=MANAGER, user=bart)
    until = (timezone.localdate() + timedelta(days=days)).isoformat() if days else ""
    answer = browser_of(bart).post(at(place, "edit"), {"relation": "manager", "valid_until": until})
    place.refresh_from_db()
    assert (place.valid_until != soon) == is_changed
    assert ("Nobody prolongs their own place." in text(answer)) != is_changed


@time_machine.travel(NOON)
def test_a_guest_sees_until_the_end_of_the_last_day_and_not_longer(simpsons: Cast) -> None:
    form = {"relation": MEMBER, "valid_until": "2026-06-03"}
    browser_of(simpsons.homer).post(at(place_of(simpsons.marge), "edit"), form)
    kitchen = f"/devices/{simpsons.kitchen.pk}/"
    with time_machine.travel("2026-06-03 23:59:00Z"):
        assert browser_of(simpsons.marge).get(kitchen).status_code == 200
    with time_machine.travel("2026-06-04 00:00:01Z"):
        assert browser_of(simpsons.marge).get(kitchen).status_code == 404


@time_machine.travel(NOON)
def test_an_end_at_noon_is_not_put_off_to_midnight_by_saving_something_else(simpsons: Cast) -> None:
    noon = NOON + timedelta(days=2)
    Membership.objects.filter(user=simpsons.marge).update(valid_until=noon)
    form = {"relation": MANAGER, "valid_until": "2026-06-03"}
    browser_of(simpsons.homer).post(at(place_of(simpsons.marge), "edit"), form)
    assert (place_of(simpsons.marge).relation, place_of(simpsons.marge).valid_until) == (MANAGER, noon)


def test_a_day_that_has_passed_is_said_on_its_field(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(place_of(simpsons.marge), "edit"), {"relation": MANAGER, "valid_until": "2020-01-01"})
    assert answer.context["form"].errors == {"valid_until": ["This day has passed."]}
    assert 'value="2020-01-01"' in answer.content.decode()
    assert place_of(simpsons.marge).relation == MEMBER


@pytest.mark.parametrize(
    ("form", "field"),
    [({"relation": "member"}, "relation"), ({"relation": "manager", "valid_until": "2100-01-01"}, "valid_until")],
)
def test_the_last_manager_of_a_customer_is_neither_demoted_nor_given_an_end(
    simpsons: Cast, as_homer: Client, form: dict[str, str], field: str
) -> None:
    answer = as_homer.post(at(place_of(simpsons.homer), "edit"), form)
    assert answer.context["form"].errors == {
        field: ["The Simpsons would have no manager left. Make somebody else a manager first."]
    }
    assert (place_of(simpsons.homer).relation, place_of(simpsons.homer).valid_until) == (MANAGER, None)


def test_with_a_second_manager_the_first_can_step_down(simpsons: Cast, as_homer: Client) -> None:
    MembershipFactory(organization=simpsons.home, relation=MANAGER)
    answer = as_homer.post(at(place_of(simpsons.homer), "edit"), {"relation": MEMBER}, follow=True)
    assert answer.status_code == 200
    assert place_of(simpsons.homer).relation == MEMBER


def test_a_manager_of_a_part_is_not_the_last_manager_of_the_customer(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    answer = browser_of(bart).post(at(place_of(bart), "edit"), {"relation": MEMBER}, follow=True)
    assert answer.status_code == 200
    assert place_of(bart).relation == MEMBER


def test_what_another_manager_has_changed_in_the_meantime_is_shown_and_not_overwritten(
    simpsons: Cast, as_homer: Client
) -> None:
    place = place_of(simpsons.marge)
    seen = as_homer.get(at(place, "edit")).context["form"]["seen"].value()
    Membership.objects.filter(pk=place.pk).update(relation=MANAGER)
    form = {"relation": MEMBER, "valid_until": "2100-01-01", "seen": seen}
    answer = as_homer.post(at(place, "edit"), form)
    assert "changed this in the meantime" in text(answer)
    assert "See and manage everything here and below" in answer.context["form"].non_field_errors()[0]
    assert place_of(simpsons.marge).relation == MANAGER
    # Sent again it is meant.
    as_homer.post(at(place, "edit"), form | {"seen": answer.context["form"]["seen"].value()})
    assert place_of(simpsons.marge).relation == MEMBER


def test_a_change_is_in_the_audit_with_what_it_was_before(simpsons: Cast, as_homer: Client) -> None:
    as_homer.post(at(place_of(simpsons.marge), "edit"), {"relation": MANAGER})
    entry = AuditEntry.objects.get(action="membership.changed")
    assert (entry.actor, entry.organization) == (simpsons.homer, simpsons.household)
    assert (entry.details["before"], entry.details["relation"]) == (MEMBER, MANAGER)


# ---- moving ----


def test_marge_moves_and_loses_the_keys_to_what_she_sees_no_more(simpsons: Cast, as_homer: Client) -> None:
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    form = {"organization": simpsons.power_plant.pk}
    answer = as_homer.post(at(place_of(simpsons.marge), "move"), form, follow=True)
    assert "Marge is now in Power plant, and sees what is there and below." in text(answer)
    assert place_of(simpsons.marge).organization == simpsons.power_plant
    assert read_keys(simpsons.kitchen) == set()


def test_moving_up_ends_no_key(simpsons: Cast, as_homer: Client) -> None:
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    as_homer.post(at(place_of(simpsons.marge), "move"), {"organization": simpsons.home.pk})
    assert read_keys(simpsons.kitchen) == {simpsons.marge}


def test_nobody_has_two_places_in_one_organization(simpsons: Cast, as_homer: Client) -> None:
    first = place_of(simpsons.marge)
    MembershipFactory(user=simpsons.marge, organization=simpsons.power_plant)
    answer = as_homer.post(at(first, "move"), {"organization": simpsons.power_plant.pk})
    assert answer.context["form"].errors == {"organization": ["Marge is in Power plant already."]}


def test_the_last_manager_is_not_moved_away(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(place_of(simpsons.homer), "move"), {"organization": simpsons.household.pk})
    assert "would have no manager left" in str(answer.context["form"].errors["organization"])
    assert place_of(simpsons.homer).organization == simpsons.home


def test_nobody_is_moved_to_another_customer(simpsons: Cast) -> None:
    MembershipFactory(user=simpsons.carl, organization=simpsons.home, relation=MANAGER)
    carl = browser_of(simpsons.carl)
    answer = carl.post(at(place_of(simpsons.marge), "move"), {"organization": simpsons.carls.pk})
    assert list(answer.context["form"].errors) == ["organization"]
    assert place_of(simpsons.marge).organization == simpsons.household


def test_two_managers_who_move_one_person_do_not_overwrite_each_other(simpsons: Cast, as_homer: Client) -> None:
    place = place_of(simpsons.marge)
    attic = tree.create_below(simpsons.home, "Attic")
    seen = as_homer.get(at(place, "move")).context["form"]["seen"].value()
    Membership.objects.filter(pk=place.pk).update(organization=attic)
    answer = as_homer.post(at(place, "move"), {"organization": simpsons.power_plant.pk, "seen": seen})
    assert "changed this in the meantime: Put this person into: Attic" in text(answer)
    assert place_of(simpsons.marge).organization == attic


# ---- removing ----


def test_before_somebody_is_removed_the_page_says_what_they_lose(simpsons: Cast, as_homer: Client) -> None:
    DeviceFactory(organization=simpsons.household)
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    said = text(as_homer.get(at(place_of(simpsons.marge), "remove")))
    assert "Remove Marge from Household?" in said
    assert "Marge will no longer see 2 devices." in said
    assert "The read key that Marge has to it ends at once." in said


def test_what_is_seen_by_another_place_is_not_lost(simpsons: Cast, as_homer: Client) -> None:
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    first = place_of(simpsons.marge)
    MembershipFactory(user=simpsons.marge, organization=simpsons.home)
    assert "Marge loses sight of no device by this." in text(as_homer.get(at(first, "remove")))
    as_homer.post(at(first, "remove"))
    assert read_keys(simpsons.kitchen) == {simpsons.marge}


def test_a_guest_who_is_removed_is_out_at_the_next_click(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    assert as_marge.get(f"/devices/{simpsons.kitchen.pk}/").status_code == 200
    answer = as_homer.post(at(place_of(simpsons.marge), "remove"), follow=True)
    assert "Marge is no longer in Household, and 1 read key has ended." in text(answer)
    assert as_marge.get(f"/devices/{simpsons.kitchen.pk}/").status_code == 404
    assert read_keys(simpsons.kitchen) == set()


def test_asking_removes_nobody(simpsons: Cast, as_homer: Client) -> None:
    as_homer.get(at(place_of(simpsons.marge), "remove"))
    assert place_of(simpsons.marge)


def test_the_last_manager_is_not_removed_and_nothing_is_written_down(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(place_of(simpsons.homer), "remove"))
    assert "The Simpsons would have no manager left" in text(answer)
    assert place_of(simpsons.homer)
    assert not AuditEntry.objects.filter(action="membership.ended").exists()


@pytest.mark.parametrize("step", ["remove", "leave"])
def test_the_last_manager_is_told_at_once_and_offered_no_button(simpsons: Cast, as_homer: Client, step: str) -> None:
    answer = as_homer.get(at(place_of(simpsons.homer), step))
    assert "You cannot leave The Simpsons yet" in text(answer)
    assert "The Simpsons would have no manager left. Make somebody else a manager first." in text(answer)
    main = answer.content.decode().split("<main", 1)[1].split("</main>")[0]
    assert "<button" not in main
    assert f"/organizations/{simpsons.home.pk}/#people" in main


def test_a_guest_who_manages_is_told_of_the_last_manager_by_name(simpsons: Cast) -> None:
    guest = MembershipFactory(
        organization=simpsons.home, relation=MANAGER, valid_until=timezone.now() + timedelta(days=1)
    ).user
    answer = browser_of(guest).get(at(place_of(simpsons.homer), "remove"))
    assert "Homer cannot be removed from The Simpsons yet" in text(answer)


def test_one_of_two_managers_reads_about_themselves_in_the_second_person(simpsons: Cast, as_homer: Client) -> None:
    MembershipFactory(organization=simpsons.home, relation=MANAGER)
    said = text(as_homer.get(at(place_of(simpsons.homer), "remove")))
    assert "Leave The Simpsons?" in said
    assert "You no longer manage The Simpsons and what is below it." in said
    assert "Homer will no longer" not in said


def test_a_place_that_has_changed_since_the_question_was_asked_is_not_ended(simpsons: Cast, as_homer: Client) -> None:
    place = place_of(simpsons.marge)
    seen = as_homer.get(at(place, "remove")).context["form"]["seen"].value()
    Membership.objects.filter(pk=place.pk).update(organization=simpsons.power_plant)
    answer = as_homer.post(at(place, "remove"), {"seen": seen})
    assert "Somebody else has changed this place in the meantime" in text(answer)
    assert place_of(simpsons.marge).organization == simpsons.power_plant


def test_an_end_that_somebody_else_has_set_is_a_day_in_the_viewers_zone(simpsons: Cast, as_homer: Client) -> None:
    User.objects.filter(pk=simpsons.homer.pk).update(time_zone="Europe/Vienna", language="de")
    place = place_of(simpsons.marge)
    seen = as_homer.get(at(place, "edit")).context["form"]["seen"].value()
    end = datetime(2041, 1, 5, 23, 30, tzinfo=UTC)
    Membership.objects.filter(pk=place.pk).update(valid_until=end)
    said = as_homer.post(at(place, "edit"), {"relation": "member", "seen": seen}).context["form"].non_field_errors()[0]
    assert "Gast bis einschließlich: 6. Januar 2041." in said
    assert "Was darf" not in said


# ---- undo ----


def undo_of(answer: object) -> dict[str, str]:
    found = re.search(r'name="undo" value="([^"]+)"', answer.content.decode())  # type: ignore[attr-defined]
    assert found
    return {"undo": found[1]}


def test_a_removal_can_be_undone(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    until = timezone.now() + timedelta(days=9)
    Membership.objects.filter(user=simpsons.marge).update(relation=MANAGER, valid_until=until)
    before = Membership.objects.filter(user=simpsons.marge).values().get()
    answer = as_homer.post(at(place_of(simpsons.marge), "remove"), follow=True)
    answer = as_homer.post("/memberships/restore/", undo_of(answer), follow=True)
    assert "Marge is in Household again." in text(answer)
    assert Membership.objects.filter(user=simpsons.marge).values().get() == before
    assert as_marge.get(f"/devices/{simpsons.kitchen.pk}/").status_code == 200
    assert AuditEntry.objects.filter(action="membership.restored", actor=simpsons.homer).exists()


def test_undo_brings_no_read_key_back(simpsons: Cast, as_homer: Client) -> None:
    old = read_key_for(simpsons.marge, simpsons.kitchen.channel)
    answer = as_homer.post(at(place_of(simpsons.marge), "remove"), follow=True)
    as_homer.post("/memberships/restore/", undo_of(answer))
    assert read_keys(simpsons.kitchen) == set()
    assert read_key_for(simpsons.marge, simpsons.kitchen.channel) != old


def test_only_who_removed_may_undo_and_only_for_some_minutes(simpsons: Cast, as_homer: Client) -> None:
    place = place_of(simpsons.marge)
    offer = undo_of(as_homer.post(at(place, "remove"), follow=True))
    other = MembershipFactory(organization=simpsons.home, relation=MANAGER).user
    for somebody in (browser_of(simpsons.marge), browser_of(other)):
        assert "can no longer be undone" in text(somebody.post("/memberships/restore/", offer, follow=True))
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        answer = browser_of(simpsons.homer).post("/memberships/restore/", offer, follow=True)
    assert "can no longer be undone" in text(answer)
    assert not Membership.objects.filter(user=simpsons.marge).exists()


def test_undo_is_refused_to_somebody_who_has_ceased_to_manage(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    offer = undo_of(browser_of(bart).post(at(place_of(simpsons.marge), "remove"), follow=True))
    bart.memberships.update(relation=MEMBER)
    assert browser_of(bart).post("/memberships/restore/", offer).status_code == 404
    assert not Membership.objects.filter(user=simpsons.marge).exists()


def test_no_undo_is_offered_to_whoever_removed_themselves(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER, user__family_name="").user
    answer = browser_of(bart).post(at(place_of(bart), "remove"), follow=True)
    assert "You have left Household." in text(answer)
    assert 'name="undo"' not in answer.content.decode()


def test_undo_twice_makes_one_place(simpsons: Cast, as_homer: Client) -> None:
    offer = undo_of(as_homer.post(at(place_of(simpsons.marge), "remove"), follow=True))
    as_homer.post("/memberships/restore/", offer)
    assert "Marge is in Household already." in text(as_homer.post("/memberships/restore/", offer, follow=True))
    assert Membership.objects.filter(user=simpsons.marge).count() == 1


# ---- leaving ----


def test_marge_leaves_by_herself_after_reading_what_she_loses(simpsons: Cast, as_marge: Client) -> None:
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    place = place_of(simpsons.marge)
    assert at(place, "leave") in as_marge.get(f"/organizations/{simpsons.household.pk}/").content.decode()
    said = text(as_marge.get(at(place, "leave")))
    assert "You will no longer see 1 device." in said
    assert "Your read key to it ends at once" in said
    answer = as_marge.post(at(place, "leave"), follow=True)
    assert "You have left Household." in text(answer)
    assert "You do not belong to any organization" in text(answer)
    assert read_keys(simpsons.kitchen) == set()
    assert AuditEntry.objects.get(action="membership.left").actor == simpsons.marge


def test_the_last_manager_cannot_leave(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(at(place_of(simpsons.homer), "leave"))
    assert "Make somebody else a manager first" in text(answer)
    assert place_of(simpsons.homer)


def test_leaving_one_customer_leaves_the_other_alone(simpsons: Cast, as_carl: Client) -> None:
    place = MembershipFactory(user=simpsons.carl, organization=simpsons.household)
    as_carl.post(at(place, "leave"))
    assert list(Organization.objects.filter(memberships__user=simpsons.carl)) == [simpsons.carls]
