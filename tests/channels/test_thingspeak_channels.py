"""Channels of an account: found, made, changed and deleted, in every shape in which the service answers."""

from __future__ import annotations

import json

import pytest

from channels.platforms import (
    BadAccountKey,
    ChannelLimitReached,
    NoSuchChannel,
    NotUnderstood,
    OutOfReach,
    RemoteChannel,
)
from channels.thingspeak import ThingSpeak
from tests.channels.conftest import ACCOUNT_KEY
from tests.channels.scripted import Scripted, ScriptedThingSpeak, recorded

LIST, CREATE = "GET /channels.json", "POST /channels.json"
KITCHEN = RemoteChannel(
    number=5683,
    name="kitchen",
    marker="5d1c8e6e-0001",
    write_key="WWWWWWWWWWWW5683",
    read_keys=("RRRRRRRRRRRR5683", "SSSSSSSSSSSS5683"),
)


def create(thingspeak: ThingSpeak) -> RemoteChannel:
    return thingspeak.create_channel(
        ACCOUNT_KEY, name="kitchen", marker="5d1c8e6e-0002", labels={1: "Temperature", 3: "Light"}
    )


def test_channels_are_listed_with_their_keys_whatever_their_order(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, Scripted(recorded("channels_hosted")))
    house, kitchen = thingspeak.list_channels(ACCOUNT_KEY)
    assert (house.number, house.marker, house.write_key, house.read_keys) == (
        9,
        "",
        "WWWWWWWWWWWWWWW9",
        ("RRRRRRRRRRRRRRR9",),
    )
    assert kitchen == KITCHEN


def test_a_channel_is_found_by_the_marker_in_its_metadata(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, Scripted(recorded("channels_hosted")))
    assert thingspeak.find_channel(ACCOUNT_KEY, "5d1c8e6e-0001") == KITCHEN
    assert thingspeak.find_channel(ACCOUNT_KEY, "5d1c8e6e-000") is None
    assert thingspeak.find_channel(ACCOUNT_KEY, "") is None


def test_a_listing_that_hides_markers_does_not_pass_for_an_account_without_the_channel(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(
        LIST,
        Scripted([{"id": 4, "name": "kitchen", "api_keys": [{"api_key": "WWWWWWWWWWWWWWW4", "write_flag": True}]}]),
    )
    with pytest.raises(NotUnderstood):
        thingspeak.find_channel(ACCOUNT_KEY, "5d1c8e6e-0001")


def test_a_channel_is_got_by_its_number(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, Scripted(recorded("channels_hosted")))
    assert thingspeak.get_channel(ACCOUNT_KEY, 5683) == KITCHEN
    with pytest.raises(NoSuchChannel):
        thingspeak.get_channel(ACCOUNT_KEY, 4)


@pytest.mark.parametrize("api_keys", [None, [], [{"api_key": "RRRRRRRRRRRRRRR4", "write_flag": False}], "none", [1]])
def test_a_channel_without_a_write_key_is_not_understood(
    api_keys: object, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, Scripted([{"id": 4, "name": "kitchen", "metadata": None, "api_keys": api_keys}]))
    with pytest.raises(NotUnderstood):
        thingspeak.list_channels(ACCOUNT_KEY)


@pytest.mark.parametrize(
    ("shape", "read_keys"), [("created_hosted", ("RRRRRRRRRRRRRRR4",)), ("created_open_source", ())]
)
def test_a_new_channel_comes_with_its_keys(
    shape: str, read_keys: tuple[str, ...], script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(CREATE, Scripted(recorded(shape)))
    assert create(thingspeak) == RemoteChannel(4, "kitchen", "5d1c8e6e-0002", "WWWWWWWWWWWWWWW4", read_keys)
    assert script.asked[0].form == {
        "api_key": [ACCOUNT_KEY],
        "name": ["kitchen"],
        "metadata": ["keydist:5d1c8e6e-0002"],
        "public_flag": ["false"],
        "field1": ["Temperature"],
        "field3": ["Light"],
    }
    assert script.asked[0].query == {}


def test_keys_that_the_answer_lacks_are_fetched_from_the_listing(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(CREATE, Scripted(recorded("created_without_keys")))
    script.on(LIST, Scripted([json.loads(recorded("created_hosted"))]))
    assert create(thingspeak).write_key == "WWWWWWWWWWWWWWW4"
    assert script.lines == [CREATE, LIST]


@pytest.mark.parametrize(
    ("status", "shape"),
    [
        (402, "error_payment_required"),
        (200, "error_payment_required"),
        (403, "error_bad_request"),
        (409, "error_conflict"),
        (422, "error_bad_request"),
        (429, "error_too_many_requests"),
    ],
)
def test_an_account_with_a_good_key_that_gets_no_channel_has_none_left(
    status: int, shape: str, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(CREATE, Scripted(recorded(shape), status))
    script.on(LIST, Scripted(recorded("channels_hosted")))
    with pytest.raises(ChannelLimitReached):
        create(thingspeak)
    assert script.lines == [CREATE, LIST]


def test_a_refusal_to_create_is_the_keys_fault_when_the_key_is_bad(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(CREATE, Scripted(recorded("error_bad_request"), 403))
    script.on(LIST, Scripted(recorded("error_auth_required"), 401))
    with pytest.raises(BadAccountKey):
        create(thingspeak)


def test_a_refusal_to_create_that_names_a_time_is_no_limit(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(CREATE, Scripted(recorded("error_too_many_requests"), 429, {"Retry-After": "7"}))
    with pytest.raises(OutOfReach) as caught:
        create(thingspeak)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    "answer",
    [
        Scripted(b"<html>Forbidden by your office</html>", 403),
        Scripted(b"<html>Welcome</html>"),
        Scripted(b"", 200),
        Scripted([]),
        Scripted({"id": True}),
        Scripted({"id": -4}),
        Scripted({"id": "9" * 5000}),
        Scripted(recorded("error_bad_request"), 400),
        Scripted(recorded("no_zero")),
    ],
    ids=lambda answer: f"{answer.status} {answer.content[:20]!r}",
)
def test_an_answer_to_creating_that_makes_no_sense_is_called_so(
    answer: Scripted, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(CREATE, answer)
    with pytest.raises(NotUnderstood):
        create(thingspeak)
    assert script.lines == [CREATE]


def test_a_new_name_leaves_the_metadata_alone(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, Scripted(recorded("channels_hosted")))
    script.on("PUT /channels/5683.json", Scripted(recorded("deleted")))
    thingspeak.update_channel(ACCOUNT_KEY, 5683, name="pantry")
    assert script.asked[-1].form == {"api_key": [ACCOUNT_KEY], "name": ["pantry"]}


def test_a_new_marker_leaves_the_rest_of_the_metadata_alone(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, Scripted(recorded("channels_hosted")))
    script.on("PUT /channels/5683.json", Scripted(b""))
    thingspeak.update_channel(ACCOUNT_KEY, 5683, marker="other")
    assert script.asked[-1].form == {"api_key": [ACCOUNT_KEY], "metadata": ["bought 2024 keydist:other"]}


def test_somebody_elses_channel_is_not_changed(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on(LIST, Scripted(recorded("channels_hosted")))
    with pytest.raises(NoSuchChannel):
        thingspeak.update_channel(ACCOUNT_KEY, 4, name="mine")
    assert script.lines == [LIST]


def test_a_channel_that_vanishes_while_it_is_changed_is_no_such_channel(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on(LIST, Scripted(recorded("channels_hosted")))
    script.on("PUT /channels/9.json", Scripted(recorded("error_resource_not_found"), 404))
    with pytest.raises(NoSuchChannel):
        thingspeak.update_channel(ACCOUNT_KEY, 9, name="mine")


def test_a_channel_is_deleted_with_the_key_in_the_body(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on("DELETE /channels/4.json", Scripted(recorded("deleted")))
    thingspeak.delete_channel(ACCOUNT_KEY, 4)
    assert (script.asked[0].form, script.asked[0].query) == ({"api_key": [ACCOUNT_KEY]}, {})


def test_deleting_what_is_not_there_is_no_such_channel(script: ScriptedThingSpeak, thingspeak: ThingSpeak) -> None:
    script.on("DELETE /channels/4.json", Scripted(recorded("error_resource_not_found"), 404))
    with pytest.raises(NoSuchChannel):
        thingspeak.delete_channel(ACCOUNT_KEY, 4)


def test_a_deletion_whose_answer_was_lost_is_done_when_the_channel_is_gone(
    script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    delete = "DELETE /channels/4.json"
    script.on(delete, Scripted(instead="drop"), Scripted(recorded("error_resource_not_found"), 404))
    thingspeak.delete_channel(ACCOUNT_KEY, 4)
    assert script.lines == [delete, delete]


@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_deletion_tells_a_foreign_channel_from_a_bad_key(
    status: int, script: ScriptedThingSpeak, thingspeak: ThingSpeak
) -> None:
    script.on("DELETE /channels/4.json", Scripted(recorded("error_bad_request"), status))
    script.on(LIST, Scripted(recorded("channels_hosted")))
    with pytest.raises(NoSuchChannel):
        thingspeak.delete_channel(ACCOUNT_KEY, 4)
    script.on(LIST, Scripted(recorded("error_auth_required"), 401))
    with pytest.raises(BadAccountKey):
        thingspeak.delete_channel(ACCOUNT_KEY, 4)
