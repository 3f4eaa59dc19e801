"""Printable labels for those who set up devices: a registration key as QR code and text, and room for the serial."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import segno
from django import forms
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from devices.models import RegistrationKey
from orgs.paths import Paths

MOST_LABELS = 200
KEYS_A_PART = 100
"""Of so many keys labels are shown at once."""


@dataclass(frozen=True)
class Sheet:
    """A sheet of labels as shops sell them. `name` is its class in `labels.css`, which has the measures."""

    name: str
    title: Promise
    labels: int


SHEETS = {
    sheet.name: sheet
    for sheet in (
        Sheet("a4-24", _("A4, 24 labels of 70 × 37 mm"), 24),
        Sheet("a4-10", _("A4, 10 labels of 105 × 57 mm"), 10),
        Sheet("letter-30", _("Letter, 30 labels of 2⅝ × 1 inch"), 30),
        Sheet("letter-10", _("Letter, 10 labels of 4 × 2 inches"), 10),
    )
}


class PaperForm(forms.Form):
    """On which paper labels are, and whether people can read the key on them."""

    sheet = forms.ChoiceField(
        label=_("Paper"), choices=[(sheet.name, sheet.title) for sheet in SHEETS.values()], initial="a4-24"
    )
    readable = forms.BooleanField(
        label=_("Print the key as text, too"),
        required=False,
        initial=True,
        help_text=_("Without it the second half is in the QR code alone."),
    )

    def printed(self, keys: Sequence[RegistrationKey], copies: int) -> dict[str, Any]:
        """Return what `_label_sheets.html` shows: `copies` labels of each of these keys, in this order."""
        labels = [key for key in keys for _copy in range(copies)]
        on_each = SHEETS[self.cleaned_data["sheet"]].labels
        return {
            "pages": [labels[start : start + on_each] for start in range(0, len(labels), on_each)],
            "sheet": self.cleaned_data["sheet"],
            "is_readable": self.cleaned_data["readable"],
            "symbols": _symbols(keys),
        }


class LabelsForm(PaperForm):
    """How many labels of one key."""

    count = forms.IntegerField(
        label=_("How many labels"),
        min_value=1,
        max_value=MOST_LABELS,
        initial=24,
        help_text=_("One for each device, for example."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    field_order = ("sheet", "count", "readable")


class BeginningField(forms.TypedChoiceField):
    """With which organization to begin: any that still has a key, also when by now the parts begin with others."""

    default_error_messages = {
        "invalid_choice": _("This is no longer there, or is not yours to choose. Choose another."),
    }
    organizations: Collection[int] = ()

    def valid_value(self, value: Any) -> bool:
        return value in map(str, self.organizations)


class LabelsOfEachForm(PaperForm):
    """How many labels of each key; beginning with which, where there are too many for one page."""

    each = forms.IntegerField(
        label=_("Labels for each"),
        min_value=1,
        max_value=10,
        initial=1,
        help_text=_("One for each device that is set up there."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    # Keys are made and revoked meanwhile: the number of a part would mean others by the time it comes back.
    part = BeginningField(label=_("Which ones"), coerce=int)
    field_order = ("part", "sheet", "each", "readable")

    def __init__(self, *args: Any, keys: Sequence[RegistrationKey], paths: Paths, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keys = keys
        self._organizations = [key.organization_id for key in keys]
        if len(keys) > KEYS_A_PART or "part" in self.data:
            self._offer_parts(paths)
        else:
            del self.fields["part"]

    def _offer_parts(self, paths: Paths) -> None:
        field = cast(BeginningField, self.fields["part"])
        field.organizations = self._organizations
        parts = [self._keys[start : start + KEYS_A_PART] for start in range(0, len(self._keys), KEYS_A_PART)]
        field.choices = [
            (part[0].organization_id, f"{paths.to(part[0].organization)} – {paths.to(part[-1].organization)}")
            for part in parts
        ]

    @property
    def keys(self) -> Sequence[RegistrationKey]:
        """The keys that the form asks for."""
        begins = self.cleaned_data.get("part")
        start = self._organizations.index(begins) if begins else 0
        return self._keys[start : start + KEYS_A_PART]


def qr_code(text: str) -> segno.QRCode:
    """Return the QR code of a registration key: never a Micro QR code, which hardly any phone reads."""
    return segno.make_qr(text, error="m")


def _symbols(keys: Iterable[RegistrationKey]) -> list[dict[str, Any]]:
    """Return the QR code of each key, to be drawn once and used on each label: its size, and the inside of an SVG."""
    symbols = []
    for key in keys:
        code = qr_code(key.text)
        width, height = code.symbol_size(scale=1, border=1)
        drawing: str = code.svg_inline(scale=1, border=1, omitsize=True)
        symbols.append({"id": key.pk, "view_box": f"0 0 {width} {height}", "inside": _safe(drawing)})
    return symbols


def _safe(drawing: str) -> SafeString:
    # Made of the key's squares alone by segno, with no text of anybody's in it.
    return mark_safe(drawing)  # noqa: S308
