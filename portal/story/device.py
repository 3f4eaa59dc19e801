"""Step 4: what a device does at power-up, by hand, and what Homer does with the devices that have come."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devices.envelope import CannotOpen, EnvelopeError, Payload, open_envelope
from devices.registration_key_text import RegistrationKeyText
from portal.story.telling import StoryFailed
from portal.story.visitor import Visitor

if TYPE_CHECKING:
    from portal.story.pages import Page
    from portal.story.play import Story

SERIALS = {"Kitchen": "74743827342", "Reactor": "74743827345"}
PLACES = {"Kitchen": "Household", "Reactor": "Power plant"}


def play(story: Story) -> None:
    """Two devices fetch their keys; a wrong registration key gets none; Homer names the devices and moves them."""
    envelope_key = story.key.derive()
    for name, serial in SERIALS.items():
        device = Visitor(f"The device {serial}", story.stage.portal, story.teller)
        story.payloads[name] = _register(story, device, serial, envelope_key)
    _refuse(story)
    for name, serial in SERIALS.items():
        _put_into_place(story, name, serial)


def _register(story: Story, device: Visitor, serial: str, envelope_key: bytes) -> Payload:
    expect, key = story.teller.expect, story.key
    nonce = secrets.token_hex(8)
    address = f"/midpoint/ws/iot/devices/{serial}?key={key.lookup}"
    answer = device.get(f"{address}&nonce={nonce}", accept="text/plain")
    expect(answer.status == 200, f"the portal answers the device {serial}", instead=f"{answer.status} {answer.source}")
    payload = open_answer(answer, envelope_key, key.lookup, serial, nonce)
    story.teller.keep_secret(payload.write_key)
    expect(True, f"its secret half opens the envelope: channel {payload.channel}, write key {payload.write_key}")
    expect(payload.write_key not in answer.source, "the write key is not to be read on its way")
    _stays_shut(story, answer)
    again = device.get(address, accept="text/plain")
    same = open_answer(again, envelope_key, key.lookup, serial, None)
    expect(
        (same.channel, same.write_key) == (payload.channel, payload.write_key),
        "asked again, the portal gives the same channel and the same key",
    )
    known = device.get(address, accept="text/plain", if_none_match=again.headers.get("ETag", ""))
    expect(known.status == 304 and not known.source, "and 304, when the device says that it has them")
    return payload


def open_answer(answer: Page, envelope_key: bytes, lookup: str, serial: str, nonce: str | None) -> Payload:
    """Open the envelope that a device was sent. Raises StoryFailed."""
    try:
        return open_envelope(answer.source.strip(), key=envelope_key, lookup=lookup, serial=serial, nonce=nonce)
    except EnvelopeError as error:
        raise StoryFailed(f"Expected: the answer is an envelope that the registration key opens. {error}") from None


def _stays_shut(story: Story, answer: Page) -> None:
    other = RegistrationKeyText(story.key.lookup, RegistrationKeyText.generate().secret)
    try:
        open_envelope(answer.source.strip(), key=other.derive())
    except CannotOpen:
        return story.teller.expect(True, "with another secret half the envelope stays shut")
    raise StoryFailed("Expected: with another secret half the envelope stays shut. It opened.")


def _refuse(story: Story) -> None:
    serial, unknown = SERIALS["Kitchen"], RegistrationKeyText.generate().lookup
    answer = story.stranger.get(f"/midpoint/ws/iot/devices/{serial}?key={unknown}", accept="text/plain")
    story.teller.expect(answer.status == 403, "without a good registration key there is no envelope")


def _put_into_place(story: Story, name: str, serial: str) -> None:
    homer = story.homer
    page = homer.follow(homer.get("/devices/"), serial)
    here = urlsplit(page.address).path
    page = homer.follow_to(page, here + "edit/")
    page = homer.submit(page, page.form("name"), name=name)
    page = homer.follow_to(page, here + "move/")
    form = page.form("organization")
    places = form.choices["organization"] if form else {}
    place = next((value for text, value in places.items() if text.endswith(PLACES[name])), "")
    page = homer.submit(page, form, organization=place)
    story.teller.expect(
        page.status == 200 and page.title == name and PLACES[name] in page.text,
        f"Homer has named the device {name} and moved it to {PLACES[name]}",
        instead="; ".join(page.errors()) or f"the page “{page.title}”",
    )
    story.devices[name] = page.address
