"""The administration in German: also what libraries have called their models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten, flatten_fieldsets, label_for_field
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import translation

from portal.translations import compile_catalogs
from tests.conftest import Cast
from tests.one_of_each import household
from tests.portal.test_admin import SHOWN

SAME_IN_GERMAN = {"ThingSpeak", "Portal", "Name"}


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    compile_catalogs()


def _columns(page: admin.ModelAdmin[Any]) -> Iterator[str]:
    """What lists and pages show that is a field or a column of ours; a form's own fields have labels of their own."""
    own = page.form.declared_fields
    shown = (*flatten(page.list_display), *flatten(page.fields or ()), *flatten_fieldsets(page.fieldsets or ()))
    yield from (str(name) for name in {*shown, *page.readonly_fields} if name not in own)


def _names(model: type[Model]) -> list[str]:
    page, options = admin.site._registry[model], model._meta
    found = [options.app_config.verbose_name, options.verbose_name, options.verbose_name_plural]
    found += [label_for_field(column, model, page) for column in sorted(_columns(page))]
    for field in options.fields:
        if field.name in {*_columns(page), *page.list_filter} and field.choices:
            found += [words for _value, words in field.flatchoices]
    return [str(name) for name in found]


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model._meta.label)
def test_no_name_that_operators_read_stays_in_english(model: type[Model]) -> None:
    with translation.override("en"):
        english = _names(model)
    with translation.override("de"):
        german = _names(model)
    left = {one for one, other in zip(english, german, strict=True) if one == other}
    assert left <= SAME_IN_GERMAN


def _read(client: Client, model: str) -> str:
    """Return the text of a list, without markup."""
    return re.sub(r"<[^>]*>", "", client.get(reverse(f"admin:{model}_changelist")).content.decode())


def test_an_operator_reads_of_second_factors_and_background_work_in_german(simpsons: Cast, as_operator: Client) -> None:
    household(simpsons.home)
    as_operator.post("/language/", {"language": "de"})
    factors = _read(as_operator, "mfa_authenticator")
    assert "zweite Faktoren" in factors
    assert "authenticator" not in factors
    tasks = _read(as_operator, "django_tasks_database_dbtaskresult")
    assert "Hintergrundarbeiten" in tasks
    assert "Task" not in tasks
