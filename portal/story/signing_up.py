"""Step 1: one form, one mail, and Homer is a customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.story.pages import Page
from portal.story.telling import StoryFailed

if TYPE_CHECKING:
    from portal.story.play import Story

ACCOUNT_KEY = "thingspeak_api_key"
_FIELDS = ("given_name", "family_name", "email", "password1", "password2")
_WRONG_KEY = "R9TUHWKR8OOQEHWU"
"""Out of the story's original, and nobody's account here."""


def play(story: Story) -> None:
    """Homer signs up, confirms his address with the link in the mail, and logs in."""
    homer, expect = story.homer, story.teller.expect
    if story.stage.thingspeak:
        story.teller.remark(
            f"Homer has an account on ThingSpeak, played at {story.stage.thingspeak} by a second instance of this "
            f"software. Its account API key is {story.stage.account_key}."
        )
    page = homer.get("/signup/")
    form = page.form(*_FIELDS)
    if form is None:
        raise StoryFailed(
            f"Expected: {page.address} has the form for signing up. It answers {page.status} with “{page.title}”: "
            "is this the portal?"
        )
    values = {
        "given_name": "Homer",
        "family_name": "Simpson",
        "email": story.homers_address,
        "organization": "The Simpsons",
        "password1": story.homers_password,
        "password2": story.homers_password,
    }
    if form.asks_for(ACCOUNT_KEY):
        page = _refused_with_a_wrong_key(story, page, values)
        values[ACCOUNT_KEY] = story.stage.account_key
    else:
        expect(not story.stage.account_key, "no account key is asked for, since the channels live in the portal itself")
    page = homer.submit(page, page.form(*_FIELDS), **values)
    expect(
        "mail" in page.text.lower() and not page.form("email", "password1"),
        "Homer is told to look into his mailbox",
        instead="; ".join(page.errors()) or f"the page “{page.title}”",
    )
    link = story.outbox.open_mail(story.homers_address)
    page = homer.get(link)
    page = homer.submit(page, page.form("csrfmiddlewaretoken"))
    story.teller.remark("Homer has confirmed that the address is his.")
    log_in(story, page)


def _refused_with_a_wrong_key(story: Story, page: Page, values: dict[str, str]) -> Page:
    if not story.stage.account_key:
        raise StoryFailed(
            "Expected: the portal opens an account on its own platform. It asks for a ThingSpeak account API key: "
            "give one with --account-key."
        )
    page = story.homer.submit(page, page.form(*_FIELDS), **values, **{ACCOUNT_KEY: _WRONG_KEY})
    form = page.form(*_FIELDS)
    story.teller.expect(
        form is not None and page.errors_at(ACCOUNT_KEY),
        "a wrong account key is refused, at its field",
        instead="; ".join(page.errors()) or f"the page “{page.title}”",
    )
    return page


def log_in(story: Story, page: Page) -> None:
    """Homer logs in with his address and password; `page` has led him there, or has let him in already."""
    homer = story.homer
    if page.form("login", "password") is not None:
        page = homer.submit(
            page, page.form("login", "password"), login=story.homers_address, password=story.homers_password
        )
    story.teller.expect(
        page.status == 200 and page.form("login", "password") is None,
        "Homer is logged in and sees his devices: none so far",
        instead="; ".join(page.errors()) or f"the page “{page.title}”",
    )
