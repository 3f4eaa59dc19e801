"""Somebody who visits the portal: a browser without JavaScript."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import requests

from portal.story.pages import Element, Form, Page
from portal.story.telling import StoryFailed, Teller

TIMEOUT = (5, 30)
MOST_REDIRECTS = 10
_HIDDEN_FROM_THE_TALE = frozenset({"csrfmiddlewaretoken"})


class Visitor:
    """One person with one browser. Every request is told as it happens."""

    def __init__(self, name: str, portal: str, teller: Teller) -> None:
        """`portal` is its address: `http://localhost:8080`."""
        self.name = name
        self.portal = portal.rstrip("/")
        self._teller = teller
        self.seen: list[str] = []
        """The source of every page that this person has got."""
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "keydist-story/1"
        self._session.headers["Accept"] = "text/html,application/xhtml+xml"
        self._session.trust_env = False

    def get(self, where: str, *, accept: str = "", if_none_match: str = "") -> Page:
        """Open an address, or a path of the portal. Raises StoryFailed when nobody answers there."""
        headers = {"Accept": accept, "If-None-Match": if_none_match}
        given = {name: value for name, value in headers.items() if value}
        return self._ask("GET", urljoin(self.portal + "/", where), {}, given)

    def follow(self, page: Page, words: str) -> Page:
        """Click the link that says that. Raises StoryFailed if the page has none."""
        address = page.link(words)
        if address is None:
            raise StoryFailed(
                f"Expected: the page “{page.title}” has a link that says “{words}”. "
                f"It has: {', '.join(text for text, _ in page.links() if text) or 'none'}."
            )
        return self.get(address)

    def follow_to(self, page: Page, part: str) -> Page:
        """Click the first link whose address has that part. Raises StoryFailed if the page has none."""
        address = page.link_to(part)
        if address is None:
            there = ", ".join(urlsplit(address).path for _, address in page.links())
            raise StoryFailed(f"Expected: the page “{page.title}” leads to …{part}. It leads to: {there}.")
        return self.get(address)

    def submit(self, page: Page, form: Form | None, **values: str) -> Page:
        """Fill in a form and send it. Raises StoryFailed if it is not there or lacks a field."""
        if form is None:
            raise StoryFailed(
                f"Expected: the page “{page.title}” ({page.address}, status {page.status}) has a form "
                f"for {', '.join(values) or 'this'}. It has: {_forms(page)}."
            )
        missing = [name for name in values if name not in form.values and name not in form.choices]
        if missing:
            raise StoryFailed(f"Expected: the form on “{page.title}” asks for {', '.join(missing)}.")
        headers = {"Referer": page.address}
        if form.method == "POST":
            parts = urlsplit(page.address)
            headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
        return self._ask(form.method, form.address, {**form.values, **values}, headers)

    def open_mail(self, to: str) -> str:
        """Open the newest mail to an address on the page /outbox/ and return the link in it.

        Raises StoryFailed if the portal shows no mail, or none to them.
        """
        page = self.get("/outbox/")
        if page.status != 200:
            reason = "this portal sends real mail (EMAIL_URL)" if page.status == 404 else "something is wrong there"
            raise StoryFailed(
                f"Expected: {self.portal}/outbox/ shows the mail that the portal writes, because the story takes "
                f"links from it. It answers {page.status}: {reason}. "
                "Play the story against a portal with EMAIL_URL=outbox:, or without --base-url."
            )
        for mail in page.root.all("article"):
            if to in mail.text:
                return self._link_in(mail)
        raise StoryFailed(f"Expected: the outbox has a mail to {to}. It has none.")

    def _link_in(self, mail: Element) -> str:
        for link in mail.all("a", href="*"):
            if link.attributes["href"].startswith(self.portal + "/"):
                return link.attributes["href"]
        raise StoryFailed(
            f"Expected: the mail has a link to {self.portal}. "
            "Is PUBLIC_URL of the portal the address that was given as --base-url?"
        )

    def _ask(self, method: str, address: str, form: dict[str, str], headers: dict[str, str]) -> Page:
        for _redirect in range(MOST_REDIRECTS):
            try:
                answer = self._session.request(
                    method,
                    address,
                    params=form if method == "GET" and form else None,
                    data=form if method == "POST" else None,
                    headers=headers,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                # The library's own text quotes the whole address, which may hold a key.
                raise StoryFailed(
                    f"Expected: an answer from {_place(address)}. There was none ({type(error).__name__})."
                ) from None
            page = Page.read(address=answer.url, status=answer.status_code, source=answer.text, headers=answer.headers)
            self.seen.append(answer.text)
            going_to = answer.headers.get("Location", "")
            said = f"→ {going_to}" if going_to else _in_short(answer, page)
            sent = {name: value for name, value in form.items() if name not in _HIDDEN_FROM_THE_TALE}
            self._teller.exchanged(self.name, method, answer.url, sent, answer.status_code, said)
            if not going_to:
                return page
            headers = {"Referer": address}
            method, address, form = "GET", urljoin(address, going_to), {}
        raise StoryFailed(f"Expected: a page. {_place(address)} only ever leads on to another address.")


def _in_short(answer: requests.Response, page: Page) -> str:
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if not answer.text:
        return "nothing more"
    if kind == "text/html":
        return f"the page “{page.title}”"
    return f"{kind}: {answer.text[:160]}{'…' if len(answer.text) > 160 else ''}"


def _forms(page: Page) -> str:
    return "; ".join(f"{urlsplit(form.address).path} ({', '.join(form.values)})" for form in page.forms()) or "none"


def _place(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
