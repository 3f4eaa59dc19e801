"""The tree stays valid when many write at once. On PostgreSQL the writers really run in parallel."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import IntegrityError, transaction

from devices.models import RegistrationKey
from orgs import tree
from orgs.models import Organization
from portal.signup import sign_up
from tests.parallel import all_at_once

AT_ONCE = 40


def assert_valid_trees() -> None:
    """Compare every stored lft, rght, level and tree_id with what the parents say."""
    nodes = list(Organization.objects.order_by("tree_id", "lft"))
    children: dict[int | None, list[Organization]] = {}
    for node in nodes:
        children.setdefault(node.parent_id, []).append(node)
    roots = children.get(None, [])
    assert len({root.tree_id for root in roots}) == len(roots), "two customers share a tree"

    def walk(node: Organization, left: int, level: int, tree_id: int) -> int:
        assert (node.lft, node.level, node.tree_id) == (left, level, tree_id), node
        right = left + 1
        for child in sorted(children.get(node.pk, []), key=lambda child: child.lft):
            right = walk(child, right, level + 1, tree_id) + 1
        assert node.rght == right, node
        return right

    for root in roots:
        walk(root, 1, 0, root.tree_id)


@pytest.mark.django_db(transaction=True)
def test_forty_customers_created_at_once_have_forty_valid_trees() -> None:
    all_at_once(lambda n: tree.create_customer(f"Customer {n}"), AT_ONCE)
    assert Organization.objects.customers().count() == AT_ONCE
    assert_valid_trees()


@pytest.mark.django_db(transaction=True)
def test_forty_sign_ups_at_once_make_forty_complete_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "devices.registration_key_text.ITERATIONS", 1
    )  # The derivation is slow on purpose, and is not the point.
    all_at_once(
        lambda n: sign_up(email=f"homer{n}@example.com", password="x", given_name="Homer", family_name=str(n)), AT_ONCE
    )
    customers = Organization.objects.customers()
    assert customers.filter(platform_account__isnull=False, memberships__relation="manager").count() == AT_ONCE
    assert RegistrationKey.objects.values("organization").distinct().count() == AT_ONCE
    assert_valid_trees()


@pytest.mark.django_db(transaction=True)
def test_forty_organizations_created_at_once_in_one_customer_leave_a_valid_tree() -> None:
    home = tree.create_customer("The Simpsons")
    parents = [home, tree.create_below(home, "Household"), tree.create_below(home, "Power plant")]
    all_at_once(lambda n: tree.create_below(parents[n % 3], f"Room {n}"), AT_ONCE)
    assert Organization.objects.count() == AT_ONCE + 3
    assert_valid_trees()


@pytest.mark.django_db(transaction=True)
def test_moves_in_opposite_directions_at_once_leave_a_valid_tree_without_a_cycle() -> None:
    home = tree.create_customer("The Simpsons")
    branches = [tree.create_below(home, f"Branch {n}") for n in range(8)]

    def move(n: int) -> None:
        # By the time it is its turn, it may have become a cycle.
        with suppress(tree.CannotMove):
            tree.move(branches[n % 8], below=branches[(n * 3 + 1) % 8])

    all_at_once(move, 16)
    assert_valid_trees()
    assert Organization.objects.get(pk=home.pk).get_descendant_count() == 8


@pytest.mark.django_db
def test_the_database_refuses_a_second_root_in_a_tree() -> None:
    home = tree.create_customer("The Simpsons")
    with pytest.raises(IntegrityError), transaction.atomic():
        Organization.objects.bulk_create([Organization(name="Impostor", tree_id=home.tree_id, lft=1, rght=2, level=0)])


@pytest.mark.django_db
def test_signing_up_costs_the_same_for_the_first_and_the_hundredth_customer(django_assert_num_queries) -> None:
    with django_assert_num_queries(4):  # savepoint, tree number, organization, savepoint
        tree.create_customer("First")
    for n in range(99):
        tree.create_customer(f"Customer {n}")
    with django_assert_num_queries(4):
        tree.create_customer("Hundred and first")


@pytest.mark.django_db
def test_an_organization_cannot_be_moved_below_itself() -> None:
    home = tree.create_customer("The Simpsons")
    household = tree.create_below(home, "Household")
    kitchen = tree.create_below(household, "Kitchen")
    for target in (household, kitchen):
        with pytest.raises(tree.CannotMove):
            tree.move(household, below=target)
    assert_valid_trees()


@pytest.mark.django_db
def test_an_organization_cannot_be_moved_to_another_customer() -> None:
    household = tree.create_below(tree.create_customer("The Simpsons"), "Household")
    carls = tree.create_customer("Carl's")
    with pytest.raises(tree.CannotMove):
        tree.move(household, below=carls)


@pytest.mark.django_db
def test_a_move_takes_along_all_that_is_below_even_with_stale_nodes_in_hand() -> None:
    home = tree.create_customer("The Simpsons")
    household = tree.create_below(home, "Household")
    attic = tree.create_below(household, "Attic")
    plant = tree.create_below(home, "Power plant")
    # `household`, `attic` and `plant` were read before the tree grew: their lft and rght are old.
    tree.create_below(attic, "Trunk")
    tree.move(attic, below=plant)
    assert_valid_trees()
    names = Organization.objects.get(pk=plant.pk).get_descendants().values_list("name", flat=True)
    assert set(names) == {"Attic", "Trunk"}


@pytest.mark.django_db
def test_an_organization_that_holds_others_is_not_deleted() -> None:
    home = tree.create_customer("The Simpsons")
    household = tree.create_below(home, "Household")
    tree.create_below(household, "Kitchen")
    with pytest.raises(tree.NotEmpty):
        tree.delete(household)
    assert Organization.objects.count() == 3
