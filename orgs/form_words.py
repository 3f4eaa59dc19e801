"""What forms say when something is missing, gone or not understood: what to do, instead of what is not valid.

The words come with the renderer of forms, since Django asks that for the class of bound fields: the one place that
every form goes through, also those of libraries and of the administration, at a moment at which a field's label is
known. New `default_error_messages` on Django's classes would reach as many forms, but cannot name what is missing; a
mixin would have to be remembered in each form, and put into those of libraries.

A field that has words of its own keeps them: only Django's are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from django import forms
from django.forms import fields as stock_fields
from django.forms import models as stock_models
from django.forms.renderers import DjangoTemplates
from django.utils.translation import gettext as _


def _stock() -> Iterator[int]:
    for module in (stock_fields, stock_models):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, forms.Field):
                yield from map(id, kind.default_error_messages.values())


STOCK = frozenset(_stock())
"""Which message objects are Django's. They are looked at as objects, since two may read alike."""


class WordedField(forms.BoundField):
    """A field in its form, which says what to do when what was sent for it is not good."""

    def __init__(self, form: forms.BaseForm, field: forms.Field, name: str) -> None:
        super().__init__(form, field, name)
        say_what_to_do(field, str(self.label))


class Renderer(DjangoTemplates):
    """Draws forms as Django does; settings name it as FORM_RENDERER."""

    bound_field_class = WordedField


def say_what_to_do(field: forms.Field, label: str) -> None:
    """Give `field`, which belongs to one form alone, our words in place of Django's."""
    said = field.error_messages
    for code, words in _words(field, label.rstrip(" :")).items():
        if code not in said or id(said[code]) in STOCK:
            said[code] = words
    for code, other in said.items():
        if id(other) in STOCK:  # Of a kind of field that we have no better words for.
            said[code] = _("This could not be understood. Enter it anew.")
    # A moment is two fields, each with what it says.
    for part in getattr(field, "fields", ()):
        say_what_to_do(part, label)


def _words(field: forms.Field, label: str) -> dict[str, str]:
    """Return what is said of each kind of mistake, by Django's codes for them."""
    words = {"required": _missing(field, label)}
    if isinstance(field, forms.ModelChoiceField):
        gone = _("This is no longer there, or is not yours to choose. Choose another.")
        words |= dict.fromkeys(("invalid_choice", "invalid_pk_value", "invalid_list"), gone)
    elif isinstance(field, forms.ChoiceField):
        not_offered = _("This cannot be chosen here. Choose something that is offered.")
        words |= dict.fromkeys(("invalid_choice", "invalid_list"), not_offered)
    elif isinstance(field, forms.FileField):
        no_file = _("No file has arrived. Choose it once more.")
        words |= {"invalid": no_file, "missing": no_file}
        words["empty"] = _("The file is empty. Choose another one.")
        words["max_length"] = _("The name of the file is too long: at most %(max)d characters.")
    elif isinstance(field, forms.SplitDateTimeField):
        words |= {"invalid_date": _day(), "invalid_time": _time()}
    elif isinstance(field, forms.DateTimeField):
        words["invalid"] = _("Enter day and time like this: 2027-12-31 18:30")
    elif isinstance(field, forms.DateField):
        words["invalid"] = _day()
    elif isinstance(field, forms.TimeField):
        words["invalid"] = _time()
    elif isinstance(field, forms.IntegerField):  # The base of all fields of numbers.
        words |= _of_numbers(field)
    elif isinstance(field, forms.CharField):
        words |= _of_texts(field)
    return words


def _missing(field: forms.Field, label: str) -> str:
    if isinstance(field, forms.BooleanField):
        said = _("Tick “{label}” to go on.")
    elif isinstance(field, forms.ModelChoiceField | forms.ChoiceField):
        said = _("Please choose something for “{label}”.")
    elif isinstance(field, forms.FileField):
        said = _("Choose a file for “{label}”.")
    else:
        said = _("Please fill in “{label}”.")
    return said.format(label=label)


def _day() -> str:
    # Translators: write the example as people of your language do; it must be among the forms that are understood.
    return _("Enter a day like this: 2027-12-31")


def _time() -> str:
    return _("Enter a time like this: 18:30")


def _of_numbers(field: forms.Field) -> dict[str, str]:
    is_decimal = isinstance(field, forms.DecimalField | forms.FloatField)
    return {
        "invalid": _("Enter a number, for example 12.5") if is_decimal else _("Enter a whole number, for example 12"),
        "min_value": _("Enter a number of at least %(limit_value)s."),
        "max_value": _("Enter a number of at most %(limit_value)s."),
    }


def _of_texts(field: forms.Field) -> dict[str, str]:
    words = {
        "max_length": _("Shorten this to at most %(limit_value)d characters; it has %(show_value)d."),
        "min_length": _("Enter at least %(limit_value)d characters; this has %(show_value)d."),
        "null_characters_not_allowed": _("There is a character in this that cannot be stored. Type it anew."),
    }
    if isinstance(field, forms.EmailField):
        words["invalid"] = _("Enter an e-mail address like this: marge@example.org")
    return words
