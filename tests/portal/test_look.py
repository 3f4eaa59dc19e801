"""The pages' common parts: what they promise to whoever builds a page from them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone, translation

from portal.browsers import name_of
from portal.templatetags.look import may_stay_empty
from portal.templatetags.moments import ago

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
STATIC = settings.BASE_DIR / "portal" / "static" / "portal"


class OvenForm(forms.Form):
    name = forms.CharField(label="Name", help_text="As you call it at home.", widget=forms.TextInput({"class": "wide"}))
    size = forms.ChoiceField(label="Size", choices=[("s", "Small"), ("l", "Large")], widget=forms.RadioSelect)
    place = forms.ChoiceField(label="Place", choices=[("k", "Kitchen")], required=False)
    warn = forms.BooleanField(label="Warn me", required=False)
    token = forms.CharField(widget=forms.HiddenInput)

    def clean(self) -> None:
        raise forms.ValidationError("The oven is off.")


def rendered(name: str, **context: object) -> str:
    return re.sub(r"\s+", " ", render_to_string(name, context))


def template_id(path: Path) -> str:
    return str(path.relative_to(settings.BASE_DIR / "templates"))


@pytest.mark.parametrize("path", TEMPLATES, ids=template_id)
def test_a_template_holds_nothing_that_the_content_security_policy_forbids(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"\sstyle\s*=", source)
    assert not re.search(r"<style\b", source)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", source)
    scripts = re.findall(r"<script\b([^>]*)>", source)
    assert all("src=" in script or 'type="application/json"' in script for script in scripts)


@pytest.mark.parametrize(
    "path", [p for p in TEMPLATES if p.parent.name == "templates" and p.name.startswith("_")], ids=template_id
)
def test_a_shared_partial_says_what_it_is_for(path: Path) -> None:
    assert "{% comment %}" in path.read_text()


def test_help_and_error_of_a_field_are_tied_to_its_control() -> None:
    html = rendered("_form_fields.html", form=OvenForm({"size": "s"}))
    control = re.search(r'<input[^>]*name="name"[^>]*>', html)
    assert control
    assert 'aria-describedby="id_name_helptext id_name_error"' in control[0]
    assert 'aria-invalid="true"' in control[0]
    assert 'class="wide form-control is-invalid"' in control[0]
    assert '<label class="form-label" for="id_name">' in html
    assert re.search(r'id="id_name_helptext">As you call it at home\.<', html)
    assert re.search(r'id="id_name_error">.*?Please fill in “Name”\.', html)


def test_choices_are_a_group_with_a_name() -> None:
    html = rendered("_form_fields.html", form=OvenForm())
    assert re.search(r"<fieldset> <legend>Size</legend>", html)
    assert len(re.findall(r'<input type="radio" name="size"', html)) == 2


def test_an_optional_field_says_so_and_a_hidden_one_says_nothing() -> None:
    html = rendered("_form_fields.html", form=OvenForm())
    assert re.search(r'for="id_place">Place <span class="optional">optional</span>', html)
    assert "Token" not in html
    assert '<input type="hidden" name="token"' in html


def test_what_is_wrong_with_a_form_as_a_whole_is_said_before_its_fields() -> None:
    html = rendered("_form_fields.html", form=OvenForm({"size": "s"}))
    assert html.index("The oven is off.") < html.index('name="name"')


def secret(**context: object) -> str:
    return rendered(
        "_secret.html", id="read-key-7", label="Read key", reveal_url="/reveal/", hide_url="/device/", **context
    )


def test_a_masked_key_is_asked_for_with_post() -> None:
    html = secret()
    assert '<form class="secret-actions" method="post" action="/reveal/" hx-post="/reveal/"' in html
    assert "data-copy" not in html


def test_a_shown_key_can_be_copied_and_hidden() -> None:
    html = secret(value="C0FPQ9W3ET7A4S2S")
    assert re.search(r'id="read-key-7-value"[^>]*>C0FPQ9W3ET7A4S2S<', html)
    assert 'data-copy="#read-key-7-value"' in html
    assert 'href="/device/" data-hide-secret="#read-key-7"' in html
    assert "C0FPQ9W3ET7A4S2S" not in html.split("<template>")[1]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1 Version/17.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Android 14; Mobile; rv:120.0) Gecko/120.0 Firefox/120.0", "Firefox on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", "Chrome on Linux"),
        ("curl/8.0", "Unknown browser"),
    ],
)
def test_a_browser_is_called_what_people_call_it(user_agent: str, name: str) -> None:
    assert name_of(user_agent) == name


@pytest.mark.parametrize("name", ["400.html", "500.html"])
def test_pages_for_what_broke_need_no_context(name: str) -> None:
    html = render_to_string(name)
    assert "Smart Widgets Keys" in html
    assert 'href="/"' in html


@pytest.mark.django_db
def test_an_address_that_does_not_exist_leads_back() -> None:
    response = Client().get("/no-such-page/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


@pytest.mark.django_db
def test_a_form_from_a_stale_page_says_that_nothing_changed() -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "homer@example.com"})
    assert response.status_code == 403
    assert "This page was open for too long" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/signup/", "/accounts/login/", "/accounts/password/reset/"])
def test_pages_of_visitors_offer_sign_up_and_log_in(address: str) -> None:
    html = Client().get(address).content.decode()
    assert 'href="/accounts/login/"' in html
    assert re.search(r'href="/(accounts/)?signup/"', html)
    assert "account_logout" not in html


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


GROUNDS = ("paper", "surface", "surface-sunk")
TEXT_ON_GROUND = [(text, ground) for text in ("ink", "ink-soft", "accent") for ground in GROUNDS] + [
    ("accent-strong", "accent-subtle"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("on-danger", "danger"),
    ("on-danger", "danger-strong"),
    ("danger", "surface"),
    *((state, f"{state}-ground") for state in ("good", "warn", "bad", "off", "wait")),
    *(("ink", f"{state}-ground") for state in ("good", "warn", "bad", "wait")),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_pair_of_colours_can_be_read(theme: str) -> None:
    css = (STATIC / "colours.css").read_text()
    block = re.search(rf'\[data-bs-theme="{theme}"\] \{{(.*?)\}}', css, re.S)
    assert block
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block[1]))
    poor = {pair: contrast(*(colours[name] for name in pair)) for pair in TEXT_ON_GROUND}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}
    # Borders of fields and focus rings need 3:1 (WCAG 1.4.11).
    assert (
        min(contrast(colours[name], colours[ground]) for name in ("line-strong", "accent") for ground in GROUNDS[:2])
        >= 3
    )


@pytest.mark.parametrize(
    ("apart", "english", "german"),
    [
        (timedelta(hours=30), "1 day ago", "vor 1 Tag"),
        (timedelta(days=5), "5 days ago", "vor 5 Tagen"),
        (timedelta(days=20), "2 weeks ago", "vor 2 Wochen"),
        (timedelta(days=100), "3 months ago", "vor 3 Monaten"),
        (timedelta(days=800), "2 years ago", "vor 2 Jahren"),
        (-timedelta(minutes=5, seconds=30), "in 5 minutes", "in 5 Minuten"),
        (-timedelta(days=1, hours=1, minutes=1), "in 25 hours", "in 25 Stunden"),
        (-timedelta(days=20), "in 20 days", "in 20 Tagen"),
        (-timedelta(days=91), "in 3 months", "in 3 Monaten"),
    ],
)
def test_moments_are_said_as_people_say_them(apart: timedelta, english: str, german: str) -> None:
    moment = timezone.now() - apart
    with translation.override("en"):
        assert ago(moment) == english
    with translation.override("de"):
        assert ago(moment) == german


def test_nothing_is_called_optional_that_has_a_choice_already_or_is_one_of_two_ways() -> None:
    class Form(forms.Form):
        label = forms.CharField(required=False)
        way = forms.ChoiceField(required=False, choices=[("a", "A")], widget=forms.RadioSelect, initial="a")
        file = forms.FileField(required=False)

    form = Form()
    form.fields["file"].one_of_several = True  # type: ignore[attr-defined]
    assert [field.name for field in form if may_stay_empty(field)] == ["label"]
