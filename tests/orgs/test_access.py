"""Who sees and manages what: own, parent's, child's, sibling's and a stranger's organization."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from devices.models import Device
from orgs import access, tree
from orgs.models import Membership, Organization
from tests.conftest import MANAGER, Cast
from tests.factories import DeviceFactory, MembershipFactory, UserFactory


@pytest.mark.parametrize(
    ("who", "sees"), [("homer", "kitchen reactor"), ("marge", "kitchen"), ("lenny", "reactor"), ("carl", "garage")]
)
def test_each_sees_what_is_at_or_below_their_organizations(
    who: str,
    sees: str,
    simpsons: Cast,
    django_assert_num_queries,
) -> None:
    with django_assert_num_queries(1):
        found = set(Device.objects.visible_to(getattr(simpsons, who)))
    assert found == {getattr(simpsons, device) for device in sees.split()}


@pytest.mark.parametrize(("who", "manages"), [("homer", 2), ("marge", 0), ("lenny", 0), ("carl", 1)])
def test_only_managers_manage(who: str, manages: int, simpsons: Cast) -> None:
    assert Device.objects.managed_by(getattr(simpsons, who)).count() == manages


def test_a_member_does_not_see_what_is_above(simpsons: Cast) -> None:
    boiler = DeviceFactory(organization=simpsons.home, name="boiler")
    assert boiler not in Device.objects.visible_to(simpsons.marge)
    assert boiler in Device.objects.visible_to(simpsons.homer)


def test_one_query_at_any_depth(simpsons: Cast, django_assert_num_queries) -> None:
    deepest = simpsons.household
    for n in range(12):
        deepest = tree.create_below(deepest, f"Level {n}")
    DeviceFactory(organization=deepest, name="deep")
    with django_assert_num_queries(1):
        assert {str(device) for device in Device.objects.visible_to(simpsons.marge)} == {"kitchen", "deep"}


def test_a_membership_that_has_run_out_shows_nothing(simpsons: Cast) -> None:
    Membership.objects.filter(user=simpsons.marge).update(valid_until=timezone.now() - timedelta(seconds=1))
    assert not Device.objects.visible_to(simpsons.marge).exists()
    Membership.objects.filter(user=simpsons.marge).update(valid_until=timezone.now() + timedelta(hours=1))
    assert Device.objects.visible_to(simpsons.marge).get() == simpsons.kitchen


def test_neither_visitors_nor_locked_out_people_see_anything(simpsons: Cast) -> None:
    simpsons.homer.is_active = False
    for person in (AnonymousUser(), simpsons.homer, UserFactory()):
        assert not access.visible_organizations(person).exists()
        assert not access.managed_organizations(person).exists()


def test_somebody_can_belong_to_two_customers(simpsons: Cast) -> None:
    MembershipFactory(user=simpsons.marge, organization=simpsons.carls)
    assert set(Device.objects.visible_to(simpsons.marge)) == {simpsons.kitchen, simpsons.garage}


def test_the_questions_about_one_agree_with_the_lists(simpsons: Cast) -> None:
    for person in (simpsons.homer, simpsons.marge, simpsons.lenny, simpsons.carl):
        for organization in Organization.objects.all():
            assert access.may_see(person, organization) == (organization in access.visible_organizations(person))
            assert access.may_manage(person, organization) == (organization in access.managed_organizations(person))


def test_what_a_member_of_one_manages_in_another_stays_apart(simpsons: Cast) -> None:
    MembershipFactory(user=simpsons.lenny, organization=simpsons.household, relation=MANAGER)
    assert set(Device.objects.managed_by(simpsons.lenny)) == {simpsons.kitchen}
    assert set(Device.objects.visible_to(simpsons.lenny)) == {simpsons.kitchen, simpsons.reactor}


def test_who_sees_the_kitchen_is_who_is_at_or_above_it(simpsons: Cast) -> None:
    people = {membership.user for membership in access.people_who_see(simpsons.kitchen.organization)}
    assert people == {simpsons.homer, simpsons.marge}


def test_a_device_that_moves_is_seen_by_others(simpsons: Cast) -> None:
    simpsons.kitchen.move(simpsons.power_plant)
    assert set(Device.objects.visible_to(simpsons.lenny)) == {simpsons.kitchen, simpsons.reactor}
    assert not Device.objects.visible_to(simpsons.marge).exists()


def test_a_device_does_not_move_to_another_customer(simpsons: Cast) -> None:
    with pytest.raises(ValueError, match="stays with its customer"):
        simpsons.kitchen.move(simpsons.carls)
