"""Channels by API: made, seen, changed, cleared, deleted, listed; by whom."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from channels.platform.models import Account, ApiKey, Channel, Entry, Latest
from tests.channels.platform.conftest import NOON, a_channel

pytestmark = pytest.mark.django_db


def test_a_channel_is_made_with_all_its_settings(api, homer):
    with time_machine.travel(NOON, tick=False):
        answer = api.post(
            "/channels.json",
            {
                "api_key": homer.key, "name": "House", "description": "d", "latitude": "40.44",
                "longitude": "-79.9965301",
                "elevation": "100", "metadata": "{}", "url": "https://example.net/", "public_flag": "true",
                "tags": "temp, light,temp,", "field1": "Light", "field8": "Wind", "field9": "x",
                "number": "7", "id": "7",
            },
        )  # fmt: skip
    assert answer.status_code == 200
    made = answer.json()
    write, read = made.pop("api_keys")
    assert (write["write_flag"], read["write_flag"]) == (True, False)
    tags = made.pop("tags")
    assert sorted(tag["name"] for tag in tags) == ["light", "temp"]
    assert made == {
        "id": Channel.objects.get().number, "name": "House", "description": "d", "latitude": "40.44",
        "longitude": "-79.9965301", "created_at": "2026-05-01T12:00:00Z", "elevation": "100.0", "last_entry_id": None,
        "public_flag": True, "url": "https://example.net/", "ranking": 85, "username": homer.login, "metadata": "{}",
    }  # fmt: skip
    assert Channel.objects.get().labels == {1: "Light", 8: "Wind"}


def test_a_channel_without_settings_has_the_originals_defaults(api, homer):
    made = api.post("/channels.json", {"api_key": homer.key}).json()
    assert made["name"] == f"Channel {made['id']}"
    assert made["public_flag"] is False
    assert Channel.objects.get().labels == {1: "Field Label 1"}


def test_xml_has_the_key_within_the_key(api, homer):
    root = ElementTree.fromstring(api.post("/channels.xml", {"api_key": homer.key, "name": "x"}).content)
    assert root.find("id").get("type") == "integer"
    assert root.find("api-keys").get("type") == "array"
    keys = root.findall("api-keys/api-key")
    assert [(len(key.find("api-key").text), key.find("write-flag").text) for key in keys] == [
        (16, "true"),
        (16, "false"),
    ]


def test_what_is_sent_is_changed_and_the_rest_stays(api, kitchen):
    key = {"api_key": kitchen.account}
    path = f"/channels/{kitchen.number}.json"
    sent = {"description": "Above the stove", "field2": "", "field3": "Pressure", "latitude": "1", "tags": "a,b"}
    changed = api.put(path, {**key, **sent}, content_type="application/json").json()
    assert (changed["name"], changed["description"], changed["latitude"]) == ("Kitchen", "Above the stove", "1.0")
    assert Channel.objects.get().labels == {1: "Temperature", 3: "Pressure"}
    changed = api.patch(path, {**key, "latitude": "", "tags": ["c"]}, content_type="application/json").json()
    assert (changed["latitude"], [tag["name"] for tag in changed["tags"]]) == (None, ["c"])
    assert api.put(path, {**key, "tags": ""}, content_type="application/json").json()["tags"] == []


@pytest.mark.parametrize(
    "sent",
    [
        {"name": "x" * 256}, {"field1": "x" * 256}, {"latitude": "91"}, {"longitude": "east"}, {"elevation": "high"},
        {"url": "javascript:alert(1)"}, {"url": "x" * 256}, {"metadata": "x" * 20001},
    ],
)  # fmt: skip
def test_settings_that_are_not_well_formed_change_nothing(api, kitchen, sent):
    answer = api.put(
        f"/channels/{kitchen.number}.json",
        {"api_key": kitchen.account, "description": "new", **sent},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (400, "error_bad_request")
    assert next(iter(sent)) in answer.json()["error"]["details"]
    assert Channel.objects.get().description == ""


def test_keys_cannot_be_chosen(api, kitchen):
    sent = {"api_key": kitchen.account, "write_key": "AAAAAAAAAAAAAAAA", "api_keys": ["AAAAAAAAAAAAAAAA"]}
    api.put(f"/channels/{kitchen.number}.json", sent, content_type="application/json")
    assert ApiKey.objects.find("AAAAAAAAAAAAAAAA") is None


def test_the_owner_sees_keys_others_what_is_public_strangers_nothing(api, kitchen, plaza):
    def seen(number: int, key: str):
        return api.get(f"/channels/{number}.json", {"api_key": key} if key else {})

    assert "api_keys" in seen(kitchen.number, kitchen.account).json()
    for key in (kitchen.read, kitchen.write):
        shown = seen(kitchen.number, key).json()
        assert shown["name"] == "Kitchen"
        assert not {"api_keys", "metadata"} & shown.keys()
    for key in ("", "0" * 16, plaza.account, plaza.read):
        refused = seen(kitchen.number, key)
        assert (refused.status_code, refused.content) == (400, b"-1")
    for key in ("", kitchen.account):
        assert "api_keys" not in seen(plaza.number, key).json()
    assert seen(99999, kitchen.account).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/channels.json"),
        ("post", "/channels.json"),
        ("put", "/channels/{}.json"),
        ("delete", "/channels/{}.json"),
        ("delete", "/channels/{}/feeds.json"),
        ("post", "/channels/{}/feeds.csv"),
        ("get", "/channels/{}/api_keys.json"),
        ("post", "/channels/{}/api_keys.json"),
        ("put", "/channels/{}/api_keys/1.json"),
        ("delete", "/channels/{}/api_keys/1.json"),
        ("post", "/users/new_api_key.json"),
    ],
)
def test_managing_needs_the_account_key(api, kitchen, plaza, method, path):
    """No key, an unknown one, and the channel's own keys: 401. Another account's key: the channel does not exist."""
    address = path.format(kitchen.number)
    for key in ("", "0" * 16, kitchen.write, kitchen.read):
        answer = getattr(api, method)(f"{address}?api_key={key}")
        assert answer.status_code == 401
        assert b"error_auth_required" in answer.content
    if "{}" in path:
        assert getattr(api, method)(f"{address}?api_key={plaza.account}").status_code == 404
    assert Channel.objects.count() == 2


def test_clearing_starts_again_at_one(api, kitchen):
    for _ in range(3):
        api.get(f"/update?api_key={kitchen.write}&field1=1")
    assert api.delete(f"/channels/{kitchen.number}/feeds.json?api_key={kitchen.account}").content == b"[]"
    assert api.get(f"/channels/{kitchen.number}/feeds/last.json?api_key={kitchen.read}").content == b"-1"
    assert not Entry.objects.exists()
    assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"1"
    xml = api.delete(f"/channels/{kitchen.number}/feeds.xml?api_key={kitchen.account}").content.decode()
    assert '<nil-classes type="array"></nil-classes>' in xml


def test_deleting_answers_with_the_channel_as_it_was(api, kitchen):
    api.get(f"/update?api_key={kitchen.write}&field1=1")
    gone = api.delete(
        f"/channels/{kitchen.number}.json", {"api_key": kitchen.account}, content_type="application/json"
    ).json()
    assert (gone["id"], gone["name"], gone["last_entry_id"]) == (kitchen.number, "Kitchen", 1)
    assert "api_keys" not in gone
    assert [model.objects.count() for model in (Channel, Entry, ApiKey, Latest)] == [0, 0, 0, 0]
    assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"0"


def test_a_plan_limits_the_number_of_channels(api, homer, kitchen, settings):
    settings.PLATFORM_PLANS = {"hobby": {"channels": 2}}
    Account.objects.filter(pk=homer.pk).update(plan_name="hobby")
    assert api.post("/channels.json", {"api_key": homer.key}).status_code == 200
    refused = api.post("/channels.json", {"api_key": homer.key})
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (402, "error_payment_required")
    assert Channel.objects.count() == 2


def test_lists_take_the_same_statements_for_many_channels(api, homer, kitchen):
    def statements() -> list[int]:
        counts = []
        for path in (
            f"/channels.json?api_key={homer.key}",
            f"/users/{homer.login}/channels.json?api_key={homer.key}",
            "/channels/public.json?channel_ids=" + ",".join(str(kitchen.number + n) for n in range(6)),
        ):
            with CaptureQueriesContext(connection) as queries:
                assert api.get(path).status_code == 200
            counts.append(len(queries))
        return counts

    Channel.objects.update(public=True)
    few = statements()
    for n in range(5):
        a_channel(homer, name=str(n), public=True).channel.tags.create(name=f"tag {n}")
    assert statements() == few == [4, 4, 3]


def test_my_channels_by_tag(api, homer, kitchen):
    api.put(f"/channels/{kitchen.number}.json", {"api_key": homer.key, "tags": "warm"}, content_type="application/json")
    a_channel(homer, name="Other")
    listed = api.get(f"/channels.json?api_key={homer.key}&tag=warm").json()
    assert [channel["name"] for channel in listed] == ["Kitchen"]


class TestPublicChannels:
    @pytest.fixture(autouse=True)
    def at_noon(self):
        with time_machine.travel(NOON, tick=False) as clock:
            yield clock

    def listed(self, api, **asked: object) -> list[str]:
        return sorted(channel["name"] for channel in api.get("/channels/public.json", asked).json()["channels"])

    def used(self, account, name: str, *, entries: int = 2, ago: timedelta = timedelta(), **settings: object):
        made = a_channel(account, name=name, public=True, **settings)
        Latest.objects.filter(channel=made.channel).update(last_entry_id=entries, last_entry_at=NOON - ago)
        return made

    def test_only_those_in_use_are_listed(self, api, carl, kitchen):
        self.used(carl, "living")
        self.used(carl, "asleep", ago=timedelta(days=8))
        self.used(carl, "new", entries=1)
        a_channel(carl, name="private")
        assert self.listed(api) == ["living"]

    def test_by_user_by_tag_by_number_and_by_place(self, api, homer, carl):
        here = self.used(homer, "here", latitude="40.0", longitude="-80.0")
        there = self.used(carl, "there", latitude="40.0", longitude="-80.3", ago=timedelta(days=30))
        here.channel.tags.create(name="temp")
        assert self.listed(api, username=homer.login) == ["here"]
        assert self.listed(api, username="nobody") == []
        assert self.listed(api, tag="temp") == ["here"]
        assert self.listed(api, channel_ids=f"{here.number},{there.number},x,{'9' * 40}") == ["here", "there"]
        assert self.listed(api, latitude="40.0", longitude="-80.05", distance="10") == ["here"]
        assert self.listed(api, latitude="40.0", longitude="-80.1", distance="50") == ["here", "there"]
        assert self.listed(api, latitude="-1e300", longitude="1e300", distance="1") == []

    def test_there_is_no_page_0(self, api):
        for page in ("0", "-1", "1e12"):
            answer = api.get(f"/channels/public.json?page={page}")
            assert (answer.status_code, answer.json()["error"]["error_code"]) == (404, "error_resource_not_found")
        assert api.get("/channels/public.json?page=99").json()["channels"] == []
        assert b"<response><pagination>" in api.get("/channels/public.xml").content


class TestKeys:
    """The operations that the original has only on its web pages."""

    def path(self, keys, key: object = "") -> str:
        return f"/channels/{keys.number}/api_keys{f'/{key}' if key else ''}.json?api_key={keys.account}"

    def test_all_good_keys_are_listed_with_their_use(self, api, kitchen):
        with time_machine.travel(NOON, tick=False):
            api.get(f"/update?api_key={kitchen.write}&field1=1")
        write, read = api.get(self.path(kitchen)).json()
        assert (write["api_key"], write["write_flag"], write["last_used_at"]) == (
            kitchen.write,
            True,
            "2026-05-01T12:00:00Z",
        )
        assert (read["api_key"], read["last_used_at"], read["expires_at"]) == (kitchen.read, None, None)

    def test_a_read_key_is_added_with_a_note_and_revoked(self, api, kitchen):
        added = api.post(self.path(kitchen) + "&note=Marge").json()
        assert (added["note"], added["write_flag"]) == ("Marge", False)
        feed = f"/channels/{kitchen.number}/feeds.json?api_key={added['api_key']}"
        assert api.get(feed).status_code == 200
        renamed = api.put(self.path(kitchen, added["id"]) + "&note=Bart").json()
        assert renamed["note"] == "Bart"
        for _ in range(2):  # ending an ended key is no error
            assert api.delete(self.path(kitchen, added["api_key"])).json()["expires_at"] is not None
        assert api.get(feed).content == b"-1"
        assert len(api.get(self.path(kitchen)).json()) == 2

    def test_the_write_key_is_rotated_with_an_overlap(self, api, kitchen):
        with time_machine.travel(NOON, tick=False) as clock:
            new = api.post(self.path(kitchen) + "&write=1&overlap=3600").json()["api_key"]
            listed = api.get(self.path(kitchen)).json()
            assert [key["api_key"] for key in listed] == [new, kitchen.write, kitchen.read]
            assert listed[1]["expires_at"] == "2026-05-01T13:00:00Z"
            assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"1"
            clock.shift(timedelta(hours=1))
            assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"0"
            assert api.get(f"/update?api_key={new}&field1=1").content == b"2"
            assert [key["api_key"] for key in api.get(self.path(kitchen)).json()] == [new, kitchen.read]

    def test_without_overlap_the_old_write_key_is_dead_at_once(self, api, kitchen):
        api.post(self.path(kitchen) + "&write=1")
        assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"0"

    @pytest.mark.parametrize("overlap", ["-1", "1.5", "soon", "9" * 30, "31536001"])
    def test_an_overlap_that_is_none_changes_nothing(self, api, kitchen, overlap):
        answer = api.post(self.path(kitchen) + f"&write=1&overlap={overlap}")
        assert answer.status_code == 400
        assert "overlap" in answer.json()["error"]["details"]
        assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"1"

    def test_the_current_write_key_is_not_revoked_but_a_retiring_one_is(self, api, kitchen):
        refused = api.delete(self.path(kitchen, kitchen.write))
        assert (refused.status_code, refused.json()["error"]["error_code"]) == (409, "error_conflict")
        api.post(self.path(kitchen) + "&write=1&overlap=3600")
        assert api.delete(self.path(kitchen, kitchen.write)).status_code == 200
        assert api.get(f"/update?api_key={kitchen.write}&field1=1").content == b"0"

    def test_another_channels_key_is_not_found(self, api, homer, kitchen):
        other = a_channel(homer, name="Other")
        for key in (other.read, ApiKey.objects.find(other.read).pk, "0" * 16, "9" * 30, "x"):
            assert api.delete(self.path(kitchen, key)).status_code == 404
        assert ApiKey.objects.find(other.read).expires_at is None

    def test_a_note_has_at_most_255_characters(self, api, kitchen):
        assert api.post(self.path(kitchen) + f"&note={'x' * 256}").status_code == 400

    def test_xml(self, api, kitchen):
        path = self.path(kitchen).replace(".json", ".xml")
        root = ElementTree.fromstring(api.get(path).content)
        assert [key.find("api-key").text for key in root.findall("api-key")] == [kitchen.write, kitchen.read]
        assert ElementTree.fromstring(api.post(path).content).find("write-flag").text == "false"

    def test_the_account_key_is_renewed(self, api, kitchen):
        renewed = api.post(f"/users/new_api_key.json?api_key={kitchen.account}").json()
        assert renewed["login"] == kitchen.channel.account.login
        assert api.get(f"/channels.json?api_key={kitchen.account}").status_code == 401
        assert len(api.get(f"/channels.json?api_key={renewed['api_key']}").json()) == 1
