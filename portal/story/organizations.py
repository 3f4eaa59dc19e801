"""Step 3: Household and Power plant, and an invitation for Marge, whose password Homer will never know."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from portal.story.play import Story


def play(story: Story) -> None:
    """Homer creates two organizations below his own and invites Marge into one of them."""
    for name in ("Household", "Power plant"):
        _create(story, name)
    _invite(story)


def _create(story: Story, name: str) -> None:
    homer = story.homer
    page = homer.get(story.organizations["The Simpsons"])
    page = homer.follow_to(page, urlsplit(page.address).path + "new/")
    page = homer.submit(page, page.form("name", "description"), name=name)
    story.teller.expect(
        page.status == 200 and not page.errors() and page.title == name,
        f"{name} is there, below The Simpsons",
        instead="; ".join(page.errors()) or f"the page “{page.title}”",
    )
    story.organizations[name] = page.address


def _invite(story: Story) -> None:
    homer = story.homer
    page = homer.get(story.organizations["Household"])
    page = homer.follow_to(page, urlsplit(page.address).path + "invite/")
    page = homer.submit(
        page,
        page.form("email", "given_name", "relation"),
        email=story.marges_address,
        given_name="Marge",
        family_name="Simpson",
        relation="member",
    )
    story.teller.expect(
        page.status == 200 and not page.errors() and story.marges_address in page.text,
        "Marge is invited into Household, to see its devices",
        instead="; ".join(page.errors()) or f"the page “{page.title}”",
    )
