"""The seven steps, in their order, and what they hand on to each other."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from devices.envelope import Payload
from devices.registration_key_text import RegistrationKeyText
from portal.story.stage import Stage
from portal.story.telling import StoryFailed, Teller
from portal.story.visitor import Visitor


@dataclass
class Story:
    """Who takes part, and what they have learned so far."""

    stage: Stage
    teller: Teller
    homer: Visitor
    marge: Visitor
    stranger: Visitor
    outbox: Visitor
    """Whoever opens the page with the mails; what is on it is not what Homer or Marge see."""
    homers_address: str
    marges_address: str
    homers_password: str = field(repr=False)
    marges_password: str = field(repr=False)
    registration_key: RegistrationKeyText | None = None
    organizations: dict[str, str] = field(default_factory=dict)
    """The address of each organization's page, by its name."""
    devices: dict[str, str] = field(default_factory=dict)
    """The address of each device's page, by its name."""
    payloads: dict[str, Payload] = field(default_factory=dict)
    """What the envelopes held, by the device's name."""
    read_key: str = field(repr=False, default="")
    """Marge's."""
    measured: list[str] = field(default_factory=list)
    """What the thermometer in the kitchen has measured, in °C, as it sent it."""

    @property
    def key(self) -> RegistrationKeyText:
        """The registration key, once Homer has it."""
        if self.registration_key is None:
            raise StoryFailed("Expected: Homer has found the registration key by now.")
        return self.registration_key


def play(stage: Stage, teller: Teller, *, platform: str) -> None:
    """Play all steps, up to the first that fails. What happened is told by `teller`, who also knows how it ended."""
    from portal.story import (
        device,
        keys_change,
        marge_logs_in,
        organizations,
        registration_key,
        signing_up,
        thermometer,
    )

    steps = (
        ("Homer signs up", signing_up.play),
        ("Homer finds his registration key", registration_key.play),
        ("Homer creates Household and Power plant, and invites Marge", organizations.play),
        ("Two devices ask for their keys, and Homer moves them to their places", device.play),
        ("The thermometer is set up, registers and measures", thermometer.play),
        ("Marge logs in and finds the temperature", marge_logs_in.play),
        ("All keys are renewed while the thermometer keeps measuring", keys_change.play),
    )
    story = begin(stage, teller)
    teller.open(stage.portal, platform)
    for number, (title, step) in enumerate(steps, 1):
        teller.begin(number, title)
        try:
            step(story)
        except StoryFailed as failure:
            teller.end(str(failure))
            return
        teller.end()


def begin(stage: Stage, teller: Teller) -> Story:
    """Return the story before its first step: people with addresses and passwords, whom the portal does not know."""
    # Addresses of this run alone, so that the story can be played again against the same portal.
    run = secrets.token_hex(4)
    passwords = [secrets.token_urlsafe(12) for _ in range(2)]
    teller.keep_secret(*passwords, stage.account_key)
    people = ("Homer", "Marge", "A stranger", "The mailbox")
    homer, marge, stranger, outbox = (Visitor(name, stage.portal, teller) for name in people)
    return Story(
        stage=stage,
        teller=teller,
        homer=homer,
        marge=marge,
        stranger=stranger,
        outbox=outbox,
        homers_address=f"homer-{run}@example.com",
        marges_address=f"marge-{run}@example.com",
        homers_password=passwords[0],
        marges_password=passwords[1],
    )
