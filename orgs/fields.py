"""Form fields about organizations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, MINYEAR, date, datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.models import ModelChoiceIterator
from django.forms.utils import flatatt
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from orgs.models import Organization
from orgs.natural import natural_key
from orgs.paths import SEPARATOR

LATEST_IN_YEARS = 100
LARGEST_NUMBER = 2**63 - 1
"""What a database takes as a primary key; a larger one in a list is an error to it."""


def numbers(texts: Iterable[str]) -> list[int]:
    """Return those of the texts that can be primary keys."""
    plain = (int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 20)
    return [number for number in plain if number <= LARGEST_NUMBER]


class ManyField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """A choice of several. What can be nobody's number is an invalid choice, like a number that is not there."""

    default_error_messages = {
        "invalid_choice": _("Not all of these are still there, or yours to choose. Look again, and choose anew."),
    }

    def clean(self, value: Any) -> Any:
        for text in value if isinstance(value, list | tuple) else ():
            if not numbers([str(text)]):
                said = self.error_messages["invalid_choice"]
                raise ValidationError(said, code="invalid_choice", params={"value": str(text)[:20]})
        return super().clean(value)


def end_of_day(day: date) -> datetime:
    """Return the last moment of a day in the viewer's time zone.

    Raises ValidationError for a day gone by, and for one so far away that it cannot be meant: at the end of the
    calendar a moment cannot be said in every zone, and one such row would break all pages that list it.
    """
    today = timezone.localdate()
    if day < today:
        raise ValidationError(_("This day has passed."), code="past")
    if day.year > today.year + LATEST_IN_YEARS:
        said = _("This day is too far away: %(years)d years at the most.")
        raise ValidationError(said, code="far", params={"years": LATEST_IN_YEARS})
    return timezone.make_aware(datetime.combine(day, time.max))


def require_every_zone(moment: datetime) -> None:
    """Raise ValidationError for a moment that some time zones cannot say: in the calendar's first and last year."""
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValidationError(_("Enter a day of another year."), code="far")


class EndOfDayField(forms.DateField):
    """A day, typed or picked; the value is its last moment in the viewer's time zone, see `end_of_day`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **options)

    def prepare_value(self, value: Any) -> Any:
        return timezone.localtime(value).date() if isinstance(value, datetime) else value

    def clean(self, value: Any) -> datetime | None:
        day: date | None = super().clean(value)
        return None if day is None else end_of_day(day)


class _Paths(ModelChoiceIterator):  # type: ignore[type-arg]
    """The choices of an OrganizationField: a path each, made of those organizations alone that are choices too."""

    field: OrganizationField

    def __iter__(self) -> Iterator[Any]:
        if self.field.empty_label is not None:
            yield "", self.field.empty_label
        for path in self._paths():
            if self.field.left_out is None or not self.field.left_out.contains(path[-1]):
                yield self.choice(path[-1], SEPARATOR.join(step.name for step in path))

    def _paths(self) -> list[list[Organization]]:
        """Return them in the order of a tree whose siblings are in the order of their names."""
        paths: list[list[Organization]] = []
        path: list[Organization] = []
        for organization in self.queryset.order_by("tree_id", "lft"):
            while path and not path[-1].contains(organization):
                path.pop()
            path.append(organization)
            paths.append([*path])
        keys = {path[-1].pk: (natural_key(path[-1].name), path[-1].pk) for path in paths}
        return sorted(paths, key=lambda path: [keys[step.pk] for step in path])

    def choice(self, organization: Organization, label: str = "") -> Any:
        value, own_label = super().choice(organization)
        return value, label or own_label


class _PlainSelect(forms.Select):
    """A select that is not rendered by a template for each option: three hundred of those take longer than the page."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen = set(self.format_value(value))
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            ((key, mark_safe(" selected") if str(key) in chosen else "", label) for key, label in self.choices),
        )
        return format_html(
            '<select name="{}"{}>{}</select>', name, flatatt(self.build_attrs(self.attrs, attrs)), options
        )


class OrganizationField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice of one organization, shown with the path to it: "The Simpsons › Household".

    `left_out` is not offered, nor what is below it. It is still taken: the rule that refuses it has a better sentence
    than "not one of the available choices".
    """

    iterator = _Paths
    widget = _PlainSelect
    # Alike for one that is gone and one of somebody else: it must not tell what there is elsewhere.
    default_error_messages = {
        "required": _("Choose an organization."),
        "invalid_choice": _("This organization is no longer there, or is not yours to choose. Choose another."),
    }

    def __init__(
        self, queryset: QuerySet[Organization], *, left_out: Organization | None = None, **options: Any
    ) -> None:
        self.left_out = left_out
        super().__init__(queryset, **options)
