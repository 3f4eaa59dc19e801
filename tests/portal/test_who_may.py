"""Who may open and do what: a row for every page and method, a column for everybody of the story.

Homer manages The Simpsons, Marge is a member of Household and Lenny of Power plant, both below it; Bart manages
Household; Carl is another customer. What somebody may not see does not exist for them: 404.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from channels import program_keys
from channels.models import Channel, ChannelKey, Finding, PlatformAccount
from channels.reading_keys import read_key_for
from devices.models import RegistrationKey
from orgs import invitations
from orgs.models import Invitation, Membership, User
from portal import take_outs
from portal.log_ins import LogIn
from portal.take_outs import TakeOut
from tests.conftest import Cast
from tests.factories import MembershipFactory, RegistrationKeyFactory

pytestmark = pytest.mark.django_db

OK, SENT, GONE, WRONG = 200, 302, 404, 405
LOGIN = "log in"  # 302 to the log-in page


@dataclass
class Scene:
    """The cast with a manager in Household, a registration key and an invitation there, and everybody's browser."""

    cast: Cast
    bart: User
    key: RegistrationKey
    program_key: ChannelKey
    read_key: ChannelKey
    invitation: Invitation
    bart_place: Membership
    log_in: LogIn
    clone: Finding
    foreign: Finding
    old_channel: Channel
    take_out: TakeOut

    def address(self, template: str) -> str:
        cast = self.cast
        names = {
            "home": cast.home.pk,
            "household": cast.household.pk,
            "plant": cast.power_plant.pk,
            "kitchen": cast.kitchen.pk,
            "key": self.key.pk,
            "program": self.program_key.pk,
            "read_key": self.read_key.pk,
            "invitation": self.invitation.pk,
            "clone": self.clone.pk,
            "foreign": self.foreign.pk,
            "old_channel": self.old_channel.number,
            "marge": cast.marge.pk,
            "marge_place": cast.marge.memberships.get().pk,
            "homer": cast.homer.pk,
            "homer_place": cast.homer.memberships.get().pk,
            "log_in": self.log_in.pk,
            "take_out": self.take_out.pk,
        }
        return template.format(**names)

    def browser(self, who: str) -> Client:
        client = Client()
        if who != "nobody":
            client.force_login(self.bart if who == "bart" else getattr(self.cast, who))
        return client


@pytest.fixture
def scene(simpsons: Cast) -> Scene:
    assert simpsons.kitchen.channel
    read_key_for(simpsons.marge, simpsons.kitchen.channel)
    place = MembershipFactory(user__given_name="Bart", organization=simpsons.household, relation="manager")
    Client().force_login(simpsons.marge)
    account = PlatformAccount.objects.get(organization=simpsons.home)
    left = Channel.objects.create(account=account, number=99999, first=simpsons.kitchen.channel, left_at=timezone.now())
    return Scene(
        cast=simpsons,
        clone=Finding.objects.create(
            account=account,
            kind=Finding.Kind.CLONED,
            number=simpsons.kitchen.channel.number,
            channel=simpsons.kitchen.channel,
        ),
        foreign=Finding.objects.create(account=account, kind=Finding.Kind.FOREIGN_CHANNEL, number=4711),
        old_channel=left,
        log_in=LogIn.objects.get(),
        take_out=take_outs.ask_for(simpsons.marge),
        bart=place.user,
        bart_place=place,
        key=RegistrationKeyFactory(organization=simpsons.household),
        program_key=program_keys.add(simpsons.kitchen.channel, note="Shed", by=simpsons.homer),
        read_key=ChannelKey.objects.get(holder=simpsons.marge),
        invitation=invitations.invite(
            organization=simpsons.household, email="lisa@example.net", by=simpsons.homer, given_name="Lisa"
        ),
    )


# method, address, then what Homer, Bart, Marge, Lenny, Carl and a visitor get.
Row = tuple[str, str, int, int, int, int, int, int | str]
POLICY = "overlap=7 instead=remind time_zone=UTC"
TABLE: list[Row] = [
    # Every page about one's own things opens for everybody and shows what is theirs.
    ("GET", "/devices/", OK, OK, OK, OK, OK, LOGIN),
    ("GET", "/devices/live/", OK, OK, OK, OK, OK, LOGIN),
    ("GET", "/devices/live/attention/", OK, OK, OK, OK, OK, LOGIN),
    ("GET", "/organizations/", OK, OK, OK, OK, OK, LOGIN),
    ("GET", "/devices/list/", OK, OK, OK, OK, OK, LOGIN),
    # Always back to the list: what one does not manage is not moved, see the tests of that page.
    ("GET", "/devices/list/move/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("GET", "/devices/list/move-back/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/devices/list/move-back/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/devices/list/move/ devices={kitchen} organization={plant}", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("GET", "/account/", OK, OK, OK, OK, OK, LOGIN),
    ("POST", "/account/ given_name=X language=de time_zone=browser", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("GET", "/account/shown/", OK, OK, OK, OK, OK, LOGIN),
    ("GET", "/account/log-ins/", OK, OK, OK, OK, OK, LOGIN),
    ("POST", "/account/log-ins/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("GET", "/account/data/", OK, OK, OK, OK, OK, LOGIN),
    ("POST", "/account/data/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    # A file of Marge's, which is still being made.
    ("GET", "/account/data/{take_out}/", GONE, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/account/close/", OK, OK, OK, OK, OK, LOGIN),
    # Whoever leaves a customer without a manager has to type its name.
    ("POST", "/account/close/", OK, SENT, SENT, SENT, OK, LOGIN),
    # A log-in of Marge's.
    ("GET", "/account/log-ins/{log_in}/end/", GONE, GONE, SENT, GONE, GONE, LOGIN),
    ("POST", "/account/log-ins/{log_in}/end/", GONE, GONE, SENT, GONE, GONE, LOGIN),
    # Devices at the door: the list shows what one manages, and nothing else is decided.
    ("GET", "/devices/pending/", OK, OK, OK, OK, OK, LOGIN),
    ("GET", "/devices/pending/decide/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/devices/pending/decide/ step=approve", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("GET", "/devices/pending/restore/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/devices/pending/restore/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    # Who comes in is a matter of the customer.
    ("GET", "/organizations/{home}/registration-policy/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{home}/registration-policy/ admits=none", SENT, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/registration-policy/", GONE, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/expected-devices/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{home}/expected-devices/ lines=1", SENT, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{home}/expected-devices/forget/ expected=1", SENT, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/expected-devices/restore/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/organizations/{home}/expected-devices/restore/", SENT, GONE, GONE, GONE, GONE, LOGIN),
    # A device in Household.
    ("GET", "/devices/{kitchen}/", OK, OK, OK, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/live/", OK, OK, OK, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/feed.json", OK, OK, OK, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/values/", OK, OK, OK, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/read-key/", SENT, SENT, SENT, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/read-key/", OK, OK, OK, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/edit/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/edit/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/move/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/move/ organization={household}", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/list/block/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/devices/list/block/ devices={kitchen}", OK, OK, SENT, SENT, SENT, LOGIN),
    ("POST", "/devices/list/unblock/ devices={kitchen}", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("GET", "/devices/{kitchen}/block/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/block/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/unblock/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/replace/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/replace/ serial=new-one", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/delete/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/delete/ channel=keep", SENT, SENT, GONE, GONE, GONE, LOGIN),
    # Both ends must be managed: Bart does not manage Power plant.
    ("POST", "/devices/{kitchen}/move/ organization={plant}", SENT, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/people/", OK, OK, GONE, GONE, GONE, LOGIN),
    # Its history: all of it for whoever sees the device; a manager adds to it, and without a file is told so.
    ("GET", "/devices/{kitchen}/history/", OK, OK, OK, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/history/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/history.csv", OK, OK, OK, GONE, GONE, LOGIN),
    # A new channel for it: on the built-in platform there is no need, which the page says.
    ("GET", "/devices/{kitchen}/new-channel/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/new-channel/ old=keep", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/new-channel/leave/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/new-channel/leave/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/new-channel/cancel/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/new-channel/cancel/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/old-channels/{old_channel}/delete/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/old-channels/{old_channel}/delete/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    # What was noticed. A channel that belongs to no device is the customer's, so that Bart does not hear of it.
    ("GET", "/organizations/{household}/findings/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/findings/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/findings/look/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/findings/look/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/findings/{clone}/dismiss/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/findings/{foreign}/dismiss/", SENT, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/findings/{clone}/renew-key/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/findings/{foreign}/delete-channel/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/findings/{foreign}/delete-channel/", SENT, GONE, GONE, GONE, GONE, LOGIN),
    # Keys for programs.
    ("GET", "/devices/{kitchen}/program-keys/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/program-keys/ note=Shed", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/program-keys/{program}/revoke/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/program-keys/{program}/revoke/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    # Which key of a device is good until when, and renewing, ending and revoking it. Nothing is being renewed here.
    ("GET", "/devices/{kitchen}/keys/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/keys/renew/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/keys/renew/ overlap=3600", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/keys/end/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/keys/end/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/keys/revoke/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/keys/revoke/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/keys/read/{read_key}/renew/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/keys/read/{read_key}/renew/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/devices/{kitchen}/keys/read/{read_key}/revoke/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/devices/{kitchen}/keys/read/{read_key}/revoke/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    # The account on the platform belongs to the customer, so that Bart, who manages a part, does not see it.
    ("GET", "/organizations/{home}/platform-account/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/platform-account/show/", SENT, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{home}/platform-account/show/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/platform-account/renew/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{home}/platform-account/renew/", SENT, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/platform-account/enter/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{home}/platform-account/enter/ key=AAAA", OK, GONE, GONE, GONE, GONE, LOGIN),
    # The customer.
    ("GET", "/organizations/{home}/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/new/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/invite/", OK, GONE, GONE, GONE, GONE, LOGIN),
    # An organization below it.
    ("GET", "/organizations/{household}/", OK, OK, OK, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/live/", OK, OK, OK, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/new/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/new/ name=Upstairs", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/new-several/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/new-several/ names=Upstairs", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/invite-several/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/invite-several/ lines=x", OK, OK, GONE, GONE, GONE, LOGIN),
    # Without the signed offer there is nothing to undo, see the tests of that page.
    ("POST", "/organizations/{household}/unmake/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/labels/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/labels/ sheet=a4-24 each=1", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/labels/keys/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/edit/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/edit/ name=Home", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/move/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/move/ parent={plant}", SENT, OK, GONE, GONE, GONE, LOGIN),
    # Without the signed offer there is nothing to undo, see the tests of that page.
    ("POST", "/organizations/{household}/move-back/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/delete/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/delete/ things_to={plant}", SENT, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/invite/", OK, OK, GONE, GONE, GONE, LOGIN),
    (
        "POST",
        "/organizations/{household}/invite/ email=ned@example.net relation=member",
        SENT,
        SENT,
        GONE,
        GONE,
        GONE,
        LOGIN,
    ),
    ("GET", "/invited/{invitation}/resend/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/invited/{invitation}/resend/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/invited/{invitation}/withdraw/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/invited/{invitation}/withdraw/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/invited/{invitation}/restore/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/invited/{invitation}/restore/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    # People. The list shows everybody what is theirs to manage: to Marge nobody.
    ("GET", "/people/", OK, OK, OK, OK, OK, LOGIN),
    ("GET", "/people/invited/", OK, OK, OK, OK, OK, LOGIN),
    # Whoever manages nothing chooses nothing.
    ("GET", "/people/invited/resend/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/people/invited/resend/ invitations={invitation}", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("GET", "/people/invite/", OK, OK, GONE, GONE, OK, LOGIN),
    # Carl manages something, but not Household.
    ("POST", "/people/invite/ organization={household}", SENT, SENT, GONE, GONE, OK, LOGIN),
    ("GET", "/people/{marge}/", OK, OK, GONE, GONE, GONE, LOGIN),
    # Homer is above what Bart manages.
    ("GET", "/people/{homer}/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/memberships/{homer_place}/edit/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/memberships/{marge_place}/edit/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/memberships/{marge_place}/edit/ relation=manager", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/memberships/{marge_place}/move/", OK, OK, GONE, GONE, GONE, LOGIN),
    # Both ends must be managed: Bart does not manage Power plant.
    ("POST", "/memberships/{marge_place}/move/ organization={plant}", SENT, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/memberships/{marge_place}/remove/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/memberships/{marge_place}/remove/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    # One's own place is one's own to leave, and nobody else's.
    ("GET", "/memberships/{marge_place}/leave/", GONE, GONE, OK, GONE, GONE, LOGIN),
    ("POST", "/memberships/{marge_place}/leave/", GONE, GONE, SENT, GONE, GONE, LOGIN),
    ("GET", "/memberships/{marge_place}/move-back/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    ("POST", "/memberships/{marge_place}/move-back/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/memberships/restore/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    # Without the signed offer there is nothing to undo, see the tests of that page.
    ("POST", "/memberships/restore/", SENT, SENT, SENT, SENT, SENT, LOGIN),
    # What happened.
    ("GET", "/devices/{kitchen}/events/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/history/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/history/", OK, GONE, GONE, GONE, GONE, LOGIN),
    # What goes on with all keys of Household, renewing and revoking them together, and its renewal policy.
    ("GET", "/organizations/{household}/keys/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/keys/renew/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/keys/renew/ overlap=3600", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/keys/revoke/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/keys/revoke/ name=household", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/renewal/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/renewal-policy/", OK, OK, GONE, GONE, GONE, LOGIN),
    (
        "POST",
        "/organizations/{household}/renewal-policy/ overlap=7 instead=remind time_zone=UTC",
        SENT,
        SENT,
        GONE,
        GONE,
        GONE,
        LOGIN,
    ),
    ("POST", "/organizations/{household}/renewal-policy/pause/ paused=on", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{household}/renewal-policy/remove/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/renewal-policy/remove/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/keys/", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{home}/keys/revoke/ name=Simpsons", OK, GONE, GONE, GONE, GONE, LOGIN),
    ("GET", "/organizations/{home}/renewal-policy/", OK, GONE, GONE, GONE, GONE, LOGIN),
    # A registration key of Household.
    ("GET", "/organizations/{household}/registration-keys/new/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/organizations/{household}/registration-keys/new/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/registration-keys/{key}/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/registration-keys/{key}/show/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/registration-keys/{key}/show/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/registration-keys/{key}/edit/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/registration-keys/{key}/edit/ label=Attic", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/registration-keys/{key}/labels/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/registration-keys/{key}/labels/ sheet=a4-24 count=3", OK, OK, GONE, GONE, GONE, LOGIN),
    ("GET", "/registration-keys/{key}/revoke/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/registration-keys/{key}/revoke/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/registration-keys/{key}/renew/", OK, OK, GONE, GONE, GONE, LOGIN),
    ("POST", "/registration-keys/{key}/renew/ ends=moved", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("GET", "/registration-keys/{key}/end/", SENT, SENT, GONE, GONE, GONE, LOGIN),
    ("POST", "/registration-keys/{key}/end/", SENT, SENT, GONE, GONE, GONE, LOGIN),
]
PEOPLE = ("homer", "bart", "marge", "lenny", "carl", "nobody")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} {row[1]}")
def test_everybody_gets_exactly_what_is_theirs(scene: Scene, row: Row) -> None:
    method, what, *expected = row
    address, *fields = scene.address(what).split()
    data = dict(field.split("=", 1) for field in fields)

    assert [_outcome(scene.browser(who), method, address, data) for who in PEOPLE] == expected


def _outcome(browser: Client, method: str, address: str, data: dict[str, str]) -> int | str:
    """Return the status, and leave everything as it was for the next person."""
    with transaction.atomic():
        answer = browser.get(address) if method == "GET" else browser.post(address, data)
        transaction.set_rollback(True)
    sent_to_login = answer.status_code == 302 and answer["Location"].startswith("/accounts/login/?next=")
    return LOGIN if sent_to_login else answer.status_code


OURS = ("orgs.views", "channels.views", "devices.views", "portal.views_account", "portal.views_data")
# The link in the mail and the choice of a language have tests of their own.
PUBLIC = {"invitation", "invitation_ask", "invitation_asked", "set_language"}


def _our_routes() -> dict[str, str]:
    """Return the route of each page of `orgs`, `channels` and `devices`, by name."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                found |= walk(pattern.url_patterns, route)
            elif pattern.callback.__module__.startswith(OURS):
                found[pattern.name or route] = route
        return found

    return walk(get_resolver().url_patterns, "")


def test_the_table_has_a_row_for_every_page(scene: Scene) -> None:
    resolver = get_resolver()
    rows = {resolver.resolve(scene.address(what).split()[0]).url_name for _method, what, *_ in TABLE}
    assert _our_routes().keys() - PUBLIC == rows


@pytest.mark.parametrize("name", sorted(_our_routes()))
def test_no_page_takes_other_methods(scene: Scene, name: str) -> None:
    address = "/" + re.sub(r"<\w+:\w+>", "1", _our_routes()[name])
    for method in ("put", "delete", "patch"):
        assert getattr(scene.browser("homer"), method)(address).status_code == WRONG
