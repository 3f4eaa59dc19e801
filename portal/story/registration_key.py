"""Step 2: the registration key, which Homer alone gets to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devices.registration_key_text import NotARegistrationKey, RegistrationKeyText
from portal.story.telling import StoryFailed

if TYPE_CHECKING:
    from portal.story.pages import Page
    from portal.story.play import Story


def play(story: Story) -> None:
    """Homer goes to his organization, where the key is hidden, and has it shown."""
    homer, expect = story.homer, story.teller.expect
    page = homer.follow(homer.get("/organizations/"), "The Simpsons")
    story.organizations["The Simpsons"] = page.address
    page = homer.follow(page, "••••••••")
    hidden = page.source
    page = homer.submit(page, page.form_beside_secret())
    key = shown_on(page)
    story.registration_key = key
    story.teller.keep_secret(key.secret)
    expect(key.secret not in hidden and key.lookup in hidden, "the key is hidden until Homer asks for it")
    expect(True, f"Homer has his registration key, 8 characters and 8 more: {key.text}")
    expect("<svg" in page.source or "data:image/svg" in page.source, "it is there as a QR code, too")
    expect(
        f"configure --registration-key {key.text}" in page.text,
        "and in the line that he types on the device's console",
        instead=page.text[:300],
    )
    refused = story.stranger.get(page.address)
    expect(
        key.lookup not in refused.source and refused.form("login", "password") is not None,
        "whoever is not logged in is asked to, and sees nothing of it",
    )


def shown_on(page: Page) -> RegistrationKeyText:
    """Return the registration key that the page shows. Raises StoryFailed."""
    for shown in page.secrets():
        try:
            return RegistrationKeyText.parse(shown)
        except NotARegistrationKey:
            continue
    raise StoryFailed(f"Expected: the page “{page.title}” shows a registration key like HQ481047-1JWORF43.")
