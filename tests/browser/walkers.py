"""Who walks through all pages: each has in front of them what the others cannot see, and a past that shows in pages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page

from devices.envelope import RegistrationKeyText
from portal.demo import Cast
from portal.processes import Children, Portal, free_port
from tests.browser import devices, walking

PLACES = ("The Simpsons", "Household", "Power plant")
NARROW = {"width": 320, "height": 640}
LISA, MILHOUSE, MAGGIE = "lisa-walks@example.com", "milhouse-walks@example.com", "maggie-walks@example.com"
PASSWORD = "a-yellow-submarine-7"
_LISA = f"""
from allauth.account.models import EmailAddress
from orgs.models import Membership, Organization, User
user = User.objects.create_user({LISA!r}, {PASSWORD!r}, given_name="Lisa", family_name="Simpson")
EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
Membership.objects.create(user=user, organization=Organization.objects.get(name="Household"))
"""
_HOMER_AT_THINGSPEAK = """
from allauth.account.models import EmailAddress
from channels.models import PlatformAccount
from portal.signup import sign_up
homer = sign_up(
    email={email!r}, password={password!r}, given_name="Homer", family_name="Simpson", organization="The Simpsons",
    account_key={key!r}, account_state=PlatformAccount.State.VERIFIED,
)
EmailAddress.objects.filter(user=homer).update(verified=True)
key = homer.memberships.get().organization.registration_keys.get()
print(f"{{key.lookup}}-{{key.secret}}")
"""


@dataclass(frozen=True)
class Walker:
    """Somebody before a narrow screen, and what they come across."""

    page: Page
    found: dict[walking.Route, walking.Example]


@contextmanager
def on_a_narrow_screen(chromium: Browser, url: str) -> Iterator[Page]:
    # Without motion, for colours are measured right after the theme has changed.
    context = chromium.new_context(base_url=url, viewport=NARROW, reduced_motion="reduce")
    try:
        yield context.new_page()
    finally:
        context.close()


def walker(page: Page, url: str, *starts: str) -> Walker:
    """Walk with the log-in that `page` has, from `starts` (paths)."""
    return Walker(page, walking.walk(page.request, url, starts))


def send(page: Page, address: str, **fields: str) -> None:
    """Open a page and send its first form that has these fields, filled in."""
    page.goto(address)
    form = page.locator("main form[method=post]").filter(has=page.locator(f"[name={next(iter(fields))}]")).first
    for name, value in fields.items():
        field = form.locator(f"[name={name}]").first
        if field.get_attribute("type") == "radio":
            form.locator(f"[name={name}][value={value}]").check()
        else:
            field.fill(value)
    form.locator("button[type=submit], button:not([type])").first.click()
    page.wait_for_load_state()


def press(page: Page, address: str) -> None:
    """Open a page and press the button of the form that asks the question there."""
    page.goto(address)
    page.locator("main form[method=post] button[type=submit]").first.click()
    page.wait_for_load_state()


def log_in(page: Page, email: str, password: str) -> None:
    send(page, "/accounts/login/", login=email, password=password)
    page.wait_for_url("**/devices/")


def still_me(page: Page, password: str) -> None:
    """Answer beforehand the question that comes before what concerns the account itself; it holds for five minutes."""
    send(page, "/accounts/reauthenticate/", password=password)


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


def find_organization(page: Page, name: str) -> str:
    """Return the path of an organization that is in the tree."""
    page.goto("/organizations/")
    page.locator("main a", has_text=name).first.click()
    page.locator("h1", has_text=name).wait_for()
    return path_of(page)


def homer(page: Page, portal: Portal, cast: Cast) -> Walker:
    """Homer, who has a key shown, one for a program, a cloned device, an expected one, and a channel of nobody's."""
    devices.write(portal.url, devices.KITCHEN, [20, 21, 22])
    log_in(page, cast.customers[0].manager.email, cast.password)
    page.locator(".device-name a", has_text="Kitchen").click()
    kitchen = path_of(page)
    page.locator("form[action$='/read-key/'] button").click()
    page.locator(".secret-more").wait_for()
    graph = page.locator(f"a[href*='{portal.url}/channels/']").first.get_attribute("href") or ""
    send(page, f"{kitchen}program-keys/", note="Home Assistant")
    page.locator("#made").wait_for()
    organization, household, plant = (find_organization(page, name) for name in PLACES)
    send(page, f"{organization}expected-devices/", lines="90000000017")
    _clone_the_reactor(page, portal)
    press(page, f"{plant}keys/renew/")
    _make_a_channel_of_nobodys(page, organization)
    assert page.locator("a[href$='/delete-channel/'], form[action$='/renew-key/']").count() == 2
    own = urlsplit(graph)
    channel = f"/channels/{own.path.split('/')[2]}?{own.query}"
    starts = [
        organization, f"{organization}findings/", f"{plant}renewal/", household, kitchen, f"{kitchen}keys/",
        f"{kitchen}program-keys/",
        "/devices/", "/organizations/", "/account/", f"{own.path}?{own.query}", channel,
    ]  # fmt: skip
    return walker(page, portal.url, *starts)


def _clone_the_reactor(page: Page, portal: Portal) -> None:
    """Let the reactor take a new write key, and then let somebody ask who still has the one before."""
    before = devices.ask(portal.url, devices.REACTOR).headers["ETag"]
    page.goto("/devices/")
    page.locator(".device-name a", has_text="Reactor").first.click()
    press(page, f"{path_of(page)}keys/renew/")
    after = devices.ask(portal.url, devices.REACTOR).headers["ETag"]
    assert after != before
    for has in (after, before):
        devices.ask(portal.url, devices.REACTOR, **{"If-None-Match": has})


def _make_a_channel_of_nobodys(page: Page, organization: str) -> None:
    page.goto(f"{organization}platform-account/")
    page.locator("form[action$='/show/'] button").click()
    key = page.locator("#account-key-value").inner_text().strip()
    page.request.post("/channels.json", form={"api_key": key, "name": "Experiment"})
    page.goto(f"{organization}findings/")
    page.locator("form[action$='/look/'] button").first.click()
    page.locator("a[href$='/delete-channel/']").wait_for()


def marge(page: Page, portal: Portal, cast: Cast) -> Walker:
    """Marge, a member, who manages nothing."""
    log_in(page, "marge@example.com", cast.password)
    still_me(page, cast.password)
    return walker(page, portal.url, "/devices/", "/account/", "/people/", "/organizations/")


def visitor(page: Page, portal: Portal, cast: Cast) -> Walker:
    """Somebody who is not logged in, with links out of mails: to confirm an address, to a new password, to come in."""
    send(
        page, "/signup/", given_name="Milhouse", family_name="Van Houten", email=MILHOUSE,
        organization="The Van Houtens", password1=PASSWORD, password2=PASSWORD,
    )  # fmt: skip
    send(page, "/accounts/password/reset/", email=cast.customers[0].manager.email)
    page.goto("/outbox/")
    links = [urlsplit(link.get_attribute("href") or "").path for link in page.locator("article a").all()]
    return walker(page, portal.url, "/", "/outbox/", *links)


def lisa(page: Page, portal: Portal) -> Walker:
    """Lisa, who has a second factor, a passkey, and a file with all her data."""
    portal.manage("shell", "--verbosity=0", "-c", _LISA)
    recognize_every_finger(page)
    log_in(page, LISA, PASSWORD)
    still_me(page, PASSWORD)
    page.goto("/accounts/2fa/totp/activate/")  # Each visit shows another secret.
    secret = page.locator("#authenticator_secret, [name=secret], code").first.text_content() or ""
    page.locator("[name=code]").fill(code(secret))
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/recovery-codes/")
    page.goto("/accounts/2fa/webauthn/add/")
    page.locator("[name=name]").fill("My laptop")
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url(lambda url: "/add/" not in url)
    page.goto("/account/data/")
    page.locator("main form[method=post] button").first.click()
    page.locator("main a.btn[href^='/account/data/']").wait_for()
    return walker(page, portal.url, "/accounts/2fa/", "/accounts/2fa/webauthn/", "/account/data/")


def lisa_at_the_door(page: Page, portal: Portal) -> Walker:
    """Lisa between her password and her second factor."""
    send(page, "/accounts/login/", login=LISA, password=PASSWORD)
    return walker(page, portal.url, path_of(page))


def code(secret: str) -> str:
    """Return what an authenticator app with this secret shows now."""
    value: str = format_hotp_value(hotp_value(secret.replace(" ", "").strip(), int(time.time()) // 30))
    return value


def recognize_every_finger(page: Page) -> None:
    """Give the browser a fingerprint reader that always recognizes the finger."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    reader = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": reader})


@contextmanager
def portal_that_uses_thingspeak(folder: Path) -> Iterator[tuple[Portal, RegistrationKeyText]]:
    """Start a portal whose ThingSpeak is a second instance. Yield it with Homer's registration key."""
    cast = Cast.read()
    with Children(folder) as children:

        def start(name: str, **environment: str) -> Portal:
            database = f"sqlite:///{folder}/{name}.sqlite3"
            portal = Portal(
                children, port=free_port(), name=name, DATABASE_URL=database, CACHE_URL="locmem://", **environment
            )
            portal.manage("migrate", "--verbosity=0")
            portal.start()
            return portal

        thingspeak = start("thingspeak", CHANNEL_PLATFORM="embedded")
        account_key = thingspeak.manage("platform_account", "Homer Simpson").strip()
        portal = start("portal", CHANNEL_PLATFORM="thingspeak", THINGSPEAK_URL=thingspeak.url)
        portal.start_worker()
        homer = _HOMER_AT_THINGSPEAK.format(
            email=cast.customers[0].manager.email, password=cast.password, key=account_key
        )
        yield portal, RegistrationKeyText.parse(portal.manage("shell", "--verbosity=0", "-c", homer).strip())


def homer_at_thingspeak(page: Page, portal: Portal, cast: Cast, key: RegistrationKeyText) -> Walker:
    """Homer where the channels are on ThingSpeak, with a device that has left a channel behind."""
    left, leaving = devices.KITCHEN, devices.REACTOR
    paths = {}
    for serial in (left, leaving):
        answer = requests.get(f"{portal.url}/midpoint/ws/iot/devices/{serial}?key={key.lookup}", timeout=60)
        assert answer.status_code == 200, answer.text
    log_in(page, cast.customers[0].manager.email, cast.password)
    for serial in (left, leaving):
        page.goto("/devices/")
        page.locator(".device-name a", has_text=serial).click()
        paths[serial] = path_of(page)
        send(page, f"{paths[serial]}new-channel/", old="keep")
    press(page, f"{paths[left]}new-channel/leave/")
    starts = [f"{paths[serial]}new-channel/" for serial in (left, leaving)]
    return walker(page, portal.url, *starts, paths[left], "/devices/", "/organizations/", "/account/")
