"""Registration keys: label and limits changed later, a new one by one click, and labels to print."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
import segno
from django.test import Client
from django.utils import timezone

from devices.errors import KeyNotGood
from devices.labels import SHEETS
from devices.models import Device, RegistrationKey
from devices.registration import register
from orgs.audit import AuditEntry
from tests.conftest import Cast
from tests.factories import RegistrationKeyFactory


@pytest.fixture
def key(simpsons: Cast) -> RegistrationKey:
    return RegistrationKeyFactory(organization=simpsons.household, label="Spring", uses=3)


def edit(client: Client, key: RegistrationKey, **typed: object):
    shown = client.get(f"{key.get_absolute_url()}edit/").context["form"]
    form = {name: shown[name].value() or "" for name in ("label", "expires_at", "use_limit", "seen")} | typed
    return client.post(f"{key.get_absolute_url()}edit/", form)


def test_label_and_limits_change_later(key: RegistrationKey, as_homer: Client) -> None:
    day = timezone.localdate() + timedelta(days=30)
    answer = edit(as_homer, key, label="Summer", expires_at=day.isoformat(), use_limit="10")
    assert answer["Location"] == key.get_absolute_url()
    key.refresh_from_db()
    assert (key.label, key.use_limit) == ("Summer", 10)
    assert key.expires_at is not None
    assert timezone.localtime(key.expires_at).date() == day
    details = AuditEntry.objects.get(action="registration_key.changed").details
    assert (details["label"], details["use_limit"]) == ("Summer", 10)


def test_what_is_left_alone_stays_to_the_second(key: RegistrationKey, as_homer: Client) -> None:
    at_noon = timezone.make_aware(datetime.combine(timezone.localdate() - timedelta(days=2), time(12, 0, 7)))
    RegistrationKey.objects.filter(pk=key.pk).update(expires_at=at_noon, use_limit=5)
    edit(as_homer, key, label="Over")
    key.refresh_from_db()
    assert (key.label, key.expires_at, key.use_limit) == ("Over", at_noon, 5)


def test_limits_can_be_taken_away(key: RegistrationKey, simpsons: Cast, as_homer: Client) -> None:
    RegistrationKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(days=2), use_limit=3)
    with pytest.raises(KeyNotGood):
        register(lookup=key.lookup, serial="T-1")
    edit(as_homer, key, expires_at="", use_limit="")
    key.refresh_from_db()
    assert (key.expires_at, key.use_limit) == (None, None)
    register(lookup=key.lookup, serial="T-1")
    assert Device.objects.get(serial="T-1").organization == simpsons.household


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("use_limit", "2", "More devices than that have come in with the key already."),
        ("use_limit", "0", "At least one device, or leave it empty."),
        ("expires_at", "2020-01-01", "This day has passed."),
    ],
)
def test_limits_that_cannot_be_are_said_on_their_field(
    key: RegistrationKey, as_homer: Client, field: str, typed: str, said: str
) -> None:
    answer = edit(as_homer, key, **{field: typed})
    assert list(answer.context["form"].errors) == [field]
    assert said in answer.content.decode()
    assert f'value="{typed}"' in answer.content.decode()


def test_a_device_that_comes_in_while_the_limit_is_lowered_is_not_forgotten(
    key: RegistrationKey, as_homer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.forms.EditRegistrationKeyForm.clean_use_limit", lambda form: 2)
    answer = edit(as_homer, key, use_limit="2")
    assert "More devices than that have come in" in answer.content.decode()
    key.refresh_from_db()
    assert key.use_limit is None


def test_two_managers_do_not_overwrite_each_other_silently(key: RegistrationKey, as_homer: Client) -> None:
    seen = as_homer.get(f"{key.get_absolute_url()}edit/").context["form"]["seen"].value()
    RegistrationKey.objects.filter(pk=key.pk).update(label="Bart's")
    answer = as_homer.post(f"{key.get_absolute_url()}edit/", {"label": "Homer's", "seen": seen})
    assert "Somebody else has changed this in the meantime" in answer.content.decode()
    assert RegistrationKey.objects.get().label == "Bart's"


def test_only_what_somebody_else_has_changed_is_said_a_day_as_a_day(key: RegistrationKey, as_homer: Client) -> None:
    seen = as_homer.get(f"{key.get_absolute_url()}edit/").context["form"]["seen"].value()
    RegistrationKey.objects.filter(pk=key.pk).update(expires_at=datetime(2041, 5, 4, 12, tzinfo=UTC))
    form = as_homer.post(f"{key.get_absolute_url()}edit/", {"label": "Homer's", "seen": seen}).context["form"]
    assert "in the meantime: Good until the end of: 4 May 2041. Save again" in form.non_field_errors()[0]


def test_who_sends_what_no_form_has_carried_is_told_all(key: RegistrationKey, as_homer: Client) -> None:
    RegistrationKey.objects.filter(pk=key.pk).update(label="Bart's")
    form = as_homer.post(f"{key.get_absolute_url()}edit/", {"label": "Homer's", "seen": "?"}).context["form"]
    assert (
        "in the meantime: Label: Bart's, Good until the end of: –, For how many devices at most: –."
        in form.non_field_errors()[0]
    )


def test_a_key_that_is_over_or_renewed_does_not_change(key: RegistrationKey, as_homer: Client, simpsons: Cast) -> None:
    successor = RegistrationKeyFactory(organization=simpsons.household)
    for fields in ({"revoked_at": timezone.now()}, {"revoked_at": None, "successor": successor}):
        RegistrationKey.objects.filter(pk=key.pk).update(**fields)
        answer = as_homer.post(f"{key.get_absolute_url()}edit/", {"label": "Late"}, follow=True)
        assert "its limits do not change any more" in answer.content.decode()
    assert not RegistrationKey.objects.filter(label="Late").exists()
    assert not key.change(label="Late", expires_at=None, use_limit=None)


def test_a_new_key_is_one_click_away(key: RegistrationKey, as_homer: Client, simpsons: Cast) -> None:
    RegistrationKey.objects.update(revoked_at=timezone.now())
    html = as_homer.get(key.get_absolute_url()).content.decode()
    address = f"/organizations/{simpsons.household.pk}/registration-keys/new/"
    assert f'method="post" action="{address}"' in html
    made = as_homer.post(address)
    assert made["Location"] == RegistrationKey.objects.good().get().get_absolute_url()


# ---- labels ----


def labels(client: Client, key: RegistrationKey, **wanted: object):
    return client.post(f"{key.get_absolute_url()}labels/", {"sheet": "a4-24", "count": 3, **wanted})


def test_nothing_is_shown_before_it_is_asked_for(key: RegistrationKey, as_homer: Client) -> None:
    html = as_homer.get(f"{key.get_absolute_url()}labels/").content.decode()
    assert key.secret not in html
    assert "<symbol" not in html
    assert not AuditEntry.objects.exists()


def test_labels_show_the_key_and_that_is_in_the_audit(key: RegistrationKey, as_homer: Client, simpsons: Cast) -> None:
    answer = labels(as_homer, key, readable="on")
    html = answer.content.decode()
    assert html.count(key.text) == 3
    assert html.count(f'<use href="#qr-{key.pk}"/>') == 3
    for words in ("Household, Spring", "Serial"):
        assert html.count(f"{words}</p>") == 3
    drawn = segno.make(key.text, error="m", micro=False).svg_inline(scale=1, border=1, omitsize=True)
    assert html.count(drawn) == 1, "drawn once, used on each label"
    assert "no-store" in answer["Cache-Control"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.details) == ("registration_key.shown", simpsons.homer, {"labels": 3})


def test_by_choice_the_key_is_in_the_qr_code_alone(key: RegistrationKey, as_homer: Client) -> None:
    html = labels(as_homer, key).content.decode()
    assert key.secret not in html
    assert html.count(key.masked) == 3
    assert "<symbol" in html
    assert AuditEntry.objects.filter(action="registration_key.shown").exists()


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=lambda sheet: sheet.name)
def test_labels_go_on_as_many_sheets_as_they_need(key: RegistrationKey, as_homer: Client, sheet) -> None:
    pages = labels(as_homer, key, sheet=sheet.name, count=sheet.labels + 1).context["pages"]
    assert [len(page) for page in pages] == [sheet.labels, 1]


@pytest.mark.parametrize("wanted", [{"count": 0}, {"count": 201}, {"count": "many"}, {"sheet": "a5-1"}])
def test_what_cannot_be_printed_is_said_and_shows_nothing(
    key: RegistrationKey, as_homer: Client, wanted: dict[str, object]
) -> None:
    answer = labels(as_homer, key, **wanted)
    assert list(answer.context["form"].errors) == list(wanted)
    assert "<symbol" not in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_two_hundred_labels_are_a_small_page(key: RegistrationKey, as_homer: Client) -> None:
    assert len(labels(as_homer, key, count=200, readable="on").content) < 100_000


def test_a_key_that_is_over_has_no_labels(key: RegistrationKey, as_homer: Client) -> None:
    key.revoke()
    assert labels(as_homer, key)["Location"] == key.get_absolute_url()
    assert not AuditEntry.objects.exists()
