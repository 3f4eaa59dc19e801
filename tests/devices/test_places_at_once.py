"""Two managers at the same moment: a customer keeps a manager, and nothing is done twice or half."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from channels.models import ChannelKey
from channels.reading_keys import read_key_for
from devices.places import change_place, move_place, remove_place
from orgs import invitations
from orgs.errors import OrganizationError
from orgs.models import Invitation, Membership
from tests.conftest import MANAGER, Cast
from tests.factories import MembershipFactory
from tests.parallel import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)


def place(pk: int) -> Membership:
    return Membership.objects.select_related("organization", "user").get(pk=pk)


def worked(step: Callable[[], object]) -> bool:
    try:
        step()
    except OrganizationError:
        return False
    return True


@pytest.mark.parametrize(
    "step",
    [
        remove_place,
        lambda membership: change_place(membership, relation="member", valid_until=None),
        lambda membership: change_place(membership, relation="manager", valid_until=timezone.now() + timedelta(days=1)),
    ],
    ids=["removed", "demoted", "given an end"],
)
def test_of_four_managers_who_go_at_once_one_stays(simpsons: Cast, step: Callable[[Membership], None]) -> None:
    more = [MembershipFactory(organization=simpsons.home, relation=MANAGER).pk for _ in range(3)]
    pks = [simpsons.homer.memberships.get().pk, *more]
    done = all_at_once(lambda n: worked(lambda: step(place(pks[n]))), 4)
    assert sorted(done) == [False, True, True, True]
    lasting = Membership.objects.filter(organization=simpsons.home, relation=MANAGER, valid_until__isnull=True)
    assert lasting.count() == 1


def test_a_place_that_two_managers_decide_about_goes_one_way(simpsons: Cast) -> None:
    """Each has read the place as it was; whoever comes second is told, and undoes nothing."""
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    seen = [place(simpsons.marge.memberships.get().pk) for _ in range(4)]
    steps: list[Callable[[], object]] = [
        lambda: move_place(seen[0], to=simpsons.power_plant),
        lambda: change_place(seen[1], relation="manager", valid_until=None),
        lambda: remove_place(seen[2]),
        lambda: move_place(seen[3], to=simpsons.home),
    ]
    assert sum(all_at_once(lambda n: worked(steps[n]), 4)) == 1
    # The key is there exactly if the device can still be seen.
    sees = Membership.objects.filter(user=simpsons.marge).exclude(organization=simpsons.power_plant).exists()
    assert ChannelKey.objects.current().filter(holder=simpsons.marge).exists() == sees


def test_clicks_on_undo_at_once_make_one_place(simpsons: Cast) -> None:
    homer = Client()
    homer.force_login(simpsons.homer)
    pk = simpsons.marge.memberships.get().pk
    html = homer.post(f"/memberships/{pk}/remove/", follow=True).content.decode()
    offer = re.search(r'name="undo" value="([^"]+)"', html)
    assert offer

    def click(_: int) -> int:
        client = Client()
        client.force_login(simpsons.homer)
        return client.post("/memberships/restore/", {"undo": offer[1]}).status_code

    assert all_at_once(click, 4) == [302] * 4
    assert [one.pk for one in simpsons.marge.memberships.all()] == [pk]


def test_clicks_for_a_new_link_at_once_send_one_mail(simpsons: Cast) -> None:
    invitation = invitations.invite(organization=simpsons.household, email="ned@example.org", by=simpsons.homer)
    token = invitation.renew_token()
    invitation.save()
    Invitation.objects.update(expires_at=timezone.now())
    mail.outbox.clear()
    all_at_once(lambda _: Client().post(f"/invitations/{token}/ask/"), 4)
    assert len(mail.outbox) == 1
