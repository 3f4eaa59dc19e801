"""Step 6: Marge accepts, logs in, and finds the temperature of her kitchen; and nothing that is not for her."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urljoin, urlsplit

from portal.story.telling import StoryFailed

if TYPE_CHECKING:
    from portal.story.pages import Page
    from portal.story.play import Story

# Seconds. The portal keeps what it has read from ThingSpeak for up to 15.
PATIENCE = 30.0


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
    kitchen, last = page, story.measured[-1]
    page = as_soon_as(lambda: marge.follow(kitchen, "Kitchen"), lambda page: _says(page, last))
    expect(_says(page, last), f"with its last value, {last} °C", instead=page.text[:300])
    return page


def _see_the_chart(story: Story, page: Page) -> None:
    marge, expect = story.marge, story.teller.expect
    feed = _feed_of(page)
    answer = as_soon_as(lambda: marge.get(feed), lambda answer: story.measured[-1] in answer.source)
    drawn = values_in(answer)
    expect(
        drawn[-len(story.measured) :] == story.measured,
        f"the chart in the page draws what the thermometer has measured: {', '.join(story.measured)} °C",
        instead=", ".join(drawn),
    )
    table = marge.follow_to(page, urlsplit(page.address).path + "values/")
    expect(
        {float(value) for value in story.measured} <= _numbers(table),
        "the same values are there as a table, for a browser without JavaScript",
        instead=table.text[:300],
    )


def _open_the_graph(story: Story, page: Page) -> None:
    marge, stranger, expect = story.marge, story.stranger, story.teller.expect
    expect(page.link_to("api_key=") is None, "her read key is hidden until she asks for it")
    page = marge.submit(page, page.form_beside_secret())
    graph = page.link_to("/charts/1") or ""
    story.read_key = key = dict(parse_qsl(urlsplit(graph).query)).get("api_key", "")
    expect(key and key in page.secrets(), "Marge has a read key, and an address that shows the graph with it")
    opened = stranger.get(graph)
    drawn = values_in(stranger.get(_feed_of(opened)))
    expect(
        drawn[-len(story.measured) :] == story.measured,
        "opened anywhere, without logging in, the address draws the same values",
        instead=", ".join(drawn),
    )
    without = stranger.get(graph.replace(f"api_key={key}", "api_key="))
    expect(
        _feed_of(without, missing_is_fine=True) == "" and not any(value in without.source for value in story.measured),
        "without the key it draws nothing",
    )
    number = story.payloads["Kitchen"].channel
    feed = f"{urlsplit(graph).scheme}://{urlsplit(graph).netloc}/channels/{number}/feeds.json"
    expect(
        values_in(stranger.get(f"{feed}?api_key={key}")), "programs read the channel with her key, as from ThingSpeak"
    )
    refused = stranger.get(feed)
    expect(refused.status == 400 and refused.source == "-1", "and not without", instead=refused.source[:100])


def as_soon_as(fetch: Callable[[], Page], is_new: Callable[[Page], bool]) -> Page:
    """Fetch until the answer is new enough, but not for ever: what comes from ThingSpeak may be seconds old."""
    give_up_at = time.monotonic() + PATIENCE
    page = fetch()
    while not is_new(page) and time.monotonic() < give_up_at:
        time.sleep(1)
        page = fetch()
    return page


def _says(page: Page, value: str) -> bool:
    """Tell whether the page says the value, rounded to one decimal or exactly: that is for the page to choose."""
    return any(abs(number - float(value)) < 0.051 for number in _numbers(page))


def _numbers(page: Page) -> set[float]:
    """The numbers with decimals on a page: whether 23.30 is written 23.3 is for the page to choose."""
    return {float(number) for number in re.findall(r"-?[0-9]+[.][0-9]+|-?[0-9]+(?= °C)", page.text)}


def _feed_of(page: Page, *, missing_is_fine: bool = False) -> str:
    """The address from which the chart on the page gets its data."""
    for chart in page.root.all(data_chart="*", data_feed_url="*"):
        return urljoin(page.address, chart.attributes["data-feed-url"])
    if missing_is_fine:
        return ""
    raise StoryFailed(f"Expected: there is a chart on the page “{page.title}” ({page.status}).")


def values_in(answer: Page) -> list[str]:
    """The temperatures in a feed, the oldest first."""
    try:
        feeds = json.loads(answer.source)["feeds"]
        return [entry["field1"] for entry in feeds if entry["field1"] is not None]
    except (ValueError, TypeError, KeyError):
        raise StoryFailed(
            f"Expected: the chart gets its data. It gets {answer.status}: {answer.source[:100]}"
        ) from None


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
