"""The page of a registration key: masked until asked for, then as text, as line for the console, and as QR code."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from devices import renewal
from devices.models import RegistrationKey
from orgs.audit import AuditEntry
from tests.conftest import Cast
from tests.factories import DeviceFactory, RegistrationKeyFactory


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.home)


def test_the_key_is_masked_until_asked_for(key: RegistrationKey, as_homer: Client) -> None:
    for address in (key.get_absolute_url(), key.organization.get_absolute_url()):
        html = as_homer.get(address).content.decode()
        assert key.lookup in html
        assert key.secret not in html
        assert "data:image" not in html


def test_show_gives_the_key_the_line_and_the_qr_code(key: RegistrationKey, as_homer: Client) -> None:
    answer = as_homer.post(f"{key.get_absolute_url()}show/")
    html = answer.content.decode()
    line = f"python -m devices.thermometer configure --registration-key {key.text} --portal http://localhost:8080"
    assert f">{key.text}</code>" in html
    assert f">{line}</code>" in html
    assert 'src="data:image/svg+xml' in html
    assert "<html" in html
    assert "no-store" in answer["Cache-Control"]


def test_with_htmx_the_answer_is_that_part_of_the_page(key: RegistrationKey, as_homer: Client) -> None:
    answer = as_homer.post(f"{key.get_absolute_url()}show/", headers={"HX-Request": "true"})
    html = answer.content.decode()
    assert key.text in html
    assert "<html" not in html
    assert html.lstrip().startswith('<div id="registration-key">')
    assert "no-store" in answer["Cache-Control"]


def test_the_masked_line_has_the_shape_of_the_real_one(key: RegistrationKey, as_homer: Client) -> None:
    html = as_homer.get(key.get_absolute_url()).content.decode()
    assert f"--registration-key {key.lookup}-•••••••• --portal" in html


def test_the_page_says_which_address_the_device_will_call(key: RegistrationKey, as_homer: Client) -> None:
    html = as_homer.get(key.get_absolute_url()).content.decode()
    assert f"http://localhost:8080/midpoint/ws/iot/devices/&lt;serial&gt;?key={key.lookup}" in html


def test_each_showing_is_in_the_audit_without_the_secret(
    key: RegistrationKey, as_homer: Client, simpsons: Cast
) -> None:
    as_homer.post(f"{key.get_absolute_url()}show/")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == ("registration_key.shown", simpsons.homer)
    assert key.secret not in str(AuditEntry.objects.values().get())


def test_a_new_key_lands_in_its_organization(simpsons: Cast, as_homer: Client) -> None:
    form = {"label": "Second floor", "expires_at": "", "use_limit": ""}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/registration-keys/new/", form)
    made = RegistrationKey.objects.get()
    assert (made.organization, made.customer, made.label) == (simpsons.household, simpsons.home, "Second floor")
    assert (made.expires_at, made.use_limit, made.created_by) == (None, None, simpsons.homer)
    assert answer["Location"] == made.get_absolute_url()


def test_a_new_key_can_have_limits(simpsons: Cast, as_homer: Client) -> None:
    day = timezone.localdate() + timedelta(days=3)
    form = {"label": "", "expires_at": day.isoformat(), "use_limit": "5"}
    as_homer.post(f"/organizations/{simpsons.household.pk}/registration-keys/new/", form)
    made = RegistrationKey.objects.get()
    assert made.use_limit == 5
    assert made.expires_at is not None
    assert timezone.localtime(made.expires_at).date() == day


@pytest.mark.parametrize(
    ("field", "typed"),
    [("expires_at", "2020-01-01"), ("expires_at", "soon"), ("use_limit", "0"), ("use_limit", "many")],
)
def test_limits_that_make_no_sense_are_said_on_their_field(
    simpsons: Cast, as_homer: Client, field: str, typed: str
) -> None:
    form = {"label": "Attic", "expires_at": "", "use_limit": ""} | {field: typed}
    answer = as_homer.post(f"/organizations/{simpsons.household.pk}/registration-keys/new/", form)
    assert list(answer.context["form"].errors) == [field]
    assert f'value="{typed}"' in answer.content.decode()
    assert 'value="Attic"' in answer.content.decode()
    assert not RegistrationKey.objects.exists()


def test_revoking_asks_first_and_says_what_it_means(key: RegistrationKey, as_homer: Client, simpsons: Cast) -> None:
    DeviceFactory(organization=simpsons.home, registered_with=key)
    html = as_homer.get(f"{key.get_absolute_url()}revoke/").content.decode()
    assert "1 device uses it" in html
    key.refresh_from_db()
    assert key.revoked_at is None


def test_a_revoked_key_lets_nobody_in_and_says_so(key: RegistrationKey, as_homer: Client) -> None:
    as_homer.post(f"{key.get_absolute_url()}revoke/")
    assert not RegistrationKey.objects.good().exists()
    assert "This key is revoked" in as_homer.get(key.get_absolute_url()).content.decode()


def test_two_clicks_on_revoke_keep_the_first_moment(key: RegistrationKey, as_homer: Client) -> None:
    as_homer.post(f"{key.get_absolute_url()}revoke/")
    first = RegistrationKey.objects.get().revoked_at
    assert as_homer.post(f"{key.get_absolute_url()}revoke/").status_code == 302
    assert RegistrationKey.objects.get().revoked_at == first


OVER = {
    "Expired": {"expires_at": timezone.now() - timedelta(hours=1)},
    "Used up": {"use_limit": 2, "uses": 2},
    "Revoked": {"revoked_at": timezone.now()},
}
NEXT_STEP = {
    "Expired": "Make a new key, or let this one be good for longer.",
    "Used up": "For more, raise the limit or make a new key.",
    "Revoked": "Make a new key for new devices.",
}


@pytest.mark.parametrize(("state", "fields"), {"Good": {}, **OVER}.items())
def test_its_facts_and_its_line_say_the_same_state(
    simpsons: Cast, as_homer: Client, fields: dict[str, object], state: str
) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home, **fields)
    html = as_homer.get(key.get_absolute_url()).content.decode()
    assert re.findall(r'class="state state-\w+".*?</svg> ([\w ]+)</span>', html) == [state, state]


@pytest.mark.parametrize(("state", "fields"), OVER.items())
def test_a_key_that_lets_nobody_in_invites_nobody_to_use_it_and_says_what_to_do(
    simpsons: Cast, as_homer: Client, fields: dict[str, object], state: str
) -> None:
    invitation = "the device appears in The Simpsons by itself"
    good = RegistrationKeyFactory(organization=simpsons.home)
    assert invitation in as_homer.get(good.get_absolute_url()).content.decode()
    over = RegistrationKeyFactory(organization=simpsons.home, **fields)
    html = as_homer.get(over.get_absolute_url()).content.decode()
    assert invitation not in html
    assert "No new device gets into The Simpsons with this registration key." in html
    assert NEXT_STEP[state] in html
    assert f"/organizations/{simpsons.home.pk}/registration-keys/new/" in html


def test_a_key_that_is_being_replaced_invites_nobody_to_set_it_into_a_new_device(
    key: RegistrationKey, as_homer: Client
) -> None:
    renewal.renew(key, by=None)
    assert "No new device gets into The Simpsons" in as_homer.get(key.get_absolute_url()).content.decode()


@pytest.mark.parametrize("fields", [{}, *OVER.values()])
def test_a_key_says_of_itself_what_a_query_for_those_that_let_in_says(
    simpsons: Cast, fields: dict[str, object]
) -> None:
    key = RegistrationKeyFactory(organization=simpsons.home, **fields)
    assert key.lets_in is RegistrationKey.objects.letting_in().filter(pk=key.pk).exists()


def test_the_qr_code_holds_the_key_and_nothing_else(key: RegistrationKey, as_homer: Client) -> None:
    """Drawn again from the key alone it is the same picture."""
    import segno

    shown = as_homer.post(f"{key.get_absolute_url()}show/").context["qr"]
    # Not a Micro QR code, for which the key is short enough: phones do not read those.
    code = segno.make(key.text, error="m", micro=False)
    assert code.designator == "1-M"
    assert shown == code.svg_data_uri(scale=8, border=2)
    assert base64.b64encode(key.text.encode()).decode() not in shown
