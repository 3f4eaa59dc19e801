"""The tree as people change it: what a move would do, two managers at once, large trees, and which rules hold where."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from channels.models import ChannelKey, RenewalPolicy
from channels.reading_keys import read_key_for
from devices.models import Device, RegistrationPolicy
from orgs import tree
from orgs.models import Membership, Organization, User
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory, RegistrationKeyFactory


@pytest.fixture
def simpsons(simpsons: Cast) -> Cast:
    """The cast by their given names alone, as the pages then say them."""
    User.objects.update(family_name="")
    return simpsons


def at(organization: Organization, piece: str = "") -> str:
    return f"/organizations/{organization.pk}/{piece}"


def text(answer: object) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))  # type: ignore[attr-defined]


def reader(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# ---- dropping one onto another ----


def test_dropping_asks_first_and_names_both_and_who_sees_more_or_less(simpsons: Cast, as_homer: Client) -> None:
    upstairs = tree.create_below(simpsons.household, "Upstairs")
    MembershipFactory(organization=upstairs, user__given_name="Maggie", user__family_name="")
    said = text(as_homer.get(at(upstairs, f"move/?to={simpsons.power_plant.pk}")))
    assert "Move “Upstairs” into “Power plant”?" in said
    assert "Lenny will see its devices." in said
    assert "Marge will no longer see its devices, and loses the read keys to them at once." in said
    # They see it before and after: Homer from above, Maggie because she moves along.
    for name in ("Homer will", "Maggie will"):
        assert name not in said
    assert Organization.objects.get(pk=upstairs.pk).parent == simpsons.household


def test_what_was_asked_is_done_when_it_is_meant(simpsons: Cast, as_homer: Client) -> None:
    address = at(simpsons.household, f"move/?to={simpsons.power_plant.pk}")
    form = as_homer.get(address).context["form"]
    typed = {"parent": form["parent"].value(), "seen": form["seen"].value()}
    assert "“Household” is now in Power plant." in text(as_homer.post(address, typed, follow=True))
    assert Organization.objects.get(pk=simpsons.household.pk).parent == simpsons.power_plant


@pytest.mark.parametrize("onto", ["household", "upstairs", "home", "carls", "nonsense"])
def test_what_cannot_take_it_leads_to_the_ordinary_page(simpsons: Cast, as_homer: Client, onto: str) -> None:
    """Itself, something below it, where it is already, another customer's, nothing at all."""
    upstairs = tree.create_below(simpsons.household, "Upstairs")
    simpsons.household.refresh_from_db()
    places = {"upstairs": upstairs.pk, "nonsense": "²"}
    target = places.get(onto) or getattr(simpsons, onto).pk
    answer = as_homer.get(at(simpsons.household, f"move/?to={target}"))
    assert "target" not in answer.context
    assert "Put it into" in answer.content.decode()


def test_a_refusal_after_dropping_is_said_where_the_question_stood(simpsons: Cast, as_homer: Client) -> None:
    twin = tree.create_below(simpsons.power_plant, "Household")
    address = at(twin, f"move/?to={simpsons.home.pk}")
    answer = as_homer.post(address, {"parent": simpsons.home.pk})
    assert answer.context["form"].non_field_errors() == [
        "There is an organization called “Household” in The Simpsons already. Rename one of them first."
    ]
    assert "Move “Household” into “The Simpsons”?" in text(answer)


def test_two_managers_who_move_one_organization_do_not_overwrite_each_other(simpsons: Cast, as_homer: Client) -> None:
    attic, cellar = (tree.create_below(simpsons.home, name) for name in ("Attic", "Cellar"))
    seen = as_homer.get(at(attic, "move/")).context["form"]["seen"].value()
    tree.move(attic, below=cellar)
    answer = as_homer.post(at(attic, "move/"), {"parent": simpsons.household.pk, "seen": seen})
    assert "Somebody else has changed this in the meantime: Put it into: Cellar." in text(answer)
    assert Organization.objects.get(pk=attic.pk).parent == cellar


def test_moving_ends_the_keys_of_those_who_lose_sight(simpsons: Cast, as_homer: Client) -> None:
    upstairs = tree.create_below(simpsons.household, "Upstairs")
    Device.objects.filter(pk=simpsons.kitchen.pk).update(organization=upstairs)
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    as_homer.post(at(upstairs, f"move/?to={simpsons.power_plant.pk}"), {"parent": simpsons.power_plant.pk})
    assert not ChannelKey.objects.current().filter(holder=simpsons.marge).exists()


# ---- undo ----


def offer_after_moving(client: Client, moved: Organization, to: Organization) -> dict[str, str]:
    answer = client.post(at(moved, "move/"), {"parent": to.pk}, follow=True)
    found = re.search(r'name="undo" value="([^"]+)"', answer.content.decode())
    assert found
    return {"undo": found[1]}


def test_a_move_can_be_undone(simpsons: Cast, as_homer: Client) -> None:
    offer = offer_after_moving(as_homer, simpsons.household, simpsons.power_plant)
    said = text(as_homer.post(at(simpsons.household, "move-back/"), offer, follow=True))
    assert "“Household” is in The Simpsons again. Read keys that ended stay ended" in said
    assert Organization.objects.get(pk=simpsons.household.pk).parent == simpsons.home


def test_an_offer_undoes_that_move_of_that_organization_alone(simpsons: Cast, as_homer: Client) -> None:
    attic = tree.create_below(simpsons.home, "Attic")
    offer = offer_after_moving(as_homer, simpsons.household, simpsons.power_plant)
    as_homer.post(at(attic, "move/"), {"parent": simpsons.power_plant.pk})
    assert "can no longer be undone" in text(as_homer.post(at(attic, "move-back/"), offer, follow=True))
    assert Organization.objects.get(pk=attic.pk).parent == simpsons.power_plant
    # Somebody has moved it on since.
    as_homer.post(at(simpsons.household, "move/"), {"parent": attic.pk})
    assert "can no longer be undone" in text(as_homer.post(at(simpsons.household, "move-back/"), offer, follow=True))
    assert Organization.objects.get(pk=simpsons.household.pk).parent == attic


def test_no_undo_is_offered_to_where_one_may_not_move_it(simpsons: Cast) -> None:
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    MembershipFactory(user=bart, organization=simpsons.power_plant, relation=MANAGER)
    answer = reader(bart).post(at(simpsons.household, "move/"), {"parent": simpsons.power_plant.pk}, follow=True)
    assert "“Household” is now in Power plant." in text(answer)
    assert 'name="undo"' not in answer.content.decode()


# ---- deleting ----


def test_before_deleting_the_page_says_what_becomes_of_keys_people_and_policy(simpsons: Cast, as_homer: Client) -> None:
    RegistrationKeyFactory(organization=simpsons.household)
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=30)
    said = text(as_homer.get(at(simpsons.household, "delete/")))
    assert "Registration keys stay good: devices that use them land where the keys go." in said
    assert "People who go nowhere lose their read keys to these devices at once." in said
    assert "Its own policy for the renewal of keys ends" in said


def test_whoever_came_in_since_the_question_was_read_is_not_put_out_with_the_rest(
    simpsons: Cast, as_homer: Client
) -> None:
    attic = tree.create_below(simpsons.home, "Attic")
    seen = as_homer.get(at(attic, "delete/")).context["form"]["seen"].value()
    guest = MembershipFactory(organization=attic).user
    answer = as_homer.post(at(attic, "delete/"), {"seen": seen})
    assert "What is in it has changed in the meantime." in text(answer)
    assert list(answer.context["form"].fields) == ["seen", "people_to"]
    assert guest.memberships.get().organization == attic


# ---- large trees ----


def test_three_hundred_flats_stay_under_a_hundred_kilobytes(simpsons: Cast, as_homer: Client) -> None:
    for n in range(300):
        tree.create_below(simpsons.household, f"Flat {n}")
    whole = as_homer.get("/organizations/")
    assert "Flat 299" in whole.content.decode()
    assert len(whole.content) < 100_000
    one = as_homer.get(at(simpsons.home))
    assert len(one.content) < 100_000
    assert "Look at them in the tree" in text(one)


def test_without_javascript_every_step_is_on_the_page_of_the_organization(simpsons: Cast, as_homer: Client) -> None:
    html = as_homer.get("/organizations/").content.decode()
    assert f'href="{at(simpsons.household)}"' in html
    page = as_homer.get(at(simpsons.household)).content.decode()
    for step in ("new/", "edit/", "move/", "delete/", "invite/"):
        assert f'href="{at(simpsons.household, step)}"' in page


def test_who_only_sees_gets_no_steps(simpsons: Cast, as_marge: Client) -> None:
    assert "data-branch" not in as_marge.get("/organizations/").content.decode()


# ---- what flows down from above ----


def test_the_rules_that_hold_say_where_they_come_from(simpsons: Cast, as_homer: Client) -> None:
    assert "By hand: nobody has set a policy, here or above." in text(as_homer.get(at(simpsons.household)))
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    said = text(as_homer.get(at(simpsons.household)))
    assert "By the policy of The Simpsons, above it." in said
    assert "Write keys are renewed every 30 days" in said
    assert "By a policy of its own" in text(as_homer.get(at(simpsons.home)))
    RenewalPolicy.objects.create(organization=simpsons.household, read_every=7)
    said = text(as_homer.get(at(simpsons.household)))
    assert "People&#x27;s read keys are renewed every 7 days." in said
    assert "every 30 days" not in said


def test_what_happens_to_new_devices_is_said_on_every_organization_and_changed_on_the_customer(
    simpsons: Cast, as_homer: Client
) -> None:
    RegistrationPolicy.of(simpsons.home).change("approved")
    for place, changes in ((simpsons.home, True), (simpsons.household, False)):
        answer = as_homer.get(at(place))
        assert "They wait until a manager lets them in." in text(answer)
        (link,) = [rule.url for rule in answer.context["rules"] if "wait" in rule.sentences[0]]
        assert bool(link) == changes


def test_a_pause_above_holds_below_whatever_the_own_policy_says(simpsons: Cast, as_homer: Client) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30, paused=True)
    RenewalPolicy.objects.create(organization=simpsons.household, write_every=60)
    assert "Paused at the moment: nothing is renewed by itself." in text(as_homer.get(at(simpsons.household)))


def test_who_manages_a_part_does_not_learn_whose_policy_it_is(simpsons: Cast) -> None:
    RenewalPolicy.objects.create(organization=simpsons.home, write_every=30)
    bart = MembershipFactory(organization=simpsons.household, relation=MANAGER).user
    said = text(reader(bart).get(at(simpsons.household)))
    assert "By the policy of an organization above." in said
    assert "The Simpsons" not in said


def test_a_member_sees_no_rules(simpsons: Cast, as_marge: Client) -> None:
    assert "Rules that hold here" not in text(as_marge.get(at(simpsons.household)))
    assert Membership.objects.get(user=simpsons.marge).relation == "member"


# ---- finding one among hundreds ----


def names_in(answer: object) -> list[str]:
    return re.findall(r'class="tree-name"[^>]*>([^<]+)<', answer.content.decode())  # type: ignore[attr-defined]


def test_an_organization_is_found_by_its_name_with_the_way_to_it(simpsons: Cast, as_homer: Client) -> None:
    house = tree.create_below(simpsons.household, "House 8", description="742 Evergreen Terrace")
    for n in (216, 217, 218):
        tree.create_below(Organization.objects.get(pk=house.pk), f"Flat {n}")
    assert names_in(as_homer.get("/organizations/?q=flat+217")) == ["The Simpsons", "Household", "House 8", "Flat 217"]
    found = as_homer.get("/organizations/?q=EVERGREEN")
    assert names_in(found) == ["The Simpsons", "Household", "House 8", "Flat 216", "Flat 217", "Flat 218"]
    assert found.content.decode().count("is-found") == 1


def test_what_nobody_calls_so_is_not_found_and_what_is_not_seen_neither(simpsons: Cast, as_marge: Client) -> None:
    for words in ("nonsense", simpsons.power_plant.name):
        said = text(as_marge.get("/organizations/", {"q": words}))
        assert "No organization of yours has that in its name or description." in said
        assert simpsons.power_plant.name not in said.replace(words, "")


def test_only_a_tree_that_is_large_is_searched(simpsons: Cast, as_homer: Client) -> None:
    assert "Find an organization" not in text(as_homer.get("/organizations/"))
    for n in range(12):
        tree.create_below(Organization.objects.get(pk=simpsons.household.pk), f"Flat {n}")
    assert "Find an organization" in text(as_homer.get("/organizations/"))


def test_the_page_of_a_large_customer_shows_the_level_below_it(simpsons: Cast, as_homer: Client) -> None:
    for n in range(101):
        tree.create_below(Organization.objects.get(pk=simpsons.household.pk), f"Flat {n}")
    answer = as_homer.get(at(simpsons.home))
    assert names_in(answer) == ["Household", "Power plant"]
    assert "Find an organization" in text(answer)
    assert names_in(as_homer.get(at(simpsons.household))) == [], "so many stand in the tree"
