"""Homer at his computer: he renews keys on the pages, and tries again when the portal is not there."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from channels.models import Renewal
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
        for device in [*devices[:at], None, *devices[at:]]:
            if device is None:
                while not RegistrationKey.objects.filter(pk=key.pk, successor__isnull=False).exists():
                    self._click(f"/registration-keys/{key.pk}/renew/", "ends", ends="moved")
            else:
                while not Renewal.objects.filter(channel__device=device, started_at__gte=since).exists():
                    self._click(f"/devices/{device.pk}/keys/renew/", "overlap", overlap="86400")

    def _click(self, address: str, *fields: str, **values: str) -> None:
        try:
            page = self._story.homer.get(address)
            self._story.homer.submit(page, page.form(*fields), **values)
        except StoryFailed:
            time.sleep(AGAIN)  # the portal is not there, or went away in the middle
