"""An organization is named in a line as everywhere else: by its name, or by a path that could have made it."""

from __future__ import annotations

import re
from time import process_time

import pytest

from orgs import tree
from orgs.lines import BadLine, PlacesByName
from orgs.models import Organization
from orgs.paths import steps_of
from orgs.planting import read_paths
from tests.conftest import Cast


@pytest.fixture
def flats(simpsons: Cast) -> dict[str, Organization]:
    """Parts of Household, some of whose names have signs in them that separate names elsewhere."""
    made = tree.create_paths_below(simpsons.household, [("Flat 3/4",), ("Flat 3",), ("Sun > Moon",)])
    return {one.name: one for one in made}


@pytest.mark.parametrize(
    "path",
    [
        "Household / Flat 3/4",
        "Household > Flat 3/4",
        "Household>Flat 3/4",
        "Household ›Flat 3/4",
        "Household\tFlat 3/4",
        "The Simpsons / Household > Flat 3/4",
        "household / flat 3/4",
    ],
)
def test_what_makes_an_organization_names_it_afterwards(
    simpsons: Cast, flats: dict[str, Organization], path: str
) -> None:
    assert PlacesByName(simpsons.home).find(path) == flats["Flat 3/4"]


@pytest.mark.parametrize("sign", [" › ", "›", " > ", ">", " / ", "\t"])
def test_a_path_has_the_same_steps_where_organizations_are_made(
    simpsons: Cast, flats: dict[str, Organization], sign: str
) -> None:
    typed = f"Household{sign}Flat 3/4"
    assert read_paths(typed).paths == [("Household", "Flat 3/4")]
    assert PlacesByName(simpsons.home).find(typed) == flats["Flat 3/4"]


@pytest.mark.parametrize("typed", ["A › B", "A›B", "A\t›\tB", "A \tB", "A\t B", "  A  /  B  ", "A \t\t B"])
def test_no_name_has_spaces_around_it_whatever_separates_it(typed: str) -> None:
    assert steps_of(typed) == ("A", "B")


def test_a_long_line_of_spaces_is_read_in_no_time() -> None:
    typed = "A" + " \t " * 10_000 + " " * 60_000 + "B"
    before = process_time()
    assert steps_of(typed)[0] == "A"
    assert process_time() - before < 1


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Flat 3/4", "Flat 3/4"),
        ("Household/Flat 3", "Flat 3"),
        ("Sun > Moon", "Sun > Moon"),
        ("Household › Sun > Moon", "Sun > Moon"),
        ("Household / Sun > Moon", "Sun > Moon"),
    ],
)
def test_a_sign_within_a_name_and_a_slash_without_spaces_are_understood(
    simpsons: Cast, flats: dict[str, Organization], typed: str, name: str
) -> None:
    assert PlacesByName(simpsons.home).find(typed) == flats[name]


def advice(top: Organization, typed: str) -> str:
    with pytest.raises(BadLine) as refusal:
        PlacesByName(top).find(typed)
    path = re.search(r"Write the path: “(.+)”, for example", str(refusal.value))
    assert path, str(refusal.value)
    return path[1]


def test_of_two_of_one_name_a_path_is_suggested_that_names_one(simpsons: Cast) -> None:
    """The first is a part of the customer itself: the shortest path to it is no more than its name."""
    paths = [("Attic",), ("Elm Street 12", "Attic")]
    direct, deeper = (one for one in tree.create_paths_below(simpsons.home, paths) if one.name == "Attic")
    assert advice(simpsons.home, "Attic") == "The Simpsons › Attic"
    assert PlacesByName(simpsons.home).find("The Simpsons › Attic") == direct
    assert PlacesByName(simpsons.home).find("Elm Street 12 › Attic") == deeper


def test_a_suggested_path_names_one_also_where_a_part_is_called_like_the_customer(simpsons: Cast) -> None:
    """ "The Simpsons › Flat 3" is then the whole path to one flat and the shortest to another."""
    paths = [("Flat 3",), ("The Simpsons", "Flat 3")]
    direct, deeper = (one for one in tree.create_paths_below(simpsons.home, paths) if one.name == "Flat 3")
    for typed in ("Flat 3", "The Simpsons › Flat 3"):
        path = advice(simpsons.home, typed)
        assert PlacesByName(simpsons.home).find(path) in (direct, deeper)


def test_where_no_path_tells_two_apart_it_is_said_that_one_has_to_be_renamed(simpsons: Cast) -> None:
    tree.create_paths_below(simpsons.home, [("Cellar",), ("cellar",)])
    with pytest.raises(BadLine, match=r"several organizations called “Cellar”\. Rename one of them first\."):
        PlacesByName(simpsons.home).find("Cellar")
