"""What entries of the audit hold in words, in the language of whoever reads them.

An entry keeps what a thing was called as it was said in the language of whoever acted. What of that are words of the
portal, such as “member”, is found again and said anew; names stay as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Field
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext

from orgs.audit import AuditEntry

# Details that are one of a field's choices. They are kept as they are stored there; earlier ones as they were said.
CHOICES = {
    "registration_policy.changed": {
        "before": ("devices.registrationpolicy", "admits"),
        "to": ("devices.registrationpolicy", "admits"),
    },
}

BY_OPERATOR = "operator.changed"
"""Keeps in one detail the names of the fields that were changed, or what was done in a sentence."""


def thing_of(entry: AuditEntry) -> str:
    """Return what the thing was called when it happened, after what kind of thing it is."""
    label = label_of(entry)
    if _without_kind(entry) == entry.object_label:
        return label
    return f"{apps.get_model(entry.object_type)._meta.verbose_name} {label}"


def label_of(entry: AuditEntry) -> str:
    """Return what the thing was called when it happened, without what kind of thing it is."""
    label = _without_kind(entry)
    said = _said_in_any_language(entry.object_type)
    # Where `__str__` puts such words: before a colon, or in brackets at the end.
    for pattern in (r"^(?P<word>[^:]+)(?=: )", r"(?<=\()(?P<word>[^()]+)(?=\)$)"):
        found = re.search(pattern, label)
        if found and (choice := said.get(found["word"])):
            label = label[: found.start()] + _in_readers_words(*choice) + label[found.end() :]
    return label


def _without_kind(entry: AuditEntry) -> str:
    for name in _names_of_kind(entry.object_type):
        if entry.object_label.startswith(f"{name} "):
            return entry.object_label.removeprefix(f"{name} ")
    return entry.object_label


def details_of(entry: AuditEntry) -> dict[str, Any]:
    """Return the details, the choices and fields among them as the reader calls them."""
    details: dict[str, Any] = dict(entry.details)
    if entry.action == BY_OPERATOR and details.get("what"):
        details["what"] = _changes(entry.object_type, str(details["what"]))
    for name, (model, field) in CHOICES.get(entry.action, {}).items():
        value = details.get(name)
        choice = _said_in_any_language(model).get(value, (model, field, value)) if isinstance(value, str) else None
        if choice is not None:
            details[name] = _in_readers_words(*choice)
    return details


def _changes(model: str, what: str) -> str:
    """Return what an operator has changed, in the reader's words: a sentence of the portal, or names of fields."""
    fields, names = _fields_in_any_language(model), what.split(", ")
    if not any(name.casefold() in fields for name in names) and (sentence := gettext(what)) != what:
        return sentence
    return ", ".join(_name_of_field(fields, name) for name in names)


def _name_of_field(fields: Mapping[str, Field[Any, Any]], kept: str) -> str:
    field = fields.get(kept.casefold())
    # The label that a form has for a field is not the field's own, but a text of the portal.
    return str(capfirst(field.verbose_name)) if field else gettext(kept) if kept else kept


@cache
def _fields_in_any_language(model: str) -> Mapping[str, Field[Any, Any]]:
    """Return the fields of a model by what they are called, in the sources and in each language."""
    fields: dict[str, Field[Any, Any]] = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            for field in _fields(model):
                fields.setdefault(str(field.verbose_name).casefold(), field)
                fields.setdefault(field.name.casefold(), field)
    return fields


Choice = tuple[str, str, str]
"""A model, a field of it, and one of its choices as it is stored."""


@cache
def _said_in_any_language(model: str) -> Mapping[str, Choice]:
    """Return by what is said of them, in each language, the choices of the fields of a model."""
    said: dict[str, Choice] = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            for field in _fields_with_choices(model):
                said |= {str(words): (model, field.name, str(value)) for value, words in field.flatchoices}
    return said


def _in_readers_words(model: str, name: str, value: str) -> str:
    for field in _fields_with_choices(model):
        if field.name == name:
            return next((str(words) for choice, words in field.flatchoices if str(choice) == value), value)
    return value


def _fields_with_choices(model: str) -> Iterator[Field[Any, Any]]:
    return (field for field in _fields(model) if field.choices)


def _fields(model: str) -> Iterator[Field[Any, Any]]:
    """Yield the fields that are the model's own; none if there is no such model any more."""
    try:
        fields = apps.get_model(model)._meta.get_fields()
    except (LookupError, ValueError):
        return
    yield from (field for field in fields if isinstance(field, Field))


@cache
def _names_of_kind(object_type: str) -> list[str]:
    """What such things are called, in each language: it was written in one of them. The longest first."""
    try:
        options = apps.get_model(object_type)._meta
    except (LookupError, ValueError):
        return []
    names = set()
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            names.add(str(options.verbose_name))
    return sorted(names, key=len, reverse=True)
