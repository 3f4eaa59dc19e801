"""Homer at his computer: he renews keys on the pages, and tries again when the portal is not there."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import requests

from channels.models import ChannelKey, Renewal
from devices.models import Device, RegistrationKey
from portal.story import registration_key, signing_up
from portal.story.play import Story, begin
from portal.story.stage import Stage
from portal.story.telling import StoryFailed, Teller

AGAIN = 0.5
"""Seconds until he clicks again on what did not answer."""


class Mute:
    """Tells nobody anything."""

    def __getattr__(self, name: str) -> Any:
        return lambda *what: None


def signed_up(stage: Stage) -> Story:
    """Let Homer sign up and find his registration key, as the story has it. Raises StoryFailed."""
    story = begin(stage, Teller(Mute()))
    for number, step in enumerate((signing_up.play, registration_key.play), 1):
        story.teller.begin(number, "")
        step(story)
    return story


class Homer:
    """Renews everything once, whatever is killed meanwhile."""

    def __init__(self, story: Story, rng: random.Random) -> None:
        self._story = story
        self._rng = rng

    def renew_everything(self, key: RegistrationKey, devices: Sequence[Device], since: datetime) -> None:
        """Renew the registration key, and the write key of each device that has had no renewal `since` then."""
        at = self._rng.randrange(len(devices) + 1)
        renew = self._regenerate if self._story.stage.thingspeak else self._renew
        for device in devices[:at]:
            renew(device, since)
        while not RegistrationKey.objects.filter(pk=key.pk, successor__isnull=False).exists():
            self._click(f"/registration-keys/{key.pk}/renew/", "ends", ends="moved")
        for device in devices[at:]:
            renew(device, since)

    def _renew(self, device: Device, since: datetime) -> None:
        while not Renewal.objects.filter(channel__device=device, started_at__gte=since).exists():
            self._click(f"/devices/{device.pk}/keys/renew/", "overlap", overlap="86400")

    def _regenerate(self, device: Device, since: datetime) -> None:
        """Do it on ThingSpeak's page “API Keys”, where the old key is dead at once, and let the portal look there."""
        keys = ChannelKey.objects.current().writing().filter(channel__device=device)
        while (ours := keys.select_related("channel").get()).valid_from < since:
            with suppress(requests.RequestException):
                # An answer may be lost on the way: another click on “Generate” is for a key that is still the old one.
                if self._write_key_there(ours.channel.number) == ours.value:
                    self._on_thingspeak("POST", f"/channels/{ours.channel.number}/api_keys.json", write="1")
            organization = device.customer_id
            self._click(f"/organizations/{organization}/findings/", at="/findings/look/")

    def _write_key_there(self, number: int) -> str:
        listed = self._on_thingspeak("GET", f"/channels/{number}/api_keys.json")
        return next(key["api_key"] for key in listed if key["write_flag"] and key["expires_at"] is None)

    def _on_thingspeak(self, method: str, path: str, **values: str) -> Any:
        stage = self._story.stage
        with requests.Session() as session:
            session.trust_env = False
            given = {"api_key": stage.account_key, **values}
            sent = {"params": given} if method == "GET" else {"data": given}
            answer = session.request(method, stage.thingspeak + path, timeout=30, **sent)
        answer.raise_for_status()
        return answer.json()

    def _click(self, address: str, *fields: str, at: str = "", **values: str) -> None:
        try:
            page = self._story.homer.get(address)
            self._story.homer.submit(page, page.form(*(fields or ("csrfmiddlewaretoken",)), at=at), **values)
        except StoryFailed:
            time.sleep(AGAIN)  # the portal is not there, or went away in the middle
