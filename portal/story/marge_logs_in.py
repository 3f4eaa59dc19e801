"""Step 6: Marge accepts, logs in, and finds the temperature of her kitchen; and nothing that is not for her."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from portal.story.pages import Page
    from portal.story.play import Story


def play(story: Story) -> None:
    """Marge opens the invitation, chooses her password, and looks at everything that she finds."""
    page = _accept(story)
    page = _find_the_kitchen(story, page)
    _see_the_chart(story, page)
    _open_the_graph(story, page)
    _see_nothing_else(story)


def _accept(story: Story) -> Page:
    marge = story.marge
    page = marge.get(story.outbox.open_mail(story.marges_address))
    page = marge.submit(
        page,
        page.form("password1", "password2"),
        given_name="Marge",
        family_name="Simpson",
        password1=story.marges_password,
        password2=story.marges_password,
    )
    story.teller.expect(
        page.status == 200 and not page.errors() and page.form("password1") is None,
        "Marge has an account, with a password of her own",
        instead="; ".join(page.errors()) or f"the page “{page.title}”",
    )
    return page


def _find_the_kitchen(story: Story, page: Page) -> Page:
    marge, expect = story.marge, story.teller.expect
    channel = str(story.payloads["Kitchen"].channel)
    page = marge.get("/devices/")
    expect("Kitchen" in page.text and channel in page.text, f"she finds the kitchen, channel {channel}")
    page = marge.follow(page, "Kitchen")
    shown = f"{float(story.measured[-1]):.1f}"
    expect(shown in page.text, f"with its last value, {shown} °C", instead=page.text[:300])
    return page


def _see_the_chart(story: Story, page: Page) -> None:
    pass


def _open_the_graph(story: Story, page: Page) -> None:
    pass


def _see_nothing_else(story: Story) -> None:
    marge, expect = story.marge, story.teller.expect
    for address in ("/devices/", "/organizations/"):
        marge.get(address)
    seen = "\n".join(marge.seen)
    for trace in ("Power plant", "Reactor", "74743827345"):
        expect(trace not in seen, f"nothing that Marge has seen mentions “{trace}”")
    keys = [payload.write_key for payload in story.payloads.values()]
    expect(not any(key in seen for key in keys), "nor a write key")
    expect(story.key.lookup not in seen and story.key.secret not in seen, "nor the registration key")
    for what, address in (
        ("device in the Power plant", story.devices["Reactor"]),
        ("Power plant itself", story.organizations["Power plant"]),
    ):
        expect(marge.get(address).status == 404, f"the address of the {what} does not exist for her")
    answer = story.stranger.get(urlsplit(story.devices["Kitchen"]).path)
    expect(answer.form("login", "password") is not None, "whoever is not logged in is asked to")
