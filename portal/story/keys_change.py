"""Step 7: all keys are renewed while the thermometer keeps measuring, and the old ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import requests

from devices.registration_key_text import RegistrationKeyText
from portal.story.device import SERIALS, open_answer
from portal.story.marge_logs_in import as_soon_as, values_in
from portal.story.registration_key import shown_on
from portal.story.telling import StoryFailed
from portal.story.thermometer import RunningThermometer
from portal.story.visitor import Visitor

if TYPE_CHECKING:
    from portal.story.pages import Page
    from portal.story.play import Story

A_DAY = "86400"


def play(story: Story) -> None:
    """Homer renews the write key, the registration key and Marge's read key; nothing is lost, nobody is cut off."""
    with RunningThermometer(story) as thermometer:
        thermometer.expect_to_store(2)
        _renew_the_write_key(story, thermometer)
        _renew_the_registration_key(story, thermometer)
        _renew_marges_read_key(story)
        thermometer.expect_to_store(2)
    _nothing_is_lost(story, thermometer)


def _keys_page(story: Story) -> Page:
    homer = story.homer
    return homer.follow_to(homer.get(story.devices["Kitchen"]), urlsplit(story.devices["Kitchen"]).path + "keys/")


def _renew_the_write_key(story: Story, thermometer: RunningThermometer) -> None:
    old = story.payloads["Kitchen"].write_key
    page = _keys_page(story)
    if page.link_to("/keys/renew/"):
        _renew_it_here(story, page)
    elif story.stage.thingspeak:
        _regenerate_it_on_thingspeak(story, page)
    else:
        return story.teller.remark("The write key is renewed on ThingSpeak's own pages, so it stays as it is here.")
    thermometer.expect_to_say("A new write key for channel")
    story.teller.expect(True, "the thermometer has fetched the new key by itself")
    thermometer.expect_to_store(2)
    _end_what_is_old(story, lambda: _keys_page(story), "/keys/end/")
    answer = as_soon_as(lambda: _written_with(story, old), lambda answer: answer.status == 400)
    story.teller.expect(answer.status == 400, "whoever writes with the old key is refused", instead=str(answer.status))
    return None


def _renew_it_here(story: Story, page: Page) -> None:
    homer = story.homer
    page = homer.follow_to(page, "/keys/renew/")
    page = homer.submit(page, page.form("overlap"), overlap=A_DAY)
    story.teller.expect(
        "Both are good until" in page.text,
        "Homer has renewed the write key; the page says until when both are good",
        instead="; ".join(page.errors()) or page.text[:300],
    )


def _regenerate_it_on_thingspeak(story: Story, page: Page) -> None:
    story.teller.expect(
        "ThingSpeak renews write keys on its own pages alone" in page.text,
        "the page says that ThingSpeak renews write keys on its own pages, and how",
    )
    new = _on_thingspeak(story, "POST", "api_keys.json", write="1")
    story.teller.remark(f"Homer does that: the channel's write key is {new} now, and the old one is dead at once.")
    _look_at_thingspeak(story)


def _on_thingspeak(story: Story, method: str, what: str, **values: str) -> str:
    """Do what Homer does on ThingSpeak's page “API Keys”, and return the key that it shows."""
    address = f"{story.stage.thingspeak}/channels/{story.payloads['Kitchen'].channel}/{what}"
    data = {"api_key": story.stage.account_key, **values}
    with requests.Session() as session:
        session.trust_env = False
        # Not told like what visitors do: the answer holds a key that nobody knows yet.
        answer = session.request(method, address, data=data, timeout=30)
    if answer.status_code != 200:
        raise StoryFailed(f"Expected: a key is changed on ThingSpeak. It answers {answer.status_code}.")
    key = str(answer.json()["api_key"])
    story.teller.keep_secret(key)
    return key


def _look_at_thingspeak(story: Story) -> None:
    homer = story.homer
    page = homer.get(urlsplit(story.organizations["The Simpsons"]).path + "findings/")
    homer.submit(page, page.form("csrfmiddlewaretoken", at="/findings/look/"))
    story.teller.remark("He lets the portal look there at once; it would have noticed within minutes.")


def _end_what_is_old(story: Story, open_page: Callable[[], Page], part: str) -> None:
    """Let Homer end an old key, if the portal has not done so by itself since the device has moved."""
    page = open_page()
    if page.link_to(part) is None:
        return
    page = story.homer.follow_to(page, part)
    if (form := page.form("csrfmiddlewaretoken", at=part)) is not None:
        story.homer.submit(page, form)


def _written_with(story: Story, key: str) -> Page:
    return story.stranger.get(f"{story.payloads['Kitchen'].update_url}?api_key={key}&field1=99.99")


def _renew_the_registration_key(story: Story, thermometer: RunningThermometer) -> None:
    homer, expect, old = story.homer, story.teller.expect, story.key
    page = homer.follow(homer.get(story.organizations["The Simpsons"]), "••••••••")
    page = homer.follow_to(page, "/renew/")
    page = homer.submit(page, page.form("ends"), ends="moved")
    address = page.address
    page = homer.submit(page, page.form_beside_secret())
    new = shown_on(page)
    story.teller.keep_secret(new.secret)
    expect(new != old, f"Homer has renewed the registration key: {new.text} takes the place of {old.text}")
    _move_the_reactor(story, old, new)
    thermometer.expect_to_say("The registration key was renewed; switching to")
    expect(True, "the thermometer has switched to the new registration key, without a serial cable")
    page = as_soon_as(lambda: homer.get(address), lambda page: "2 of 2" in page.text or not page.link_to("/end/"))
    _end_what_is_old(story, lambda: homer.get(address), "/end/")
    serial = SERIALS["Kitchen"]
    ask = f"/midpoint/ws/iot/devices/{serial}?key="
    answer = story.stranger.get(ask + old.lookup, accept="text/plain")
    expect(answer.status == 403, "the old registration key is good for nothing any more", instead=str(answer.status))
    expect(story.stranger.get(ask + new.lookup, accept="text/plain").status == 200, "the new one is good")
    story.registration_key = new


def _move_the_reactor(story: Story, old: RegistrationKeyText, new: RegistrationKeyText) -> None:
    serial = SERIALS["Reactor"]
    device = Visitor(f"The device {serial}", story.stage.portal, story.teller)
    for key in (old, new):
        answer = device.get(f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}", accept="text/plain")
        payload = open_answer(answer, key.derive(), key.lookup, serial, None)
        if key == old:
            carried = payload.registration_key == new
            story.teller.expect(carried, f"the device {serial} gets the new registration key in its envelope")
    story.teller.expect(payload.registration_key is None, "and asks with the new one from then on")


def _renew_marges_read_key(story: Story) -> None:
    marge, expect, old = story.marge, story.teller.expect, story.read_key
    page = _keys_page(story)
    renew = next((address for _, address in page.links() if "/keys/read/" in address and "/renew/" in address), "")
    if renew:
        page = story.homer.get(renew)
        page = story.homer.submit(page, page.form("csrfmiddlewaretoken", at="/renew/"))
        expect("finds a new key" in page.text, "Homer has renewed Marge's read key; the old one still reads")
    elif story.stage.thingspeak:
        _on_thingspeak(story, "POST", "api_keys.json")
        _on_thingspeak(story, "DELETE", f"api_keys/{old}.json")
        story.teller.remark("On ThingSpeak Homer has added a read key and deleted the one before, which all have used.")
        _look_at_thingspeak(story)
    else:
        return story.teller.remark("Read keys are renewed on ThingSpeak's own pages, so hers stays as it is here.")
    page = marge.follow(marge.get("/devices/"), "Kitchen")
    page = marge.submit(page, page.form_beside_secret())
    story.read_key = dict(parse_qsl(urlsplit(page.link_to("/charts/1") or "").query)).get("api_key", "")
    story.teller.keep_secret(story.read_key)
    expect(story.read_key not in ("", old), f"Marge finds another read key: {story.read_key}")
    expect(_read_with(story, story.read_key).status == 200, "it reads the kitchen's channel")
    if renew:
        page = story.homer.get(renew.replace("/renew/", "/revoke/"))
        story.homer.submit(page, page.form("csrfmiddlewaretoken", at="/revoke/"))
    answer = as_soon_as(lambda: _read_with(story, old), lambda answer: answer.status == 400)
    expect(answer.status == 400, "with her old key nobody reads anything any more", instead=str(answer.status))
    return None


def _read_with(story: Story, key: str) -> Page:
    payload = story.payloads["Kitchen"]
    address = f"{payload.update_url.removesuffix('/update')}/channels/{payload.channel}/feeds.json"
    return story.stranger.get(f"{address}?api_key={key}&results=8000")


def _nothing_is_lost(story: Story, thermometer: RunningThermometer) -> None:
    measured, kept = thermometer.finish()
    answer = _read_with(story, story.read_key)
    drawn = values_in(answer)
    numbers = [entry["entry_id"] for entry in json.loads(answer.source)["feeds"]]
    story.teller.expect(
        len(drawn) == len(story.measured) + measured and numbers == list(range(1, len(drawn) + 1)) and not kept,
        f"all {measured} measurements that were taken meanwhile are in the channel, each exactly once",
        instead=f"{len(drawn)} entries, {kept} kept, {len(story.measured)} before",
    )
