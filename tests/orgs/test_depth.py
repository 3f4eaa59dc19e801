"""How many levels a customer can have: as many as the pages with the tree can draw."""

from __future__ import annotations

import pytest
from django.test import Client

from orgs import tree
from orgs.errors import TooDeep
from orgs.models import AuditEntry, Organization
from tests.conftest import Cast
from tests.orgs.operating import change, url
from tests.orgs.test_tree_under_load import assert_valid_trees

REFUSED = "Organizations can be 20 levels below their customer at most. Choose a place further up."


@pytest.fixture
def deepest(simpsons: Cast) -> Organization:
    """What is twenty levels below The Simpsons."""
    tree.create_paths_below(simpsons.home, [[f"Level {number}" for number in range(1, 21)]])
    return Organization.objects.get(name="Level 20")


def level(number: int) -> Organization:
    return Organization.objects.get(name=f"Level {number}")


def test_the_pages_with_the_tree_draw_the_deepest_that_can_be(
    deepest: Organization, simpsons: Cast, as_homer: Client
) -> None:
    assert deepest.level == tree.MOST_LEVELS
    for page in ("/organizations/", simpsons.home.get_absolute_url(), "/organizations/?q=level"):
        answer = as_homer.get(page)
        assert answer.status_code == 200
        assert deepest.get_absolute_url() in answer.content.decode()


def test_nothing_new_is_made_below_the_deepest(deepest: Organization, as_homer: Client) -> None:
    answer = as_homer.post(f"/organizations/{deepest.pk}/new/", {"name": "Too deep", "description": "kept"})
    assert REFUSED in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()
    assert not Organization.objects.filter(name="Too deep").exists()
    assert not AuditEntry.objects.exists()


def test_of_pasted_paths_none_is_made_if_one_goes_too_deep(deepest: Organization, as_homer: Client) -> None:
    names = "Shallow\nA › B › C"
    answer = as_homer.post(f"/organizations/{level(18).pk}/new-several/", {"names": names})
    html = answer.content.decode()
    assert REFUSED in html
    assert "Shallow\nA › B › C" in html, "what was pasted stays in the field"
    assert not Organization.objects.filter(name__in=["Shallow", "A", "B", "C"]).exists()
    as_homer.post(f"/organizations/{level(18).pk}/new-several/", {"names": "Shallow\nA › B"})
    assert Organization.objects.get(name="B").level == 20


def test_of_what_is_moved_the_deepest_counts(deepest: Organization, simpsons: Cast, as_homer: Client) -> None:
    tree.create_paths_below(simpsons.household, [["Attic", "Trunk"]])
    page = f"/organizations/{simpsons.household.pk}/move/"
    answer = as_homer.post(page, {"parent": level(18).pk})
    assert REFUSED in answer.content.decode()
    simpsons.household.refresh_from_db()
    assert simpsons.household.parent == simpsons.home
    assert not AuditEntry.objects.exists()
    assert as_homer.post(page, {"parent": level(17).pk}).status_code == 302
    assert Organization.objects.get(name="Trunk").level == 20
    assert_valid_trees()


def test_what_is_deeper_from_before_can_be_moved_up_alone(
    deepest: Organization, simpsons: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_LEVELS", 10)
    with pytest.raises(TooDeep):
        tree.move(level(20), below=level(10))
    tree.move(level(20), below=level(9))
    assert level(20).level == 10


def test_an_organization_is_not_deleted_if_what_is_below_would_be_too_deep_elsewhere(
    deepest: Organization, simpsons: Cast, as_homer: Client
) -> None:
    tree.create_paths_below(simpsons.household, [["Attic", "Trunk"]])
    page = f"/organizations/{simpsons.household.pk}/delete/"
    seen = as_homer.get(page).context["form"]["seen"].value()
    form = {"things_to": level(19).pk, "people_to": simpsons.home.pk, "seen": seen}
    assert REFUSED in as_homer.post(page, form).content.decode()
    assert Organization.objects.get(name="Attic").parent == simpsons.household
    assert simpsons.marge.memberships.get().organization == simpsons.household


def test_operators_make_and_move_nothing_deeper_either(
    deepest: Organization, simpsons: Cast, as_operator: Client
) -> None:
    form = {"name": "Too deep", "description": "", "parent": deepest.pk}
    assert REFUSED in as_operator.post(url("organization_add"), form).content.decode()
    assert not Organization.objects.filter(name="Too deep").exists()
    assert REFUSED in change(as_operator, simpsons.household, parent=deepest.pk).content.decode()
    simpsons.household.refresh_from_db()
    assert simpsons.household.parent == simpsons.home
