"""What happened, in words, for those who manage the place, and never with a key in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from channels import program_keys, renewal
from channels.models import Channel, ChannelKey
from channels.reading_keys import read_key_for
from devices.views_audit import ENTRIES_A_PAGE
from orgs.audit import AuditEntry, record
from orgs.audit_words import KINDS, WORDS, in_words, of_kind
from tests.conftest import MANAGER, Cast
from tests.factories import DeviceFactory, MembershipFactory, RegistrationKeyFactory

ROOT = Path(__file__).resolve().parent.parent.parent
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


@pytest.fixture
def channel(simpsons: Cast) -> Channel:
    assert simpsons.kitchen.channel
    return simpsons.kitchen.channel


def told(client: Client, address: str) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200
    return [line.sentence for line in answer.context["lines"]]


def of(place: object, **narrowed: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in narrowed.items())
    return f"/organizations/{place.pk}/history/?{query}"  # type: ignore[attr-defined]


def test_what_happened_to_keys_is_said_with_the_name_of_the_device(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    renewal.finish(renewal.renew(channel, by=simpsons.homer), by=simpsons.homer)
    program_keys.add(channel, note="Home Assistant", by=simpsons.homer)
    assert told(as_homer, of(simpsons.home)) == [
        "A program got a read key to “kitchen”: Home Assistant.",
        "Write key 1 of “kitchen” was ended after its renewal.",
        "“kitchen” got write key 2.",
        "The renewal of write key 1 of “kitchen” was started.",
    ]


def test_who_and_from_where_stands_beside_it(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    renewal.start(channel, by=simpsons.homer, address="192.0.2.7")
    html = as_homer.get(of(simpsons.household)).content.decode()
    assert "192.0.2.7" in html
    assert str(simpsons.homer) in html
    assert f'href="/devices/{simpsons.kitchen.pk}/"' in html


def test_what_was_done_in_the_browser_is_there(simpsons: Cast, as_homer: Client) -> None:
    as_homer.post(f"/devices/{simpsons.kitchen.pk}/edit/", {"name": "Cellar"})
    as_homer.post(f"/devices/{simpsons.kitchen.pk}/move/", {"organization": simpsons.power_plant.pk})
    assert told(as_homer, of(simpsons.power_plant)) == ["“Cellar” was moved here from Household."]
    assert told(as_homer, of(simpsons.home))[1] == "“kitchen” was renamed to “Cellar”."


def test_a_thing_that_is_gone_keeps_the_name_it_had(simpsons: Cast, as_homer: Client) -> None:
    attic = DeviceFactory(organization=simpsons.home, name="attic", channel=None)
    record("device.renamed", by=simpsons.homer, organization=simpsons.home, about=attic, before="loft")
    attic.delete()
    assert told(as_homer, of(simpsons.home)) == ["“loft” was renamed to “attic”."]
    assert f"/devices/{attic.pk}/" not in as_homer.get(of(simpsons.home)).content.decode()


def test_the_manager_of_a_part_learns_nothing_of_the_rest(simpsons: Cast, as_homer: Client) -> None:
    as_homer.post(f"/devices/{simpsons.reactor.pk}/move/", {"organization": simpsons.household.pk})
    as_homer.post(f"/organizations/{simpsons.power_plant.pk}/edit/", {"name": "Plant"})
    client = Client()
    client.force_login(MembershipFactory(organization=simpsons.household, relation=MANAGER).user)
    assert told(client, of(simpsons.household)) == ["“reactor” was moved here from another organization."]


def test_it_can_be_narrowed_by_kind_and_by_person(simpsons: Cast, as_homer: Client, channel: Channel) -> None:
    lisa = MembershipFactory(user__email="lisa@example.net", organization=simpsons.home, relation=MANAGER).user
    renewal.start(channel, by=lisa)
    record("device.renamed", by=simpsons.homer, organization=simpsons.home, about=simpsons.kitchen, before="hall")
    record("registration_key.ended", by=None, organization=simpsons.home, about=RegistrationKeyFactory.build(pk=7))
    assert len(told(as_homer, of(simpsons.home))) == 3
    assert told(as_homer, of(simpsons.home, kind="devices")) == ["“hall” was renamed to “kitchen”."]
    assert len(told(as_homer, of(simpsons.home, kind="keys"))) == 2
    assert told(as_homer, of(simpsons.home, who="lisa@example.net")) == [
        "The renewal of write key 1 of “kitchen” was started."
    ]
    assert len(told(as_homer, of(simpsons.home, who="-"))) == 1
    assert told(as_homer, of(simpsons.home, kind="people")) == []
    assert len(told(as_homer, of(simpsons.home, kind="nonsense", who="nobody@example.net"))) == 3


def test_the_page_of_a_device_tells_of_it_its_channel_and_its_keys(
    simpsons: Cast, as_homer: Client, channel: Channel
) -> None:
    read_key_for(simpsons.marge, channel)
    key = ChannelKey.objects.get(holder=simpsons.marge)
    record("read_key.revoked", by=simpsons.homer, organization=simpsons.household, about=key)
    renewal.start(channel, by=simpsons.homer)
    record("device.renamed", by=simpsons.homer, organization=simpsons.home, about=simpsons.kitchen, before="hall")
    record("device.renamed", by=simpsons.homer, organization=simpsons.home, about=simpsons.reactor, before="core")
    address = f"/devices/{simpsons.kitchen.pk}/events/"
    sentences = told(as_homer, address)
    assert sentences == [
        "“hall” was renamed to “kitchen”.",
        "The renewal of write key 1 of “kitchen” was started.",
        "A read key to “kitchen” was revoked.",
        "“kitchen” registered itself.",
    ]
    part = as_homer.get(address, headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert [line.sentence for line in part.context["lines"]] == sentences


def test_it_begins_with_the_registration_which_costs_a_new_device_nothing(
    simpsons: Cast, as_homer: Client, django_assert_num_queries
) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home)
    attic = DeviceFactory(organization=simpsons.household, name="attic", registered_with=key)
    address = f"/devices/{attic.pk}/events/"
    assert told(as_homer, address) == [f"With the key {key.lookup}-…, “attic” registered itself."]
    assert "the device itself" in as_homer.get(address).content.decode()
    assert key.secret not in as_homer.get(address).content.decode()
    assert not AuditEntry.objects.exists()


def test_it_ends_with_the_registration_only_on_the_last_of_several_pages(simpsons: Cast, as_homer: Client) -> None:
    for n in range(ENTRIES_A_PAGE + 1):
        record("device.renamed", by=None, organization=simpsons.home, about=simpsons.kitchen, before=f"room {n}")
    address = f"/devices/{simpsons.kitchen.pk}/events/"
    assert len(told(as_homer, address)) == ENTRIES_A_PAGE
    assert told(as_homer, f"{address}?page=2") == ["“room 0” was renamed to “kitchen”.", "“kitchen” registered itself."]


def test_a_key_from_above_is_not_named_to_the_manager_of_a_part(simpsons: Cast, client: Client) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home)
    attic = DeviceFactory(organization=simpsons.household, name="attic", registered_with=key)
    client.force_login(MembershipFactory(organization=simpsons.household, relation=MANAGER).user)
    assert told(client, f"/devices/{attic.pk}/events/") == ["“attic” registered itself."]


def test_managers_find_it_on_the_page_of_the_device(simpsons: Cast, as_homer: Client, as_marge: Client) -> None:
    address = f"/devices/{simpsons.kitchen.pk}/"
    assert f'hx-get="{address}events/"' in as_homer.get(address).content.decode()
    assert "events/" not in as_marge.get(address).content.decode()


@pytest.mark.parametrize("count", [1, 40])
def test_it_takes_a_fixed_number_of_queries(
    simpsons: Cast, as_homer: Client, channel: Channel, count: int, django_assert_num_queries
) -> None:
    for n in range(count):
        device = DeviceFactory(organization=simpsons.household)
        renewal.start(device.channel, by=simpsons.homer)
        program_keys.add(channel, note=f"Program {n}", by=simpsons.homer)
    record("device.renamed", by=simpsons.homer, organization=simpsons.home, about=simpsons.kitchen, before="hall")
    with django_assert_num_queries(13):
        as_homer.get(of(simpsons.home))
    with django_assert_num_queries(12):
        as_homer.get(f"/devices/{simpsons.kitchen.pk}/events/")


# ---- the table of words ----


def _actions() -> Iterator[tuple[str, str]]:
    """Every action that our code records, with the file that does it."""
    for room in ("orgs", "channels", "devices", "portal"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                    within = node.args if name.strip("_") in ("record", "note") else []
                elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "action":
                    within = [node.value]
                else:
                    continue
                for part in within:
                    for constant in ast.walk(part):
                        if isinstance(constant, ast.Constant) and ACTION.fullmatch(str(constant.value)):
                            yield str(constant.value), str(path.relative_to(ROOT))


def test_every_action_that_is_recorded_has_words() -> None:
    actions = list(_actions())
    assert {"device.moved", "write_key.all_revocations_started", "renewal_policy.paused"} <= {one for one, _ in actions}
    assert [(action, where) for action, where in actions if action not in WORDS] == []


def test_an_action_without_words_can_be_read() -> None:
    assert in_words("device.painted_blue", "kitchen", {}) == "Device: painted blue (kitchen)"


@pytest.mark.parametrize("action", WORDS)
def test_a_sentence_stands_whatever_details_are_missing(action: str) -> None:
    sentence = in_words(action, "kitchen", {})
    assert "{" not in sentence
    assert sentence.endswith((".", "–"))


def test_nearly_every_action_belongs_to_a_kind() -> None:
    things = {thing for _label, things in KINDS.values() for thing in things}
    assert {action.partition(".")[0] for action in WORDS} - things == {"account", "letter", "log_in", "take_out"}, (
        "one's own, not the place's"
    )


def test_a_kind_is_a_condition_on_whole_words(simpsons: Cast) -> None:
    for action in ("device.moved", "devices.counted"):
        record(action, by=None, organization=simpsons.home, about=simpsons.kitchen)
    assert [entry.action for entry in AuditEntry.objects.filter(of_kind("devices"))] == ["device.moved"]


def test_a_name_that_was_changed_twice_is_told_as_it_was_each_time(simpsons: Cast, as_homer: Client) -> None:
    for name in ("Cellar", "Wine cellar"):
        page = f"/devices/{simpsons.kitchen.pk}/edit/"
        seen = as_homer.get(page).context["form"]["seen"].value()
        as_homer.post(page, {"name": name, "description": "", "seen": seen})
    assert told(as_homer, of(simpsons.home))[:2] == [
        "“Cellar” was renamed to “Wine cellar”.",
        "“kitchen” was renamed to “Cellar”.",
    ]
