"""A landlord makes all flats of a house at once."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orgs import tree
from orgs.audit import AuditEntry
from orgs.models import Organization
from orgs.paths import SEPARATOR
from tests.conftest import Cast
from tests.orgs.test_tree_under_load import assert_valid_trees
from tests.parallel import all_at_once


def page_of(organization: Organization) -> str:
    return f"/organizations/{organization.pk}/new-several/"


def paths_below(organization: Organization) -> list[str]:
    """Return where everything below it is now, in the order of the tree."""
    place = Organization.objects.get(pk=organization.pk)
    below = Organization.objects.at_or_below(place).exclude(pk=place.pk).order_by("lft")
    steps = [Organization.objects.at_or_above(one).filter(level__gt=place.level) for one in below]
    return [SEPARATOR.join(step.name for step in path) for path in steps]


def test_a_line_makes_an_organization(simpsons: Cast, as_homer: Client) -> None:
    answer = as_homer.post(page_of(simpsons.household), {"names": "Attic\n\n  Cellar 2 \r\nFlat 3/4"}, follow=True)
    assert paths_below(simpsons.household) == ["Attic", "Cellar 2", "Flat 3/4"]
    assert "3 organizations are now in Household." in answer.content.decode()
    assert_valid_trees()


@pytest.mark.parametrize("sign", [" › ", "›", " / ", " > ", "\t"])
def test_a_path_makes_the_house_and_its_flats(simpsons: Cast, as_homer: Client, sign: str) -> None:
    lines = [f"Elm Street 12{sign}Flat 1", f"Elm Street 12{sign}Flat 2", f"Oak Avenue{sign}Flat 1"]
    as_homer.post(page_of(simpsons.power_plant), {"names": "\n".join(lines)})
    assert paths_below(simpsons.power_plant) == [
        "Elm Street 12", "Elm Street 12 › Flat 1", "Elm Street 12 › Flat 2", "Oak Avenue", "Oak Avenue › Flat 1",
    ]  # fmt: skip
    assert_valid_trees()


def test_what_is_there_stays_and_only_the_rest_is_made(simpsons: Cast, as_homer: Client) -> None:
    there = tree.create_below(tree.create_below(simpsons.household, "Upstairs"), "Bath", description="Blue")
    answer = as_homer.post(
        page_of(simpsons.home),
        {"names": "Household › Upstairs › Bath\nHousehold › Upstairs › Attic\nGarden"},
        follow=True,
    )
    assert "2 organizations are now in The Simpsons." in answer.content.decode()
    assert paths_below(simpsons.household) == ["Upstairs", "Upstairs › Bath", "Upstairs › Attic"]
    there.refresh_from_db()
    assert there.description == "Blue"
    again = as_homer.post(page_of(simpsons.home), {"names": "Garden\nGarden"}, follow=True)
    assert "All of these are there already. Nothing was made." in again.content.decode()
    assert Organization.objects.filter(name="Garden").count() == 1
    assert_valid_trees()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Elm Street ›", "Line 2: there is no name before or after the sign that separates names."),
        ("x" * 101, "Line 2: the name is longer than 100 letters."),
        ("A" + " › A" * 8, "Line 2: there are more than 8 names in it."),
        ("Flat\x07 1", "Line 2: there are characters in the name that cannot be printed."),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_made(simpsons: Cast, as_homer: Client, line: str, sentence: str) -> None:
    html = as_homer.post(page_of(simpsons.home), {"names": f"Good one\n{line}"}).content.decode()
    assert sentence in html
    assert "Good one" in html
    assert 'aria-invalid="true"' in html
    assert not Organization.objects.filter(name="Good one").exists()


def test_of_many_bad_lines_the_first_are_named_and_the_rest_counted(simpsons: Cast, as_homer: Client) -> None:
    html = as_homer.post(page_of(simpsons.home), {"names": "›\n" * 25}).content.decode()
    assert "Line 20:" in html
    assert "Line 21:" not in html
    assert "5 more lines have mistakes." in html


def test_more_lines_than_are_good_for_one_step_are_refused(simpsons: Cast, as_homer: Client) -> None:
    names = "\n".join(f"Flat {n}" for n in range(501))
    assert (
        "More than 500 lines at a time are too many."
        in as_homer.post(page_of(simpsons.home), {"names": names}).content.decode()
    )
    assert paths_below(simpsons.household) == []


def test_three_hundred_flats_cost_some_queries_and_not_hundreds(
    simpsons: Cast, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(15):
        made = tree.create_paths_below(simpsons.home, [("Elm Street 12", f"Flat {n}") for n in range(300)])
    assert len(made) == 301
    assert_valid_trees()


def test_the_history_of_each_tells_who_made_it(simpsons: Cast, as_homer: Client) -> None:
    as_homer.post(page_of(simpsons.household), {"names": "Attic\nCellar"})
    for name in ("Attic", "Cellar"):
        entry = AuditEntry.objects.about(Organization.objects.get(name=name)).get()
        assert (entry.action, entry.actor, entry.organization_name) == ("organization.created", simpsons.homer, name)
        assert entry.address == "127.0.0.1"


@pytest.mark.parametrize(("page", "form"), [("new", {"name": "Attic"}), ("new-several", {"names": "Attic"})])
def test_a_parent_that_somebody_deletes_in_the_same_moment_is_not_there(
    simpsons: Cast, as_homer: Client, monkeypatch: pytest.MonkeyPatch, page: str, form: dict[str, str]
) -> None:
    garden = tree.create_below(simpsons.home, "Garden")
    lock = tree.lock_tree_of
    monkeypatch.setattr(
        tree, "lock_tree_of", lambda place: (lock(place), Organization.objects.all().filter(pk=garden.pk).delete())
    )
    answer = as_homer.post(f"/organizations/{garden.pk}/{page}/", form)
    assert answer.status_code == 404
    assert not Organization.objects.filter(name="Attic").exists()


@pytest.mark.django_db(transaction=True)
def test_two_landlords_who_paste_the_same_at_once_make_each_flat_once(simpsons: Cast) -> None:
    paths = [("Elm Street 12", f"Flat {n}") for n in range(20)]
    made = all_at_once(lambda _: len(tree.create_paths_below(simpsons.home, paths)), 4)
    assert sorted(made) == [0, 0, 0, 21]
    assert_valid_trees()


@pytest.mark.django_db(transaction=True)
def test_many_at_once_and_single_ones_leave_a_valid_tree(simpsons: Cast) -> None:
    def make(n: int) -> None:
        if n % 2:
            tree.create_paths_below(simpsons.household, [(f"House {n}", f"Flat {m}") for m in range(5)])
        else:
            tree.create_below(simpsons.power_plant, f"Room {n}")

    all_at_once(make, 12)
    assert_valid_trees()
    assert len(paths_below(simpsons.household)) == 36
    assert len(paths_below(simpsons.power_plant)) == 6
