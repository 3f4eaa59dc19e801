"""Forms say what to do, not what is not valid: no form of the project answers with Django's stock sentences."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms.forms import BaseForm
from django.test import Client
from django.utils import translation

from orgs.form_words import STOCK
from orgs.models import Organization
from tests.conftest import Cast

ROOMS = ("orgs", "channels", "devices", "portal")
STOCK_SENTENCES = (
    "This field",
    "Select a valid choice",
    "Enter a valid",
    "Enter a list",
    "Ensure this",
    "is not a valid value",
    "No file was submitted",
    "Enter a whole number.",
    "Enter a number.",
    "Null characters",
    # … and in German.
    "Dieses Feld",
    "Bitte eine gültige",
    "Bitte einen gültigen",
    "Bitte ein gültiges",
    "Bitte eine ganze Zahl",
    "Wählen Sie bitte eine gültige",
)


def form_classes() -> list[type[BaseForm]]:
    """Return the forms of the project, and those of libraries that are there beside them."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if ".migrations" not in module.name and module.name not in ("portal.wsgi",):
                importlib.import_module(module.name)
    for library in ("allauth.account.forms", "allauth.mfa.totp.forms", "allauth.mfa.webauthn.forms"):
        importlib.import_module(library)
    found = set(_below(BaseForm))
    assert len([one for one in found if one.__module__.split(".")[0] in ROOMS]) > 50
    return sorted(found, key=lambda one: f"{one.__module__}.{one.__qualname__}")


def _below(kind: type[BaseForm]) -> Iterator[type[BaseForm]]:
    for one in type.__subclasses__(kind):
        if hasattr(one, "base_fields"):
            yield one
        yield from _below(one)


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_field_of_any_form_keeps_a_sentence_of_djangos(language: str) -> None:
    with translation.override(language):
        for kind in form_classes():
            form = forms.Form({})
            for name, field in kind.base_fields.items():
                form.fields[name] = field.__class__.__deepcopy__(field, {})
            for bound in form:
                for code, words in bound.field.error_messages.items():
                    assert id(words) not in STOCK, f"{kind.__module__}.{kind.__qualname__}.{bound.name}: {code}"
                    assert not str(words).startswith(STOCK_SENTENCES), f"{kind.__qualname__}.{bound.name}: {words}"


def test_no_form_goes_around_the_place_where_the_words_are_given() -> None:
    for kind in form_classes():
        assert kind.default_renderer is None, kind
        assert kind.bound_field_class is None, kind
        for field in kind.base_fields.values():
            assert field.bound_field_class is None, (kind, field)


class Everything(forms.Form):
    name = forms.CharField(max_length=3, min_length=2)
    address = forms.EmailField()
    many = forms.IntegerField(min_value=1, max_value=5)
    warm = forms.DecimalField()
    day = forms.DateField()
    hour = forms.TimeField()
    moment = forms.DateTimeField()
    both = forms.SplitDateTimeField()
    size = forms.ChoiceField(choices=[("s", "Small")])
    some = forms.MultipleChoiceField(choices=[("s", "Small")])
    sure = forms.BooleanField(label="I am sure")
    place = forms.ModelChoiceField(Organization.objects.all())
    file = forms.FileField()
    own = forms.CharField(error_messages={"required": "Say it."})


SENT = {
    "name": ("abcd", "Shorten this to at most 3 characters; it has 4."),
    "address": ("marge", "Enter an e-mail address like this: marge@example.org"),
    "many": ("some", "Enter a whole number, for example 12"),
    "warm": ("very", "Enter a number, for example 12.5"),
    "day": ("soon", "Enter a day like this: 2027-12-31"),
    "hour": ("late", "Enter a time like this: 18:30"),
    "moment": ("now", "Enter day and time like this: 2027-12-31 18:30"),
    "size": ("xxl", "This cannot be chosen here. Choose something that is offered."),
    "some": (["xxl"], "This cannot be chosen here. Choose something that is offered."),
    "place": ("4711", "This is no longer there, or is not yours to choose. Choose another."),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", SENT)
def test_what_is_not_understood_is_answered_with_how_it_should_be(name: str) -> None:
    value, said = SENT[name]
    assert Everything({name: value}).errors[name] == [said]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("name", "a", "Enter at least 2 characters; this has 1."),
        ("name", "a\0b", "There is a character in this that cannot be stored. Type it anew."),
        ("many", "0", "Enter a number of at least 1."),
        ("many", "6", "Enter a number of at most 5."),
    ],
)
def test_limits_are_told(name: str, value: str, said: str) -> None:
    assert said in Everything({name: value}).errors[name]


def test_parts_of_a_moment_have_words_too() -> None:
    errors = Everything({"both_0": "soon", "both_1": "late"}).errors["both"]
    assert errors == ["Enter a day like this: 2027-12-31", "Enter a time like this: 18:30"]


def test_an_empty_file_is_not_taken() -> None:
    form = Everything({}, {"file": SimpleUploadedFile("rows.csv", b"")})
    assert form.errors["file"] == ["The file is empty. Choose another one."]


def test_what_is_missing_is_named() -> None:
    errors = Everything({}).errors
    assert errors["name"] == ["Please fill in “Name”."]
    assert errors["sure"] == ["Tick “I am sure” to go on."]
    assert errors["size"] == ["Please choose something for “Size”."]
    assert errors["file"] == ["Choose a file for “File”."]
    assert errors["own"] == ["Say it."], "a field keeps words of its own"


def test_the_german_examples_are_understood() -> None:
    with translation.override("de"):
        for name in ("day", "hour", "moment", "warm"):
            said = Everything({name: "?"}).errors[name][0]
            example = said.rpartition(": " if ": " in said else "zum Beispiel ")[2]
            assert name not in Everything({name: example}).errors, said


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_forms_at_the_entrance_name_what_is_missing(address: str, language: str) -> None:
    html = Client(headers={"accept-language": language}).post(address).content.decode()
    assert ("Please fill in “" if language == "en" else "Bitte füllen Sie „") in html
    assert not [sentence for sentence in STOCK_SENTENCES if sentence in html]


def test_somebody_elses_organization_is_answered_like_one_that_is_gone(simpsons: Cast, as_homer: Client) -> None:
    address = f"/organizations/{simpsons.household.pk}/move/"
    elsewhere = Organization.objects.exclude(tree_id=simpsons.home.tree_id).first()
    assert elsewhere is not None
    said = [
        as_homer.post(address, {"parent": number}).context["form"].errors["parent"]
        for number in (elsewhere.pk, 987654, "x")
    ]
    assert said == [["This organization is no longer there, or is not yours to choose. Choose another."]] * 3
